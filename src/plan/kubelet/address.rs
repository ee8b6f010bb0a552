//! The address of a pod: where its programs listen and its probes ask.
//!
//! Pods share the host's network, and all of 127/8 leads to the host itself without anybody's
//! leave. So every pod has an address of its own there: programs that listen on it do not collide.

use super::availability::has_ended;
use crate::scheduler::queue::is_bound;
use cronlet_api::settings::Settings;
use k8s_openapi::api::core::v1::{Pod, PodIP};
use std::collections::{BTreeMap, HashMap};
use std::hash::Hasher;
use std::net::Ipv4Addr;

/// From 127.1.0.1 to 127.127.255.254, without those that end in 0 or 255. Below are localhost and
/// the resolvers of Linux, above is room for Services.
const FIRST_BLOCK: u32 = 0x7f01_0000;
const BLOCKS: u32 = 127 << 8;
const IN_BLOCK: u32 = 254;

/// Which addresses are given away: each to one pod that is bound and has not ended.
#[derive(Debug, Default)]
pub struct Addresses {
    taken: BTreeMap<Ipv4Addr, String>,
    by_uid: HashMap<String, Ipv4Addr>,
}

/// The pod's address, or its host's where it has none of its own.
pub fn of(pod: &Pod, settings: &Settings) -> String {
    own(pod).map_or_else(|| settings.host_ip.clone(), str::to_owned)
}

/// The address that the pod's status names.
pub fn own(pod: &Pod) -> Option<&str> {
    let ip = pod.status.as_ref()?.pod_ip.as_deref();
    ip.filter(|ip| !ip.is_empty())
}

/// Does it ask for the host's network by name? It has the host's address then.
pub fn is_of_host(pod: &Pod) -> bool {
    pod.spec.as_ref().and_then(|spec| spec.host_network) == Some(true)
}

impl Addresses {
    /// Takes note of the address that a pod has, or has no more.
    pub fn watch(&mut self, pod: &Pod) {
        let uid = pod.metadata.uid.as_deref().unwrap_or_default();
        let has = own(pod).filter(|_| !has_ended(pod) && !is_of_host(pod));
        let has = has.and_then(|ip| ip.parse::<Ipv4Addr>().ok());
        if self.by_uid.get(uid).copied() == has {
            return;
        }
        self.forget(uid);
        if let Some(ip) = has {
            self.taken.insert(ip, uid.to_owned());
            self.by_uid.insert(uid.to_owned(), ip);
        }
    }

    pub fn forget(&mut self, uid: &str) {
        if let Some(ip) = self.by_uid.remove(uid)
            && self.taken.get(&ip).is_some_and(|holder| holder == uid)
        {
            self.taken.remove(&ip);
        }
    }

    /// The pod with an address of its own, where it needs one.
    pub fn give(&self, pod: &Pod) -> Option<Pod> {
        if !is_bound(pod) || has_ended(pod) || is_of_host(pod) || own(pod).is_some() {
            return None;
        }
        let ip = self.free(pod.metadata.uid.as_deref().unwrap_or_default())?.to_string();
        let mut pod = pod.clone();
        let status = pod.status.get_or_insert_default();
        status.pod_ips = Some(vec![PodIP { ip: ip.clone() }]);
        status.pod_ip = Some(ip);
        Some(pod)
    }

    /// An address that no pod has. Where to look first is drawn from the uid, so that an address
    /// is not used again at once by the next pod, whom somebody would take for the last one.
    fn free(&self, uid: &str) -> Option<Ipv4Addr> {
        let mut hash = std::hash::DefaultHasher::new();
        hash.write(uid.as_bytes());
        let count = BLOCKS * IN_BLOCK;
        let first = u32::try_from(hash.finish() % u64::from(count)).expect("below a u32");
        let number = |at: u32| at.wrapping_add(first) % count;
        (0..count).map(|at| nth(number(at))).find(|ip| !self.taken.contains_key(ip))
    }
}

fn nth(number: u32) -> Ipv4Addr {
    let (block, last) = (number / IN_BLOCK, number % IN_BLOCK + 1);
    Ipv4Addr::from(FIRST_BLOCK + (block << 8) + last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::BTreeSet;

    fn pod(uid: &str, spec: serde_json::Value, status: serde_json::Value) -> Pod {
        let pod = json!({"metadata": {"uid": uid}, "spec": spec, "status": status});
        serde_json::from_value(pod).expect("a pod")
    }

    fn bound(uid: &str) -> Pod {
        pod(uid, json!({"nodeName": "n", "containers": []}), json!({}))
    }

    #[test]
    fn all_addresses_are_plain_ones_of_their_range() {
        let count = BLOCKS * IN_BLOCK;
        assert_eq!(nth(0).to_string(), "127.1.0.1");
        assert_eq!(nth(253).to_string(), "127.1.0.254");
        assert_eq!(nth(254).to_string(), "127.1.1.1");
        assert_eq!(nth(count - 1).to_string(), "127.127.255.254");
    }

    #[test]
    fn every_live_pod_has_its_own() {
        let mut addresses = Addresses::default();
        let mut seen = BTreeSet::new();
        for number in 0..5000 {
            let pod = addresses.give(&bound(&number.to_string())).expect("needs one");
            addresses.watch(&pod);
            assert!(addresses.give(&pod).is_none(), "it has one");
            assert!(seen.insert(own(&pod).map(str::to_owned)), "{pod:?}");
        }
        // The one that would be first is taken: its neighbour comes next.
        let first = addresses.give(&bound("7")).expect("needs one");
        assert_ne!(own(&first), own(&addresses.give(&bound("7000")).expect("needs one")));
        let before = Addresses::default().give(&bound("7")).expect("needs one");
        assert!(own(&before) < own(&first) || own(&first).is_some_and(|ip| ip.ends_with(".1")));
        addresses.forget("7");
        assert_eq!(own(&addresses.give(&bound("7")).expect("needs one")), own(&before));
    }

    #[test]
    fn who_needs_none_gets_none() {
        let check = |spec: serde_json::Value, status: serde_json::Value| {
            assert!(Addresses::default().give(&pod("u", spec, status)).is_none());
        };
        check(json!({"containers": []}), json!({}));
        check(json!({"nodeName": "n", "containers": [], "hostNetwork": true}), json!({}));
        check(json!({"nodeName": "n", "containers": []}), json!({"phase": "Succeeded"}));
        check(json!({"nodeName": "n", "containers": []}), json!({"podIP": "127.1.2.3"}));
    }

    #[test]
    fn the_end_of_a_pod_frees_its_address() {
        let mut addresses = Addresses::default();
        let mut pod = addresses.give(&bound("u")).expect("needs one");
        addresses.watch(&pod);
        assert_eq!(addresses.taken.len(), 1);
        pod.status.as_mut().expect("a status").phase = Some("Failed".into());
        addresses.watch(&pod);
        assert!(addresses.taken.is_empty() && addresses.by_uid.is_empty());
    }
}
