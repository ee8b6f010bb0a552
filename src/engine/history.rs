//! How long the run history is kept: by number for each CronJob, and by age (`history:` in the
//! configuration).

use super::Engine;
use crate::time::SignedDuration;

const LOOKED_AT_EVERY: SignedDuration = SignedDuration::from_hours(1);

impl Engine {
    /// Once an hour, while runs are being recorded, forgets those that are too many or too old.
    pub(super) fn keep_history(&mut self) {
        let now = self.turn.now;
        if self.history_due.is_none() && !self.turn.effects.runs.is_empty() {
            self.history_due = now.checked_add(LOOKED_AT_EVERY).ok();
        }
        if self.history_due.is_none_or(|at| at > now) {
            return;
        }
        self.history_due = None;
        let days = i64::from(self.settings.history.days);
        let oldest = now.checked_sub(SignedDuration::from_hours(24 * days)).unwrap_or(now);
        let runs = self.store.reader().runs(None, None);
        let of_one = |a: &_, b: &_| names(a) == names(b);
        for runs in runs.chunk_by(of_one) {
            let kept = runs.len().saturating_sub(self.settings.history.runs as usize);
            let too_many = runs[..kept].iter();
            let too_old = runs[kept..].iter().filter(|run| run.scheduled < oldest);
            too_many.chain(too_old).for_each(|run| self.store.forget_run(run));
        }
    }
}

fn names(run: &crate::kinds::action::Run) -> (&str, &str) {
    (&run.namespace, &run.cron_job)
}
