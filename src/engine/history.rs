//! How long the run history is kept: by number for each CronJob, and by age (`history:` in the
//! configuration).
//!
//! Each new run makes room for itself, so the limits hold at every moment. CronJobs that run no
//! more, and all of them after the limits changed, are looked at a few a turn, so that no turn is
//! long however many runs are kept.

use super::Engine;
use cronlet_api::time::{SignedDuration, Timestamp};

/// CronJobs without new runs are looked at so often, while runs of others are recorded.
const LOOKED_AT_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// At most this many CronJobs are looked at in one turn.
const LOOKED_AT_MAX: usize = 16;

/// At most this many runs of one CronJob are forgotten at once. One new run needs room for one.
const FORGOTTEN_MAX: usize = 64;

/// Position of the look at all CronJobs.
#[derive(Debug, Default)]
pub(super) struct HistoryLook {
    /// When it goes on; `None` if nothing was recorded since the last one.
    pub due: Option<Timestamp>,
    /// The CronJob looked at last, by namespace and name.
    after: (String, String),
}

impl HistoryLook {
    /// Begins anew: the limits changed.
    pub(crate) fn begin(&mut self, now: Timestamp) {
        *self = HistoryLook { due: Some(now), ..HistoryLook::default() };
    }
}

impl Engine {
    /// Forgets runs of a CronJob that are too many or too old; says whether more are left. The disk
    /// may fail: then the commit of this turn does too.
    pub(super) fn trim_history(&mut self, cron_job: &(String, String)) -> bool {
        let count = self.store.count_runs(cron_job).unwrap_or(0);
        let oldest = self.store.oldest_runs(cron_job, FORGOTTEN_MAX).unwrap_or_default();
        let surplus = count.saturating_sub(self.settings.history.runs as usize);
        let age_max = SignedDuration::from_hours(24 * i64::from(self.settings.history.days));
        let is_old = |slot: i64| {
            let at = Timestamp::from_millisecond(slot).unwrap_or(self.turn.now);
            self.steps.elapsed(at, self.turn.now) > age_max
        };
        let is_out = |(nth, slot): &(usize, &i64)| *nth < surplus || is_old(**slot);
        let out = oldest.iter().enumerate().take_while(is_out).count();
        self.store.forget_runs(cron_job, &oldest[..out]);
        out == FORGOTTEN_MAX
    }

    /// Looks at a few CronJobs, if it is time for that.
    pub(super) fn keep_history(&mut self) {
        let now = self.turn.now;
        if self.history.due.is_none() && !self.turn.effects.runs.is_empty() {
            self.history.due = now.checked_add(LOOKED_AT_EVERY).ok();
        }
        if self.history.due.is_none_or(|at| at > now) {
            return;
        }
        for _ in 0..LOOKED_AT_MAX {
            let next = self.store.cron_job_with_runs(&self.history.after).ok().flatten();
            let Some(cron_job) = next else {
                self.history = HistoryLook::default();
                return;
            };
            if self.trim_history(&cron_job) {
                break;
            }
            self.history.after = cron_job;
        }
        self.history.due = Some(now);
    }
}
