//! The pods that a Job makes: from its template, with the marks by which it knows them again.

use super::failure_policy::{self, Verdict};
use super::pods;
use crate::controllers::controller;
use crate::kubelet::tracking;
use crate::plan::View;
use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{
    Container, EnvVar, EnvVarSource, ObjectFieldSelector, Pod, PodSpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use std::collections::BTreeMap;

/// The environment variable that tells a container its index.
const INDEX_VARIABLE: &str = "JOB_COMPLETION_INDEX";
/// A generated name leaves room for its five letters.
const BASE_LENGTH_MAX: usize = 58;

/// A new pod of the Job. `replaced` is the failed pod of the same index whose failures it carries
/// on.
pub fn pod(job: &Job, index: Option<u32>, replaced: Option<&Pod>, name: String) -> Pod {
    let template = job.spec.as_ref().map(|spec| &spec.template);
    let meta = template.and_then(|template| template.metadata.clone()).unwrap_or_default();
    let mut spec = template.and_then(|template| template.spec.clone()).unwrap_or_default();
    let mut metadata = ObjectMeta {
        name: Some(name),
        generate_name: Some(base_name(job, index)),
        namespace: job.metadata.namespace.clone(),
        labels: meta.labels,
        annotations: meta.annotations,
        finalizers: meta.finalizers,
        owner_references: Some(vec![owner(job)]),
        ..ObjectMeta::default()
    };
    tracking::add(&mut metadata);
    if let Some(index) = index {
        mark_index(job, index, &mut metadata, &mut spec);
        carry_failures(job, replaced, metadata.annotations.get_or_insert_default());
    }
    Pod { metadata, spec: Some(spec), status: None }
}

/// A name for the pod, the same one when the same plan runs again.
pub fn free_name(job: &Job, index: Option<u32>, nth: u64, view: &View) -> String {
    controller::free_name(&job.metadata, &base_name(job, index), nth, view)
}

fn base_name(job: &Job, index: Option<u32>) -> String {
    let name = job.metadata.name.as_deref().unwrap_or_default();
    let tail = index.map_or("-".to_owned(), |index| format!("-{index}-"));
    let name = name.get(..BASE_LENGTH_MAX - tail.len()).unwrap_or(name);
    format!("{name}{tail}")
}

fn owner(job: &Job) -> OwnerReference {
    OwnerReference {
        api_version: "batch/v1".to_owned(),
        kind: "Job".to_owned(),
        name: job.metadata.name.clone().unwrap_or_default(),
        uid: job.metadata.uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

fn mark_index(job: &Job, index: u32, metadata: &mut ObjectMeta, spec: &mut PodSpec) {
    for marks in [&mut metadata.labels, &mut metadata.annotations] {
        let marks = marks.get_or_insert_default();
        marks.insert(pods::COMPLETION_INDEX.to_owned(), index.to_string());
    }
    let name = job.metadata.name.as_deref().unwrap_or_default();
    spec.hostname = Some(format!("{name}-{index}"));
    for container in spec.init_containers.iter_mut().flatten().chain(&mut spec.containers) {
        tell_index(container);
    }
}

fn tell_index(container: &mut Container) {
    if container.env.iter().flatten().any(|variable| variable.name == INDEX_VARIABLE) {
        return;
    }
    let field = ObjectFieldSelector {
        api_version: Some("v1".to_owned()),
        field_path: format!("metadata.labels['{}']", pods::COMPLETION_INDEX),
    };
    container.env.get_or_insert_default().push(EnvVar {
        name: INDEX_VARIABLE.to_owned(),
        value: None,
        value_from: Some(EnvVarSource { field_ref: Some(field), ..EnvVarSource::default() }),
    });
}

/// Under `backoffLimitPerIndex` each pod knows how often its index failed before it
/// (`getNewIndexFailureCounts`).
fn carry_failures(job: &Job, replaced: Option<&Pod>, annotations: &mut BTreeMap<String, String>) {
    let Some(spec) = job.spec.as_ref().filter(|spec| spec.backoff_limit_per_index.is_some()) else {
        return;
    };
    let (failures, ignored) = replaced.map_or((0, 0), |pod| failures_with(spec, pod));
    annotations.insert(pods::INDEX_FAILURES.to_owned(), failures.to_string());
    if ignored > 0 {
        annotations.insert(pods::INDEX_FAILURES_IGNORED.to_owned(), ignored.to_string());
    }
}

fn failures_with(spec: &JobSpec, pod: &Pod) -> (u32, u32) {
    let before = |name| pods::annotation_number(pod, name).unwrap_or(0);
    let (failures, ignored) = (before(pods::INDEX_FAILURES), before(pods::INDEX_FAILURES_IGNORED));
    match failure_policy::judge(spec, pod) {
        Verdict::Ignored => (failures, ignored.saturating_add(1)),
        _ => (failures.saturating_add(1), ignored),
    }
}
