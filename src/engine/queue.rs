//! Which pods may run: the place that the scheduler has in a cluster, for one node and
//! `limits.runs`.

use super::Engine;
use cronlet_api::kind::{Key, Kind, Object};
use cronlet_api::time::Timestamp;
use cronlet_plan::kubelet::availability::has_ended;
use cronlet_plan::scheduler::fit;
use cronlet_plan::scheduler::queue::{self, Held, Pending, Taken};
use k8s_openapi::api::core::v1::Pod;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The pods that are bound, and those that wait to be, in the order of their slots.
#[derive(Default)]
pub(super) struct RunQueue {
    taken: Taken,
    /// Pods of Jobs that run.
    running: BTreeSet<Key>,
    waiting: BTreeMap<Key, Waiting>,
    /// Pods of Jobs, and all others: `limits.runs` lets the others pass.
    jobs: BTreeSet<(Timestamp, Key)>,
    others: BTreeSet<(Timestamp, Key)>,
    /// Pods that were planned since the last binding: what they wait for may be another thing now.
    fresh: BTreeSet<Key>,
    /// Pods that wait for something else than their turn, and so are in no order, where they would
    /// take the place of one behind them.
    held: BTreeMap<Key, Held>,
}

#[derive(Clone, Copy)]
struct Waiting {
    slot: Timestamp,
    is_of_job: bool,
}

impl RunQueue {
    fn order(&mut self, waiting: Waiting) -> &mut BTreeSet<(Timestamp, Key)> {
        if waiting.is_of_job { &mut self.jobs } else { &mut self.others }
    }

    fn leave(&mut self, key: &Key) {
        if let Some(waiting) = self.waiting.remove(key) {
            self.order(waiting).remove(&(waiting.slot, key.clone()));
        }
        self.fresh.remove(key);
        self.held.remove(key);
    }

    /// Puts a pod that waits in its order, or where it holds up no other.
    fn place(&mut self, key: &Key, held: Option<Held>) {
        let Some(waiting) = self.waiting.get(key).copied() else { return };
        let entry = (waiting.slot, key.clone());
        if let Some(held) = held {
            self.order(waiting).remove(&entry);
            self.held.insert(entry.1, held);
        } else if self.held.remove(key).is_some() {
            self.order(waiting).insert(entry);
        }
    }

    pub(crate) fn running_len(&self) -> usize {
        self.running.len()
    }

    pub(crate) fn waiting_len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn forget(&mut self, key: &Key) {
        self.leave(key);
        self.running.remove(key);
        self.taken.remove(key);
    }

    /// The node is another: all that are held up by it are looked at again.
    pub(crate) fn node_changed(&mut self) {
        self.fresh.extend(self.held.keys().cloned());
    }

    /// Pods that could be bound or have to be told, given so many free runs and places; the rest
    /// waits as it is.
    fn candidates(&self, runs: usize, places: usize) -> Vec<(Key, Timestamp)> {
        let near = self.jobs.iter().take(runs.min(places)).chain(self.others.iter().take(places));
        let held = self.held.iter().filter(|(_, held)| **held == Held::Other).map(|(key, _)| key);
        let told = self.fresh.iter().chain(held);
        let told = told.filter_map(|key| Some((self.waiting.get(key)?.slot, key.clone())));
        let all: BTreeSet<(Timestamp, Key)> = near.cloned().chain(told).collect();
        all.into_iter().map(|(slot, key)| (key, slot)).collect()
    }
}

impl Engine {
    pub(super) fn is_elsewhere(&self, pod: &Pod) -> bool {
        queue::is_elsewhere(pod, &self.settings.node_name)
    }

    /// Takes note of how a pod stands now.
    pub(super) fn watch_pod(&mut self, pod: &Arc<Pod>) {
        let key = Object::Pod(pod.clone()).key();
        if self.is_elsewhere(pod) {
            self.queue.forget(&key);
        } else if queue::is_bound(pod) && !has_ended(pod) {
            self.queue.leave(&key);
            self.queue.taken.insert(&key, pod);
            if queue::takes_run(pod) {
                self.queue.running.insert(key);
            }
        } else if queue::is_bound(pod) || pod.metadata.deletion_timestamp.is_some() {
            self.queue.forget(&key);
        } else {
            if !self.queue.waiting.contains_key(&key) {
                let waiting = Waiting { slot: self.slot_of(pod), is_of_job: queue::is_of_job(pod) };
                self.queue.order(waiting).insert((waiting.slot, key.clone()));
                self.queue.waiting.insert(key.clone(), waiting);
            }
            self.queue.fresh.insert(key);
        }
    }

    fn slot_of(&self, pod: &Arc<Pod>) -> Timestamp {
        let owners = pod.metadata.owner_references.iter().flatten();
        let job = owners.into_iter().find(|owner| owner.kind == "Job").and_then(|owner| {
            let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
            self.store.get(&Key::new(Kind::Job, namespace, &owner.name))
        });
        match &job {
            Some(Object::Job(job)) => queue::slot(pod, Some(job)),
            _ => queue::slot(pod, None),
        }
    }

    /// Binds the pods whose turn it is; false when nothing came of it.
    pub(super) fn bind_pods(&mut self) -> bool {
        let running = self.queue.running.len();
        let limit = self.settings.limits.runs.map_or(usize::MAX, |runs| runs as usize);
        let Some(node) = self.node.clone() else { return false };
        let places = fit::pods_max(&node).saturating_sub(self.queue.taken.pods());
        let candidates = self.queue.candidates(limit.saturating_sub(running), places as usize);
        self.queue.fresh.clear();
        let pods: Vec<(Arc<Pod>, Timestamp)> = (candidates.into_iter())
            .filter_map(|(key, slot)| match self.store.get(&key) {
                Some(Object::Pod(pod)) => Some((pod, slot)),
                _ => None,
            })
            .collect();
        let pending: Vec<Pending> =
            pods.iter().map(|(pod, slot)| Pending { pod, slot: *slot }).collect();
        self.queue.taken.runs = u32::try_from(running).unwrap_or(u32::MAX);
        self.know_all_pods();
        let (mut ports, now) = (std::mem::take(&mut self.network.ports), self.turn.now);
        let lookup = self.host_view();
        let host = queue::Host { node: &node, lookup: &lookup, settings: &self.settings, now };
        let decisions = queue::bind(&pending, &self.queue.taken, &host, &mut ports);
        let held = |pod: &Arc<Pod>| queue::held(pod, &host, &ports);
        let held: Vec<Option<Held>> = pods.iter().map(|(pod, _)| held(pod)).collect();
        self.network.ports = ports;
        for ((pod, _), held) in pods.iter().zip(held) {
            self.queue.place(&Object::Pod(pod.clone()).key(), held);
        }
        let any = !decisions.is_empty();
        for decision in decisions {
            let pod = Object::from(decision.pod.clone());
            let (key, actions) = (pod.key(), decision.into_plan().actions);
            actions.into_iter().for_each(|action| self.carry_out(&key, &pod, action));
        }
        any
    }
}
