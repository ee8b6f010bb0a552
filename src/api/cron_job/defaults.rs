//! Defaults that the API server sets on a CronJob before it checks it.

use crate::{job, meta, pod};
use k8s_openapi::api::batch::v1::CronJob;

const SUCCESSFUL_JOBS_HISTORY_LIMIT: i32 = 3;
const FAILED_JOBS_HISTORY_LIMIT: i32 = 1;

/// Sets the defaults of `batch/v1`. A job template gets those of its pods, and no defaults of a
/// Job.
pub fn set(cron_job: &mut CronJob) {
    let spec = &mut cron_job.spec;
    spec.concurrency_policy.take_if(|policy| policy.is_empty());
    spec.concurrency_policy.get_or_insert_with(|| "Allow".into());
    spec.suspend.get_or_insert(false);
    spec.successful_jobs_history_limit.get_or_insert(SUCCESSFUL_JOBS_HISTORY_LIMIT);
    spec.failed_jobs_history_limit.get_or_insert(FAILED_JOBS_HISTORY_LIMIT);
    meta::tidy_template(&mut spec.job_template.metadata);
    let job = spec.job_template.spec.get_or_insert_default();
    job::defaults::set_failure_policy(job);
    meta::tidy_template(&mut job.template.metadata);
    pod::defaults::template(&mut job.template);
}
