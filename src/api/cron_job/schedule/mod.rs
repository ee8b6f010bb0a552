//! Schedules of CronJobs: Kubernetes' grammar, exactly, and cronlet's additions on request.
//!
//! A schedule is a handful of bit sets, and the next time is found by jumping from bit to bit.
//! `kubernetes` and `once` are the two ways to handle a change of the clocks ([`Dst`]).

use crate::settings::Dst;
use crate::time::Timestamp;

mod calendar;

mod duration;

mod extended;

mod fields;

mod kubernetes;

mod once;

mod parse;

mod shift;

mod zone;

#[cfg(test)]
mod stepwise;

#[cfg(test)]
mod tests;

pub use crate::cron_job::schedule::duration::{DurationError, parse as parse_duration};
pub use crate::cron_job::schedule::parse::{Field, Problem, ScheduleError};
pub use crate::cron_job::schedule::shift::Shift;
pub use crate::cron_job::schedule::zone::{Zone, ZoneError, time_zone_problems};

use crate::cron_job::schedule::fields::Fields;
use crate::cron_job::schedule::parse::Grammar;

/// A parsed schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    form: Form,
    /// The zone of a `TZ=` prefix, which overrides any other zone.
    zone: Option<Zone>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    Fields(Fields),
    /// A period, counted from the last run and not from the clock.
    Every {
        seconds: i64,
    },
    /// A run for each start of the host.
    Reboot,
}

/// The slots between two instants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Missed {
    /// The number of slots, counted up to `Missed::COUNT_MAX`.
    pub count: u32,
    /// The last of them.
    pub latest: Option<Timestamp>,
}

impl Missed {
    /// At most this many slots are counted: Kubernetes warns of more than 100 missed starts, and
    /// more than that makes no difference.
    pub const COUNT_MAX: u32 = 101;
}

impl Schedule {
    /// Parses `spec.schedule` exactly as Kubernetes' cron library does. That includes a `TZ=`
    /// prefix, which Kubernetes' validation refuses for new objects.
    pub fn parse(text: &str) -> Result<Schedule, ScheduleError> {
        parse::schedule(text, Grammar::Kubernetes)
    }

    /// Parses the annotation `cronlet.dev/schedule`: also a leading seconds field, `@reboot`, `L`,
    /// `W`, `#` and `H`, which is drawn from `seed`, `namespace/name`.
    pub fn parse_extended(text: &str, seed: &str) -> Result<Schedule, ScheduleError> {
        parse::schedule(text, Grammar::Extended(seed))
    }

    /// Returns the first time due after `after`, on the clock of `zone`. `None` if there is none in
    /// the next five years, as in Kubernetes; `0 0 31 2 *` never fires.
    pub fn next_after(&self, after: Timestamp, zone: &Zone, dst: Dst) -> Option<Timestamp> {
        let zone = self.zone.unwrap_or(*zone);
        let now = zone::floor_second(after);
        let second = match (&self.form, dst) {
            (Form::Fields(fields), Dst::Kubernetes) => kubernetes::next(fields, now + 1, zone)?,
            (Form::Fields(fields), Dst::Once) => once::next(fields, now + 1, zone)?,
            (Form::Every { seconds }, _) => now.checked_add(*seconds)?,
            (Form::Reboot, _) => return None,
        };
        debug_assert!(second > now, "{self:?} went from {now} to {second}");
        Timestamp::from_second(second).ok()
    }

    /// Iterates over the times due after `after`.
    pub fn upcoming(
        &self,
        after: Timestamp,
        zone: &Zone,
        dst: Dst,
    ) -> impl Iterator<Item = Timestamp> {
        let next = move |at: &Timestamp| self.next_after(*at, zone, dst);
        std::iter::successors(next(&after), next)
    }

    /// Counts the slots after `after` up to `now`, in few steps even over years of missed minutes
    /// (Kubernetes' `mostRecentScheduleTime`).
    pub fn missed(&self, after: Timestamp, now: Timestamp, zone: &Zone, dst: Dst) -> Missed {
        let mut slots = self.upcoming(after, zone, dst).take_while(|slot| *slot <= now);
        let mut missed = Missed::default();
        for slot in slots.by_ref().take(Missed::COUNT_MAX as usize) {
            missed.count += 1;
            missed.latest = Some(slot);
        }
        if missed.count == Missed::COUNT_MAX {
            missed.latest = missed.latest.map(|known| self.latest(known, now, zone, dst));
        }
        missed
    }

    /// Returns how a change of the clocks shifted the run at `at`, which is one of this schedule's.
    pub fn shift(&self, at: Timestamp, zone: &Zone) -> Option<Shift> {
        match &self.form {
            Form::Fields(fields) => shift::of(fields, at, self.zone.unwrap_or(*zone)),
            Form::Every { .. } | Form::Reboot => None,
        }
    }

    /// True if it is due once for each start of the host (`@reboot`), and never by the clock.
    pub fn is_reboot(&self) -> bool {
        self.form == Form::Reboot
    }

    /// True if it may be due twice in one minute, so that a name made of the minute is not enough.
    pub fn is_finer_than_minutes(&self) -> bool {
        match &self.form {
            Form::Fields(fields) => fields.second != 1,
            Form::Every { seconds } => *seconds < 60,
            Form::Reboot => false,
        }
    }

    /// Returns the period of `@every`, which counts from the last run and not from the clock.
    pub fn period_seconds(&self) -> Option<i64> {
        match self.form {
            Form::Every { seconds } => Some(seconds),
            _ => None,
        }
    }

    /// Returns the zone of a `TZ=` prefix.
    pub fn zone(&self) -> Option<Zone> {
        self.zone
    }

    /// Returns the last slot up to `now`, given that `known` is one.
    fn latest(&self, known: Timestamp, now: Timestamp, zone: &Zone, dst: Dst) -> Timestamp {
        let (known, now) = (zone::floor_second(known), zone::floor_second(now));
        let instant = |second| Timestamp::from_second(second).expect("between two timestamps");
        if let Form::Every { seconds } = self.form {
            return instant(now - (now - known) % seconds);
        }
        // The next slot never moves back as time passes: bisect for the last second whose next slot
        // is not yet future.
        let (mut low, mut high) = (known, now);
        let mut latest = instant(known);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.next_after(instant(middle), zone, dst).filter(|next| *next <= instant(now)) {
                Some(next) => {
                    latest = latest.max(next);
                    low = zone::floor_second(next);
                }
                None => high = middle,
            }
        }
        latest
    }
}
