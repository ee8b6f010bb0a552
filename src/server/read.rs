//! GET: one object, or a list of them in pages.

use super::accept::Shape;
use super::backend::Backend;
use super::query::Query;
use super::response::{self, Answer};
use super::selector::Selector;
use cronlet_api::kind::{Key, Kind, Object};
use cronlet_api::refused::Refused;
use hyper::StatusCode;
use serde_json::{Value, json};

pub(crate) fn get(backend: &Backend, key: &Key, shape: Shape) -> Result<Answer, Refused> {
    let object = backend.reader.get(key).ok_or_else(|| Refused::NotFound(key.clone()))?;
    Ok(response::json(StatusCode::OK, shape.object(&object, true)))
}

/// A list, or the page of it that `limit` and `continue` ask for.
pub(crate) fn list(
    backend: &Backend,
    kind: Kind,
    namespace: Option<&str>,
    query: &Query,
    shape: Shape,
) -> Result<Answer, Refused> {
    let selector = selector(kind, query)?;
    let page = Page::parse(query)?;
    let (mut objects, version) = backend.reader.list(kind, namespace);
    backend.note_read(objects.len());
    check_version(query, version)?;
    objects.retain(|object| selector.matches(object));
    let (metadata, objects) = page.cut(objects, version, selector.is_empty());
    Ok(response::json(StatusCode::OK, shape.list(kind, &metadata, &objects)))
}

pub(crate) fn selector(kind: Kind, query: &Query) -> Result<Selector, Refused> {
    let labels = query.get("labelSelector").unwrap_or_default();
    let fields = query.get("fieldSelector").unwrap_or_default();
    Selector::parse(kind, labels, fields)
}

/// `resourceVersion` as a list and a watch take it: `None` for none, and 0 where any will do.
pub(crate) fn version_wanted(query: &Query) -> Result<Option<u64>, Refused> {
    let Some(text) = query.text("resourceVersion") else { return Ok(None) };
    let wrong = |_| Refused::BadRequest(format!("resourceVersion: Invalid value: {text:?}"));
    text.parse().map(Some).map_err(wrong)
}

/// The newest list answers `NotOlderThan`; an `Exact` one of the past is not kept.
fn check_version(query: &Query, version: u64) -> Result<(), Refused> {
    match (version_wanted(query)?, query.text("resourceVersionMatch")) {
        (None | Some(0), _) => Ok(()),
        (Some(wanted), Some("Exact")) if wanted != version => Err(Refused::Gone(wanted)),
        (Some(wanted), _) if wanted > version => Err(Refused::Gone(wanted)),
        _ => Ok(()),
    }
}

/// Which part of a list is wanted.
///
/// The pages of one list carry the resourceVersion of the first: what changes between two pages is
/// seen by the watch that follows from there, so that a client ends with the truth though no
/// snapshot is kept.
struct Page {
    limit: Option<usize>,
    after: Option<Token>,
}

/// `metadata.continue`: `<resourceVersion>/<namespace>/<name>` of the last object sent.
struct Token {
    version: u64,
    namespace: String,
    name: String,
}

impl Token {
    fn parse(text: &str) -> Option<Token> {
        let mut parts = text.splitn(3, '/');
        let version = parts.next()?.parse().ok()?;
        let mut part = || parts.next().map(str::to_owned);
        Some(Token { version, namespace: part()?, name: part()? })
    }
}

impl Page {
    fn parse(query: &Query) -> Result<Page, Refused> {
        let limit = query.number("limit")?.filter(|limit| *limit > 0);
        let read = |text: &str| {
            let wrong = || Refused::BadRequest("continue key is not valid".to_owned());
            Token::parse(text).ok_or_else(wrong)
        };
        let after = query.text("continue").map(read).transpose()?;
        let limit = limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(Page { limit, after })
    }

    /// The page's metadata and objects; `count`: say how many are left.
    fn cut(&self, mut objects: Vec<Object>, mut version: u64, count: bool) -> (Value, Vec<Object>) {
        if let Some(token) = &self.after {
            version = token.version;
            let last = (token.namespace.as_str(), token.name.as_str());
            objects.retain(|object| (object.namespace(), object.name()) > last);
        }
        let mut metadata = json!({ "resourceVersion": version.to_string() });
        let limit = self.limit.unwrap_or(usize::MAX);
        if objects.len() > limit {
            let last = &objects[limit - 1];
            metadata["continue"] = format!("{version}/{}/{}", last.namespace(), last.name()).into();
            if count {
                metadata["remainingItemCount"] = (objects.len() - limit).into();
            }
            objects.truncate(limit);
        }
        (metadata, objects)
    }
}

/// A list of the kind as JSON, such as a `PodList`.
pub(crate) fn listed(kind: Kind, metadata: &Value, objects: &[Object]) -> Vec<u8> {
    let info = kind.info();
    let head = format!(
        r#"{{"kind":"{}List","apiVersion":"{}","metadata":{metadata},"items":["#,
        info.kind,
        info.api_version(),
    );
    let mut body = head.into_bytes();
    for (i, object) in objects.iter().enumerate() {
        if i > 0 {
            body.push(b',');
        }
        serde_json::to_writer(&mut body, object).expect("Kubernetes' types always serialize");
    }
    body.extend_from_slice(b"]}");
    body
}
