//! The bodies of requests: read within bounds, decoded as strictly as the client asks.

use super::query::Query;
use cronlet_api::kind::{Kind, Object};
use cronlet_api::manifest::{self, Strictness};
use cronlet_api::refused::Refused;
use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use std::time::Duration;

/// As the API server limits a request's body.
pub(crate) const BYTES_MAX: usize = 3 * 1024 * 1024;
/// For a body to arrive.
const WAIT: Duration = Duration::from_secs(30);
/// Of a body that nobody wants, so much is taken nevertheless.
const DRAINED_BYTES_MAX: usize = 16 * 1024 * 1024;
const DRAIN_WAIT: Duration = Duration::from_secs(2);

/// Reads a body that is within the limit.
pub(crate) async fn read(body: &mut Incoming) -> Result<Bytes, Refused> {
    let late = || Refused::BadRequest("the body did not arrive in time".to_owned());
    tokio::time::timeout(WAIT, collect(body)).await.map_err(|_| late())?
}

async fn collect(body: &mut Incoming) -> Result<Bytes, Refused> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let broken = |e| Refused::BadRequest(format!("the body cannot be read: {e}"));
        if let Some(chunk) = frame.map_err(broken)?.data_ref() {
            if bytes.len() + chunk.len() > BYTES_MAX {
                return Err(Refused::TooLarge(BYTES_MAX));
            }
            bytes.extend_from_slice(chunk);
        }
    }
    Ok(bytes.into())
}

/// Takes what is left of a body, within bounds: a client that still sends would lose its answer if
/// the connection were closed on it.
pub(crate) async fn drain(body: &mut Incoming) {
    let take = async {
        let mut left = DRAINED_BYTES_MAX;
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(DRAIN_WAIT, take).await;
}

/// `fieldValidation`: what becomes of unknown and duplicate fields.
pub(crate) fn strictness(query: &Query) -> Result<Strictness, Refused> {
    match query.text("fieldValidation") {
        None | Some("Warn") => Ok(Strictness::Warn),
        Some("Ignore") => Ok(Strictness::Ignore),
        Some("Strict") => Ok(Strictness::Strict),
        Some(other) => Err(Refused::BadRequest(format!(
            "fieldValidation: Unsupported value: {other:?}: supported values: \"Ignore\", \
             \"Strict\", \"Warn\""
        ))),
    }
}

/// An object and what its client should be told.
pub(crate) struct Decoded {
    pub object: Object,
    pub warnings: Vec<String>,
}

/// Reads an object of the kind from JSON, or from YAML where the content type says so.
pub(crate) fn decode(
    kind: Kind,
    bytes: &[u8],
    content_type: &str,
    strictness: Strictness,
) -> Result<Decoded, Refused> {
    let (object, warnings) = match content_type.contains("yaml") {
        true => manifest::decode_yaml(kind, bytes, strictness)?,
        false => manifest::decode_json(kind, bytes, strictness)?,
    };
    Ok(Decoded { object, warnings })
}
