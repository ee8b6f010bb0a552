//! Pods as the API server takes or refuses them: each recorded Pod through `defaults` and `check`.
//! Causes in `metadata` are the object's, not the pod's, and compared elsewhere.

mod common;

use cronlet_api::check::{Causes, Path};
use cronlet_api::kind::{Kind, Object};
use cronlet_api::manifest::{self, Strictness};
use cronlet_api::pod::{check, defaults};
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use serde_json::{Value, json};

#[test]
fn pods_are_taken_and_refused_as_recorded() {
    let rows = common::recording::<Value>("admission.jsonl").into_iter();
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
    defaults::prepare_create(&mut pod);
    let found = listed(&check::pod(&pod));
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

fn listed(causes: &Causes) -> Vec<String> {
    let found = causes.found.iter();
    sorted(found.map(|cause| (cause.field.clone(), cause.reason.name().to_owned())))
}

fn causes_wanted(row: &Value) -> Vec<String> {
    let text = |cause: &Value, key: &str| cause[key].as_str().unwrap_or_default().to_owned();
    let causes = row["error"]["causes"].as_array().cloned().unwrap_or_default();
    sorted(causes.iter().map(|cause| (text(cause, "field"), text(cause, "reason"))))
}

/// Each as `field reason`.
fn sorted(causes: impl Iterator<Item = (String, String)>) -> Vec<String> {
    let specs = causes.filter(|(field, _)| !field.starts_with("metadata"));
    let mut sorted: Vec<String> =
        specs.map(|(field, reason)| format!("{field} {reason}")).collect();
    sorted.sort();
    sorted
}

/// What the kinds around a template ask of it beyond the pod's own rules.
const RULES_OF_KINDS: [&str; 3] = [
    "spec.template.spec.activeDeadlineSeconds",
    "spec.template.spec.restartPolicy",
    "spec.template.metadata",
];

#[test]
fn templates_of_other_kinds_are_taken_and_refused_as_recorded() {
    let rows = common::recording::<Value>("admission.jsonl").into_iter();
    let has_template = |row: &Value| {
        let kinds = ["DaemonSet", "Deployment", "Job", "ReplicaSet", "StatefulSet"];
        row["code"] != 400 && kinds.iter().any(|kind| row["input"]["kind"] == *kind)
    };
    let rows: Vec<Value> = rows.filter(has_template).collect();
    let wrong: Vec<String> = rows.iter().filter_map(template_disagreement).collect();
    println!("templates: {} of {} rows agree", rows.len() - wrong.len(), rows.len());
    assert!(wrong.is_empty(), "{} rows disagree:\n{}", wrong.len(), wrong.join("\n"));
    assert!(rows.len() > 50, "the oracle holds too few templates: {}", rows.len());
}

fn template_disagreement(row: &Value) -> Option<String> {
    let given = row["input"]["spec"]["template"].clone();
    let given = if given.is_null() { json!({}) } else { given };
    let mut template: PodTemplateSpec = serde_json::from_value(given).expect("a template");
    defaults::template(&mut template);
    let mut found = Causes::default();
    let at = Path::root("spec");
    check::template(&template, &at.child("template"), &mut found);
    let of_pod = |causes: Vec<String>| -> Vec<String> {
        let is_ours = |cause: &String| {
            cause.starts_with("spec.template")
                && !RULES_OF_KINDS.iter().any(|field| cause.starts_with(field))
        };
        causes.into_iter().filter(is_ours).collect()
    };
    let found = of_pod(listed(&found));
    let mut wanted = of_pod(causes_wanted(row));
    // A Job's name becomes a label of its template when it is made.
    if row["input"]["kind"] == "Job" {
        wanted.retain(|cause| !cause.starts_with("spec.template.labels") || found.contains(cause));
    }
    if found != wanted {
        return Some(format!("{}: found {found:?}, wanted {wanted:?}", row["id"]));
    }
    if row["code"] != 201 {
        return None;
    }
    let made = serde_json::to_value(&template).expect("a template is JSON");
    let recorded = &row["output"]["spec"]["template"]["spec"];
    (made["spec"] != *recorded).then(|| format!("{}: {made}\n  not {recorded}", row["id"]))
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
    check(
        json!({"priorityClassName": "system-node-critical", "priority": 7}),
        Some("computed 2000001000"),
    );
    // The classes of a cluster are not known here: any name is taken.
    check(json!({"priorityClassName": "gold"}), None);
    check(json!({"priorityClassName": "gold", "priority": 7, "preemptionPolicy": "Never"}), None);
    check(json!({"preemptionPolicy": "Never"}), Some("must not be provided in pod spec"));
    check(json!({"overhead": {"cpu": "1"}}), Some("Pod Overhead set without"));
    check(json!({"runtimeClassName": "gvisor"}), None);
    check(json!({"runtimeClassName": "gvisor", "overhead": {"cpu": "1"}}), None);
}

#[test]
fn a_projected_token_is_of_an_account() {
    let check = |account: Value, source: Value, want: Value| {
        let volume = json!({"name": "t", "projected": {"sources": [source]}});
        let mut spec = json!({"containers": [{"name": "a", "image": "b"}], "volumes": [volume]});
        spec.as_object_mut().expect("a map").extend(account.as_object().expect("a map").clone());
        let json = json!({"metadata": {"name": "a"}, "spec": spec});
        let mut pod: Pod = serde_json::from_value(json).expect("a Pod");
        defaults::pod(&mut pod);
        let pod = serde_json::to_value(&pod).expect("a Pod is JSON");
        for field in ["serviceAccountName", "serviceAccount"] {
            assert_eq!(pod["spec"][field], want, "{account} {source}");
        }
    };
    let token = || json!({"serviceAccountToken": {"path": "token"}});
    check(json!({}), token(), json!("default"));
    check(json!({"serviceAccountName": "mine"}), token(), json!("mine"));
    check(json!({"serviceAccount": "mine"}), token(), json!("mine"));
    check(json!({}), json!({"configMap": {"name": "c"}}), json!(null));
}

#[test]
fn amounts_may_be_written_as_numbers() {
    let check = |amount: Value, want: Result<&str, &str>| {
        let resources = json!({"requests": {"cpu": amount}});
        let container = json!({"name": "a", "image": "b", "resources": resources});
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"},
            "spec": {"containers": [container]}});
        let body = pod.to_string();
        let decoded = manifest::decode_json(Kind::Pod, body.as_bytes(), Strictness::Strict);
        match (decoded, want) {
            (Ok((Object::Pod(pod), _)), Ok(want)) => {
                let mut pod = (*pod).clone();
                defaults::pod(&mut pod);
                let pod = serde_json::to_value(&pod).expect("a Pod is JSON");
                let found = &pod["spec"]["containers"][0]["resources"]["requests"]["cpu"];
                assert_eq!(found, want, "{amount}");
            }
            (Err(refused), Err(want)) => {
                assert!(refused.to_string().contains(want), "{amount}: {refused}");
            }
            (found, want) => panic!("{amount}: {found:?}, not {want:?}"),
        }
    };
    check(json!(1), Ok("1"));
    check(json!(0.5), Ok("500m"));
    check(json!(" 2 "), Ok("2"));
    check(json!(null), Ok("0"));
    check(json!("abc"), Err("quantities must match the regular expression"));
    check(json!("1K"), Err("unable to parse quantity's suffix"));
    check(json!(true), Err("expected a quantity"));
}
