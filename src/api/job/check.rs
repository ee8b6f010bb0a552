//! The rules of a Job (Kubernetes' `ValidateJob` and `ValidateJobUpdate`).

use super::defaults::{CONTROLLER_UID, JOB_NAME, LEGACY_CONTROLLER_UID, LEGACY_JOB_NAME};
use super::{conditions, policies};
use crate::check::{Causes, Path};
use crate::meta::{immutable, nonnegative};
use crate::omitempty::{items, items_mut};
use crate::{names, pod, selector};
use k8s_openapi::api::batch::v1::{Job, JobSpec, JobStatus};
use k8s_openapi::api::core::v1::{Affinity, Container, PodTemplateSpec};
use std::collections::BTreeMap;

const MANAGED_BY_LENGTH_MAX: usize = 63;
const INDEXED_PARALLELISM_MAX: i32 = 100_000;
const FAILED_INDEXES_MAX: i32 = 100_000;
/// With more completions and a limit for each index, the two limits below hold.
const MANY_COMPLETIONS: i32 = 100_000;
const MANY_COMPLETIONS_PARALLELISM_MAX: i32 = 10_000;
const MANY_COMPLETIONS_FAILED_INDEXES_MAX: i32 = 10_000;

const INDEXED: &str = "Indexed";

/// The rules of a new Job, after its defaults; those of `metadata` are checked elsewhere.
pub fn create(job: &Job, causes: &mut Causes) {
    let Some(spec) = &job.spec else { return };
    let at = Path::root("spec");
    check_generated_selector(job, spec, &at, causes);
    check_spec(spec, &at, causes);
    check_host_name(job, spec, causes);
}

/// The rules of a change, after [`super::defaults::set`] and `prepare_update`.
pub fn update(old: &Job, new: &Job, causes: &mut Causes) {
    let (Some(had), Some(spec)) = (&old.spec, &new.spec) else { return };
    let at = Path::root("spec");
    check_spec(spec, &at, causes);
    check_completions(had, spec, &at.child("completions"), causes);
    immutable(&had.selector, &spec.selector, &at.child("selector"), causes);
    check_template(old, had, &spec.template, &at.child("template"), causes);
    let field = |name| at.child(name);
    immutable(&had.completion_mode, &spec.completion_mode, &field("completionMode"), causes);
    immutable(
        &had.pod_failure_policy,
        &spec.pod_failure_policy,
        &field("podFailurePolicy"),
        causes,
    );
    let (old_limit, new_limit) = (&had.backoff_limit_per_index, &spec.backoff_limit_per_index);
    immutable(old_limit, new_limit, &field("backoffLimitPerIndex"), causes);
    immutable(&had.managed_by, &spec.managed_by, &field("managedBy"), causes);
    immutable(&had.success_policy, &spec.success_policy, &field("successPolicy"), causes);
}

/// The rules of `status`: counts are not negative.
pub fn status(job: &Job, causes: &mut Causes) {
    let Some(status) = &job.status else { return };
    let at = Path::root("status");
    for (field, count) in [
        ("active", status.active),
        ("succeeded", status.succeeded),
        ("failed", status.failed),
        ("ready", status.ready),
        ("terminating", status.terminating),
    ] {
        nonnegative(count, &at.child(field), causes);
    }
}

/// The rules that a Job and the template of a CronJob share (`validateJobSpec`).
pub fn common_spec(spec: &JobSpec, at: &Path<'_>, causes: &mut Causes) {
    check_numbers(spec, at, causes);
    if let Some(manager) = &spec.managed_by {
        check_managed_by(manager, &at.child("managedBy"), causes);
    }
    check_completion_mode(spec, at, causes);
    if let Some(policy) = &spec.pod_failure_policy {
        let at = at.child("podFailurePolicy");
        policies::check_pod_failure_policy(spec, policy, &at, causes);
    }
    if let Some(policy) = &spec.success_policy {
        let at = at.child("successPolicy");
        if spec.completion_mode.as_deref() == Some(INDEXED) {
            policies::check_success_policy(spec, policy, &at, causes);
        } else {
            causes.invalid(&at, policy, "requires indexed completion mode");
        }
    }
    if let Some(policy) = &spec.pod_replacement_policy {
        let supported: &[&str] = match spec.pod_failure_policy {
            Some(_) => &["Failed"],
            None => &["Failed", "TerminatingOrFailed"],
        };
        if !supported.contains(&policy.as_str()) {
            causes.unsupported(&at.child("podReplacementPolicy"), policy, supported);
        }
    }
    pod::check::template(&spec.template, &at.child("template"), causes);
    check_restart_policy(spec, at, causes);
}

