//! Which pods may run: the place that the scheduler has in a cluster, for one node and
//! `limits.runs`.

use super::Engine;
use crate::kinds::pod::queue::{self, Pending};
use crate::kinds::{Key, Kind, Object};
use crate::time::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Pods of Jobs that run, and all pods that wait to be bound, in the order of their slots.
#[derive(Default)]
pub(super) struct RunQueue {
    running: BTreeSet<Key>,
    waiting: BTreeMap<Key, Timestamp>,
    order: BTreeSet<(Timestamp, Key)>,
    /// Came since the last binding: these are told why they wait.
    fresh: BTreeSet<Key>,
    /// Wait for something else than their turn, and so are not in `order`, where they would take
    /// the place of one behind them.
    held: BTreeSet<Key>,
}

impl RunQueue {
    fn leave(&mut self, key: &Key) {
        if let Some(slot) = self.waiting.remove(key) {
            self.order.remove(&(slot, key.clone()));
        }
        self.fresh.remove(key);
        self.held.remove(key);
    }

    /// Puts a pod that waits in its order, or where it holds up no other.
    fn place(&mut self, key: &Key, is_held: bool) {
        let Some(slot) = self.waiting.get(key).copied() else { return };
        let entry = (slot, key.clone());
        if is_held {
            self.order.remove(&entry);
            self.held.insert(entry.1);
        } else if self.held.remove(key) {
            self.order.insert(entry);
        }
    }

    pub fn running_len(&self) -> usize {
        self.running.len()
    }

    pub fn waiting_len(&self) -> usize {
        self.waiting.len()
    }

    pub fn forget(&mut self, key: &Key) {
        self.leave(key);
        self.running.remove(key);
    }

    /// Those that could be bound or have to be told, given so many free places; the rest waits as
    /// it is.
    fn candidates(&self, free: usize) -> Vec<(Key, Timestamp)> {
        let near = self.order.iter().take(free);
        let told = self.fresh.union(&self.held);
        let told = told.filter_map(|key| Some((*self.waiting.get(key)?, key.clone())));
        let all: BTreeSet<(Timestamp, Key)> = near.cloned().chain(told).collect();
        all.into_iter().map(|(slot, key)| (key, slot)).collect()
    }
}

impl Engine {
    /// Takes note of how a pod stands now.
    pub(super) fn watch_pod(&mut self, pod: &Arc<Pod>) {
        let key = Object::Pod(pod.clone()).key();
        if queue::takes_run(pod) {
            self.queue.leave(&key);
            self.queue.running.insert(key);
        } else if queue::is_bound(pod) || pod.metadata.deletion_timestamp.is_some() {
            self.queue.forget(&key);
        } else if !self.queue.waiting.contains_key(&key) {
            let slot = self.slot_of(pod);
            self.queue.order.insert((slot, key.clone()));
            self.queue.fresh.insert(key.clone());
            self.queue.waiting.insert(key, slot);
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
        let candidates = self.queue.candidates(limit.saturating_sub(running));
        self.queue.fresh.clear();
        let Some(node) = self.node.clone() else { return false };
        let pods: Vec<(Arc<Pod>, Timestamp)> = (candidates.into_iter())
            .filter_map(|(key, slot)| match self.store.get(&key) {
                Some(Object::Pod(pod)) => Some((pod, slot)),
                _ => None,
            })
            .collect();
        let pending: Vec<Pending> =
            pods.iter().map(|(pod, slot)| Pending { pod, slot: *slot }).collect();
        let running = u32::try_from(running).unwrap_or(u32::MAX);
        self.know_all_pods();
        let (mut ports, now) = (std::mem::take(&mut self.network.ports), self.turn.now);
        let others = self.surroundings();
        let host = queue::Host { node: &node, others: &others, settings: &self.settings, now };
        let decisions = queue::bind(&pending, running, &host, &mut ports);
        let is_held = |pod: &Arc<Pod>| queue::is_held(pod, &host, &ports);
        let held: Vec<bool> = pods.iter().map(|(pod, _)| is_held(pod)).collect();
        self.network.ports = ports;
        for ((pod, _), is_held) in pods.iter().zip(held) {
            self.queue.place(&Object::Pod(pod.clone()).key(), is_held);
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
