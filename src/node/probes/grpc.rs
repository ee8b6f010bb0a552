//! `grpc`: what does the standard health service say? One `grpc.health.v1.Health/Check` over
//! HTTP/2 in the clear.

use super::Answer;
use super::tcp::{self, Shown};
use cronlet_plan::order::Address;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{HeaderMap, Request};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::time::Duration;
use tokio::net::TcpStream;

const USER_AGENT: &str = concat!("kube-probe/1.36 cronlet/", env!("CARGO_PKG_VERSION"));
/// An answer of health is a few bytes.
const ANSWER_BYTES_MAX: usize = 16 << 10;

const DEADLINE_EXCEEDED: u32 = 4;
const UNIMPLEMENTED: u32 = 12;

pub async fn probe(address: &Address, service: &str, timeout: Duration) -> Answer {
    let shown = Shown(address).to_string();
    let asked = tokio::time::timeout(timeout, async {
        let stream = tcp::connect(address).await.map_err(|error| {
            error.answer(&format!("error: failed to connect service at {shown:?}: "))
        })?;
        Ok(check(stream, &shown, service).await)
    });
    match asked.await {
        Ok(Err(answer)) => answer,
        Ok(Ok(Err(error))) => {
            Answer::Failed(format!("error: health rpc probe failed: {}", in_words(&*error)))
        }
        Ok(Ok(Ok(reply))) => reply.answer(timeout),
        Err(_) => Answer::Failed(late(timeout)),
    }
}

fn late(timeout: Duration) -> String {
    format!("timeout: health rpc did not complete within {timeout:?}")
}

/// What came back.
#[derive(Debug, Default, PartialEq, Eq)]
struct Reply {
    /// `:status` of HTTP.
    http: String,
    /// `grpc-status` and `grpc-message`.
    code: Option<u32>,
    message: String,
    /// The response message, after its prefix of five bytes.
    body: Bytes,
}

impl Reply {
    fn answer(&self, timeout: Duration) -> Answer {
        let message = &self.message;
        let failed = |why: String| Answer::Failed(why);
        match self.code {
            Some(0) => {}
            Some(DEADLINE_EXCEEDED) => return failed(late(timeout)),
            Some(UNIMPLEMENTED) => {
                return failed(format!(
                    "error: this server does not implement the grpc health protocol \
                     (grpc.health.v1.Health): {message}"
                ));
            }
            Some(code) => {
                let code = code_name(code);
                return failed(format!(
                    "error: health rpc probe failed: rpc error: code = {code} desc = {message}"
                ));
            }
            None if self.http != "200" => {
                let http = &self.http;
                return failed(format!("error: health rpc probe failed: HTTP status {http:?}"));
            }
            None => return failed("error: health rpc probe failed: no grpc-status".into()),
        }
        match serving_status(&self.body) {
            1 => Answer::Passed,
            other => {
                let names = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
                let number = other.to_string();
                let name = names.get(other as usize).copied().unwrap_or(&number);
                failed(format!("service unhealthy (responded with {name:?})"))
            }
        }
    }

    /// `grpc-status` comes after the message, or in its place.
    fn take_status(&mut self, headers: &HeaderMap) {
        let text = |name: &str| Some(headers.get(name)?.to_str().unwrap_or_default());
        if let Some(code) = text("grpc-status") {
            self.code = Some(code.parse().unwrap_or(UNKNOWN));
        }
        if let Some(message) = text("grpc-message") {
            self.message = percent_decoded(message);
        }
    }
}

const UNKNOWN: u32 = 2;

type CallError = Box<dyn std::error::Error + Send + Sync>;

/// Asks, and reads until the answer is whole.
async fn check(stream: TcpStream, authority: &str, service: &str) -> Result<Reply, CallError> {
    let io = TokioIo::new(stream);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await?;
    let talk = async {
        let response = sender.send_request(question(authority, service)?).await?;
        let mut reply = Reply { http: response.status().as_str().into(), ..Reply::default() };
        reply.take_status(response.headers());
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await?;
        if let Some(trailers) = body.trailers() {
            reply.take_status(trailers);
        }
        reply.body = body.to_bytes();
        Ok(reply)
    };
    let drive = async {
        // Its end, good or bad, shows in what was asked over it.
        let _ = connection.await;
        std::future::pending().await
    };
    tokio::select! { got = talk => got, never = drive => never }
}

