//! `httpGet`: is the answer to a GET a good one? As the kubelet asks it.
//!
//! 200 to 399 is good. A redirect on the same host is followed, ten times at most; one that leads
//! to another host is not, and counts as good with a warning.

use super::tcp::{self, Shown};
use super::{Answer, tls};
use cronlet_plan::order::{Address, HttpGet};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderMap, HeaderName, HeaderValue, LOCATION};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

const BODY_BYTES_MAX: usize = 10 << 10;
const REDIRECTS_MAX: usize = 10;
/// Told to servers that log who asks.
const PROBE_AGENT: &str = concat!("kube-probe/1.36 cronlet/", env!("CARGO_PKG_VERSION"));
const HOOK_AGENT: &str = concat!("kube-lifecycle/1.36 cronlet/", env!("CARGO_PKG_VERSION"));

pub async fn probe(get: &HttpGet, timeout: Duration) -> Answer {
    let target = Target::of(get);
    let asked = follow(get, target.clone(), PROBE_AGENT);
    let asked = tokio::time::timeout(timeout, asked).await;
    let (status, body) = match asked {
        Ok(Ok(answer)) => answer,
        Ok(Err(answer)) => return answer,
        Err(_) => return Answer::Failed(format!("Get \"{}\": {LATE}", target.shown())),
    };
    match status.as_u16() {
        200..=299 => Answer::Passed,
        300..=399 => {
            let body = String::from_utf8_lossy(&body);
            Answer::Warned(format!("Probe terminated redirects, Response body: {body}"))
        }
        code => Answer::Failed(format!("HTTP probe failed with statuscode: {code}")),
    }
}

/// Asks as a hook, and waits for the answer: as in the kubelet its status is not looked at.
pub fn hook(get: &HttpGet) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| tcp::words(&error))?;
    match runtime.block_on(follow(get, Target::of(get), HOOK_AGENT)) {
        Ok(_) | Err(Answer::Passed | Answer::Warned(_)) => Ok(()),
        Err(Answer::Failed(why) | Answer::Errored(why)) => Err(why),
    }
}

const LATE: &str = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";

/// What is asked for, where.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    https: bool,
    address: Address,
    /// With the query.
    path: String,
}

impl Target {
    fn of(get: &HttpGet) -> Target {
        let path = get.path.split('#').next().unwrap_or_default();
        let slash = if path.starts_with('/') { "" } else { "/" };
        let (https, address) = (get.https, get.address.clone());
        Target { https, address, path: format!("{slash}{path}") }
    }

    fn scheme(&self) -> &'static str {
        if self.https { "https" } else { "http" }
    }

    fn shown(&self) -> String {
        format!("{}://{}{}", self.scheme(), Shown(&self.address), self.path)
    }

    /// Where a `Location` leads to, seen from here; `None`: it cannot be understood.
    fn join(&self, location: &str) -> Option<Target> {
        let location = location.split('#').next().unwrap_or_default();
        let absolute = match location.strip_prefix("//") {
            Some(_) => Some(format!("{}:{location}", self.scheme())),
            None => location.contains("://").then(|| location.to_owned()),
        };
        if let Some(absolute) = absolute {
            return Target::parse(&absolute);
        }
        let (here, _) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let path = match location.bytes().next() {
            None => self.path.clone(),
            Some(b'/') => location.to_owned(),
            Some(b'?') => format!("{here}{location}"),
            Some(_) => {
                let folder = here.rsplit_once('/').map_or("", |(folder, _)| folder);
                format!("{folder}/{location}")
            }
        };
        Some(Target { path: without_dots(&path), ..self.clone() })
    }

    fn parse(absolute: &str) -> Option<Target> {
        let uri: Uri = absolute.parse().ok()?;
        let https = match uri.scheme_str()? {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let address = Address { host: uri.host()?.to_owned(), port };
        Some(Target { https, address, path })
    }
}

/// A path whose `.` and `..` are resolved.
fn without_dots(path: &str) -> String {
    let (path, query) = path.split_once('?').map_or((path, None), |(p, q)| (p, Some(q)));
    let mut kept: Vec<&str> = Vec::new();
    let last = path.rsplit('/').next().unwrap_or_default();
    for segment in path.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            _ => kept.push(segment),
        }
    }
    if matches!(last, "." | "..") {
        kept.push("");
    }
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("/{}{query}", kept.join("/"))
}

type Got = Result<(StatusCode, Vec<u8>), Answer>;

