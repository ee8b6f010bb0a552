//! Strategic merge patch: lists of named things merge by their key, as the tags on Kubernetes' own
//! types say.

use super::patch::PatchError;
use serde_json::{Map, Value};

/// Applies the patch. `target` and `patch` are objects of the same kind, or parts of them.
pub(crate) fn merge(target: &mut Value, patch: &Value) -> Result<(), PatchError> {
    let (Some(fields), Some(changes)) = (target.as_object_mut(), patch.as_object()) else {
        return Err(PatchError::Strategic("the patch must be an object".to_owned()));
    };
    merge_objects(fields, changes)
}

/// How a list merges. The tags `patchStrategy` and `patchMergeKey` of Kubernetes' types, by the
/// field's name; the names mean the same wherever they appear in the kinds that cronlet knows, but
/// for `ports`.
fn merge_keys(field: &str) -> &'static [&'static str] {
    match field {
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "env"
        | "volumes"
        | "imagePullSecrets"
        | "resourceClaims"
        | "secrets" => &["name"],
        "volumeMounts" => &["mountPath"],
        "volumeDevices" => &["devicePath"],
        // Containers list containerPorts, Services list ports.
        "ports" => &["containerPort", "port"],
        "hostAliases" | "podIPs" | "hostIPs" => &["ip"],
        "topologySpreadConstraints" => &["topologyKey"],
        "conditions" | "addresses" => &["type"],
        "ownerReferences" => &["uid"],
        _ => &[],
    }
}

/// Lists of plain values that merge as sets.
fn merges_as_set(field: &str) -> bool {
    field == "finalizers"
}

fn merge_objects(
    target: &mut Map<String, Value>,
    patch: &Map<String, Value>,
) -> Result<(), PatchError> {
    match patch.get("$patch").and_then(Value::as_str) {
        Some("replace") => {
            *target = without_directives(patch);
            return Ok(());
        }
        Some("delete") => {
            target.clear();
            return Ok(());
        }
        Some("merge") | None => {}
        Some(other) => return Err(strategic(format!("unknown patch type found: {other}"))),
    }
    retain(target, patch)?;
    for (name, change) in patch {
        if let Some(field) = name.strip_prefix("$deleteFromPrimitiveList/") {
            delete_from_list(target, field, change)?;
        } else if !name.starts_with('$') {
            merge_field(target, name, change)?;
        }
    }
    for (name, order) in patch {
        if let Some(field) = name.strip_prefix("$setElementOrder/") {
            sort(target, field, order)?;
        }
    }
    Ok(())
}

fn merge_field(
    target: &mut Map<String, Value>,
    name: &str,
    change: &Value,
) -> Result<(), PatchError> {
    if change.is_null() {
        target.remove(name);
        return Ok(());
    }
    match (target.get_mut(name), change) {
        (Some(Value::Object(fields)), Value::Object(changes)) => merge_objects(fields, changes),
        (Some(Value::Array(items)), Value::Array(changes)) => merge_lists(items, name, changes),
        (_, Value::Object(changes)) => {
            let mut fresh = Map::new();
            merge_objects(&mut fresh, changes)?;
            target.insert(name.to_owned(), Value::Object(fresh));
            Ok(())
        }
        (_, Value::Array(changes)) if !merge_keys(name).is_empty() => {
            let mut fresh = Vec::new();
            merge_lists(&mut fresh, name, changes)?;
            target.insert(name.to_owned(), Value::Array(fresh));
            Ok(())
        }
        _ => {
            target.insert(name.to_owned(), change.clone());
            Ok(())
        }
    }
}

fn merge_lists(items: &mut Vec<Value>, field: &str, changes: &[Value]) -> Result<(), PatchError> {
    if merges_as_set(field) {
        let fresh: Vec<Value> =
            changes.iter().filter(|one| !items.contains(one)).cloned().collect();
        items.extend(fresh);
        return Ok(());
    }
    let keys = merge_keys(field);
    let replaces = |one: &Value| directive(one) == Some("replace");
    if keys.is_empty() || changes.iter().any(replaces) {
        let is_plain = |one: &&Value| directive(one).is_none();
        *items = changes.iter().filter(is_plain).cloned().collect();
        return Ok(());
    }
    for change in changes {
        let (key, wanted) = keys
            .iter()
            .find_map(|key| change.get(key).map(|value| (*key, value)))
            .ok_or_else(|| {
                let key = keys[0];
                strategic(format!("map: {change} does not contain declared merge key: {key}"))
            })?;
        let at = items.iter().position(|item| item.get(key) == Some(wanted));
        match (at, directive(change)) {
            (_, Some("delete")) => items.retain(|item| item.get(key) != Some(wanted)),
            (Some(at), _) => merge(&mut items[at], change)?,
            (None, _) => {
                let mut fresh = Value::Object(Map::new());
                merge(&mut fresh, change)?;
                items.push(fresh);
            }
        }
    }
    Ok(())
}

fn directive(value: &Value) -> Option<&str> {
    value.get("$patch").and_then(Value::as_str)
}

