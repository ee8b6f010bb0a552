//! A Job in words.

use super::page::{Page, time};
use super::template;
use cronlet_api::columns::{human_duration, selector};
use k8s_openapi::api::batch::v1::{Job, JobStatus};

/// More indexes than fit in so many characters are cut.
const INDEXES_CHARS_MAX: usize = 50;

pub(super) fn describe(page: &mut Page, job: &Job) {
    let spec = job.spec.clone().unwrap_or_default();
    let status = job.status.clone().unwrap_or_default();
    page.names(&job.metadata);
    page.field_if(0, "Selector", spec.selector.as_ref().map(|one| selector(Some(one))));
    page.labels(0, "Labels", job.metadata.labels.as_ref());
    page.annotations(0, &job.metadata);
    page.controller(&job.metadata);
    page.field_or_unset(0, "Parallelism", spec.parallelism);
    page.field_or_unset(0, "Completions", spec.completions);
    page.field_if(0, "Completion Mode", spec.completion_mode.as_ref());
    page.field_if(0, "Suspend", spec.suspend);
    page.field_if(0, "Backoff Limit", spec.backoff_limit);
    page.field_if(0, "TTL Seconds After Finished", spec.ttl_seconds_after_finished);
    page.field_if(0, "Start Time", status.start_time.as_ref().map(time));
    page.field_if(0, "Completed At", status.completion_time.as_ref().map(time));
    if let (Some(start), Some(end)) = (&status.start_time, &status.completion_time) {
        page.field(0, "Duration", human_duration(end.0.duration_since(start.0)));
    }
    let deadline = spec.active_deadline_seconds.map(|seconds| format!("{seconds}s"));
    page.field_if(0, "Active Deadline Seconds", deadline);
    page.field(0, "Pods Statuses", pods_text(&status));
    if spec.completion_mode.as_deref() == Some("Indexed") {
        page.field(0, "Completed Indexes", indexes_text(&status));
    }
    template::describe(page, &spec.template);
}

fn pods_text(status: &JobStatus) -> String {
    let active = status.active.unwrap_or_default();
    let ready = status.ready.map_or_else(String::new, |ready| format!(" ({ready} Ready)"));
    format!(
        "{active} Active{ready} / {} Succeeded / {} Failed",
        status.succeeded.unwrap_or_default(),
        status.failed.unwrap_or_default(),
    )
}

fn indexes_text(status: &JobStatus) -> String {
    let indexes = status.completed_indexes.as_deref().unwrap_or_default();
    if indexes.is_empty() {
        return "<none>".to_owned();
    }
    if indexes.len() <= INDEXES_CHARS_MAX {
        return indexes.to_owned();
    }
    let cut = indexes[..INDEXES_CHARS_MAX].rfind(',').unwrap_or(INDEXES_CHARS_MAX);
    format!("{},...", &indexes[..cut])
}