/// Asks, and asks again where a redirect leads to the same host.
async fn follow(get: &HttpGet, first: Target, agent: &'static str) -> Got {
    let mut target = first.clone();
    let mut custom_host = host_header(get);
    for _ in 0..=REDIRECTS_MAX {
        let headers = headers(get, &target, custom_host.as_ref(), agent);
        let (response, body) = exchange(&target, headers).await?;
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let redirects = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
        let Some(location) = location.filter(|_| redirects) else {
            return Ok((response.status(), body));
        };
        let Some(next) = target.join(location) else {
            let shown = target.shown();
            let why = format!("Get \"{shown}\": failed to parse Location header {location:?}");
            return Err(Answer::Failed(why));
        };
        if tcp::bare(&next.address.host) != tcp::bare(&first.address.host) {
            return Ok((response.status(), body));
        }
        if location.contains("://") {
            custom_host = None;
        }
        target = next;
    }
    Err(Answer::Failed(format!("Get \"{}\": stopped after 10 redirects", target.shown())))
}

/// The `Host` that the user wants said.
fn host_header(get: &HttpGet) -> Option<HeaderValue> {
    let named = get.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
    named.and_then(|(_, value)| HeaderValue::from_str(value).ok())
}

fn headers(
    get: &HttpGet,
    target: &Target,
    host: Option<&HeaderValue>,
    agent: &'static str,
) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let default_port = if target.https { 443 } else { 80 };
    let own = Shown(&target.address).to_string();
    let short = own.strip_suffix(&format!(":{default_port}")).unwrap_or(&own);
    if let Some(host) = host.cloned().or_else(|| HeaderValue::from_str(short).ok()) {
        headers.insert(hyper::header::HOST, host);
    }
    for (name, value) in &get.headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value))
            && name != hyper::header::HOST
        {
            headers.append(name, value);
        }
    }
    let agent = HeaderValue::from_static(agent);
    headers.entry(hyper::header::USER_AGENT).or_insert(agent);
    headers.entry(hyper::header::ACCEPT).or_insert(HeaderValue::from_static("*/*"));
    // As the kubelet: an empty one is not sent at all.
    for name in [hyper::header::USER_AGENT, hyper::header::ACCEPT] {
        if headers.get(&name).is_some_and(HeaderValue::is_empty) {
            headers.remove(name);
        }
    }
    headers.insert(hyper::header::CONNECTION, HeaderValue::from_static("close"));
    headers
}

/// One question on a connection of its own.
async fn exchange(target: &Target, headers: HeaderMap) -> Result<(Response<()>, Vec<u8>), Answer> {
    let before = format!("Get \"{}\": ", target.shown());
    let stream = tcp::connect(&target.address).await.map_err(|error| error.answer(&before))?;
    let got = if target.https {
        match tls::connect(stream, tcp::bare(&target.address.host)).await {
            Ok(stream) => converse(stream, target, headers).await,
            Err(error) => Err(tcp::words(&error)),
        }
    } else {
        converse(stream, target, headers).await
    };
    got.map_err(|why| Answer::Failed(format!("{before}{why}")))
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    target: &Target,
    headers: HeaderMap,
) -> Result<(Response<()>, Vec<u8>), String> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(in_words)?;
    let mut request = Request::get(target.path.as_str())
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    *request.headers_mut() = headers;
    let talk = async {
        let response = sender.send_request(request).await.map_err(in_words)?;
        let (parts, body) = response.into_parts();
        Ok((Response::from_parts(parts, ()), beginning(body).await?))
    };
    let drive = async {
        // Its end, good or bad, shows in what was asked over it.
        let _ = connection.await;
        std::future::pending().await
    };
    tokio::select! { got = talk => got, never = drive => never }
}

/// The first bytes of the body: more is not waited for.
async fn beginning(mut body: Incoming) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(in_words)?.into_data() {
            let room = BODY_BYTES_MAX - bytes.len();
            bytes.extend_from_slice(&data[..data.len().min(room)]);
        }
        if bytes.len() == BODY_BYTES_MAX {
            break;
        }
    }
    Ok(bytes)
}

/// Hyper's error and what caused it.
fn in_words(error: hyper::Error) -> String {
    if error.is_incomplete_message() {
        return "EOF".into();
    }
    match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_leads_from_where_one_is() {
        let check = |location: &str, want: Option<&str>| {
            let address = Address { host: "127.1.2.3".into(), port: 8080 };
            let here = Target { https: false, address, path: "/a/b?c=d".into() };
            let got = here.join(location).map(|target| target.shown());
            assert_eq!(got.as_deref(), want, "{location}");
        };
        check("/x", Some("http://127.1.2.3:8080/x"));
        check("x?y=z#w", Some("http://127.1.2.3:8080/a/x?y=z"));
        check("../x", Some("http://127.1.2.3:8080/x"));
        check("../../../x/.", Some("http://127.1.2.3:8080/x/"));
        check("?y", Some("http://127.1.2.3:8080/a/b?y"));
        check("", Some("http://127.1.2.3:8080/a/b?c=d"));
        check("https://127.1.2.3/x", Some("https://127.1.2.3:443/x"));
        check("//other", Some("http://other:80/"));
        check("http://[::1]:81?x", Some("http://[::1]:81/?x"));
        check("ftp://other/", None);
    }
}