fn check_numbers(spec: &JobSpec, at: &Path<'_>, causes: &mut Causes) {
    nonnegative(spec.parallelism, &at.child("parallelism"), causes);
    nonnegative(spec.completions, &at.child("completions"), causes);
    nonnegative(spec.active_deadline_seconds, &at.child("activeDeadlineSeconds"), causes);
    nonnegative(spec.backoff_limit, &at.child("backoffLimit"), causes);
    nonnegative(spec.ttl_seconds_after_finished, &at.child("ttlSecondsAfterFinished"), causes);
    nonnegative(spec.backoff_limit_per_index, &at.child("backoffLimitPerIndex"), causes);
    nonnegative(spec.max_failed_indexes, &at.child("maxFailedIndexes"), causes);
    if spec.max_failed_indexes.is_some() && spec.backoff_limit_per_index.is_none() {
        causes.required(&at.child("backoffLimitPerIndex"), "when maxFailedIndexes is specified");
    }
}

/// `spec.managedBy` is a domain, a slash and a path.
fn check_managed_by(manager: &str, at: &Path<'_>, causes: &mut Causes) {
    match manager.split_once('/') {
        _ if manager.is_empty() => causes.required(at, ""),
        Some((domain, path)) if !domain.is_empty() && !path.is_empty() => {
            causes.invalid_each(at, manager, names::dns_subdomain(domain));
            let known =
                |byte: u8| byte.is_ascii_alphanumeric() || b"/%:-._~!$&'()*+,;=".contains(&byte);
            if !path.bytes().all(known) {
                let why = "the path may hold A-Z a-z 0-9 and /%:-._~!$&'()*+,;=";
                causes.invalid(at, manager, why);
            }
        }
        _ => {
            let why = "must be a domain-prefixed path (such as \"acme.io/foo\")";
            causes.invalid(at, manager, why);
        }
    }
    if manager.len() > MANAGED_BY_LENGTH_MAX {
        causes.too_long(at, MANAGED_BY_LENGTH_MAX);
    }
}

fn check_completion_mode(spec: &JobSpec, at: &Path<'_>, causes: &mut Causes) {
    match spec.completion_mode.as_deref() {
        Some(INDEXED) => check_indexed(spec, at, causes),
        None | Some("NonIndexed") => {
            let why = "requires indexed completion mode";
            if let Some(limit) = spec.backoff_limit_per_index {
                causes.invalid(&at.child("backoffLimitPerIndex"), limit, why);
            }
            if let Some(limit) = spec.max_failed_indexes {
                causes.invalid(&at.child("maxFailedIndexes"), limit, why);
            }
        }
        Some(other) => {
            causes.unsupported(&at.child("completionMode"), other, &["Indexed", "NonIndexed"]);
        }
    }
}

fn check_indexed(spec: &JobSpec, at: &Path<'_>, causes: &mut Causes) {
    let (parallelism, failed) = (at.child("parallelism"), at.child("maxFailedIndexes"));
    at_most(spec.parallelism, INDEXED_PARALLELISM_MAX, &parallelism, causes);
    at_most(spec.max_failed_indexes, FAILED_INDEXES_MAX, &failed, causes);
    let Some(completions) = spec.completions else {
        return causes.required(&at.child("completions"), "when completion mode is Indexed");
    };
    if let Some(limit) = spec.max_failed_indexes.filter(|limit| *limit > completions) {
        causes.invalid(&failed, limit, "must be less than or equal to completions");
    }
    if completions > MANY_COMPLETIONS && spec.backoff_limit_per_index.is_some() {
        if spec.max_failed_indexes.is_none() {
            let why = format!("must be specified when completions is above {MANY_COMPLETIONS}");
            causes.required(&failed, &why);
        }
        at_most(spec.parallelism, MANY_COMPLETIONS_PARALLELISM_MAX, &parallelism, causes);
        at_most(spec.max_failed_indexes, MANY_COMPLETIONS_FAILED_INDEXES_MAX, &failed, causes);
    }
}

fn at_most(number: Option<i32>, most: i32, at: &Path<'_>, causes: &mut Causes) {
    if let Some(number) = number.filter(|number| *number > most) {
        let why =
            format_args!("must be less than or equal to {most} when completion mode is Indexed");
        causes.invalid(at, number, why);
    }
}

