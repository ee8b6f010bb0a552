//! Patches of documents: JSON Merge Patch (RFC 7396) and JSON Patch (RFC 6902), both bounded.

use serde_json::{Map, Value};

/// Why a patch cannot be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatchError {
    #[error("the patch is not a list of operations: {0}")]
    NotOperations(String),
    #[error("the operation {0:?} is not one of add, remove, replace, move, copy, test")]
    NoSuchOperation(String),
    #[error("{operation} operation needs {field:?}")]
    Lacks { operation: String, field: &'static str },
    #[error("{operation} operation does not apply: doc is missing path: {path}")]
    NoSuchPath { operation: String, path: String },
    #[error("testing value {0} failed")]
    TestFailed(String),
    #[error("a value cannot be moved into itself: {0}")]
    IntoItself(String),
    #[error("the allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {0}")]
    TooManyOperations(usize),
    #[error("a JSON patch may copy and move {COPIED_BYTES_MAX} bytes at most")]
    TooMuchCopied,
    #[error("a JSON patch may nest values {DEPTH_MAX} deep at most")]
    TooDeep,
    #[error("{0}")]
    Strategic(String),
}

/// As the API server limits it.
const OPERATIONS_MAX: usize = 10_000;
/// As the API server limits it: a patch that copies the document into itself doubles it each time.
const COPIED_BYTES_MAX: usize = 3 * 1024 * 1024;
/// What the JSON reader takes: a document beyond it could never be read again.
const DEPTH_MAX: usize = 120;

/// JSON Merge Patch: objects merge, null removes, anything else replaces.
pub(crate) fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(fields) = target else { unreachable!("made an object above") };
    for (name, change) in patch {
        if change.is_null() {
            fields.remove(&name);
        } else {
            merge(fields.entry(name).or_insert(Value::Null), change);
        }
    }
}

/// JSON Patch: a list of operations, each on one path.
pub(crate) fn json(target: &mut Value, patch: &Value) -> Result<(), PatchError> {
    let not = |found: &Value| PatchError::NotOperations(shortened(found));
    let operations = patch.as_array().ok_or_else(|| not(patch))?;
    if operations.len() > OPERATIONS_MAX {
        return Err(PatchError::TooManyOperations(operations.len()));
    }
    let mut budget = Budget { bytes: COPIED_BYTES_MAX };
    for operation in operations {
        let fields = operation.as_object().ok_or_else(|| not(operation))?;
        operate(target, fields, &mut budget)?;
    }
    Ok(())
}

fn operate(
    target: &mut Value,
    fields: &Map<String, Value>,
    budget: &mut Budget,
) -> Result<(), PatchError> {
    let operation = fields.get("op").and_then(Value::as_str).unwrap_or_default();
    let lacks = |field| PatchError::Lacks { operation: operation.to_owned(), field };
    let text = |field| fields.get(field).and_then(Value::as_str).ok_or_else(|| lacks(field));
    let value = || fields.get("value").cloned().ok_or_else(|| lacks("value"));
    let missing = |path: &str| PatchError::NoSuchPath {
        operation: operation.to_owned(),
        path: path.to_owned(),
    };
    let path = text("path")?;
    let done = match operation {
        "add" => {
            let value = value()?;
            check_depth(path, &measure(&value))?;
            add(target, path, value)
        }
        "remove" => remove(target, path).map(drop),
        "replace" => {
            let value = value()?;
            check_depth(path, &measure(&value))?;
            target.pointer_mut(path).map(|place| *place = value)
        }
        "move" => {
            let from = text("from")?;
            if path.strip_prefix(from).is_some_and(|rest| rest.starts_with('/')) {
                return Err(PatchError::IntoItself(path.to_owned()));
            }
            let moved = remove(target, from).ok_or_else(|| missing(from))?;
            budget.spend(path, &moved)?;
            add(target, path, moved)
        }
        "copy" => {
            let from = text("from")?;
            let copy = target.pointer(from).ok_or_else(|| missing(from))?;
            budget.spend(path, copy)?;
            let copy = copy.clone();
            add(target, path, copy)
        }
        "test" => {
            // A field that is not there equals null, as in the API server.
            let (found, wanted) = (target.pointer(path), value()?);
            if found.unwrap_or(&Value::Null) != &wanted {
                return Err(PatchError::TestFailed(path.to_owned()));
            }
            Some(())
        }
        other => return Err(PatchError::NoSuchOperation(other.to_owned())),
    };
    done.ok_or_else(|| missing(path))
}

