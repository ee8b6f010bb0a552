//! Pods that end although their controller keeps them up, and how long it waits before it replaces
//! the next.
//!
//! A DaemonSet of Kubernetes waits (`failedPodsBackoff`). A ReplicaSet or StatefulSet does not, and
//! makes pods as fast as they end. One host has no room for that, so each of them waits here: as
//! many pods as the controller has places may end before the first wait.

use super::tally::{self, Tally};
use crate::plan::{Plan, View};
use cronlet_api::annotations::ENDED;
use cronlet_api::time::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::borrow::Cow;

const FIRST: SignedDuration = SignedDuration::from_secs(1);
const LONGEST: SignedDuration = SignedDuration::from_mins(15);

/// A controller whose pods have not ended for this long starts anew: twice the longest wait, as
/// Kubernetes' backoff.
const FORGOTTEN: SignedDuration = SignedDuration::from_mins(30);

/// The ended pods in whose places a controller made others, one after the other.
#[derive(Debug, Clone, Copy)]
pub struct Endings {
    before: Option<Tally>,
    now: Option<Tally>,
    places: i32,
}

impl Endings {
    /// Reads them from the controller. Its pods of another spec start anew.
    pub fn of(meta: &ObjectMeta, observed: Option<i64>, places: i32, view: &View) -> Endings {
        let before = Tally::read(meta, ENDED);
        let counts = |tally: &Tally| meta.generation == observed && is_near(tally.last, view);
        Endings { before, now: before.filter(counts), places }
    }

    /// Counts an ended pod that is replaced now; false if it has to wait, with a wake for then.
    pub fn replace(&mut self, view: &View, plan: &mut Plan) -> bool {
        let waits = self.now.is_some_and(|before| self.waits(before, view, plan));
        if !waits {
            self.now = Some(Tally::and(self.now, view.now));
        }
        !waits
    }

    /// Counts the ends since the last that was counted, of pods that stay when they have ended.
    /// Times are whole seconds: of the second of that one all are counted.
    pub fn count(&mut self, ends: impl Iterator<Item = Timestamp>, view: &View) {
        let counted = self.before.map(|before| before.last);
        let mut together = 0;
        for at in ends.filter(|at| Some(*at) >= counted && is_near(*at, view)) {
            match Some(at) == counted {
                true => together += 1,
                false => self.now = Some(Tally::and(self.now, at)),
            }
        }
        self.now = self.now.map(|now| Tally { count: now.count.max(together), ..now });
    }

    /// True if the next pod may not be made yet, with a wake for then: the last end is the one that
    /// it replaces.
    pub fn hold_back(&self, view: &View, plan: &mut Plan) -> bool {
        let before = |tally: Tally| Tally { count: tally.count.saturating_sub(1), ..tally };
        self.now.map(before).is_some_and(|before| self.waits(before, view, plan))
    }

    fn waits(&self, before: Tally, view: &View, plan: &mut Plan) -> bool {
        let rounds = before.count / u32::try_from(self.places).unwrap_or(0).max(1);
        let next = Tally { count: rounds, ..before }.next_try(FIRST, LONGEST, view);
        let waits = rounds > 0 && next > view.now;
        if waits {
            plan.wake(next);
        }
        waits
    }

    pub fn write(&self, meta: &mut Cow<'_, ObjectMeta>) {
        if self.now == self.before {
            return;
        }
        match self.now {
            Some(tally) => tally.write(meta.to_mut(), ENDED),
            None => tally::clear(meta.to_mut(), ENDED),
        }
    }
}

fn is_near(at: Timestamp, view: &View) -> bool {
    view.elapsed(at) <= FORGOTTEN
}
