//! Differences between two states of an object, field by field, in words for a line of a log.
//!
//! Only what a manifest says is compared: status and what the server writes are left out. Values
//! are shown where they are short and can hold no secret.

use super::cron_job::annotations;
use crate::kind::Object;
use serde_json::{Map, Value};

/// At most this many fields are named: the line is for a reader.
const FIELDS_MAX: usize = 5;

/// At most this many characters of a value are shown.
const VALUE_CHARS_MAX: usize = 60;

/// Fields under which people write passwords, in Secrets and elsewhere.
const UNSHOWN: [&str; 7] =
    ["data", "stringData", "binaryData", "env", "command", "args", "annotations"];

/// Fields that the server writes into `metadata`.
const OF_SERVER: [&str; 9] = [
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "ownerReferences",
    "finalizers",
];

/// Names each field that differs, such as `spec.schedule "0 3 * * *" -> "0 4 * * *"`.
pub fn difference(old: &Object, new: &Object) -> Vec<String> {
    let mut found = Vec::new();
    compare(&said(old), &said(new), "", true, &mut found);
    let more = found.len().saturating_sub(FIELDS_MAX);
    found.truncate(FIELDS_MAX);
    if more > 0 {
        found.push(format!("{more} more"));
    }
    found
}

fn said(object: &Object) -> Value {
    let mut value = serde_json::to_value(object).expect("Kubernetes' types always serialize");
    if let Some(fields) = value.as_object_mut() {
        fields.remove("status");
        if let Some(Value::Object(meta)) = fields.get_mut("metadata") {
            meta.retain(|name, _| !OF_SERVER.contains(&name.as_str()));
            if let Some(Value::Object(annotations)) = meta.get_mut("annotations") {
                annotations.retain(|name, _| !is_of_controller(name));
            }
            meta.retain(|_, value| value.as_object().is_none_or(|map| !map.is_empty()));
        }
    }
    value
}

/// True for annotations in which controllers keep their records.
fn is_of_controller(name: &str) -> bool {
    [annotations::IN_FORCE_SINCE, annotations::SKIPPED_UP_TO].contains(&name)
        || name.starts_with("deployment.kubernetes.io/")
}

fn compare(old: &Value, new: &Value, at: &str, is_shown: bool, found: &mut Vec<String>) {
    if old == new {
        return;
    }
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => compare_maps(old, new, at, is_shown, found),
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                compare(old, new, &format!("{at}[{index}]"), is_shown, found);
            }
        }
        _ if is_shown && is_plain(old) && is_plain(new) => {
            found.push(format!("{at} {} -> {}", shown(old), shown(new)));
        }
        _ => found.push(at.to_owned()),
    }
}

fn compare_maps(
    old: &Map<String, Value>,
    new: &Map<String, Value>,
    at: &str,
    is_shown: bool,
    found: &mut Vec<String>,
) {
    let added = new.keys().filter(|name| !old.contains_key(*name));
    for name in old.keys().chain(added) {
        let value = |of: &Map<String, Value>| of.get(name).cloned().unwrap_or_default();
        let at = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        let is_shown = is_shown && !UNSHOWN.contains(&name.as_str());
        compare(&value(old), &value(new), &at, is_shown, found);
    }
}

fn is_plain(value: &Value) -> bool {
    !value.is_object() && !value.is_array()
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => return "unset".to_owned(),
        value => value.to_string(),
    };
    match text.char_indices().nth(VALUE_CHARS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Kind;
    use serde_json::json;

    fn check(kind: Kind, old: Value, new: Value, want: &[&str]) {
        let object = |value: Value| kind.deserialize(value).expect("an object of its kind");
        assert_eq!(difference(&object(old), &object(new)), want);
    }

    #[test]
    fn fields_are_named_with_values_that_can_be_no_secret() {
        let pod = |container: Value| json!({"spec": {"containers": [container]}});
        let named = |name: &str| json!({"name": name, "image": "a"});
        check(Kind::Pod, pod(named("a")), pod(named("a")), &[]);
        let image = "spec.containers[0].image \"a\" -> \"b\"";
        check(Kind::Pod, pod(named("a")), pod(json!({"name": "a", "image": "b"})), &[image]);
        let with = |field: &str, value: Value| {
            let mut container = named("a");
            container[field] = value;
            pod(container)
        };
        let tty = "spec.containers[0].tty unset -> true";
        check(Kind::Pod, pod(named("a")), with("tty", json!(true)), &[tty]);
        let (old, new) = (json!(["login", "-p", "old"]), json!(["login", "-p", "new"]));
        check(Kind::Pod, with("args", old), with("args", new), &["spec.containers[0].args[2]"]);
        let env = |value: &str| with("env", json!([{"name": "PASSWORD", "value": value}]));
        check(Kind::Pod, env("old"), env("new"), &["spec.containers[0].env[0].value"]);
        check(
            Kind::Pod,
            json!({"metadata": {"labels": {"a": "1"}, "uid": "x"}, "status": {"phase": "Failed"}}),
            json!({"metadata": {"labels": {"a": "2"}, "uid": "y", "generation": 7}}),
            &["metadata.labels.a \"1\" -> \"2\""],
        );
        check(
            Kind::Secret,
            json!({"data": {"key": "b2xk"}}),
            json!({"data": {"key": "bmV3"}, "type": "x"}),
            &["data.key", "type unset -> \"x\""],
        );
    }

    #[test]
    fn a_line_stays_a_line() {
        let map = |count: usize, value: &str| {
            let labels = (0..count).map(|at| (format!("l{at}"), json!(value)));
            json!({"metadata": {"labels": labels.collect::<Map<_, _>>()}})
        };
        let object = |value: Value| Kind::ConfigMap.deserialize(value).expect("a ConfigMap");
        let found = difference(&object(map(9, "a")), &object(map(9, &"b".repeat(100))));
        assert_eq!((found.len(), found[5].as_str()), (FIELDS_MAX + 1, "4 more"));
        assert_eq!(found[0].len(), "metadata.labels.l0 \"a\" -> ".len() + 63);
    }
}