fn check_restart_policy(spec: &JobSpec, at: &Path<'_>, causes: &mut Causes) {
    let at = at.child("template");
    let at = at.child("spec");
    let at = at.child("restartPolicy");
    let policy = spec.template.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref());
    match policy.unwrap_or_default() {
        // `Always` is what a pod gets that does not say; a Job must say.
        "" | "Always" => causes.required(&at, "valid values: \"OnFailure\", \"Never\""),
        "OnFailure" if spec.pod_failure_policy.is_some() => {
            let why = "only \"Never\" is supported when podFailurePolicy is specified";
            causes.invalid(&at, "OnFailure", why);
        }
        "OnFailure" | "Never" => {}
        other => causes.unsupported(&at, other, &["OnFailure", "Never"]),
    }
}

fn check_spec(spec: &JobSpec, at: &Path<'_>, causes: &mut Causes) {
    common_spec(spec, at, causes);
    let chosen = match &spec.selector {
        None => {
            causes.required(&at.child("selector"), "");
            false
        }
        Some(selector) => {
            selector::check(selector, &at.child("selector"), causes);
            selector::matches(selector, &labels(&spec.template))
        }
    };
    if !chosen {
        let at = at.child("template");
        let at = at.child("metadata");
        let why = "`selector` does not match template `labels`";
        causes.invalid(&at.child("labels"), labels(&spec.template), why);
    }
}

/// A generated selector must pick the Job's own pods, and them alone.
fn check_generated_selector(job: &Job, spec: &JobSpec, at: &Path<'_>, causes: &mut Causes) {
    let Some(selector) = spec.selector.as_ref().filter(|_| spec.manual_selector != Some(true))
    else {
        return;
    };
    let name = job.metadata.name.as_deref().unwrap_or_default();
    let uid = job.metadata.uid.as_deref().unwrap_or_default();
    let labels = labels(&spec.template);
    let template = at.child("template");
    let metadata = template.child("metadata");
    let labels_at = metadata.child("labels");
    let wanted = [
        (LEGACY_CONTROLLER_UID, uid),
        (LEGACY_JOB_NAME, name),
        (CONTROLLER_UID, uid),
        (JOB_NAME, name),
    ];
    for (key, value) in wanted {
        match labels.get(key) {
            None => causes.required(&labels_at.key(key), &format!("must be {value:?}")),
            Some(found) if found != value => {
                causes.invalid(&labels_at.key(key), found, format_args!("must be {value:?}"));
            }
            Some(_) => {}
        }
    }
    let own = wanted.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    if !selector::matches(selector, &own) {
        causes.invalid(&at.child("selector"), selector, "`selector` not auto-generated");
    }
}

/// An indexed pod's host name is the Job's name and the index.
fn check_host_name(job: &Job, spec: &JobSpec, causes: &mut Causes) {
    let completions = spec.completions.unwrap_or_default();
    if spec.completion_mode.as_deref() != Some(INDEXED) || completions <= 0 {
        return;
    }
    let name = job.metadata.name.as_deref().unwrap_or_default();
    if !names::dns_label(&format!("{name}-{}", completions - 1)).is_empty() {
        let at = Path::root("metadata");
        let why = "will not able to create pod with invalid DNS hostname";
        let last = completions - 1;
        causes.invalid(&at.child("name"), name, format_args!("{why}: {name}-{last}"));
    }
}

/// Only an indexed Job may change its completions, and only together with its parallelism.
fn check_completions(old: &JobSpec, new: &JobSpec, at: &Path<'_>, causes: &mut Causes) {
    if new.completion_mode.as_deref() != Some(INDEXED) {
        return immutable(&old.completions, &new.completions, at, causes);
    }
    if new.completions.is_some()
        && old.completions != new.completions
        && new.completions != new.parallelism
    {
        let why = "can only be modified in tandem with spec.parallelism";
        causes.invalid(at, new.completions, why);
    }
}