/// What the copies and moves of one patch may still touch.
struct Budget {
    bytes: usize,
}

impl Budget {
    fn spend(&mut self, path: &str, value: &Value) -> Result<(), PatchError> {
        let measure = measure(value);
        self.bytes = self.bytes.checked_sub(measure.bytes).ok_or(PatchError::TooMuchCopied)?;
        check_depth(path, &measure)
    }
}

struct Measure {
    depth: usize,
    /// Roughly what it takes as JSON.
    bytes: usize,
}

fn check_depth(path: &str, value: &Measure) -> Result<(), PatchError> {
    let depth = path.matches('/').count() + value.depth;
    if depth > DEPTH_MAX { Err(PatchError::TooDeep) } else { Ok(()) }
}

fn measure(value: &Value) -> Measure {
    let mut whole = Measure { depth: 1, bytes: 8 };
    let mut take = |name_bytes: usize, part: &Value| {
        let part = measure(part);
        whole.depth = whole.depth.max(part.depth + 1);
        whole.bytes += name_bytes + part.bytes;
    };
    match value {
        Value::Array(items) => items.iter().for_each(|item| take(0, item)),
        Value::Object(fields) => fields.iter().for_each(|(name, part)| take(name.len(), part)),
        Value::String(text) => whole.bytes += text.len(),
        _ => {}
    }
    whole
}

fn add(target: &mut Value, path: &str, value: Value) -> Option<()> {
    if path.is_empty() {
        *target = value;
        return Some(());
    }
    let (parent, last) = split(path)?;
    match target.pointer_mut(parent)? {
        Value::Object(fields) => {
            fields.insert(last, value);
        }
        Value::Array(items) => {
            let at = if last == "-" { items.len() } else { index(&last)? };
            if at > items.len() {
                return None;
            }
            items.insert(at, value);
        }
        _ => return None,
    }
    Some(())
}

fn remove(target: &mut Value, path: &str) -> Option<Value> {
    let (parent, last) = split(path)?;
    match target.pointer_mut(parent)? {
        Value::Object(fields) => fields.remove(&last),
        Value::Array(items) => {
            let at = index(&last)?;
            (at < items.len()).then(|| items.remove(at))
        }
        _ => None,
    }
}

/// The parent's pointer, and the last token unescaped.
fn split(path: &str) -> Option<(&str, String)> {
    let at = path.rfind('/')?;
    Some((&path[..at], path[at + 1..].replace("~1", "/").replace("~0", "~")))
}

/// A position as RFC 6901 writes it: no sign, no leading zero.
fn index(token: &str) -> Option<usize> {
    let plain = token.bytes().all(|byte| byte.is_ascii_digit());
    if !plain || (token.len() > 1 && token.starts_with('0')) {
        return None;
    }
    token.parse().ok()
}

