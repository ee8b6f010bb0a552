//! Defaults that the API server sets on a Job before it checks it.

use crate::{meta, pod};
use k8s_openapi::api::batch::v1::{Job, JobSpec};
use std::collections::BTreeMap;

pub const JOB_NAME: &str = "batch.kubernetes.io/job-name";
pub const CONTROLLER_UID: &str = "batch.kubernetes.io/controller-uid";
/// The same two labels, from before labels had a domain.
pub const LEGACY_JOB_NAME: &str = "job-name";
pub const LEGACY_CONTROLLER_UID: &str = "controller-uid";

const BACKOFF_LIMIT: i32 = 6;

/// Sets the defaults of `batch/v1`.
pub fn set(job: &mut Job) {
    let spec = job.spec.get_or_insert_default();
    if spec.completions.is_none() && spec.parallelism.is_none() {
        spec.completions = Some(1);
    }
    spec.parallelism.get_or_insert(1);
    let per_index = spec.backoff_limit_per_index.is_some();
    spec.backoff_limit.get_or_insert(if per_index { i32::MAX } else { BACKOFF_LIMIT });
    spec.completion_mode.get_or_insert_with(|| "NonIndexed".into());
    spec.suspend.get_or_insert(false);
    spec.manual_selector.get_or_insert(false);
    let replacement =
        if spec.pod_failure_policy.is_some() { "Failed" } else { "TerminatingOrFailed" };
    spec.pod_replacement_policy.get_or_insert_with(|| replacement.into());
    set_failure_policy(spec);
    meta::tidy_template(&mut spec.template.metadata);
    pod::defaults::template(&mut spec.template);
}

/// Copies the template's labels to a Job without labels.
pub fn inherit_labels(job: &mut Job) {
    if job.metadata.labels.is_none() {
        job.metadata.labels = job.spec.as_ref().and_then(template_labels).cloned();
    }
}

/// Sets the defaults of `podFailurePolicy`: a condition without a status means `True`.
pub fn set_failure_policy(spec: &mut JobSpec) {
    let rules = spec.pod_failure_policy.iter_mut().flat_map(|policy| &mut policy.rules);
    for rule in rules {
        rule.on_pod_conditions.take_if(|patterns| patterns.is_empty());
        for pattern in rule.on_pod_conditions.iter_mut().flatten() {
            pattern.status.take_if(|status| status.is_empty());
            pattern.status.get_or_insert_with(|| "True".into());
        }
    }
}

/// Generates a selector of the Job's pods by its uid, unless the user sets one (`manualSelector`).
pub fn prepare_create(job: &mut Job) {
    let name = job.metadata.name.clone().unwrap_or_default();
    let uid = job.metadata.uid.clone().unwrap_or_default();
    let spec = job.spec.get_or_insert_default();
    // Kubernetes then holds the two in one map, which the generated labels go into: a fault of
    // theirs is a fault of both.
    let inherits = job.metadata.labels.is_none() && template_labels(spec).is_some();
    if spec.manual_selector != Some(true) {
        generate_selector(spec, &name, &uid);
    }
    if inherits {
        inherit_labels(job);
    }
}

/// Copies to a manifest the selector and labels that were generated for its Job.
pub fn carry_over(old: &Job, new: &mut Job) {
    let (Some(had), Some(spec)) = (&old.spec, &mut new.spec) else { return };
    if spec.manual_selector == Some(true) {
        return;
    }
    spec.selector = spec.selector.take().or_else(|| had.selector.clone());
    let had_labels = template_labels(had);
    let labels = spec.template.metadata.get_or_insert_default().labels.get_or_insert_default();
    for key in [JOB_NAME, CONTROLLER_UID, LEGACY_JOB_NAME, LEGACY_CONTROLLER_UID] {
        if let Some(value) = had_labels.and_then(|labels| labels.get(key)) {
            labels.entry(key.to_owned()).or_insert_with(|| value.clone());
        }
    }
}

fn generate_selector(spec: &mut JobSpec, name: &str, uid: &str) {
    let labels = spec.template.metadata.get_or_insert_default().labels.get_or_insert_default();
    // Where the user has set one of these to another value, the check refuses it.
    for (key, value) in [
        (LEGACY_JOB_NAME, name),
        (JOB_NAME, name),
        (LEGACY_CONTROLLER_UID, uid),
        (CONTROLLER_UID, uid),
    ] {
        labels.entry(key.to_owned()).or_insert_with(|| value.to_owned());
    }
    let selector = spec.selector.get_or_insert_default();
    let wanted = selector.match_labels.get_or_insert_default();
    wanted.entry(CONTROLLER_UID.to_owned()).or_insert_with(|| uid.to_owned());
}

fn template_labels(spec: &JobSpec) -> Option<&BTreeMap<String, String>> {
    spec.template.metadata.as_ref().and_then(|meta| meta.labels.as_ref())
}
