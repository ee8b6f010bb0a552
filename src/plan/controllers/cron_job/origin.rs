//! From where on a CronJob's slots count: after its last run, after it was made or edited, and in
//! no case for times that only a wrong clock showed.
//!
//! A board without a battery boots in 1970 or in the year of its image and learns the date from NTP
//! later; another clock is years ahead until someone sets it. A stamp of before is read by the
//! clock as it is now ([`View::as_set_now`]), so what a step jumped over never counts as missed. A
//! step of up to a day leaves the schedule as it is. Where a stamp was moved by more, the schedule
//! starts anew, and that is recorded with the object: the steps themselves may be forgotten.

use crate::plan::View;
use cronlet_api::cron_job::annotations::{
    CatchUp, IN_FORCE_SINCE, SETTLED_BEFORE, SKIPPED_UP_TO, STARTED_ANEW_AT,
};
use cronlet_api::cron_job::timing;
use cronlet_api::time::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

/// No clock is set by more and yet was right before.
const STEP_MAX: SignedDuration = SignedDuration::from_hours(24);

pub struct Origin<'a> {
    meta: &'a ObjectMeta,
    view: &'a View<'a>,
    started_anew_at: Option<Timestamp>,
    settled_before: Option<Timestamp>,
    is_changed: bool,
}

/// Direction in which the clock moved the schedule.
pub enum Moved {
    Back,
    Forward,
}

impl<'a> Origin<'a> {
    pub fn read(meta: &'a ObjectMeta, view: &'a View<'a>) -> Origin<'a> {
        let record = |name| timing::record(meta, name);
        let (started_anew_at, settled_before) = (record(STARTED_ANEW_AT), record(SETTLED_BEFORE));
        Origin { meta, view, started_anew_at, settled_before, is_changed: false }
    }

    /// Starts the schedule anew if its stamps are of a clock that was wrong by more than a day.
    /// `last` is the last slot that ran; a slot of the future is taken away.
    pub fn follow_clock(&mut self, last: &mut Option<Time>) -> Option<Moved> {
        let now = self.view.now;
        let stamps = [last.as_ref().map(|time| time.0), self.made(), self.started_anew_at];
        let ahead = stamps.into_iter().flatten().filter(|at| self.believed(Some(*at)).is_none());
        if let Some(ahead) = ahead.max().filter(|at| self.settled_before < Some(*at)) {
            let read_now = self.view.as_set_now(ahead);
            self.started_anew_at = Some(if read_now <= now { read_now } else { now });
            self.settled_before = Some(ahead);
            *last = self.believed(last.as_ref().map(|time| time.0)).map(Time);
            self.is_changed = true;
            return Some(Moved::Back);
        }
        let stamps = stamps.into_iter().chain([self.settled_before]).flatten();
        let latest = stamps.filter(|at| *at <= now).max()?;
        let read_now = self.view.as_set_now(latest);
        if read_now.duration_since(latest) <= STEP_MAX {
            return None;
        }
        self.started_anew_at = Some(read_now);
        self.is_changed = true;
        Some(Moved::Forward)
    }

    fn made(&self) -> Option<Timestamp> {
        self.meta.creation_timestamp.as_ref().map(|time| time.0)
    }

    /// The instant, unless it lies so far in the future that the clock was wrong.
    pub fn believed(&self, at: Option<Timestamp>) -> Option<Timestamp> {
        at.filter(|at| at.duration_since(self.view.now) <= STEP_MAX)
    }

    /// The last slot that was recorded as skipped.
    pub fn skipped_up_to(&self) -> Option<Timestamp> {
        self.believed(timing::record(self.meta, SKIPPED_UP_TO))
    }

    /// Since when the schedule is what it is, where an edit or a resume changed it.
    fn in_force_since(&self) -> Option<Timestamp> {
        let since = timing::record(self.meta, IN_FORCE_SINCE)?;
        self.believed(Some(self.view.as_set_now(since)))
    }

    /// True if the schedule was what it is at an instant, by the clock of then.
    pub fn was_in_force_at(&self, at: Timestamp) -> bool {
        self.made().max(timing::record(self.meta, IN_FORCE_SINCE)) <= Some(at)
    }

    /// Slots up to here are settled, or were before the schedule was in force.
    pub fn floor(&self, last: Option<Timestamp>, catch_up: CatchUp) -> Timestamp {
        let in_force = self.in_force_since();
        let made = self.made().map(|made| self.view.as_set_now(made));
        // An edit that seems older than the object was made after the clock had been set back.
        let made = made.map(|made| in_force.map_or(made, |edited| made.min(edited)));
        let settled = self.settled_before.filter(|at| *at <= self.view.now);
        let anew = self.started_anew_at.max(settled).map(|at| self.view.as_set_now(at));
        let other = match catch_up {
            CatchUp::None => in_force,
            CatchUp::Latest => None,
            CatchUp::All => self.skipped_up_to(),
        };
        let stamps = [last, made, anew, other].map(|at| self.believed(at));
        stamps.into_iter().max().flatten().or(in_force).unwrap_or(self.view.now)
    }

    /// The last instant at which slots that had passed before could first be seen as missed: the
    /// daemon's start, a step of the clock, the end of a suspension.
    pub fn missed_seen_at(&self, catch_up: CatchUp) -> Option<Timestamp> {
        let started = self.view.settings.down.map(|down| down.to);
        let resumed = (catch_up != CatchUp::None).then(|| self.in_force_since()).flatten();
        let seen = [started, self.view.steps.last_set_to(), resumed].into_iter().flatten();
        seen.filter(|at| *at <= self.view.now).max()
    }

    /// Writes the records.
    pub fn write(&self, meta: &mut ObjectMeta) {
        let records =
            [(STARTED_ANEW_AT, self.started_anew_at), (SETTLED_BEFORE, self.settled_before)];
        for (name, at) in records {
            if let Some(at) = at {
                timing::set_record(meta, name, at);
            }
        }
    }

    /// True if the clock changed the records.
    pub fn is_changed(&self) -> bool {
        self.is_changed
    }
}
