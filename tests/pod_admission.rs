//! Pods as the API server takes or refuses them: each recorded Pod through `defaults` and `check`. Causes in
//! `metadata` are the object's, not the pod's, and compared elsewhere.

mod common;

use cronlet::kinds::pod::{check, defaults};
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

/// A cause as `field reason`.
type Causes = Vec<String>;

#[test]
fn pods_are_taken_and_refused_as_recorded() {
    let Some(path) = common::oracle("admission.jsonl") else { return };
    let text = std::fs::read_to_string(path).expect("the oracle is readable");
    let rows = text.lines().map(|line| serde_json::from_str(line).expect("a row is JSON"));
    let rows: Vec<Value> =
        rows.filter(|row: &Value| row["input"]["kind"] == "Pod" && row["code"] != 400).collect();
    let wrong: Vec<String> = rows.iter().filter_map(disagreement).collect();
    println!("pods: {} of {} rows agree", rows.len() - wrong.len(), rows.len());
    assert!(wrong.is_empty(), "{} rows disagree:\n{}", wrong.len(), wrong.join("\n"));
    assert!(rows.len() > 50, "the oracle holds too few pods: {}", rows.len());
}

fn disagreement(row: &Value) -> Option<String> {
    let mut pod: Pod = serde_json::from_value(row["input"].clone()).expect("a Pod");
    defaults::pod(&mut pod);
    let found = causes_found(&pod);
    let wanted = causes_wanted(row);
    if found != wanted {
        return Some(format!("{}: found {found:?}, wanted {wanted:?}", row["id"]));
    }
    if row["code"] != 201 {
        return None;
    }
    let mut made = serde_json::to_value(&pod).expect("a Pod is JSON");
    made["metadata"] = row["output"]["metadata"].clone();
    (made != row["output"]).then(|| format!("{}: {made}\n  not {}", row["id"], row["output"]))
}

fn causes_found(pod: &Pod) -> Causes {
    let found = check::pod(pod).found;
    sorted(found.iter().map(|cause| (cause.field.clone(), cause.reason.name().to_owned())))
}

fn causes_wanted(row: &Value) -> Causes {
    let text = |cause: &Value, key: &str| cause[key].as_str().unwrap_or_default().to_owned();
    let causes = row["error"]["causes"].as_array().cloned().unwrap_or_default();
    sorted(causes.iter().map(|cause| (text(cause, "field"), text(cause, "reason"))))
}

fn sorted(causes: impl Iterator<Item = (String, String)>) -> Causes {
    let specs = causes.filter(|(field, _)| !field.starts_with("metadata"));
    let mut sorted: Causes = specs.map(|(field, reason)| format!("{field} {reason}")).collect();
    sorted.sort();
    sorted
}

#[test]
fn plugins_refuse_what_this_cluster_lacks() {
    let check = |spec: Value, want: Option<&str>| {
        let pod: Pod = serde_json::from_value(json!({"metadata": {"name": "a"}, "spec": spec}))
            .expect("a Pod");
        let refusal = defaults::refusal(&pod).map(|refused| refused.to_string());
        let as_wanted = match (&refusal, want) {
            (Some(refusal), Some(want)) => refusal.contains(want),
            (found, want) => found.is_none() && want.is_none(),
        };
        assert!(as_wanted, "{spec}: {refusal:?}, not {want:?}");
    };
    check(json!({}), None);
    check(json!({"priority": 0}), None);
    check(json!({"priority": 7}), Some("must not be provided in pod spec"));
    check(json!({"priorityClassName": "system-node-critical"}), None);
    check(json!({"priorityClassName": "gold"}), Some("no PriorityClass with name gold was found"));
    check(json!({"preemptionPolicy": "Never"}), Some("must not be provided in pod spec"));
    check(json!({"overhead": {"cpu": "1"}}), Some("Pod Overhead set without"));
    check(json!({"runtimeClassName": "gvisor"}), Some("RuntimeClass \"gvisor\" not found"));
}