fn question(authority: &str, service: &str) -> hyper::http::Result<Request<Full<Bytes>>> {
    // HealthCheckRequest: its first field is the service's name.
    let mut request = Vec::new();
    if !service.is_empty() {
        request.push(0x0a);
        put_varint(service.len(), &mut request);
        request.extend_from_slice(service.as_bytes());
    }
    let length = u32::try_from(request.len()).expect("a service's name is short");
    let message = [&[0][..], &length.to_be_bytes(), &request].concat();
    Request::post(format!("http://{authority}/grpc.health.v1.Health/Check"))
        .header("content-type", "application/grpc")
        .header("user-agent", USER_AGENT)
        .header("te", "trailers")
        .body(Full::from(message))
}

fn put_varint(mut number: usize, bytes: &mut Vec<u8>) {
    while number >= 128 {
        bytes.push((number % 128) as u8 | 128);
        number /= 128;
    }
    bytes.push(number as u8);
}

/// With what is behind it.
fn in_words(error: &(dyn std::error::Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// HealthCheckResponse: `status`, its first field, which is 0 where it is not written.
fn serving_status(body: &[u8]) -> u64 {
    let Some(message) = body.get(5..) else { return 0 };
    match message {
        [0x08, rest @ ..] => {
            let digits = rest.iter().take(9).enumerate();
            let mut value = 0;
            for (at, byte) in digits {
                value |= u64::from(byte & 127) << (7 * at);
                if byte & 128 == 0 {
                    break;
                }
            }
            value
        }
        _ => 0,
    }
}

/// `grpc-message` as it was before it was made fit for a header.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, more)) = rest.split_first() {
        rest = more;
        let digits = if first == b'%' { more.get(..2) } else { None };
        let digits = digits.and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &more[2..];
            }
            None => bytes.push(first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn code_name(code: u32) -> String {
    let names = [
        "OK",
        "Canceled",
        "Unknown",
        "InvalidArgument",
        "DeadlineExceeded",
        "NotFound",
        "AlreadyExists",
        "PermissionDenied",
        "ResourceExhausted",
        "FailedPrecondition",
        "Aborted",
        "OutOfRange",
        "Unimplemented",
        "Internal",
        "Unavailable",
        "DataLoss",
        "Unauthenticated",
    ];
    names.get(code as usize).map_or_else(|| format!("Code({code})"), |name| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_an_answer() {
        let check = |status: &str, code: Option<u32>, body: &[u8], want: Result<(), &str>| {
            let (http, message) = (status.to_owned(), percent_decoded("a%20b%zz%"));
            let framed = [&[0; 5], body].concat().into();
            let reply = Reply { http, code, message, body: framed };
            let got = match reply.answer(Duration::from_secs(2)) {
                Answer::Passed => Ok(()),
                Answer::Failed(why) => Err(why),
                other => panic!("{other:?}"),
            };
            assert_eq!(got, want.map_err(str::to_owned), "{status:?} {code:?} {body:?}");
        };
        check("200", Some(0), &[8, 1], Ok(()));
        let unhealthy = |name: &str| format!("service unhealthy (responded with {name:?})");
        check("200", Some(0), &[8, 2], Err(&unhealthy("NOT_SERVING")));
        check("200", Some(0), &[], Err(&unhealthy("UNKNOWN")));
        check("200", Some(0), &[8, 129, 1], Err(&unhealthy("129")));
        let rpc = "error: health rpc probe failed: rpc error: code = NotFound desc = a b%zz%";
        check("200", Some(5), &[], Err(rpc));
        let none = "error: this server does not implement the grpc health protocol \
             (grpc.health.v1.Health): a b%zz%";
        check("200", Some(12), &[], Err(none));
        check("200", Some(4), &[], Err("timeout: health rpc did not complete within 2s"));
        check("404", None, &[], Err("error: health rpc probe failed: HTTP status \"404\""));
        check("200", None, &[8, 1], Err("error: health rpc probe failed: no grpc-status"));
    }
}
