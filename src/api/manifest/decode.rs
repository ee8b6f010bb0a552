//! Decoder of a tree into an object of the kind that it names, with every problem on the way.

use super::error::{BodyError, ManifestError, Problem, Source};
use super::reader::{Findings, Reader};
use super::tree::{Mark, Node, Value};
use super::version::{self, Meaning, Versions, nearest};
use super::yaml::Tree;
use super::{Document, may_hold_secret};
use crate::kind::{Kind, Object};
use std::sync::Arc;

/// At most this many problems of a document are reported, since each may cost another pass.
const PROBLEMS_MAX: usize = 20;

/// Treatment of unknown and duplicate fields in a request's body (`fieldValidation`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Strictness {
    /// Errors.
    #[default]
    Strict,
    /// Warnings.
    Warn,
    /// Neither errors nor warnings.
    Ignore,
}

/// A problem at one place of a tree.
struct Fault {
    mark: Mark,
    field: String,
    message: String,
}

/// The result of reading a tree as a kind.
struct Decoded {
    /// `None` if the tree is too far from the kind.
    object: Option<Object>,
    /// Values of a wrong type: always errors.
    mistyped: Vec<Fault>,
    /// Unknown and duplicate fields; the messages are Kubernetes', the hints ours.
    strict: Vec<(Fault, String)>,
}

/// Returns the items of a `List` or of a typed list such as `CronJobList`, and the kind of the
/// items of a typed list.
pub(super) fn list_items<'t, 's>(root: &'t Node<'s>) -> Option<(&'t [Node<'s>], Option<Kind>)> {
    let (api_version, kind) = (root.get("apiVersion")?.text()?, root.get("kind")?.text()?);
    let item_of = match (api_version, kind) {
        ("v1", "List") => None,
        _ => Some(version::list_of(api_version, kind)?),
    };
    match &root.get("items")?.value {
        Value::List(items) => Some((items, item_of)),
        Value::Null => Some((&[], item_of)),
        _ => None,
    }
}

/// Decodes a document of a file.
pub(super) fn document(
    root: &Node<'_>,
    item_of: Option<Kind>,
    has_duplicates: bool,
    source: Source<'_>,
    versions: Versions,
    name: Arc<str>,
) -> Result<Document, ManifestError> {
    let text = |field: &str| root.get(field).and_then(Node::text).unwrap_or_default();
    let object_name = root.get("metadata").and_then(|meta| meta.get("name")?.text());
    let secret = may_hold_secret(text("kind")) || item_of == Some(Kind::Secret);
    let fail = |faults: Vec<Fault>| {
        let problem =
            |fault: Fault| source.problem(fault.mark, &fault.field, fault.message, secret);
        let problems: Vec<Problem> = faults.into_iter().map(problem).collect();
        ManifestError {
            source: source.name.to_owned(),
            line: root.mark.line,
            kind: text("kind").to_owned(),
            name: object_name.unwrap_or_default().to_owned(),
            problems,
            is_unserved: version::is_unserved(text("apiVersion"), text("kind")),
        }
    };
    let meaning = kind_of(root, item_of, versions).map_err(|fault| fail(vec![fault]))?;
    let decoded = decode(root, meaning.kind, has_duplicates);
    let mut faults = decoded.mistyped;
    faults.extend(decoded.strict.into_iter().map(|(fault, hint)| {
        let message = format!("{}{hint}", fault.message);
        // The message names the field; its path says where.
        Fault { message, ..fault }
    }));
    faults.sort_by_key(|fault| (fault.mark.line, fault.mark.column));
    match decoded.object {
        Some(object) if faults.is_empty() => {
            let warnings = older_warning(text("apiVersion"), meaning).into_iter().collect();
            Ok(Document { object, source: name, line: root.mark.line, warnings })
        }
        _ => Err(fail(faults)),
    }
}

/// Decodes the body of a request for `kind`; returns the object and warnings.
pub(super) fn body(
    kind: Kind,
    tree: &Tree<'_>,
    strictness: Strictness,
) -> Result<(Object, Vec<String>), BodyError> {
    let info = kind.info();
    let meaning = kind_of(&tree.root, Some(kind), Versions::Served)
        .map_err(|fault| BodyError(fault.message))?;
    if meaning.kind != kind {
        return Err(BodyError(format!(
            "the object provided is unrecognized (must be of type {}): it is a {}",
            info.kind,
            meaning.kind.info().kind
        )));
    }
    let decoded = decode(&tree.root, kind, tree.has_duplicates);
    let unreadable = |why: String| {
        let (name, version) = (info.kind, info.version);
        let message = format!("{name} in version {version:?} cannot be handled as a {name}: {why}");
        Err(BodyError(message))
    };
    let told = |fault: &Fault| match fault.field.as_str() {
        "" => fault.message.clone(),
        field => format!("{field}: {}", fault.message),
    };
    let object = match decoded.object {
        Some(object) if decoded.mistyped.is_empty() => object,
        _ => return unreadable(decoded.mistyped.iter().map(told).collect::<Vec<_>>().join(", ")),
    };
    let strict: Vec<String> =
        decoded.strict.into_iter().map(|(fault, _)| by_path(&fault)).collect();
    match strictness {
        Strictness::Strict if !strict.is_empty() => {
            unreadable(format!("strict decoding error: {}", strict.join(", ")))
        }
        Strictness::Ignore => Ok((object, Vec::new())),
        Strictness::Warn | Strictness::Strict => Ok((object, strict)),
    }
}

