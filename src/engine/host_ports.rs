//! What pods share of the host's network: who has which address, and which ports.

use super::Engine;
use super::mounts::Mounts;
use crate::store::Store;
use cronlet_api::kind::{Key, Kind, Object};
use cronlet_plan::kubelet::address::Addresses;
use cronlet_plan::kubelet::ports::{Port, Ports};
use cronlet_plan::plan::Lookup;
use k8s_openapi::api::core::v1::Pod;
use std::sync::Arc;

/// Known from the pods themselves, so nothing of it is kept on disk.
#[derive(Default)]
pub(super) struct Network {
    addresses: Addresses,
    pub ports: Ports,
    /// All pods were looked at since this was made.
    complete: bool,
}

/// What a plan sees: the objects, staged and committed, and the network.
pub(super) struct HostView<'a> {
    pub store: &'a Store,
    pub network: &'a Network,
    pub mounts: &'a Mounts,
}

impl Lookup for HostView<'_> {
    fn get(&self, key: &Key) -> Option<Object> {
        self.store.get(key)
    }

    fn list(&self, kind: Kind, namespace: &str) -> Vec<Object> {
        let keys = self.store.keys(kind).into_iter().filter(|key| *key.namespace == *namespace);
        keys.filter_map(|key| self.store.get(&key)).collect()
    }

    fn orphans(&self, kind: Kind, namespace: &str) -> Vec<Object> {
        self.store.orphans(kind, namespace)
    }

    fn port_holders(&self, port: Port, except: &Key) -> Vec<Key> {
        self.network.ports.holders(port, except)
    }

    fn host_port_holders(&self, pod: &Pod) -> Vec<(u16, Key)> {
        let conflicts = self.network.ports.host_conflicts(pod);
        conflicts.into_iter().map(|(number, holder)| (number, holder.clone())).collect()
    }

    fn claim_users(&self, claim: &Key) -> Vec<Key> {
        self.mounts.pods(claim).cloned().collect()
    }
}

impl Engine {
    /// Takes note of a pod as it is now, and gives it an address if it needs one: the pod with it.
    pub(super) fn connect(&mut self, pod: &Arc<Pod>) -> Option<Object> {
        self.know_all_pods();
        if self.is_elsewhere(pod) {
            return None;
        }
        self.network.addresses.watch(pod);
        self.dirty.extend(self.network.ports.watch(pod));
        let connected = self.network.addresses.give(pod)?;
        self.network.addresses.watch(&connected);
        let connected = Object::from(connected);
        self.store.put(connected.clone());
        Some(connected)
    }

    pub(super) fn disconnect(&mut self, pod: &Object) {
        self.network.addresses.forget(pod.uid());
        self.dirty.extend(self.network.ports.forget(&pod.key()));
    }

    /// An address is free only if no pod has it: not those either whose plan comes later.
    pub(super) fn know_all_pods(&mut self) {
        if std::mem::replace(&mut self.network.complete, true) {
            return;
        }
        for key in self.store.keys(Kind::Pod) {
            if let Some(Object::Pod(pod)) = self.store.get(&key)
                && !self.is_elsewhere(&pod)
            {
                self.network.addresses.watch(&pod);
                self.network.ports.watch(&pod);
            }
        }
    }
}