/// Enough of a value to recognise it.
fn shortened(value: &Value) -> String {
    value.to_string().chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json as j;

    #[test]
    fn merge_patch() {
        let check = |target: Value, patch: Value, want: Value| {
            let mut merged = target.clone();
            merge(&mut merged, patch.clone());
            assert_eq!(merged, want, "{target} with {patch}");
        };
        check(j!({"a": "b"}), j!({"a": "c"}), j!({"a": "c"}));
        check(j!({"a": "b", "b": "c"}), j!({"a": null}), j!({"b": "c"}));
        check(j!({"a": [1]}), j!({"a": [2, null]}), j!({"a": [2, null]}));
        check(j!({"a": {"b": "c"}}), j!({"a": {"b": "d", "c": null}}), j!({"a": {"b": "d"}}));
        check(j!({"a": "b"}), j!({"a": {"x": {"y": null}}}), j!({"a": {"x": {}}}));
        check(j!([1]), j!({"a": 1}), j!({"a": 1}));
        check(j!({"a": 1}), j!(null), j!(null));
    }

    #[test]
    fn json_patch() {
        let check = |patch: Value, want: Result<Value, &str>| {
            let mut patched = j!({"a": {"b": [1, 2]}, "c~/d": 3});
            let done = json(&mut patched, &patch).map(|()| patched);
            match (done, want) {
                (Ok(found), Ok(want)) => assert_eq!(found, want, "{patch}"),
                (Err(e), Err(want)) => assert!(e.to_string().contains(want), "{patch}: {e}"),
                (found, want) => panic!("{patch}: {found:?}, not {want:?}"),
            }
        };
        let one = |op: Value| Value::Array(vec![op]);
        let b = |items: Value| Ok(j!({"a": {"b": items}, "c~/d": 3}));
        check(one(j!({"op": "add", "path": "/a/b/1", "value": 9})), b(j!([1, 9, 2])));
        check(one(j!({"op": "add", "path": "/a/b/-", "value": 9})), b(j!([1, 2, 9])));
        check(one(j!({"op": "remove", "path": "/a/b/0"})), b(j!([2])));
        check(one(j!({"op": "replace", "path": "/a/b", "value": 0})), b(j!(0)));
        check(one(j!({"op": "test", "path": "/c~0~1d", "value": 3})), b(j!([1, 2])));
        check(one(j!({"op": "test", "path": "/none", "value": null})), b(j!([1, 2])));
        check(one(j!({"op": "move", "from": "/c~0~1d", "path": "/a/b"})), Ok(j!({"a": {"b": 3}})));
        check(one(j!({"op": "copy", "from": "/a/b/1", "path": "/a/b/0"})), b(j!([2, 1, 2])));
        check(one(j!({"op": "test", "path": "/a/b/0", "value": 2})), Err("testing value"));
        check(one(j!({"op": "add", "path": "/a/b/3", "value": 0})), Err("missing path"));
        check(one(j!({"op": "remove", "path": "/a/b/01"})), Err("missing path"));
        check(one(j!({"op": "remove", "path": ""})), Err("missing path"));
        check(one(j!({"op": "replace", "path": "/x", "value": 0})), Err("missing path"));
        check(one(j!({"op": "add", "path": "/x"})), Err("needs \"value\""));
        check(one(j!({"op": "move", "from": "/a", "path": "/a/b"})), Err("into itself"));
        check(one(j!({"op": "grow", "path": "/x"})), Err("not one of"));
        check(j!({"op": "add"}), Err("not a list"));
    }

    #[test]
    fn a_patch_cannot_blow_up_the_document() {
        let check = |target: Value, from: &str, path: &str, want: PatchError| {
            let copy = j!({"op": "copy", "from": from, "path": path});
            let done = json(&mut target.clone(), &Value::Array(vec![copy; 5_000]));
            assert_eq!(done, Err(want), "{path}");
        };
        check(j!({"a": ["x".repeat(1000)]}), "/a/0", "/a/-", PatchError::TooMuchCopied);
        check(j!({"a": 1}), "", "/a", PatchError::TooDeep);
        let mut target = j!({});
        let many = Value::Array(vec![j!({"op": "remove", "path": "/a"}); OPERATIONS_MAX + 1]);
        assert!(matches!(json(&mut target, &many), Err(PatchError::TooManyOperations(_))));
    }
}
