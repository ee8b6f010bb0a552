//! A run by hand (`cronlet trigger`).

use super::jobs;
use super::runs::{new_run, replace};
use crate::kinds::action::{Action, Outcome, Plan, Run, Severity, View};
use crate::kinds::job::record;
use crate::kinds::{Key, Kind};
use k8s_openapi::api::batch::v1::CronJob;

/// Makes a Job of a CronJob now: its name, and what to do. Under `Forbid` and `Replace` it takes
/// its turn like a scheduled run, unless `force`.
///
/// # Errors
/// Says why the run may not start.
pub fn trigger(
    cron_job: &CronJob,
    view: &View,
    force: bool,
) -> Result<(String, Vec<Action>), String> {
    let mut plan = Plan::default();
    let own = cron_job.metadata.name.as_deref().unwrap_or_default();
    let namespace = cron_job.metadata.namespace.as_deref().unwrap_or_default();
    let name = format!("{own}-manual-{}", view.now.as_second());
    if view.others.get(&Key::new(Kind::Job, namespace, &name)).is_some() {
        return Err(format!("job {name} was made in this very second; try again in the next"));
    }
    let active = cron_job.status.as_ref().and_then(|status| status.active.as_deref());
    let active = active.unwrap_or_default();
    let policy = cron_job.spec.concurrency_policy.as_deref();
    match policy {
        Some("Forbid") if !force && !active.is_empty() => {
            let running = active[0].name.as_deref().unwrap_or_default();
            return Err(format!(
                "prior execution {running} is running and concurrency policy is Forbid"
            ));
        }
        Some("Replace") if !force && !active.is_empty() => {
            replace(active, view, &mut plan);
            let mut cron_job = cron_job.clone();
            cron_job.status.get_or_insert_default().active = None;
            plan.push(Action::Put(cron_job.into()));
        }
        _ => {}
    }
    let asked_at = record::asked_at(&name, view.now);
    let run = new_run(cron_job, asked_at, Outcome::Running, "");
    plan.push(Action::Record(Run { job: name.clone(), manual: true, ..run }));
    plan.push(Action::Create(jobs::triggered(cron_job, name.clone(), force).into()));
    plan.event(Severity::Normal, "SuccessfulCreate", format!("Created job {name}"));
    Ok((name, plan.actions))
}
