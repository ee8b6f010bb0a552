//! `grpc`, against a server of HTTP/2 that is not ours.

use cronlet_node::probes::{Answer, grpc};
use cronlet_plan::order::Address;
use http_body_util::BodyExt;
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::time::Duration;

type Frames = std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>;

/// An iterator as a body, all of it at hand.
struct Ready(Frames);

impl hyper::body::Body for Ready {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        std::task::Poll::Ready(self.0.next())
    }
}

fn status(code: &str, message: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("grpc-status", code.parse().expect("a value"));
    headers.insert("grpc-message", message.parse().expect("a value"));
    headers
}

/// Services by their names: what is up, what is down, and what is wrong otherwise.
async fn serve(request: Request<Incoming>) -> Result<Response<Ready>, Infallible> {
    assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
    assert_eq!(request.headers()["content-type"], "application/grpc");
    let body = request.into_body().collect().await.expect("a body").to_bytes();
    // After the prefix and the field's tag, its length takes a second byte from 128 on.
    let begin = if body.len() < 7 + 128 { 7 } else { 8 };
    let service = body.get(begin..).map(|name| String::from_utf8_lossy(name).into_owned());
    let answer = Response::builder().header("content-type", "application/grpc");
    let health = |number: u8| {
        let message = Bytes::copy_from_slice(&[0, 0, 0, 0, 2, 8, number]);
        vec![Ok(Frame::data(message)), Ok(Frame::trailers(status("0", "")))]
    };
    let (answer, frames) = match service.unwrap_or_default().as_str() {
        "" => (answer, health(1)),
        "down" => (answer, health(2)),
        "slow" => {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            (answer, health(1))
        }
        "none" => {
            (answer.header("grpc-status", "12").header("grpc-message", "no%20health"), vec![])
        }
        other => {
            let message = format!("unknown service {other}");
            (answer, vec![Ok(Frame::trailers(status("5", &message)))])
        }
    };
    Ok(answer.body(Ready(frames.into_iter())).expect("a response"))
}

async fn ask(service: &str, timeout: Duration) -> Answer {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let at = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        // The prober hangs up when it has its answer.
        let _ = builder.serve_connection(TokioIo::new(stream), service_fn(serve)).await;
    });
    let address = Address { host: at.ip().to_string(), port: at.port() };
    grpc::probe(&address, service, timeout).await
}

#[test]
fn the_health_service_answers() {
    let check = |service: &str, milliseconds: u64, want: Result<(), &str>| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let timeout = Duration::from_millis(milliseconds);
        let got = runtime.expect("a runtime").block_on(ask(service, timeout));
        let want = want.map_or_else(|why| Answer::Failed(why.into()), |()| Answer::Passed);
        assert_eq!(got, want, "{service:?}");
    };
    check("", 60_000, Ok(()));
    check("down", 60_000, Err("service unhealthy (responded with \"NOT_SERVING\")"));
    check("slow", 200, Err("timeout: health rpc did not complete within 200ms"));
    let none = "error: this server does not implement the grpc health protocol \
        (grpc.health.v1.Health): no health";
    check("none", 60_000, Err(none));
    let long = "x".repeat(400);
    let unknown = format!(
        "error: health rpc probe failed: rpc error: code = NotFound desc = unknown service {long}"
    );
    check(&long, 60_000, Err(&unknown));
}

#[test]
fn what_speaks_no_http2_fails() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let server = crate::server::Server::new(|_| crate::server::answer("200 OK", ""));
    let address = Address { host: server.at.ip().to_string(), port: server.at.port() };
    let asked = grpc::probe(&address, "", Duration::from_secs(60));
    let Answer::Failed(why) = runtime.expect("a runtime").block_on(asked) else {
        panic!("it passed");
    };
    assert!(why.starts_with("error: health rpc probe failed: "), "{why}");
}
