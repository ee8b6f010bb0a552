//! The table of Jobs.

use super::conditions;
use crate::columns::{Cell, Column, NONE, age, containers, human_duration, name, selector};
use crate::time::Timestamp;
use k8s_openapi::api::batch::v1::{Job, JobStatus};

pub const COLUMNS: &[Column] = &[
    Column::name(),
    Column::text("Status"),
    Column::text("Completions"),
    Column::text("Duration"),
    Column::text("Age"),
    Column::wide("Containers"),
    Column::wide("Images"),
    Column::wide("Selector"),
];

pub fn cells(job: &Job, now: Timestamp) -> Vec<Cell> {
    let (meta, spec) = (&job.metadata, job.spec.as_ref());
    let status = job.status.as_ref();
    let [names, images] =
        spec.map_or([NONE.into(), NONE.into()], |spec| containers(&spec.template));
    vec![
        name(meta),
        state(job).into(),
        completions(job).into(),
        status.map(|status| duration(status, now)).unwrap_or_default().into(),
        age(meta, now),
        names,
        images,
        selector(spec.and_then(|spec| spec.selector.as_ref())),
    ]
}

fn state(job: &Job) -> &'static str {
    let is = |kind| job.status.as_ref().is_some_and(|status| conditions::is_true(status, kind));
    let first = |kinds: &[&'static str]| kinds.iter().copied().find(|kind| is(kind));
    let is_going = job.metadata.deletion_timestamp.is_some();
    first(&["Complete", "Failed"])
        .or(is_going.then_some("Terminating"))
        .or_else(|| first(&["Suspended", "FailureTarget", "SuccessCriteriaMet"]))
        .unwrap_or("Running")
}

fn completions(job: &Job) -> String {
    let succeeded = job.status.as_ref().and_then(|status| status.succeeded).unwrap_or(0);
    let spec = job.spec.as_ref();
    let parallelism = spec.and_then(|spec| spec.parallelism).unwrap_or(0);
    match spec.and_then(|spec| spec.completions) {
        Some(completions) => format!("{succeeded}/{completions}"),
        None if parallelism > 1 => format!("{succeeded}/1 of {parallelism}"),
        None => format!("{succeeded}/1"),
    }
}

/// A failed Job has no end here, as in kubectl.
fn duration(status: &JobStatus, now: Timestamp) -> String {
    let Some(start) = &status.start_time else { return String::new() };
    let end = status.completion_time.as_ref().map_or(now, |time| time.0);
    human_duration(end.duration_since(start.0))
}
