//! When a CronJob runs: its schedule, zone and annotations, read together; and since when they are in force.

use super::schedule::{Missed, Schedule, ScheduleError, Zone, ZoneError};
use crate::kinds::action::{Dst, Settings};
use crate::seed::Seed;
use crate::time::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// Instead of `spec.schedule`: cronlet's own grammar.
const SCHEDULE: &str = "cronlet.dev/schedule";
const DST: &str = "cronlet.dev/dst";
const CATCH_UP: &str = "cronlet.dev/catch-up";
const JITTER: &str = "cronlet.dev/jitter";

/// Since when the schedule is what it is: written when an edit or a resume changes when the CronJob runs.
const IN_FORCE_SINCE: &str = "cronlet.dev/in-force-since";
/// The last slot that was told of as skipped, so that it is told of once.
const SKIPPED_UP_TO: &str = "cronlet.dev/skipped-up-to";

/// Is this annotation cronlet's own record? Such a one stays when a manifest is applied that does not have it.
pub fn is_own_record(annotation: &str) -> bool {
    [IN_FORCE_SINCE, SKIPPED_UP_TO].contains(&annotation)
}

/// Which missed runs `cronlet.dev/catch-up` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatchUp {
    /// The default: after downtime the latest, as Kubernetes; after an edit or a resume none.
    None,
    /// The latest, also after an edit or a resume.
    Latest,
    /// Every one, oldest first.
    All,
}

pub struct Timing {
    pub schedule: Schedule,
    pub zone: Zone,
    pub dst: Dst,
    pub catch_up: CatchUp,
    /// From the slot to the start; the same for every slot of a CronJob.
    pub jitter: SignedDuration,
}

/// Why a CronJob cannot be scheduled.
#[derive(Debug, thiserror::Error)]
pub enum TimingError {
    #[error("unparseable schedule: {schedule:?} : {source}")]
    Schedule { schedule: String, source: ScheduleError },
    #[error("invalid timeZone: {name:?}: {source}")]
    Zone { name: String, source: ZoneError },
}

impl TimingError {
    /// Kubernetes' reason of the event.
    pub fn reason(&self) -> &'static str {
        match self {
            TimingError::Schedule { .. } => "UnparseableSchedule",
            TimingError::Zone { .. } => "UnknownTimeZone",
        }
    }
}

impl Timing {
    pub fn read(cron_job: &CronJob, settings: &Settings) -> Result<Timing, TimingError> {
        let meta = &cron_job.metadata;
        let spec = &cron_job.spec;
        let zone = spec.time_zone.as_deref().unwrap_or(&settings.time_zone);
        let zone = Zone::load(zone)
            .map_err(|source| TimingError::Zone { name: zone.to_owned(), source })?;
        Ok(Timing {
            schedule: read_schedule(cron_job)?,
            zone,
            dst: match annotation(meta, DST) {
                Some("kubernetes") => Dst::Kubernetes,
                Some("once") => Dst::Once,
                _ => settings.dst,
            },
            catch_up: match annotation(meta, CATCH_UP) {
                Some("latest") => CatchUp::Latest,
                Some("all") => CatchUp::All,
                _ => CatchUp::None,
            },
            jitter: read_jitter(meta),
        })
    }

    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        self.schedule.next_after(after, &self.zone, self.dst)
    }

    pub fn missed(&self, after: Timestamp, now: Timestamp) -> Missed {
        self.schedule.missed(after, now, &self.zone, self.dst)
    }

    /// The last slots after `after` up to `now`, at most `count`, oldest first.
    ///
    /// Looks back from `now` over a window that grows until it holds enough, so that a month of missed minutes costs
    /// no more than an hour of them.
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

    /// `@every` counts from where it began: a later beginning has to lie a whole number of periods after it.
    fn aligned(&self, after: Timestamp, from: Timestamp) -> Timestamp {
        let Some(period) = self.schedule.period_seconds() else { return from };
        let offset = (from.as_second() - after.as_second()).rem_euclid(period);
        Timestamp::from_second(from.as_second() - offset).unwrap_or(after)
    }
}

/// Does the change touch when the CronJob runs? Then the new schedule is in force from `now` on, and slots before do
/// not count as missed. The records of `old` are kept, whatever the new object says.
///
/// Kubernetes has no such record: a schedule that is edited at noon to `0 11 * * *` runs at once there, and so does a
/// CronJob that is resumed, for its latest missed slot.
pub fn carry_over(old: &CronJob, new: &mut CronJob, now: Timestamp) {
    for name in [IN_FORCE_SINCE, SKIPPED_UP_TO] {
        write(&mut new.metadata, name, annotation(&old.metadata, name).map(str::to_owned));
    }
    let suspended = |cron_job: &CronJob| cron_job.spec.suspend == Some(true);
    let resumed = suspended(old) && !suspended(new);
    if resumed || spells(old) != spells(new) {
        write(&mut new.metadata, IN_FORCE_SINCE, Some(now.to_string()));
    }
}

pub fn in_force_since(meta: &ObjectMeta) -> Option<Timestamp> {
    annotation(meta, IN_FORCE_SINCE)?.parse().ok()
}

pub fn skipped_up_to(meta: &ObjectMeta) -> Option<Timestamp> {
    annotation(meta, SKIPPED_UP_TO)?.parse().ok()
}

pub fn set_skipped_up_to(meta: &mut ObjectMeta, slot: Timestamp) {
    write(meta, SKIPPED_UP_TO, Some(slot.to_string()));
}

/// What the times of runs follow from.
fn spells(cron_job: &CronJob) -> [Option<&str>; 4] {
    let spec = &cron_job.spec;
    [
        Some(spec.schedule.as_str()),
        spec.time_zone.as_deref(),
        annotation(&cron_job.metadata, SCHEDULE),
        annotation(&cron_job.metadata, DST),
    ]
}

fn read_schedule(cron_job: &CronJob) -> Result<Schedule, TimingError> {
    let meta = &cron_job.metadata;
    let part = |field: &Option<String>| field.clone().unwrap_or_default();
    let own = annotation(meta, SCHEDULE);
    let text = own.unwrap_or(&cron_job.spec.schedule);
    let schedule = match own {
        None => Schedule::parse(text),
        Some(own) => Schedule::parse_extended(
            own,
            &format!("{}/{}", part(&meta.namespace), part(&meta.name)),
        ),
    };
    schedule.map_err(|source| TimingError::Schedule { schedule: text.to_owned(), source })
}

/// A part of `cronlet.dev/jitter` that hangs on the name alone, so that CronJobs of one schedule spread out and each
/// keeps its place.
fn read_jitter(meta: &ObjectMeta) -> SignedDuration {
    let longest = annotation(meta, JITTER).and_then(|text| text.parse::<SignedDuration>().ok());
    let Some(longest) = longest.filter(|longest| longest.is_positive()) else {
        return SignedDuration::ZERO;
    };
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
