//! True if containers of an object run: stopping it would end them.

use cronlet_api::kind::{Key, Kind, Object};
use cronlet_engine::store::Reader;
use cronlet_plan::kubelet::availability;

/// A pod belongs to a ReplicaSet, that to a Deployment: no object of ours is further down.
const OWNERS_MAX: usize = 3;

pub(super) fn runs(reader: &Reader, key: &Key) -> bool {
    let (pods, _) = reader.list(Kind::Pod, Some(&key.namespace));
    pods.iter().any(|object| match object {
        Object::Pod(pod) => !availability::has_ended(pod) && belongs(reader, object, key),
        _ => false,
    })
}

fn belongs(reader: &Reader, object: &Object, to: &Key) -> bool {
    let mut at = object.clone();
    for _ in 0..=OWNERS_MAX {
        if at.key() == *to {
            return true;
        }
        let owners = at.meta().owner_references.iter().flatten();
        let Some(owner) = owners.into_iter().find(|owner| owner.controller == Some(true)) else {
            return false;
        };
        let Some(kind) = Kind::from_name(&owner.kind) else { return false };
        match reader.get(&Key::new(kind, at.namespace(), &owner.name)) {
            Some(owner) => at = owner,
            None => return false,
        }
    }
    false
}
