//! Ends the runs of Jobs that are removed before their end: no line of the history stays `Running`.

use super::Engine;
use cronlet_api::job::conditions;
use cronlet_api::kind::Object;
use cronlet_api::run::{Outcome, Run};
use cronlet_plan::controllers::job::record;

/// Why a run has no outcome of its own.
const DELETED: &str = "deleted while it ran";

impl Engine {
    /// Records the end of the run whose Job is removed.
    pub(super) fn close_run(&mut self, removed: &Object) {
        let Object::Job(job) = removed else { return };
        if conditions::end(job).is_some() {
            return;
        }
        if let Some(run) = record::run(job, &[], self.turn.now) {
            let ended = Some(self.turn.now);
            let message = DELETED.to_owned();
            self.record(Run { outcome: Outcome::Replaced, ended, message, ..run });
        }
    }

    /// True if this turn recorded the end of the run: what is recorded later knows less of it.
    pub(super) fn is_closed(&self, run: &Run) -> bool {
        let is_same = |one: &&Run| one.job == run.job && one.namespace == run.namespace;
        let told = self.turn.effects.runs.iter().rev().find(is_same);
        told.is_some_and(|told| told.outcome != Outcome::Running)
    }
}