/// The template stays, but of a suspended Job: where its pods may go while it has none, and what
/// they ask for once that is known of it.
fn check_template(
    old: &Job,
    had: &JobSpec,
    new: &PodTemplateSpec,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    let nothing = JobStatus::default();
    let status = old.status.as_ref().unwrap_or(&nothing);
    let was_suspended = had.suspend == Some(true);
    let is_idle = was_suspended
        && conditions::is_true(status, "Suspended")
        && status.active.unwrap_or(0) == 0;
    let mut same = had.template.clone();
    if is_idle || was_suspended && status.start_time.is_none() {
        free_placing(&mut same, new);
    }
    let why = "field is immutable";
    if is_idle {
        free_resources(&mut same, new);
        if same.spec != new.spec {
            causes.invalid(&at.child("spec"), "…", why);
        }
    } else if same != *new {
        causes.invalid(at, "…", why);
    }
}

/// Takes from the new template what says where its pods may go: labels, annotations and scheduling
/// directives.
fn free_placing(template: &mut PodTemplateSpec, new: &PodTemplateSpec) {
    let of = |template: &PodTemplateSpec| template.metadata.clone().unwrap_or_default();
    let metadata = template.metadata.get_or_insert_default();
    metadata.labels = of(new).labels;
    metadata.annotations = of(new).annotations;
    let (Some(spec), Some(new)) = (&mut template.spec, &new.spec) else { return };
    spec.node_selector.clone_from(&new.node_selector);
    spec.tolerations.clone_from(&new.tolerations);
    spec.scheduling_gates.clone_from(&new.scheduling_gates);
    let node_affinity = new.affinity.as_ref().and_then(|affinity| affinity.node_affinity.clone());
    match &mut spec.affinity {
        Some(affinity) => affinity.node_affinity = node_affinity,
        None if new.affinity.is_some() => {
            spec.affinity = Some(Affinity { node_affinity, ..Affinity::default() });
        }
        None => {}
    }
    if new.affinity.is_none() {
        spec.affinity.take_if(|affinity| *affinity == Affinity::default());
    }
}

/// Takes from the new template what its containers ask for.
fn free_resources(template: &mut PodTemplateSpec, new: &PodTemplateSpec) {
    let free = |containers: &mut [Container], new: &[Container]| {
        if containers.len() != new.len() {
            return;
        }
        for (container, new) in containers.iter_mut().zip(new) {
            if container.name == new.name {
                container.resources.clone_from(&new.resources);
            }
        }
    };
    let (Some(spec), Some(new)) = (&mut template.spec, &new.spec) else { return };
    free(&mut spec.containers, &new.containers);
    free(items_mut(&mut spec.init_containers), items(&new.init_containers));
}

