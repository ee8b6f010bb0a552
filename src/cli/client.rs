//! Speaks to the daemon: HTTP over its unix socket, one connection a request.

use super::failure::Failure;
use anyhow::{Context, anyhow};
use cronlet_api::kind::{Key, Kind};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use std::ops::ControlFlow;
use std::path::PathBuf;
use tokio::net::UnixStream;
use tokio::runtime::Runtime;

pub(crate) struct Client {
    socket: PathBuf,
    runtime: Runtime,
}

impl Client {
    pub(crate) fn new(socket: PathBuf) -> Result<Client, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("the client cannot start")?;
        Ok(Client { socket, runtime })
    }

    pub(crate) fn get(&self, path: &str) -> Result<Bytes, Failure> {
        self.send(Method::GET, path, "", Vec::new())
    }

    /// Reads what the daemon answers with as JSON.
    pub(crate) fn value(&self, path: &str) -> Result<serde_json::Value, Failure> {
        read_value(&self.get(path)?)
    }

    /// Sends a request and returns the body of the answer; warnings go to stderr.
    pub(crate) fn send(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<Bytes, Failure> {
        self.runtime.block_on(async {
            let answer = self.ask(method, path, content_type, body).await?;
            let body = answer.into_body().collect().await.context("the answer broke off")?;
            Ok(body.to_bytes())
        })
    }

    /// Hands over the answer chunk by chunk as it comes, until it ends or `take` breaks.
    pub(crate) fn stream(
        &self,
        path: &str,
        mut take: impl FnMut(&[u8]) -> Result<ControlFlow<()>, Failure>,
    ) -> Result<(), Failure> {
        self.runtime.block_on(async {
            let mut body = self.ask(Method::GET, path, "", Vec::new()).await?.into_body();
            while let Some(frame) = body.frame().await {
                let frame = frame.context("the answer broke off")?;
                if let Some(chunk) = frame.data_ref()
                    && take(chunk)?.is_break()
                {
                    break;
                }
            }
            Ok(())
        })
    }

    /// As [`Client::stream`], line by line.
    pub(crate) fn lines(
        &self,
        path: &str,
        mut take: impl FnMut(&[u8]) -> Result<ControlFlow<()>, Failure>,
    ) -> Result<(), Failure> {
        let mut rest: Vec<u8> = Vec::new();
        self.stream(path, |chunk| {
            rest.extend_from_slice(chunk);
            let mut start = 0;
            while let Some(length) = rest[start..].iter().position(|byte| *byte == b'\n') {
                if take(&rest[start..start + length])?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                start += length + 1;
            }
            rest.drain(..start);
            Ok(ControlFlow::Continue(()))
        })
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<Response<Incoming>, Failure> {
        let unreachable = |source| Failure::Unreachable { socket: self.socket.clone(), source };
        let stream = UnixStream::connect(&self.socket).await.map_err(unreachable)?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .context("the daemon does not speak HTTP")?;
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path).header("host", "cronlet");
        if !content_type.is_empty() {
            request = request.header("content-type", content_type);
        }
        let request = request.body(Full::new(Bytes::from(body))).context("a wrong request")?;
        let answer = sender.send_request(request).await.context("the daemon hung up")?;
        for warning in answer.headers().get_all("warning") {
            let text = warning.to_str().unwrap_or_default();
            eprintln!("Warning: {}", text.trim_start_matches("299 - ").trim_matches('"'));
        }
        if answer.status().is_success() {
            return Ok(answer);
        }
        let code = answer.status();
        let body = answer.into_body().collect().await.context("the answer broke off")?.to_bytes();
        match serde_json::from_slice::<Status>(&body) {
            Ok(status) => Err(Failure::Refused(Box::new(status))),
            Err(_) => Err(anyhow!("the daemon answered {code}").into()),
        }
    }
}

pub(crate) fn read_value(body: &[u8]) -> Result<serde_json::Value, Failure> {
    Ok(serde_json::from_slice(body).context("the daemon's answer is no JSON")?)
}

/// The URL of all objects of a kind, of one namespace or of all.
pub(crate) fn collection(kind: Kind, namespace: Option<&str>) -> String {
    let info = kind.info();
    let group = match info.group {
        "" => format!("/api/{}", info.version),
        group => format!("/apis/{group}/{}", info.version),
    };
    match namespace.filter(|_| !info.is_cluster_scoped) {
        Some(namespace) => format!("{group}/namespaces/{}/{}", escaped(namespace), info.plural),
        None => format!("{group}/{}", info.plural),
    }
}

pub(crate) fn object(key: &Key) -> String {
    format!("{}/{}", collection(key.kind, Some(&key.namespace)), escaped(&key.name))
}

/// Percent signs for all that has a meaning in a URL.
pub(crate) fn escaped(text: &str) -> String {
    let mut url = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                url.push(char::from(byte));
            }
            other => url.push_str(&format!("%{other:02X}")),
        }
    }
    url
}

/// A query from the pairs that have a value.
pub(crate) fn query(pairs: &[(&str, Option<String>)]) -> String {
    let mut url = String::new();
    for (name, value) in pairs {
        if let Some(value) = value {
            url.push(if url.is_empty() { '?' } else { '&' });
            url.push_str(&format!("{name}={}", escaped(value)));
        }
    }
    url
}
