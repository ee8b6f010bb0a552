//! The times at which a CronJob runs: its schedule, zone and annotations, and since when they are
//! in force.

use super::annotations::{self, AnnotationFault, Annotations, CatchUp};
use super::schedule::{Missed, Schedule, ScheduleError, Zone, ZoneError};
use crate::seed::Seed;
use crate::settings::{Dst, Settings};
use crate::time::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

pub struct Timing {
    pub schedule: Schedule,
    pub zone: Zone,
    pub dst: Dst,
    pub catch_up: CatchUp,
    /// The delay from the slot to the start; the same for every slot of a CronJob.
    pub jitter: SignedDuration,
}

/// Reason why a CronJob cannot be scheduled. Admission refuses such a CronJob.
#[derive(Debug, thiserror::Error)]
pub enum TimingError {
    #[error("unparseable schedule: {schedule:?} : {source}")]
    Schedule { schedule: String, source: ScheduleError },
    #[error("invalid timeZone: {name:?}: {source}")]
    Zone { name: String, source: ZoneError },
    #[error("annotation {0}")]
    Annotation(AnnotationFault),
}

/// Returns the next slot after `now`; `None` if the CronJob is suspended, terminating, or has no
/// more slots.
pub fn next_due(cron_job: &CronJob, settings: &Settings, now: Timestamp) -> Option<Timestamp> {
    let is_going = cron_job.metadata.deletion_timestamp.is_some();
    if is_going || cron_job.spec.suspend == Some(true) {
        return None;
    }
    Timing::read(cron_job, settings).ok()?.next_after(now)
}

impl TimingError {
    /// Returns Kubernetes' reason of the event.
    pub fn reason(&self) -> &'static str {
        match self {
            TimingError::Schedule { .. } => "UnparseableSchedule",
            TimingError::Zone { .. } => "UnknownTimeZone",
            TimingError::Annotation(_) => "InvalidSchedule",
        }
    }
}

impl Timing {
    pub fn read(cron_job: &CronJob, settings: &Settings) -> Result<Timing, TimingError> {
        let spec = &cron_job.spec;
        let own = Annotations::read(cron_job)
            .map_err(|mut faults| TimingError::Annotation(faults.swap_remove(0)))?;
        let name = spec.time_zone.as_deref().unwrap_or(&settings.time_zone);
        let zone = Zone::load(name)
            .map_err(|source| TimingError::Zone { name: name.to_owned(), source })?;
        let schedule = match own.schedule {
            Some(schedule) => schedule,
            None => Schedule::parse(&spec.schedule).map_err(|source| TimingError::Schedule {
                schedule: spec.schedule.clone(),
                source,
            })?,
        };
        Ok(Timing {
            schedule,
            zone,
            dst: own.dst.unwrap_or(settings.dst),
            catch_up: own.catch_up,
            jitter: share(&cron_job.metadata, own.jitter),
        })
    }

    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        self.schedule.next_after(after, &self.zone, self.dst)
    }

    pub fn missed(&self, after: Timestamp, now: Timestamp) -> Missed {
        self.schedule.missed(after, now, &self.zone, self.dst)
    }

    /// Returns the last slots after `after` up to `now`, at most `count`, oldest first.
    ///
    /// Looks back from `now` over a window that grows until it holds enough, so that a month of
    /// missed minutes costs no more than an hour of them.
    pub fn last_slots(&self, after: Timestamp, now: Timestamp, count: usize) -> Vec<Timestamp> {
        let mut window = SignedDuration::from_mins(1);
        loop {
            let back = now.checked_sub(window).unwrap_or(Timestamp::MIN);
            let from = self.aligned(after, back.max(after));
            let slots = self.schedule.upcoming(from, &self.zone, self.dst);
            let mut slots: Vec<Timestamp> = slots.take_while(|slot| *slot <= now).collect();
            if slots.len() >= count || from <= after {
                return slots.split_off(slots.len().saturating_sub(count));
            }
            window = window.saturating_mul(4);
        }
    }

    /// Moves `from` back to a whole number of periods after `after`, since `@every` counts from its
    /// beginning.
    fn aligned(&self, after: Timestamp, from: Timestamp) -> Timestamp {
        let Some(period) = self.schedule.period_seconds() else { return from };
        let offset = (from.as_second() - after.as_second()).rem_euclid(period);
        Timestamp::from_second(from.as_second() - offset).unwrap_or(after)
    }
}

/// Keeps the records of `old`, whatever the new object says. If the change affects when the CronJob
/// runs, the new schedule is in force from `now` on, and earlier slots do not count as missed.
///
/// Kubernetes has no such record: a schedule that is edited at noon to `0 11 * * *` runs at once
/// there, and so does a CronJob that is resumed, for its latest missed slot.
pub fn keep_records(old: &CronJob, new: &mut CronJob, now: Timestamp) {
    for name in annotations::RECORDS {
        write(&mut new.metadata, name, annotation(&old.metadata, name).map(str::to_owned));
    }
    let suspended = |cron_job: &CronJob| cron_job.spec.suspend == Some(true);
    let resumed = suspended(old) && !suspended(new);
    if resumed || spells(old) != spells(new) {
        set_in_force_since(&mut new.metadata, now);
    }
}

pub fn set_in_force_since(meta: &mut ObjectMeta, since: Timestamp) {
    set_record(meta, annotations::IN_FORCE_SINCE, since);
}

/// Reads the instant in one of [`annotations::RECORDS`].
pub fn record(meta: &ObjectMeta, name: &str) -> Option<Timestamp> {
    annotation(meta, name)?.parse().ok()
}

pub fn set_record(meta: &mut ObjectMeta, name: &str, at: Timestamp) {
    write(meta, name, Some(at.to_string()));
}

/// The defaults of the configuration that the times of runs depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leans {
    pub time_zone: bool,
    pub dst: bool,
}

pub fn leans_on(cron_job: &CronJob) -> Leans {
    let dst = annotation(&cron_job.metadata, annotations::DST);
    Leans { time_zone: cron_job.spec.time_zone.is_none(), dst: dst.is_none() }
}

/// Returns the fields that the times of runs depend on.
fn spells(cron_job: &CronJob) -> [Option<&str>; 4] {
    let spec = &cron_job.spec;
    [
        Some(spec.schedule.as_str()),
        spec.time_zone.as_deref(),
        annotation(&cron_job.metadata, annotations::SCHEDULE),
        annotation(&cron_job.metadata, annotations::DST),
    ]
}

/// Returns the part of `longest` that depends on the name alone, so that CronJobs of one schedule
/// spread out and each keeps its delay.
fn share(meta: &ObjectMeta, longest: SignedDuration) -> SignedDuration {
    if longest.is_zero() {
        return longest;
    }
    // FNV-1a, then mixed: the same on every host and in every release.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in [&meta.namespace, &meta.name] {
        for byte in part.iter().flat_map(|text| text.bytes()).chain([b'/']) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    let draw = u128::from(Seed::new(hash).draw());
    let share = (draw * longest.as_millis().unsigned_abs()) >> 64;
    SignedDuration::from_millis(i64::try_from(share).unwrap_or(0))
}

fn annotation<'a>(meta: &'a ObjectMeta, name: &str) -> Option<&'a str> {
    meta.annotations.as_ref()?.get(name).map(String::as_str)
}

fn write(meta: &mut ObjectMeta, name: &str, value: Option<String>) {
    match value {
        Some(value) => {
            meta.annotations.get_or_insert_default().insert(name.to_owned(), value);
        }
        None => {
            if let Some(annotations) = &mut meta.annotations {
                annotations.remove(name);
            }
        }
    }
}
