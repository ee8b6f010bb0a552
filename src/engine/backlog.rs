//! Work that is too much for one turn: the next turns do it, bit by bit, after what is new.
//!
//! A turn ends with one commit, and until then nothing else is answered, planned or started. An
//! owner that makes or deletes many objects, and the deletion of what many objects depend on, are
//! therefore cut: at most [`OBJECTS_PER_TURN_MAX`] objects are made and deleted per turn. The rest
//! is kept in memory; after a crash it follows again from the objects themselves.

use super::Engine;
use cronlet_api::kind::{Key, Kind};
use cronlet_plan::controllers::controller::PODS_PER_PLAN_MAX;
use std::collections::{BTreeSet, VecDeque};

/// At most this many objects are made or deleted per turn by plans and for lack of an owner. It is
/// one burst of a controller; a turn of it takes tens of milliseconds.
pub(super) const OBJECTS_PER_TURN_MAX: usize = PODS_PER_PLAN_MAX;

/// A plan that makes or deletes at least this many objects is made again in the next turn, not in
/// the same.
const BURST_MIN: usize = 100;

/// Work that waits for the next turns.
#[derive(Default)]
pub(super) struct Backlog {
    /// To be planned, the one that waits longest first.
    owners: VecDeque<Key>,
    is_queued: BTreeSet<Key>,
    chores: BTreeSet<Chore>,
}

/// Something to do with one object.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Chore {
    /// Deletes the object that has this uid.
    Delete(Key, String),
    /// Deletes the object if its owners are no more.
    Collect(Key),
}

impl Backlog {
    pub(crate) fn is_empty(&self) -> bool {
        self.owners.is_empty() && self.chores.is_empty()
    }

    fn push(&mut self, key: Key) {
        if self.is_queued.insert(key.clone()) {
            self.owners.push_back(key);
        }
    }

    fn pop(&mut self) -> Option<Key> {
        let key = self.owners.pop_front()?;
        self.is_queued.remove(&key);
        Some(key)
    }
}

impl Engine {
    /// True if the object is planned in a later turn: it had its burst, or the turn is full and the
    /// object makes pods. A CronJob is always planned: it makes one Job.
    pub(super) fn postpone(&mut self, key: &Key) -> bool {
        use Kind::{DaemonSet, Job, ReplicaSet, StatefulSet};
        let makes_pods = matches!(key.kind, DaemonSet | Job | ReplicaSet | StatefulSet);
        let waits = self.turn.bursts.contains(key) || makes_pods && self.is_full();
        if waits {
            self.backlog.push(key.clone());
        }
        waits
    }

    /// Takes note of how many objects a plan makes and deletes.
    pub(super) fn count_burst(&mut self, key: &Key, objects: usize) {
        if objects >= BURST_MIN {
            self.turn.bursts.insert(key.clone());
            self.backlog.push(key.clone());
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.turn.objects >= OBJECTS_PER_TURN_MAX
    }

    /// Does the chore in this turn, or in a later one if this one is full.
    pub(super) fn do_soon(&mut self, chore: Chore) {
        if self.is_full() {
            self.backlog.chores.insert(chore);
            return;
        }
        self.turn.objects += 1;
        match chore {
            Chore::Collect(key) => self.collect_dependent(&key),
            Chore::Delete(key, uid) => {
                if self.store.get(&key).is_some_and(|object| object.uid() == uid) {
                    self.delete(&key, None);
                }
            }
        }
    }

    /// Plans the object in the next turn.
    pub(super) fn continue_later(&mut self, key: &Key) {
        self.turn.bursts.insert(key.clone());
        self.backlog.push(key.clone());
    }

    /// Takes up what earlier turns left, as far as there is room; false if there was nothing.
    pub(super) fn take_backlog(&mut self) -> bool {
        let mut any = false;
        while !self.turn.is_urgent && !self.is_full() {
            if let Some(chore) = self.backlog.chores.pop_first() {
                self.do_soon(chore);
            } else if self.backlog.owners.front().is_some_and(|key| !self.turn.bursts.contains(key))
            {
                let key = self.backlog.pop().expect("front() saw one");
                self.dirty.insert(key);
                return true;
            } else {
                return any;
            }
            any = true;
        }
        any
    }

    /// After a start: objects whose owner is no more, because a crash came before all of them were
    /// collected.
    pub(super) fn collect_strays(&mut self) {
        for (uid, dependent) in self.store.owners() {
            if self.has_lost(&dependent, &uid) {
                let keys = self.store.owned_keys(&uid).into_iter();
                self.backlog.chores.extend(keys.map(Chore::Collect));
            }
        }
    }
}
