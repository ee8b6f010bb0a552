//! The Jobs of a CronJob: how they are made from its template, and how one is known again by its
//! slot.

use crate::controllers::controller::admitted;
use crate::controllers::job::record::{self, INSTANTIATE, SCHEDULED};
use cronlet_api::cron_job::schedule::Zone;
use cronlet_api::time::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

/// On a Job that `cronlet trigger` made: `policy` or `forced`.
const TRIGGERED: &str = "cronlet.dev/triggered";

/// Smaller numbers at the end of a Job's name count minutes, greater ones seconds (since 1970).
const SECONDS_MIN: i64 = 1_000_000_000;

pub fn name(job: &Job) -> &str {
    job.metadata.name.as_deref().unwrap_or_default()
}

/// The name that belongs to a slot: Kubernetes' own, made of the minute; made of the second for a
/// schedule that may be due twice in a minute.
pub fn name_of_slot(cron_job: &CronJob, slot: Timestamp, finer_than_minutes: bool) -> String {
    let name = cron_job.metadata.name.as_deref().unwrap_or_default();
    let seconds = slot.as_second();
    format!("{name}-{}", if finer_than_minutes { seconds } else { seconds.div_euclid(60) })
}

/// The slot of a Job that this CronJob's plan made.
pub fn slot(cron_job: &CronJob, job: &Job) -> Option<Timestamp> {
    let slot: Timestamp = annotation(&job.metadata, SCHEDULED)?.parse().ok()?;
    let number = number_of_name(cron_job, name(job))?;
    let seconds = slot.as_second();
    (number == seconds.div_euclid(60) || number == seconds).then_some(slot)
}

/// The number at the end of a Job's name, as [`name_of_slot`] writes it.
fn number_of_name(cron_job: &CronJob, job: &str) -> Option<i64> {
    let digits = job.strip_prefix(cron_job.metadata.name.as_deref()?)?.strip_prefix('-')?;
    let number = digits.parse().ok()?;
    let is_plain = !digits.starts_with('+') && (digits == "0" || !digits.starts_with('0'));
    is_plain.then_some(number)
}

/// What a Job's name alone says of its slot, and whether it was triggered by hand. The seconds of a
/// slot are lost where the name counts minutes; only `@every` has any.
pub fn slot_of_name(cron_job: &CronJob, job: &str) -> Option<(Timestamp, bool)> {
    let manual = job.strip_prefix(&manual_base(cron_job));
    // A further manual run of the same second is numbered.
    let manual = manual.map(|rest| rest.split_once('-').map_or(rest, |(second, _)| second));
    let number: i64 = match manual {
        Some(second) => second.parse().ok()?,
        None => number_of_name(cron_job, job)?,
    };
    let seconds = if number < SECONDS_MIN { number.checked_mul(60)? } else { number };
    let at = Timestamp::from_second(seconds).ok()?;
    Some(if manual.is_some() { (record::asked_at(job, at), true) } else { (at, false) })
}

/// Does the Job count for `concurrencyPolicy`? Jobs of slots do, and triggered ones that were not
/// forced; one that `kubectl create job --from` made does not, as in Kubernetes.
pub fn obeys_policy(cron_job: &CronJob, job: &Job) -> bool {
    annotation(&job.metadata, TRIGGERED) == Some("policy") || slot(cron_job, job).is_some()
}

/// Made by `cronlet trigger --force`.
pub fn is_forced(job: &Job) -> bool {
    annotation(&job.metadata, TRIGGERED) == Some("forced")
}

/// An entry of `status.active`.
pub fn reference(job: &Job) -> ObjectReference {
    ObjectReference {
        api_version: Some("batch/v1".to_owned()),
        kind: Some("Job".to_owned()),
        name: job.metadata.name.clone(),
        namespace: job.metadata.namespace.clone(),
        uid: job.metadata.uid.clone(),
        resource_version: job.metadata.resource_version.clone(),
        field_path: None,
    }
}

/// The Job of a slot (`getJobFromTemplate2`).
pub fn scheduled(cron_job: &CronJob, slot: Timestamp, name: String) -> Job {
    let mut job = from_template(cron_job, name, Some(true));
    let zone = cron_job.spec.time_zone.as_deref();
    let zone = zone.and_then(|name| Zone::load(name).ok()).unwrap_or_default();
    let annotations = job.metadata.annotations.get_or_insert_default();
    annotations.insert(SCHEDULED.to_owned(), rfc3339(slot, zone));
    job
}

/// A Job made by hand, as `kubectl create job --from` makes it.
pub fn manual(cron_job: &CronJob, name: String) -> Job {
    let mut job = from_template(cron_job, name, None);
    let annotations = job.metadata.annotations.get_or_insert_default();
    annotations.insert(INSTANTIATE.to_owned(), "manual".to_owned());
    job
}

/// A Job made by `cronlet trigger`.
pub fn triggered(cron_job: &CronJob, name: String, force: bool) -> Job {
    let mut job = manual(cron_job, name);
    let how = if force { "forced" } else { "policy" };
    let annotations = job.metadata.annotations.get_or_insert_default();
    annotations.insert(TRIGGERED.to_owned(), how.to_owned());
    job
}

/// Why admission refuses the Job. The template's spec was admitted with the CronJob; its labels and
/// annotations were not.
pub fn refusal(cron_job: &CronJob, job: &Job) -> Option<String> {
    let template = cron_job.spec.job_template.metadata.as_ref()?;
    let mut marks = [&template.labels, &template.annotations].into_iter().flatten();
    if marks.all(|map| map.is_empty()) {
        return None;
    }
    admitted(&job.clone().into()).err()
}

/// The beginning of the name of a Job that was triggered. With the second and a number at its end
/// the name is no longer than a label's value, which it becomes.
pub fn manual_base(cron_job: &CronJob) -> String {
    const OWN_LENGTH_MAX: usize = 40;
    let name = cron_job.metadata.name.as_deref().unwrap_or_default();
    format!("{}-manual-", name.get(..OWN_LENGTH_MAX).unwrap_or(name))
}

fn from_template(cron_job: &CronJob, name: String, block_owner_deletion: Option<bool>) -> Job {
    let meta = &cron_job.metadata;
    let template = &cron_job.spec.job_template;
    let ObjectMeta { labels, annotations, .. } = template.metadata.clone().unwrap_or_default();
    let owner = OwnerReference {
        api_version: "batch/v1".to_owned(),
        kind: "CronJob".to_owned(),
        name: meta.name.clone().unwrap_or_default(),
        uid: meta.uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion,
    };
    Job {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: meta.namespace.clone(),
            labels,
            annotations,
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        spec: template.spec.clone(),
        status: None,
    }
}

/// As Go's `time.RFC3339`, on the clock of a zone.
fn rfc3339(at: Timestamp, zone: Zone) -> String {
    let offset = zone.offset_seconds(at);
    let wall = at.saturating_add(SignedDuration::from_secs(offset)).unwrap_or(at);
    let wall = wall.strftime("%Y-%m-%dT%H:%M:%S");
    if offset == 0 {
        return format!("{wall}Z");
    }
    let (sign, minutes) = (if offset < 0 { '-' } else { '+' }, offset.abs() / 60);
    format!("{wall}{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

fn annotation<'a>(meta: &'a ObjectMeta, name: &str) -> Option<&'a str> {
    meta.annotations.as_ref()?.get(name).map(String::as_str)
}
