//! `LabelSelector`: which rules it must keep, and which labels it matches.

use super::check::{Causes, Path};
use super::names;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use std::collections::BTreeMap;

type Labels = BTreeMap<String, String>;

/// Whether the selector picks an object with these labels. One without any requirement picks all;
/// one with an operator that [`check`] refuses picks none.
pub fn matches(selector: &LabelSelector, labels: &Labels) -> bool {
    let wanted = selector.match_labels.iter().flatten();
    let expressions = selector.match_expressions.iter().flatten();
    wanted.into_iter().all(|(key, value)| labels.get(key) == Some(value))
        && expressions.into_iter().all(|requirement| meets(requirement, labels))
}

/// Neither labels nor expressions: such a selector picks everything.
pub fn is_empty(selector: &LabelSelector) -> bool {
    selector.match_labels.iter().flatten().next().is_none()
        && selector.match_expressions.iter().flatten().next().is_none()
}

/// The rules of a `LabelSelector` in the field `at`.
pub fn check(selector: &LabelSelector, at: &Path<'_>, causes: &mut Causes) {
    if let Some(labels) = &selector.match_labels {
        check_labels(labels, &at.child("matchLabels"), causes);
    }
    for (i, requirement) in selector.match_expressions.iter().flatten().enumerate() {
        check_requirement(requirement, &at.child("matchExpressions").index(i), causes);
    }
}

/// The rules of `metadata.labels` or any other map of labels in the field `at`. All faults are the
/// map's own.
pub fn check_labels(labels: &Labels, at: &Path<'_>, causes: &mut Causes) {
    for (key, value) in labels {
        causes.invalid_each(at, key, names::qualified_name(key));
        causes.invalid_each(at, value, names::label_value(value));
    }
}

fn check_requirement(requirement: &LabelSelectorRequirement, at: &Path<'_>, causes: &mut Causes) {
    let is_bare = requirement.values.iter().flatten().next().is_none();
    match requirement.operator.as_str() {
        "In" | "NotIn" if is_bare => {
            let why = "must be specified when `operator` is 'In' or 'NotIn'";
            causes.required(&at.child("values"), why);
        }
        "Exists" | "DoesNotExist" if !is_bare => {
            let why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            causes.forbidden(&at.child("values"), why);
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
        other => causes.invalid(&at.child("operator"), other, "not a valid selector operator"),
    }
    let key = &requirement.key;
    causes.invalid_each(&at.child("key"), key, names::qualified_name(key));
    for (i, value) in requirement.values.iter().flatten().enumerate() {
        causes.invalid_each(&at.child("values").index(i), value, names::label_value(value));
    }
}

fn meets(requirement: &LabelSelectorRequirement, labels: &Labels) -> bool {
    let value = labels.get(&requirement.key);
    let is_listed = || requirement.values.iter().flatten().any(|one| Some(one) == value);
    match requirement.operator.as_str() {
        "In" => is_listed(),
        "NotIn" => !is_listed(),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn selector(json: serde_json::Value) -> LabelSelector {
        serde_json::from_value(json).expect("a selector")
    }

    fn expression(key: &str, operator: &str, values: &[&str]) -> serde_json::Value {
        let requirement = json!({"key": key, "operator": operator, "values": values});
        json!({"matchExpressions": [requirement]})
    }

    #[test]
    fn which_labels_match() {
        let check = |json: serde_json::Value, labels: &[(&str, &str)], want: bool| {
            let labels: Labels =
                labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            assert_eq!(matches(&selector(json.clone()), &labels), want, "{json} {labels:?}");
        };
        let expression = |operator: &str, values: &[&str]| expression("a", operator, values);
        check(json!({}), &[], true);
        check(json!({"matchLabels": {"a": "1"}}), &[("a", "1"), ("b", "2")], true);
        check(json!({"matchLabels": {"a": "1"}}), &[("a", "2")], false);
        check(json!({"matchLabels": {"a": "1"}}), &[], false);
        check(expression("In", &["1", "2"]), &[("a", "2")], true);
        check(expression("In", &["1"]), &[], false);
        check(expression("NotIn", &["1"]), &[], true);
        check(expression("NotIn", &["1"]), &[("a", "1")], false);
        check(expression("Exists", &[]), &[("a", "")], true);
        check(expression("Exists", &[]), &[], false);
        check(expression("DoesNotExist", &[]), &[], true);
        check(expression("Near", &[]), &[("a", "1")], false);
    }

    #[test]
    fn which_selectors_are_refused() {
        let check = |json: serde_json::Value, want: &[&str]| {
            let mut causes = Causes::default();
            super::check(&selector(json.clone()), &Path::root("s"), &mut causes);
            let found: Vec<String> =
                causes.found.iter().map(|c| format!("{} {:?}", c.field, c.reason)).collect();
            assert_eq!(found, want, "{json}");
        };
        check(json!({"matchLabels": {"a": "b"}}), &[]);
        check(json!({"matchLabels": {"a b": "c"}}), &["s.matchLabels Invalid"]);
        check(expression("a", "In", &[]), &["s.matchExpressions[0].values Required"]);
        check(expression("a", "Exists", &["b"]), &["s.matchExpressions[0].values Forbidden"]);
        check(expression("a", "Gt", &["1"]), &["s.matchExpressions[0].operator Invalid"]);
        check(expression("a b", "Exists", &[]), &["s.matchExpressions[0].key Invalid"]);
        check(expression("a", "In", &["b c"]), &["s.matchExpressions[0].values[0] Invalid"]);
    }
}
