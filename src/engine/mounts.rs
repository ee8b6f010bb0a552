//! Pods by what they mount: a change of a ConfigMap concerns these alone.

use cronlet_api::kind::{Key, Map, Object};
use cronlet_plan::kubelet::availability::has_ended;
use cronlet_plan::kubelet::volumes::mounted;
use k8s_openapi::api::core::v1::Pod;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Known from the pods themselves: each is entered when it is planned, all after a start.
#[derive(Default)]
pub(super) struct Mounts {
    pods: Map<Key, BTreeSet<Key>>,
    /// Claims that are not bound.
    pending: BTreeSet<Key>,
}

impl Mounts {
    /// The pods that mount a ConfigMap, a Secret or a claim and have not ended.
    pub(crate) fn pods(&self, mounted: &Key) -> impl Iterator<Item = &Key> {
        self.pods.get(mounted).into_iter().flatten()
    }

    /// Enters a pod as it is now.
    pub(crate) fn watch(&mut self, pod: &Arc<Pod>) {
        let object = Object::Pod(pod.clone());
        if has_ended(pod) {
            return self.forget(&object);
        }
        for key in mounted(pod) {
            let pods = self.pods.entry(key).or_default();
            pods.insert(object.key());
        }
    }

    /// Enters a claim as it is now; another object is passed over.
    pub(crate) fn watch_claim(&mut self, object: &Object) {
        let Object::PersistentVolumeClaim(claim) = object else { return };
        let phase = claim.status.as_ref().and_then(|status| status.phase.as_deref());
        match phase {
            Some("Bound") => self.pending.remove(&object.key()),
            _ => self.pending.insert(object.key()),
        };
    }

    /// Takes out a claim that is removed; another object is passed over.
    pub(crate) fn forget_claim(&mut self, key: &Key) {
        self.pending.remove(key);
    }

    /// The claims that are not bound.
    pub(crate) fn pending_claims(&self) -> impl Iterator<Item = &Key> {
        self.pending.iter()
    }

    /// Takes out a pod that is removed or has ended.
    pub(crate) fn forget(&mut self, pod: &Object) {
        let Object::Pod(spec) = pod else { return };
        for key in mounted(spec) {
            let Some(pods) = self.pods.get_mut(&key) else { continue };
            pods.remove(&pod.key());
            if pods.is_empty() {
                self.pods.remove(&key);
            }
        }
    }
}
