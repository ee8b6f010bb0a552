//! A refusal, as the API server words it: a `Status` with code, reason and causes.

use super::check::Cause;
use crate::kind::{Key, KindInfo};
use crate::manifest::{BodyError, ManifestError};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Status, StatusCause, StatusDetails};

/// Reason why a request was refused; each becomes a Kubernetes `Status`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// 400: the body cannot be read as its kind, or the query is wrong.
    #[error("{0}")]
    BadRequest(String),
    /// 403
    #[error("{0}")]
    Forbidden(String),
    /// 404 for an object.
    #[error("{} {:?} not found", resource(.0.kind.info()), .0.name)]
    NotFound(Key),
    /// 404 for a path.
    #[error("the server could not find the requested resource")]
    NoSuchPath,
    /// 405
    #[error("the server does not allow this method on the requested resource")]
    MethodNotAllowed,
    /// 409 on create.
    #[error("{} {:?} already exists", resource(.0.kind.info()), .0.name)]
    AlreadyExists(Key),
    /// 409 on update: another resourceVersion, or another uid.
    #[error(
        "Operation cannot be fulfilled on {} {:?}: {why}",
        resource(.key.kind.info()), .key.name
    )]
    Conflict { key: Key, why: String },
    /// 409 on delete: another resourceVersion, or another uid than its preconditions name.
    #[error("Operation cannot be fulfilled on {} {:?}: {why}", kind(.key.kind.info()), .key.name)]
    Precondition { key: Key, why: String },
    /// 410: a watch from a version that is no longer kept.
    #[error("too old resource version: {0}")]
    Gone(u64),
    /// 413
    #[error("Request entity too large: limit is {0} bytes")]
    TooLarge(usize),
    /// 415
    #[error("the body of the request was in an unknown format - accepted media types include: {0}")]
    UnsupportedMediaType(String),
    /// 422: the object breaks rules of its kind.
    #[error("{}", invalid_message(.kind, .name, .causes))]
    Invalid { kind: &'static KindInfo, name: String, causes: Vec<Cause> },
    /// 503: not now; the same request may be sent again later.
    #[error("{0}")]
    Unavailable(String),
    /// 500: a broken invariant.
    #[error("Internal error occurred: {0}")]
    Internal(String),
}

fn resource(info: &KindInfo) -> String {
    grouped(info.plural, info.group)
}

fn kind(info: &KindInfo) -> String {
    grouped(info.kind, info.group)
}

fn grouped(name: &str, group: &str) -> String {
    if group.is_empty() { name.to_owned() } else { format!("{name}.{group}") }
}

fn invalid_message(kind: &KindInfo, name: &str, causes: &[Cause]) -> String {
    let mut each: Vec<String> = Vec::new();
    for cause in causes {
        let told = format!("{}: {}", cause.field, cause.message);
        // Kubernetes' message has each once, though its causes may hold it twice.
        if !each.contains(&told) {
            each.push(told);
        }
    }
    let causes = if each.len() == 1 { each[0].clone() } else { format!("[{}]", each.join(", ")) };
    format!("{} {name:?} is invalid: {causes}", self::kind(kind))
}

impl From<BodyError> for Refused {
    fn from(error: BodyError) -> Refused {
        Refused::BadRequest(error.0)
    }
}

/// Converts an error to the API's answer, with the places in the message.
impl From<&ManifestError> for Refused {
    fn from(error: &ManifestError) -> Refused {
        Refused::BadRequest(error.to_string())
    }
}

impl Refused {
    /// Returns the HTTP status code.
    pub fn code(&self) -> u16 {
        match self {
            Refused::BadRequest(_) => 400,
            Refused::Forbidden(_) => 403,
            Refused::NotFound(_) | Refused::NoSuchPath => 404,
            Refused::MethodNotAllowed => 405,
            Refused::AlreadyExists(_) | Refused::Conflict { .. } | Refused::Precondition { .. } => {
                409
            }
            Refused::Gone(_) => 410,
            Refused::TooLarge(_) => 413,
            Refused::UnsupportedMediaType(_) => 415,
            Refused::Invalid { .. } => 422,
            Refused::Internal(_) => 500,
            Refused::Unavailable(_) => 503,
        }
    }

    /// Returns `Status.reason`.
    pub fn reason(&self) -> &'static str {
        match self {
            Refused::BadRequest(_) => "BadRequest",
            Refused::Forbidden(_) => "Forbidden",
            Refused::NotFound(_) | Refused::NoSuchPath => "NotFound",
            Refused::MethodNotAllowed => "MethodNotAllowed",
            Refused::AlreadyExists(_) => "AlreadyExists",
            Refused::Conflict { .. } | Refused::Precondition { .. } => "Conflict",
            Refused::Gone(_) => "Expired",
            Refused::TooLarge(_) => "RequestEntityTooLarge",
            Refused::UnsupportedMediaType(_) => "UnsupportedMediaType",
            Refused::Invalid { .. } => "Invalid",
            Refused::Internal(_) => "InternalError",
            Refused::Unavailable(_) => "ServiceUnavailable",
        }
    }

    /// Returns the `Status` that the API server sends.
    pub fn status(&self) -> Status {
        Status {
            code: Some(self.code().into()),
            details: self.details(),
            message: Some(self.to_string()),
            metadata: Default::default(),
            reason: Some(self.reason().to_owned()),
            status: Some("Failure".to_owned()),
        }
    }

    fn details(&self) -> Option<StatusDetails> {
        let (info, name, causes) = match self {
            Refused::NotFound(key)
            | Refused::AlreadyExists(key)
            | Refused::Conflict { key, .. }
            | Refused::Precondition { key, .. } => (key.kind.info(), &*key.name, &[][..]),
            Refused::Invalid { kind, name, causes } => (*kind, name.as_str(), causes.as_slice()),
            _ => return None,
        };
        let causes: Vec<StatusCause> = causes
            .iter()
            .map(|cause| StatusCause {
                field: Some(cause.field.clone()),
                message: Some(cause.message.clone()),
                reason: Some(cause.reason.name().to_owned()),
            })
            .collect();
        // Kubernetes names the kind for an invalid object and a precondition, and the resource for
        // the others.
        let names_kind = matches!(self, Refused::Precondition { .. }) || !causes.is_empty();
        let kind = if names_kind { info.kind } else { info.plural };
        Some(StatusDetails {
            causes: (!causes.is_empty()).then_some(causes),
            group: (!info.group.is_empty()).then(|| info.group.to_owned()),
            kind: Some(kind.to_owned()),
            name: Some(name.to_owned()),
            retry_after_seconds: None,
            uid: None,
        })
    }
}
