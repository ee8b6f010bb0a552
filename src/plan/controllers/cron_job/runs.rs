//! What becomes of the runs of a CronJob: their lines in the history, their end by a later one.

use super::jobs;
use crate::controllers::job::record;
use crate::plan::{Action, Plan, Severity, View};
use cronlet_api::kind::{Key, Kind, Object};
use cronlet_api::run::{Outcome, Run};
use cronlet_api::time::Timestamp;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::ObjectReference;

/// Ends the active runs for a new one.
pub fn replace(active: &[ObjectReference], view: &View, plan: &mut Plan) {
    for reference in active {
        let job = view.owned.iter().find_map(|object| match object {
            Object::Job(job) if job.metadata.uid == reference.uid => Some(job),
            _ => None,
        });
        let Some(job) = job else { continue };
        if let Some(run) = record::run(job, &[], view.now) {
            let message = "replaced by a later run".to_owned();
            let ended = Some(view.now);
            plan.push(Action::Record(Run { outcome: Outcome::Replaced, message, ended, ..run }));
        }
        delete(job, plan);
    }
}

/// The Job goes, and its pods after it.
pub fn delete(job: &Job, plan: &mut Plan) {
    let namespace = job.metadata.namespace.as_deref().unwrap_or_default();
    plan.event(Severity::Normal, "SuccessfulDelete", format!("Deleted job {}", jobs::name(job)));
    plan.push(Action::Delete(Key::new(Kind::Job, namespace, jobs::name(job))));
}

/// A run that has no Job yet.
pub fn new_run(cron_job: &CronJob, slot: Timestamp, outcome: Outcome, message: &str) -> Run {
    Run {
        namespace: cron_job.metadata.namespace.clone().unwrap_or_default(),
        cron_job: cron_job.metadata.name.clone().unwrap_or_default(),
        scheduled: slot,
        job: String::new(),
        outcome,
        started: None,
        ended: None,
        exit_code: None,
        attempts: 0,
        message: message.to_owned(),
        manual: false,
    }
}