fn labels(template: &PodTemplateSpec) -> BTreeMap<String, String> {
    template.metadata.as_ref().and_then(|meta| meta.labels.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::defaults;
    use crate::strategy::Strategy;
    use serde_json::{Value, json};

    /// A Job of that spec as it is stored, and what is refused of it.
    fn made(mut spec: Value) -> (Job, Vec<String>) {
        let container = json!({"name": "a", "image": "b"});
        let pod = json!({"spec": {"restartPolicy": "Never", "containers": [container]}});
        if spec.get("template").is_none() {
            spec["template"] = pod;
        }
        let metadata = json!({"name": "demo", "namespace": "default", "uid": "u"});
        let job = json!({"metadata": metadata, "spec": spec});
        let mut job: Job = serde_json::from_value(job).expect("a Job");
        defaults::set(&mut job);
        defaults::prepare_create(&mut job);
        let mut causes = Causes::default();
        create(&job, &mut causes);
        (job, told(&causes))
    }

    fn told(causes: &Causes) -> Vec<String> {
        let each = causes.found.iter();
        each.map(|c| format!("{} {:?}", c.field.trim_start_matches("spec."), c.reason)).collect()
    }

    fn check(spec: Value, want: &[&str]) {
        assert_eq!(made(spec.clone()).1, want, "{spec}");
    }

    #[test]
    fn selectors() {
        check(json!({}), &[]);
        let manual = json!({"manualSelector": true, "selector": {"matchLabels": {"a": "b"}}});
        check(manual, &["template.metadata.labels Invalid"]);
        let none = &["selector Required", "template.metadata.labels Invalid"];
        check(json!({"manualSelector": true}), none);
        let labels = json!({"labels": {"job-name": "other"}});
        let spec = json!({"restartPolicy": "Never", "containers": [{"name": "a", "image": "b"}]});
        check(
            json!({"template": {"metadata": labels, "spec": spec}}),
            &["template.metadata.labels[job-name] Invalid"],
        );
    }

    #[test]
    fn indexed_jobs() {
        let indexed = |mut spec: Value| {
            spec["completionMode"] = json!("Indexed");
            spec
        };
        check(indexed(json!({"completions": 3, "backoffLimitPerIndex": 1})), &[]);
        check(indexed(json!({"parallelism": 1})), &["completions Required"]);
        let failed = |limit: i32| {
            json!({
                "completions": 3, "backoffLimitPerIndex": 1, "maxFailedIndexes": limit,
            })
        };
        check(indexed(failed(3)), &[]);
        check(indexed(failed(4)), &["maxFailedIndexes Invalid"]);
        check(indexed(json!({"completions": 1, "parallelism": 100_001})), &["parallelism Invalid"]);
        check(
            indexed(
                json!({"completions": 100_001, "parallelism": 10_001, "backoffLimitPerIndex": 1}),
            ),
            &["maxFailedIndexes Required", "parallelism Invalid"],
        );
        check(
            json!({"backoffLimitPerIndex": -1}),
            &["backoffLimitPerIndex Invalid", "backoffLimitPerIndex Invalid"],
        );
    }

    #[test]
    fn pod_failure_policies() {
        let rule = |rule: Value| json!({"podFailurePolicy": {"rules": [rule]}});
        let codes = |values: Value| {
            let codes = json!({"operator": "In", "values": values});
            json!({"action": "Ignore", "onExitCodes": codes})
        };
        check(rule(codes(json!([1, 2]))), &[]);
        let at = "podFailurePolicy.rules[0]";
        let values = format!("{at}.onExitCodes.values");
        check(rule(codes(json!([]))), &[&format!("{values} Invalid")]);
        check(rule(codes(json!([2, 1]))), &[&format!("{values} Invalid")]);
        check(rule(codes(json!([1, 1]))), &[&format!("{values}[1] Duplicate")]);
        check(rule(codes((1..300).collect())), &[&format!("{values} TooMany")]);
        check(rule(json!({"action": "Count"})), &[&format!("{at} Invalid")]);
        let condition =
            json!({"action": "FailIndex", "onPodConditions": [{"type": "a b", "status": "x"}]});
        check(
            rule(condition),
            &[
                &format!("{at}.action Invalid"),
                &format!("{at}.onPodConditions[0].type Invalid"),
                &format!("{at}.onPodConditions[0].status NotSupported"),
            ],
        );
        let elsewhere = json!({"action": "Count", "onExitCodes":
            {"operator": "Near", "containerName": "z", "values": [1]}});
        check(
            rule(elsewhere),
            &[
                &format!("{at}.onExitCodes.operator NotSupported"),
                &format!("{at}.onExitCodes.containerName Invalid"),
            ],
        );
        let mut replaced = rule(codes(json!([1])));
        replaced["podReplacementPolicy"] = json!("TerminatingOrFailed");
        check(replaced, &["podReplacementPolicy NotSupported"]);
    }

    #[test]
    fn success_policies() {
        let rules = |rules: Value| {
            let policy = json!({"rules": rules});
            json!({"completionMode": "Indexed", "completions": 5, "successPolicy": policy})
        };
        let at = "successPolicy.rules";
        check(rules(json!([{"succeededIndexes": "0,2-4", "succeededCount": 4}])), &[]);
        check(rules(json!([])), &[&format!("{at} Required")]);
        check(rules(json!([{}])), &[&format!("{at}[0] Required")]);
        for bad in ["5", "1-5", "2,1", "3-2", "a", "1,", "1-2-3", "0-2,2"] {
            let want = format!("{at}[0].succeededIndexes Invalid");
            check(rules(json!([{"succeededIndexes": bad}])), &[&want]);
        }
        let count = format!("{at}[0].succeededCount Invalid");
        check(rules(json!([{"succeededCount": 6}])), &[&count]);
        check(rules(json!([{"succeededCount": -1}])), &[&count]);
        check(rules(json!([{"succeededIndexes": "1,2", "succeededCount": 3}])), &[&count]);
    }

    #[test]
    fn managers() {
        let manager = |name: &str| json!({"managedBy": name});
        check(manager("kubernetes.io/job-controller"), &[]);
        check(manager("nobody"), &["managedBy Invalid"]);
        check(manager("UPPER.io/x"), &["managedBy Invalid"]);
        check(manager("a.io/ x"), &["managedBy Invalid"]);
        check(manager(""), &["managedBy Required"]);
        check(manager(&format!("a.io/{}", "x".repeat(63))), &["managedBy TooLong"]);
    }

    #[test]
    fn what_a_change_may_touch() {
        let change = |old: Value, new: Value, want: &[&str]| {
            let ((old, _), (mut new, _)) = (made(old), made(new));
            new.keep_status(&old);
            new.prepare_update(&old);
            let mut causes = Causes::default();
            update(&old, &new, &mut causes);
            assert_eq!(told(&causes), want, "{:?}", new.spec);
        };
        let pod = |spec: Value| {
            let mut pod =
                json!({"restartPolicy": "Never", "containers": [{"name": "a", "image": "b"}]});
            for (key, value) in spec.as_object().expect("an object") {
                pod[key] = value.clone();
            }
            json!({"spec": pod})
        };
        change(json!({"parallelism": 1}), json!({"parallelism": 9, "suspend": true}), &[]);
        change(json!({"completions": 1}), json!({"completions": 2}), &["completions Invalid"]);
        let indexed = |count: i32, parallelism: i32| {
            let mode = "Indexed";
            json!({"completionMode": mode, "completions": count, "parallelism": parallelism})
        };
        change(indexed(1, 1), indexed(2, 2), &[]);
        change(indexed(1, 1), indexed(2, 1), &["completions Invalid"]);
        change(json!({}), json!({"managedBy": "a.io/b"}), &["managedBy Invalid"]);
        let selected = pod(json!({"nodeSelector": {"a": "b"}}));
        change(json!({}), json!({"template": selected}), &["template Invalid"]);
        change(json!({"suspend": true}), json!({"template": selected, "suspend": true}), &[]);
        let other = pod(json!({"hostNetwork": true}));
        change(json!({"suspend": true}), json!({"template": other}), &["template Invalid"]);
    }

    #[test]
    fn what_a_change_of_a_suspended_template_may_touch() {
        let pod = |spec: Value, labels: Value| {
            let mut pod =
                json!({"restartPolicy": "Never", "containers": [{"name": "a", "image": "b"}]});
            for (key, value) in spec.as_object().expect("an object") {
                pod[key] = value.clone();
            }
            json!({"suspend": true, "template": {"metadata": {"labels": labels}, "spec": pod}})
        };
        let plain = pod(json!({}), json!({}));
        let placed = pod(json!({"tolerations": [{"operator": "Exists"}]}), json!({"x": "y"}));
        let near = json!({"affinity": {"nodeAffinity": {}, "podAffinity": {}}});
        let asking = pod(
            json!({"containers": [{"name": "a", "image": "b",
                "resources": {"requests": {"cpu": "1"}}}]}),
            json!({}),
        );
        let renamed = pod(json!({"containers": [{"name": "c", "image": "b"}]}), json!({}));
        let change = |status: Value, new: &Value, want: &[&str]| {
            let ((mut old, _), (mut new, _)) = (made(plain.clone()), made(new.clone()));
            old.status = Some(serde_json::from_value(status.clone()).expect("a status"));
            new.keep_status(&old);
            new.prepare_update(&old);
            let mut causes = Causes::default();
            update(&old, &new, &mut causes);
            assert_eq!(told(&causes), want, "{status}: {:?}", new.spec);
        };
        let suspended = json!([{"type": "Suspended", "status": "True"}]);
        let start = "2026-01-01T00:00:00Z";
        // Not yet started, and not yet told that it is suspended.
        let fresh = json!({});
        change(fresh.clone(), &placed, &[]);
        change(fresh.clone(), &pod(near.clone(), json!({})), &["template Invalid"]);
        change(fresh, &asking, &["template Invalid"]);
        // Suspended, before its first pods or after the last of them went.
        for idle in [
            json!({"conditions": suspended}),
            json!({"conditions": suspended, "startTime": start, "active": 0}),
        ] {
            change(idle.clone(), &placed, &[]);
            change(idle.clone(), &asking, &[]);
            change(idle.clone(), &renamed, &["template.spec Invalid"]);
            change(idle, &pod(near.clone(), json!({})), &["template.spec Invalid"]);
        }
        // Its pods are still there.
        let busy = json!({"conditions": suspended, "startTime": start, "active": 1});
        change(busy.clone(), &placed, &["template Invalid"]);
        change(busy, &asking, &["template Invalid"]);
        change(json!({"startTime": start}), &placed, &["template Invalid"]);
    }
}