/// `$retainKeys`: what is not listed goes, so that one of a union (a volume's type) can replace
/// another.
fn retain(target: &mut Map<String, Value>, patch: &Map<String, Value>) -> Result<(), PatchError> {
    let Some(kept) = patch.get("$retainKeys") else { return Ok(()) };
    let kept = kept.as_array().ok_or_else(|| strategic("$retainKeys must be a list".to_owned()))?;
    target.retain(|name, _| kept.iter().any(|one| one.as_str() == Some(name)));
    Ok(())
}

fn delete_from_list(
    target: &mut Map<String, Value>,
    field: &str,
    gone: &Value,
) -> Result<(), PatchError> {
    let must = || strategic(format!("$deleteFromPrimitiveList/{field} must be a list"));
    let gone = gone.as_array().ok_or_else(must)?;
    if let Some(items) = target.get_mut(field).and_then(Value::as_array_mut) {
        items.retain(|item| !gone.contains(item));
    }
    Ok(())
}

/// Puts the items that `order` names in that order; the rest stay behind them, in the order they
/// had.
fn sort(target: &mut Map<String, Value>, field: &str, order: &Value) -> Result<(), PatchError> {
    let must = || strategic(format!("$setElementOrder/{field} must be a list"));
    let order = order.as_array().ok_or_else(must)?;
    let keys = merge_keys(field);
    let same =
        |item: &Value, wanted: &Value| match keys.iter().find(|key| wanted.get(key).is_some()) {
            Some(key) => item.get(key) == wanted.get(key),
            None => item == wanted,
        };
    if let Some(items) = target.get_mut(field).and_then(Value::as_array_mut) {
        let place = |item: &Value| order.iter().position(|wanted| same(item, wanted));
        items.sort_by_cached_key(|item| place(item).unwrap_or(usize::MAX));
    }
    Ok(())
}

fn without_directives(patch: &Map<String, Value>) -> Map<String, Value> {
    let plain = patch.iter().filter(|(name, _)| !name.starts_with('$'));
    plain.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn strategic(why: String) -> PatchError {
    PatchError::Strategic(why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json as j;

    fn check(target: Value, patch: Value, want: Result<Value, &str>) {
        let mut merged = target;
        let done = merge(&mut merged, &patch).map(|()| merged);
        match (done, want) {
            (Ok(found), Ok(want)) => assert_eq!(found, want, "{patch}"),
            (Err(e), Err(want)) => assert!(e.to_string().contains(want), "{patch}: {e}"),
            (found, want) => panic!("{patch}: {found:?}, not {want:?}"),
        }
    }

    #[test]
    fn lists_merge_by_their_key() {
        let target = || j!({"containers": [{"name": "a", "image": "1"}, {"name": "b"}]});
        check(
            target(),
            j!({"containers": [{"name": "a", "image": "2"}, {"name": "c"}]}),
            Ok(j!({"containers": [{"name": "a", "image": "2"}, {"name": "b"}, {"name": "c"}]})),
        );
        check(
            target(),
            j!({"containers": [{"name": "a", "$patch": "delete"}]}),
            Ok(j!({"containers": [{"name": "b"}]})),
        );
        check(
            target(),
            j!({"containers": [{"name": "z"}, {"$patch": "replace"}]}),
            Ok(j!({"containers": [{"name": "z"}]})),
        );
        check(
            target(),
            j!({"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}),
            Ok(j!({"containers": [{"name": "b"}, {"name": "a", "image": "1"}]})),
        );
        check(target(), j!({"containers": [{"image": "2"}]}), Err("merge key: name"));
        check(
            j!({}),
            j!({"env": [{"name": "A", "value": "1", "x": null}]}),
            Ok(j!({"env": [{"name": "A", "value": "1"}]})),
        );
        check(j!({"command": ["a", "b"]}), j!({"command": ["c"]}), Ok(j!({"command": ["c"]})));
    }

    #[test]
    fn objects_obey_directives() {
        check(j!({"a": {"b": 1}}), j!({"a": {"c": 2}}), Ok(j!({"a": {"b": 1, "c": 2}})));
        check(j!({"a": {"b": 1}}), j!({"a": {"b": null}}), Ok(j!({"a": {}})));
        check(
            j!({"a": {"b": 1}}),
            j!({"a": {"$patch": "replace", "c": 2}}),
            Ok(j!({"a": {"c": 2}})),
        );
        check(j!({"a": {"b": 1}}), j!({"a": {"$patch": "delete"}}), Ok(j!({"a": {}})));
        check(j!({"a": {}}), j!({"a": {"$patch": "?"}}), Err("unknown patch type"));
        check(
            j!({"volumes": [{"name": "v", "emptyDir": {}}]}),
            j!({"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {}}]}),
            Ok(j!({"volumes": [{"name": "v", "hostPath": {}}]})),
        );
        check(
            j!({"finalizers": ["a", "b"]}),
            j!({"finalizers": ["b", "c"], "$deleteFromPrimitiveList/finalizers": ["a"]}),
            Ok(j!({"finalizers": ["b", "c"]})),
        );
        check(j!({}), j!([]), Err("must be an object"));
    }
}
