//! A CronJob in words.

use super::page::{Page, capital, time};
use super::template;
use cronlet_api::columns::selector;
use k8s_openapi::api::batch::v1::CronJob;

pub(super) fn describe(page: &mut Page, cron_job: &CronJob) {
    let spec = &cron_job.spec;
    page.names(&cron_job.metadata);
    page.labels(0, "Labels", cron_job.metadata.labels.as_ref());
    page.annotations(0, &cron_job.metadata);
    page.field(0, "Schedule", &spec.schedule);
    page.field_if(0, "Time Zone", spec.time_zone.as_ref());
    let policy = spec.concurrency_policy.as_deref();
    page.field(0, "Concurrency Policy", policy.unwrap_or_default());
    page.field_or_unset(0, "Suspend", spec.suspend.map(capital));
    page.field_or_unset(0, "Successful Job History Limit", spec.successful_jobs_history_limit);
    let failed = spec.failed_jobs_history_limit.unwrap_or_default();
    page.field(0, "Failed Job History Limit", failed);
    let deadline = spec.starting_deadline_seconds.map(|seconds| format!("{seconds}s"));
    page.field_or_unset(0, "Starting Deadline Seconds", deadline);
    if let Some(job) = &spec.job_template.spec {
        let selected = job.selector.as_ref().map(|one| selector(Some(one)));
        page.field_or_unset(0, "Selector", selected);
        page.field_or_unset(0, "Parallelism", job.parallelism);
        page.field_or_unset(0, "Completions", job.completions);
        let deadline = job.active_deadline_seconds.map(|seconds| format!("{seconds}s"));
        page.field_if(0, "Active Deadline Seconds", deadline);
        template::describe(page, &job.template);
    }
    let status = cron_job.status.clone().unwrap_or_default();
    page.field_or_unset(0, "Last Schedule Time", status.last_schedule_time.as_ref().map(time));
    let active: Vec<String> =
        status.active.into_iter().flatten().filter_map(|job| job.name).collect();
    let active = if active.is_empty() { "<none>".to_owned() } else { active.join(", ") };
    page.field(0, "Active Jobs", active);
}
