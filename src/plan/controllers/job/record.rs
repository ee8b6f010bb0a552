//! The line in `cronlet history` of a Job that a CronJob made.

use super::pods;
use cronlet_api::job::conditions;
use cronlet_api::kind::Object;
use cronlet_api::run::{Outcome, Run};
use cronlet_api::time::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use std::hash::{DefaultHasher, Hasher};

/// The slot of a Job, in RFC 3339 (`batch.kubernetes.io/cronjob-scheduled-timestamp`).
pub const SCHEDULED: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";
/// How kubectl marks a Job that was made by hand from a CronJob.
pub const INSTANTIATE: &str = "cronjob.kubernetes.io/instantiate";

/// The CronJob that a Job belonged to before it was let go: its run is still recorded.
const CRON_JOB: &str = "cronlet.dev/cronjob";

/// Notes on a Job that is taken from its CronJob whose run it is.
pub fn remember_cron_job(job: &mut Object, cron_job: &Object) {
    if matches!((&*job, cron_job), (Object::Job(_), Object::CronJob(_))) {
        let annotations = job.meta_mut().annotations.get_or_insert_default();
        annotations.insert(CRON_JOB.to_owned(), cron_job.name().to_owned());
    }
}

/// The run that a Job stands for; `None` where it is no CronJob's.
pub fn run(job: &Job, pods: &[&Pod], now: Timestamp) -> Option<Run> {
    let meta = &job.metadata;
    let owners = meta.owner_references.iter().flatten();
    let owner = owners.into_iter().find(|o| o.controller == Some(true) && o.kind == "CronJob");
    let annotation = |name: &str| meta.annotations.as_ref().and_then(|all| all.get(name));
    let cron_job = owner.map(|owner| &owner.name).or_else(|| annotation(CRON_JOB))?;
    let slot = annotation(SCHEDULED).and_then(|text| text.parse().ok());
    let created = meta.creation_timestamp.as_ref().map(|time| time.0);
    let name = meta.name.clone().unwrap_or_default();
    let end = conditions::end(job);
    let outcome = match end.map(|condition| condition.type_.as_str()) {
        None => Outcome::Running,
        Some("Complete") => Outcome::Succeeded,
        Some(_) => Outcome::Failed,
    };
    let message = end.filter(|_| outcome == Outcome::Failed).and_then(|end| end.message.clone());
    Some(Run {
        namespace: meta.namespace.clone().unwrap_or_default(),
        cron_job: cron_job.clone(),
        scheduled: slot.unwrap_or_else(|| asked_at(&name, created.unwrap_or(now))),
        job: name,
        outcome,
        started: starts(pods).min(),
        ended: end.map(|_| ends(pods).map(|(at, _)| at).max().unwrap_or(now)),
        exit_code: ends(pods).max_by_key(|(at, _)| *at).map(|(_, code)| code),
        attempts: attempts(job, pods),
        message: message.unwrap_or_default(),
        manual: annotation(INSTANTIATE).is_some_and(|by| by == "manual"),
    })
}

/// The "slot" of a manual run: the second in which it was asked for, and some milliseconds that
/// follow from the Job's name, so that it is told apart from another run of that second.
pub fn asked_at(job: &str, created: Timestamp) -> Timestamp {
    let mut hash = DefaultHasher::new();
    hash.write(job.as_bytes());
    let milliseconds = i64::try_from(hash.finish() % 999 + 1).unwrap_or(1);
    let second = created.as_second();
    Timestamp::from_millisecond(second * 1000 + milliseconds).unwrap_or(created)
}

/// Pods made, those that are gone among them, and restarts within them.
fn attempts(job: &Job, pods: &[&Pod]) -> u32 {
    let status = job.status.as_ref();
    let counted = status.map_or(0, |status| {
        [status.active, status.succeeded, status.failed].into_iter().flatten().sum::<i32>()
    });
    let restarts: i32 = pods.iter().map(|pod| pods::restarts(pod)).sum();
    let made = counted.max(i32::try_from(pods.len()).unwrap_or(i32::MAX));
    u32::try_from(made.saturating_add(restarts)).unwrap_or(0)
}

fn starts(pods: &[&Pod]) -> impl Iterator<Item = Timestamp> {
    let start = |status: &ContainerStatus| {
        let of = |state: Option<&k8s_openapi::api::core::v1::ContainerState>| {
            let state = state?;
            let running = state.running.as_ref().and_then(|running| running.started_at.as_ref());
            let ended = state.terminated.as_ref().and_then(|ended| ended.started_at.as_ref());
            running.or(ended).map(|time| time.0)
        };
        [of(status.last_state.as_ref()), of(status.state.as_ref())].into_iter().flatten().min()
    };
    pods.iter().flat_map(|pod| pods::statuses(pod)).filter_map(start)
}

/// When containers ended, and their exit codes.
fn ends(pods: &[&Pod]) -> impl Iterator<Item = (Timestamp, i32)> {
    let statuses = pods.iter().flat_map(|pod| pods::statuses(pod));
    let states = statuses.flat_map(|status| [status.last_state.as_ref(), status.state.as_ref()]);
    states.flatten().filter_map(|state| {
        let ended = state.terminated.as_ref()?;
        Some((ended.finished_at.as_ref()?.0, ended.exit_code))
    })
}