/// Formats `unknown field "spec.bogus"`, as the API server does.
fn by_path(fault: &Fault) -> String {
    let what = if fault.message.starts_with("duplicate") { "duplicate" } else { "unknown" };
    format!("{what} field {:?}", fault.field)
}

fn kind_of(root: &Node<'_>, item_of: Option<Kind>, versions: Versions) -> Result<Meaning, Fault> {
    let fail = |mark: Mark, message: String| Err(Fault { mark, field: String::new(), message });
    if !matches!(root.value, Value::Map(_)) {
        let expected = "expected a mapping with apiVersion and kind";
        return fail(root.mark, format!("{expected}, found {}", root.noun()));
    }
    let (api_version, kind) = (root.get("apiVersion"), root.get("kind"));
    for (name, node) in [("apiVersion", api_version), ("kind", kind)] {
        match node {
            Some(Node { value: Value::Text(_), .. }) => {}
            Some(node) => {
                return fail(node.mark, format!("{name} is {}, not a string", node.noun()));
            }
            None if item_of.is_some() => {}
            None => return fail(root.mark, missing(root, name)),
        }
    }
    let of = item_of.map(Kind::info);
    let api_version = api_version
        .and_then(Node::text)
        .map_or_else(|| of.map(|of| of.api_version()).unwrap_or_default(), str::to_owned);
    let kind_name = kind.and_then(Node::text).unwrap_or(of.map_or("", |of| of.kind));
    let mark = kind.map_or(root.mark, |node| node.mark);
    version::meaning(&api_version, kind_name, versions).or_else(|message| fail(mark, message))
}

fn missing(root: &Node<'_>, name: &str) -> String {
    let Value::Map(entries) = &root.value else { unreachable!("checked to be a mapping") };
    let near = entries.iter().find(|entry| nearest(&entry.key, [name]).is_some());
    match near {
        Some(entry) => format!("{name} is not set: did you mean it by {:?}?", entry.key),
        None => format!("{name} is not set; a manifest has apiVersion and kind"),
    }
}

fn older_warning(api_version: &str, meaning: Meaning) -> Option<String> {
    let info = meaning.kind.info();
    meaning.is_older.then(|| {
        let (kind, present) = (info.kind, info.api_version());
        format!(
            "{api_version} {kind} is read as {present} {kind}: Kubernetes has removed {api_version}"
        )
    })
}

/// Reads the tree repeatedly, each time past the value that stopped the pass before.
fn decode(root: &Node<'_>, kind: Kind, has_duplicates: bool) -> Decoded {
    let mut mistyped = Vec::new();
    let mut skipped: Vec<*const ()> = Vec::new();
    loop {
        let findings = Findings { skipped: skipped.clone(), ..Findings::default() };
        let reader = Reader { node: root, findings: &findings, is_root: true };
        let result = kind.deserialize(reader);
        let strict = strict_faults(root, &findings, has_duplicates);
        let error = match result {
            Ok(mut object) => {
                if has_no_selector(root) {
                    object.note_missing_selector();
                }
                return Decoded { object: Some(object), mistyped, strict };
            }
            Err(error) => error,
        };
        let (field, mark) = root.find(error.node).unwrap_or((String::new(), root.mark));
        let message = match kind {
            // The value found may be a part of the secret.
            Kind::Secret => "not the type or form (data is base64) that this field has".to_owned(),
            _ => error.message,
        };
        mistyped.push(Fault { mark, field, message });
        let is_stuck = error.node.is_null() || skipped.contains(&error.node);
        if is_stuck || mistyped.len() == PROBLEMS_MAX {
            return Decoded { object: None, mistyped, strict };
        }
        skipped.push(error.node);
    }
}

/// True if `spec.selector` is absent, or null, which is the same.
fn has_no_selector(root: &Node<'_>) -> bool {
    let selector = root.get("spec").and_then(|spec| spec.get("selector"));
    selector.is_none_or(|selector| selector.value == Value::Null)
}

fn strict_faults(
    root: &Node<'_>,
    findings: &Findings<'_, '_>,
    has_duplicates: bool,
) -> Vec<(Fault, String)> {
    let mut faults = Vec::new();
    for unknown in findings.unknown.borrow().iter().take(PROBLEMS_MAX) {
        let key = &unknown.entry.key;
        let field = match root.find((&raw const unknown.entry.node).cast()) {
            Some((path, _)) => path,
            None => key.to_string(),
        };
        let hint = match nearest(key, unknown.known.iter().copied()) {
            Some(near) => format!(", did you mean {near:?}?"),
            None => String::new(),
        };
        let fault = Fault { mark: unknown.entry.mark, field, message: "unknown field".into() };
        faults.push((fault, hint));
    }
    if has_duplicates {
        root.duplicates("", &mut |field, mark| {
            if faults.len() < 2 * PROBLEMS_MAX {
                let message = "duplicate field: it is set above".to_owned();
                faults.push((Fault { mark, field, message }, String::new()));
            }
        });
    }
    faults
}
