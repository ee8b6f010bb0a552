//! The bodies of requests: read within bounds, decoded as strictly as the client asks.

use super::query::Query;
use crate::kinds::refused::Refused;
use crate::kinds::{Kind, Object};
use crate::manifest::{self, Strictness};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use std::time::Duration;

/// As the API server limits a request's body.
pub const BYTES_MAX: usize = 3 * 1024 * 1024;
/// For a body to arrive.
const WAIT: Duration = Duration::from_secs(30);

pub async fn read(body: Incoming) -> Result<Bytes, Refused> {
    let arrives = tokio::time::timeout(WAIT, Limited::new(body, BYTES_MAX).collect());
    match arrives.await {
        Err(_) => Err(Refused::BadRequest("the body did not arrive in time".to_owned())),
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refused::TooLarge(BYTES_MAX)),
        Ok(Err(error)) => Err(Refused::BadRequest(format!("the body cannot be read: {error}"))),
    }
}

/// `fieldValidation`: what becomes of unknown and duplicate fields.
pub fn strictness(query: &Query) -> Result<Strictness, Refused> {
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
pub struct Decoded {
    pub object: Object,
    pub warnings: Vec<String>,
}

/// Reads an object of the kind from JSON, or from YAML where the content type says so.
pub fn decode(
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
