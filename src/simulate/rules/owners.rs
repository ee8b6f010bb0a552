//! What a service owned goes with it, before it or not at all, as its deletion was asked for.

use super::Scene;
use cronlet_api::kind::Key;
use std::collections::{BTreeMap, BTreeSet};

/// Keys whose deletion was asked for in a turn, and with which `propagationPolicy`.
pub(crate) type Deleted = BTreeMap<Key, Option<String>>;

/// Services whose deletion was asked for, by their names.
#[derive(Default)]
pub(crate) struct Owners {
    orphaning: BTreeSet<String>,
    /// Those of them that left behind what nobody deleted since.
    left: BTreeSet<String>,
    waiting: BTreeSet<String>,
}

impl Owners {
    pub(crate) fn note(&mut self, deleted: &Deleted) {
        for (key, propagation) in deleted {
            if let Some((service, _)) = key.name.split_once('-') {
                self.left.remove(service);
            }
            match propagation.as_deref() {
                Some("Orphan") => {
                    self.left.insert(key.name.to_string());
                    self.orphaning.insert(key.name.to_string());
                }
                Some("Foreground") => drop(self.waiting.insert(key.name.to_string())),
                _ => {}
            }
        }
    }

    pub(crate) fn is_orphaning(&self, service: &str) -> bool {
        self.orphaning.contains(service)
    }

    /// `is_there`: the service still is.
    pub(crate) fn check(&self, scene: &Scene<'_>, is_there: bool) -> Result<(), String> {
        let name = scene.name;
        if let Some(taken) = scene.turn.taken.first().filter(|_| self.left.contains(name)) {
            return Err(format!("{} was taken, which its owner left behind", taken.pod));
        }
        let is_just_gone = !is_there && scene.turn.before.is_some();
        match scene.pods.keys().next().filter(|_| is_just_gone && self.waiting.contains(name)) {
            Some(pod) => Err(format!("{name} went in the foreground before {pod}")),
            None => Ok(()),
        }
    }
}
