//! Pods that have ended: at most so many are kept, whatever makes them (`podgc`).
//!
//! A Deployment whose pods fail, or a script that runs bare pods, leaves each of them with its log.
//! Pods of CronJobs do not count: their history limits say how many Jobs stay, and a loop elsewhere
//! must not take the log of last week's backup.

use super::Engine;
use cronlet_api::kind::{Key, Kind, Map, Object};
use cronlet_api::time::Timestamp;
use cronlet_plan::kubelet::{availability, tracking};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use std::collections::BTreeSet;
use std::sync::Arc;

/// At most this many ended pods are kept unless `limits.terminatedPods` says otherwise. A cluster
/// keeps 12,500; at 20 kB of disk and 3 kB of memory for a short log and an object, a thousand are
/// what a small host does not feel.
const ENDED_MAX: usize = 1000;

/// At most this many are deleted per turn, so that a smaller limit holds up nothing else.
const COLLECTED_PER_TURN_MAX: usize = 100;

/// The ended pods that count, known from the plans of all pods.
#[derive(Default)]
pub(super) struct Ended {
    order: BTreeSet<(Rank, Key)>,
    ranks: Map<Key, Rank>,
}

/// Evicted pods go first, then the oldest (`byEvictionAndCreationTimestamp`).
type Rank = (bool, Option<Timestamp>);

impl Ended {
    pub(crate) fn forget(&mut self, key: &Key) {
        if let Some(rank) = self.ranks.remove(key) {
            self.order.remove(&(rank, key.clone()));
        }
    }
}

impl Engine {
    /// Takes note of a pod that has ended. One that a Job has yet to count stays.
    pub(super) fn watch_ended(&mut self, pod: &Arc<Pod>) {
        let key = Object::Pod(pod.clone()).key();
        self.ended.forget(&key);
        let is_free = availability::has_ended(pod) && !availability::is_going(pod);
        if !is_free || tracking::is_tracked(pod) || self.is_of_cron_job(pod) {
            return;
        }
        let reason = pod.status.as_ref().and_then(|status| status.reason.as_deref());
        let created = pod.metadata.creation_timestamp.as_ref().map(|time| time.0);
        let rank = (reason != Some("Evicted"), created);
        self.ended.order.insert((rank, key.clone()));
        self.ended.ranks.insert(key, rank);
    }

    fn is_of_cron_job(&self, pod: &Pod) -> bool {
        let controls = |owner: &&OwnerReference| owner.controller == Some(true);
        let owner = pod.metadata.owner_references.iter().flatten().find(controls);
        let Some(owner) = owner.filter(|owner| owner.kind == "Job") else { return false };
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        let job = self.store.get(&Key::new(Kind::Job, namespace, &owner.name));
        let owners = job.and_then(|job| job.meta().owner_references.clone()).unwrap_or_default();
        owners.iter().find(controls).is_some_and(|owner| owner.kind == "CronJob")
    }

    /// Deletes those that are too many, unless the service stops; true if there were any. The rest
    /// of them follows in the next turns.
    pub(super) fn collect_ended(&mut self) -> bool {
        if self.stopping {
            return false;
        }
        let limit = self.settings.limits.terminated_pods.map_or(ENDED_MAX, |limit| limit as usize);
        let surplus = self.ended.order.len().saturating_sub(limit);
        let left = COLLECTED_PER_TURN_MAX.saturating_sub(self.turn.collected);
        let surplus: Vec<Key> =
            self.ended.order.iter().take(surplus.min(left)).map(|(_, key)| key.clone()).collect();
        self.turn.collected += surplus.len();
        for key in &surplus {
            self.ended.forget(key);
            self.delete(key, Some(0));
        }
        !surplus.is_empty()
    }
}
