//! Answers: whole bodies, streamed bodies, and refusals as Kubernetes' `Status`.

use cronlet_api::kind::Object;
use cronlet_api::refused::Refused;
use hyper::body::{Bytes, Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

pub(crate) type Answer = Response<Body>;

/// What follows the headers.
pub(crate) enum Body {
    Whole(Option<Bytes>),
    /// Chunk by chunk until the sender is dropped.
    Stream(mpsc::Receiver<Bytes>),
}

/// So many chunks may wait for a slow client; then the one who writes them waits too.
const CHUNKS_WAITING_MAX: usize = 4;

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Body::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Body::Stream(chunks) => {
                chunks.poll_recv(context).map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Body::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Body::Stream(_) => SizeHint::new(),
        }
    }
}

pub(crate) fn json(code: StatusCode, body: impl Into<Bytes>) -> Answer {
    typed(code, "application/json", Body::Whole(Some(body.into())))
}

pub(crate) fn value(code: StatusCode, value: &impl serde::Serialize) -> Answer {
    json(code, serde_json::to_vec(value).expect("the API's own types always serialize"))
}

pub(crate) fn object(code: StatusCode, object: &Object) -> Answer {
    json(code, object.to_json())
}

pub(crate) fn text(body: impl Into<Bytes>) -> Answer {
    typed(StatusCode::OK, "text/plain; charset=utf-8", Body::Whole(Some(body.into())))
}

/// A body that a task writes through the sender; it learns from the sender when the client has
/// gone.
pub(crate) fn stream(content_type: &'static str) -> (mpsc::Sender<Bytes>, Answer) {
    let (sender, receiver) = mpsc::channel(CHUNKS_WAITING_MAX);
    (sender, typed(StatusCode::OK, content_type, Body::Stream(receiver)))
}

pub(crate) fn refusal(refused: &Refused) -> Answer {
    let code = StatusCode::from_u16(refused.code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    value(code, &refused.status())
}

pub(crate) fn typed(code: StatusCode, content_type: &'static str, body: Body) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = code;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// So many warnings are sent at most; a client prints each.
const WARNINGS_MAX: usize = 32;
const WARNING_CHARS_MAX: usize = 256;

/// Adds `Warning` headers as the API server writes them, which kubectl prints.
pub(crate) fn warn(answer: &mut Answer, warnings: &[String]) {
    for warning in warnings.iter().take(WARNINGS_MAX) {
        let plain = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
        let text: String = warning.chars().take(WARNING_CHARS_MAX).map(plain).collect();
        let text = text.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(header) = HeaderValue::from_str(&format!("299 - \"{text}\"")) {
            answer.headers_mut().append("warning", header);
        }
    }
}
