//! `grpc`: what does the standard health service say? One `grpc.health.v1.Health/Check` over
//! HTTP/2 in the clear.

use super::Answer;
use super::frames::{self, Frame};
use super::tcp::{self, Shown};
use crate::kinds::pod::observed::Address;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// No table of headers, no pushes, and one stream: ours.
const OUR_SETTINGS: [u8; 12] = [0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0];
const STREAM: u32 = 1;
/// An answer of health is a few bytes, its headers are few.
const ANSWER_BYTES_MAX: usize = 64 << 10;

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
        Ok(Ok(Err(error))) => Answer::Failed(format!("error: health rpc probe failed: {error}")),
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
    body: Vec<u8>,
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

    fn take_headers(&mut self, block: &[u8]) -> Result<(), frames::Broken> {
        for (name, value) in frames::headers(block)? {
            match name.as_str() {
                ":status" => self.http = value,
                "grpc-status" => self.code = value.parse().ok().or(Some(2)),
                "grpc-message" => self.message = percent_decoded(&value),
                _ => {}
            }
        }
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
enum CallError {
    #[error("{}", tcp::words(.0))]
    Io(#[from] io::Error),
    #[error("not HTTP/2: {0}")]
    Frames(#[from] frames::Broken),
    #[error("the server gave the call up (error {0})")]
    Reset(u32),
    #[error("the answer is longer than an answer of health")]
    Long,
}

/// Asks, and reads until the answer is whole.
async fn check(mut stream: TcpStream, authority: &str, service: &str) -> Result<Reply, CallError> {
    stream.write_all(&question(authority, service)).await?;
    let (mut reply, mut block, mut left) = (Reply::default(), Vec::new(), ANSWER_BYTES_MAX);
    let mut ends = false;
    loop {
        let frame = read(&mut stream).await?;
        left = left.checked_sub(frame.payload.len() + 1).ok_or(CallError::Long)?;
        match frame.kind {
            frames::SETTINGS | frames::PING if frame.flags & frames::ACK == 0 => {
                let echo: &[u8] = if frame.kind == frames::PING { &frame.payload } else { &[] };
                stream.write_all(&frames::frame(frame.kind, frames::ACK, 0, echo)).await?;
            }
            frames::GO_AWAY => return Err(CallError::Reset(error_code(&frame.payload, 4))),
            _ if frame.stream != STREAM => {}
            frames::RST_STREAM => return Err(CallError::Reset(error_code(&frame.payload, 0))),
            frames::DATA => {
                reply.body.extend_from_slice(frame.content()?);
                ends = frame.flags & frames::END_STREAM != 0;
            }
            frames::HEADERS | frames::CONTINUATION => {
                block.extend_from_slice(frame.content()?);
                let last = frame.kind == frames::HEADERS && frame.flags & frames::END_STREAM != 0;
                ends |= last;
                if frame.flags & frames::END_HEADERS == 0 {
                    continue;
                }
                reply.take_headers(&std::mem::take(&mut block))?;
            }
            _ => {}
        }
        if ends {
            return Ok(reply);
        }
    }
}

/// All that is said, in one piece.
fn question(authority: &str, service: &str) -> Vec<u8> {
    let headers = frames::block(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/grpc.health.v1.Health/Check"),
        (":authority", authority),
        ("content-type", "application/grpc"),
        ("user-agent", concat!("kube-probe/1.36 cronlet/", env!("CARGO_PKG_VERSION"))),
        ("te", "trailers"),
    ]);
    // HealthCheckRequest: its first field is the service's name.
    let mut request = Vec::new();
    if !service.is_empty() {
        request.push(0x0a);
        put_varint(service.len(), &mut request);
        request.extend_from_slice(service.as_bytes());
    }
    let length = u32::try_from(request.len()).expect("a service's name is short");
    let message = [&[0][..], &length.to_be_bytes(), &request].concat();
    [
        PREFACE.to_vec(),
        frames::frame(frames::SETTINGS, 0, 0, &OUR_SETTINGS),
        frames::frame(frames::HEADERS, frames::END_HEADERS, STREAM, &headers),
        frames::frame(frames::DATA, frames::END_STREAM, STREAM, &message),
    ]
    .concat()
}

fn put_varint(mut number: usize, bytes: &mut Vec<u8>) {
    while number >= 128 {
        bytes.push((number % 128) as u8 | 128);
        number /= 128;
    }
    bytes.push(number as u8);
}

async fn read(stream: &mut TcpStream) -> Result<Frame, CallError> {
    let mut head = [0; frames::HEADER_BYTES];
    stream.read_exact(&mut head).await?;
    let (length, kind, flags, stream_id) = frames::head(&head)?;
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await?;
    Ok(Frame { kind, flags, stream: stream_id, payload })
}

fn error_code(payload: &[u8], at: usize) -> u32 {
    payload
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .map_or(0, |code| u32::from_be_bytes(*code))
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
            let reply = Reply { http, code, message, body: [&[0; 5], body].concat() };
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
