//! What the runtime says of pods, folded into what their plans see.

use super::Engine;
use cronlet_api::kind::{Key, Kind, Object};
use cronlet_plan::kubelet::events;
use cronlet_plan::order::{ContainerState, Order, PodObserved, Report};
use cronlet_plan::scheduler::queue::is_bound;
use std::collections::{BTreeMap, BTreeSet};

/// A pod that the runtime knows.
pub(super) struct Seen {
    pub key: Option<Key>,
    pub observed: PodObserved,
}

impl Engine {
    /// After a start: what the runtime still knows. Of what it lost, the pod's status tells.
    pub(super) fn take_back(&mut self, recovered: Vec<(String, PodObserved)>) {
        for (uid, observed) in recovered {
            self.seen.insert(uid, Seen { key: None, observed });
        }
        for key in self.store.keys(Kind::Pod) {
            let Some(pod) = self.store.get(&key) else { continue };
            let unknown = || Seen { key: None, observed: PodObserved::default() };
            self.seen.entry(pod.uid().to_owned()).or_insert_with(unknown).key = Some(key);
        }
    }

    /// Folders of pods that are no more: their removal was committed, the order to clean was not
    /// carried out.
    pub(super) fn clean_strangers(&mut self) {
        let strangers = self.seen.iter().filter(|(_, seen)| seen.key.is_none());
        let strangers: BTreeSet<String> = strangers.map(|(uid, _)| uid.clone()).collect();
        for pod_uid in strangers {
            self.seen.remove(&pod_uid);
            self.order(Order::Clean { pod_uid });
        }
    }

    /// What the runtime answers to an order is heard, also where it is the first one about a pod.
    pub(super) fn expect_reports(&mut self) {
        for (uid, key) in std::mem::take(&mut self.turn.ordered) {
            let new = || Seen { key: Some(key), observed: PodObserved::default() };
            self.seen.entry(uid).or_insert_with(new);
        }
    }

    pub(super) fn observe(&mut self, report: Report) {
        let Some(seen) = self.seen.get_mut(&report.pod_uid) else { return };
        let key = seen.key.clone();
        if seen.observed.apply_report(&report) {
            self.dirty.extend(key.clone());
        }
        if let Some(key) = key.filter(|_| events::may_be_of_report(&report))
            && let Some(Object::Pod(pod)) = self.store.get(&key)
            && let Some(seen) = self.seen.get(&report.pod_uid)
            && let Some(note) = events::of_report(&pod, &seen.observed, &report)
        {
            self.note(&key, &Object::Pod(pod), note);
        }
    }

    /// A committed order is about to be carried out.
    pub(super) fn note_ordered(&mut self, order: &Order) {
        let seen = match order {
            Order::Start(launch) => self.seen.get_mut(&launch.pod_uid),
            Order::Stop { pod_uid, .. }
            | Order::Probe { pod_uid, .. }
            | Order::Refresh { pod_uid, .. }
            | Order::Clean { pod_uid } => self.seen.get_mut(pod_uid),
            Order::Reclaim { .. } => None,
        };
        if let Some(seen) = seen {
            seen.observed.apply_order(order);
        }
    }

    pub(super) fn forget_pod(&mut self, pod: &Object) {
        self.queue.forget(&pod.key());
        self.turn.ordered.remove(pod.uid());
        self.disconnect(pod);
        self.ended.forget(&pod.key());
        self.mounts.forget(pod);
        // A turn whose commit failed may have forgotten it already.
        let is_cleaned = self.seen.remove(pod.uid()).is_some_and(|seen| seen.observed.cleaned);
        let was_here = matches!(pod, Object::Pod(pod) if is_bound(pod) && !self.is_elsewhere(pod));
        if was_here && !is_cleaned {
            self.order(Order::Clean { pod_uid: pod.uid().to_owned() });
        }
    }

    /// Asks every running container to stop by its pod's grace period.
    pub(super) fn stop_all_running(&mut self) {
        let mut stops = Vec::new();
        let in_order: BTreeMap<_, _> = self.seen.iter().collect();
        for (pod_uid, seen) in in_order {
            let Some(Object::Pod(pod)) = seen.key.as_ref().and_then(|key| self.store.get(key))
            else {
                continue;
            };
            let spec = pod.spec.as_ref();
            let grace_seconds = spec.and_then(|s| s.termination_grace_period_seconds).unwrap_or(30);
            for (name, one) in &seen.observed.containers {
                if matches!(one.state, ContainerState::Running { .. } | ContainerState::Starting) {
                    stops.push(Order::Stop {
                        pod_uid: pod_uid.clone(),
                        container: name.clone(),
                        attempt: one.attempt,
                        grace_seconds,
                    });
                }
            }
        }
        stops.into_iter().for_each(|stop| self.order(stop));
    }
}
