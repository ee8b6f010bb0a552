//! Who has to be planned because an object changed: the controller that owns it, the one that did,
//! and those that may adopt it.

use super::Engine;
use cronlet_api::job::conditions;
use cronlet_api::kind::{Key, Kind, Object};
use cronlet_plan::controllers::controller::{adopters, adopts, is_orphan};
use cronlet_plan::controllers::persistent_volume::binding;
use cronlet_plan::controllers::persistent_volume_claim::plan::claims_of;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

impl Engine {
    pub(super) fn enqueue_owners(&mut self, before: Option<&Object>, now: &Object) {
        match before {
            None => self.creators.extend(owners(now, is_controller)),
            Some(before) if concerns_controller(before, now) => self.touch_controller(now),
            Some(_) => {}
        }
        if let Some(before) = before.filter(|old| old.controller_uid() != now.controller_uid()) {
            self.touch_controller(before);
        }
        let was_known = before
            .is_some_and(|before| is_orphan(before) && before.meta().labels == now.meta().labels);
        if is_orphan(now) && !was_known {
            self.touch_adopters(now);
        }
        self.touch_mounting(now);
        self.touch_storage(now);
        if now.kind() == Kind::Node {
            // Its labels and taints say which daemons run here.
            self.dirty.extend(self.store.keys(Kind::DaemonSet));
        }
    }

    /// A claim that is being deleted waits for the pods that use it: this one is gone, or through.
    pub(super) fn touch_claims(&mut self, gone: &Object) {
        let Object::Pod(pod) = gone else { return };
        for claim in claims_of(pod) {
            self.dirty.insert(Key::new(Kind::PersistentVolumeClaim, gone.namespace(), claim));
        }
    }

    /// The pods that mount a ConfigMap or Secret follow it.
    pub(super) fn touch_mounting(&mut self, object: &Object) {
        if matches!(object.kind(), Kind::ConfigMap | Kind::Secret) {
            self.dirty.extend(self.mounts.pods(&object.key()).cloned());
        }
    }

    /// The volume of a claim, and of a volume its claim and those that may be bound to it.
    pub(super) fn touch_storage(&mut self, object: &Object) {
        match object {
            Object::PersistentVolumeClaim(claim) => {
                let name = claim.spec.as_ref().and_then(|spec| spec.volume_name.as_deref());
                let key = name.map(|name| Key::new(Kind::PersistentVolume, "", name));
                self.dirty.extend(key.filter(|key| self.store.get(key).is_some()));
            }
            Object::PersistentVolume(volume) => {
                let may_concern = |key: &Key| match self.store.get(key) {
                    Some(Object::PersistentVolumeClaim(claim)) => {
                        binding::may_concern(&claim, volume)
                    }
                    _ => false,
                };
                let pending = self.mounts.pending_claims().filter(|key| may_concern(key));
                let pending: Vec<Key> = pending.cloned().collect();
                self.dirty.extend(pending);
                self.dirty.extend(binding::claim_key(volume));
            }
            _ => {}
        }
    }

    fn touch_controller(&mut self, object: &Object) {
        self.touch_owners(object, is_controller);
    }

    pub(super) fn touch_owners(
        &mut self,
        object: &Object,
        which: impl Fn(&OwnerReference) -> bool,
    ) {
        self.dirty.extend(owners(object, which));
    }

    fn touch_adopters(&mut self, orphan: &Object) {
        for kind in adopters(orphan.kind()) {
            let keys = self.store.keys(*kind).into_iter();
            let near = keys.filter(|key| *key.namespace == *orphan.namespace());
            let takes = |key: &Key| self.store.get(key).is_some_and(|one| adopts(&one, orphan));
            let takers: Vec<Key> = near.filter(takes).collect();
            self.dirty.extend(takers);
        }
    }
}

fn is_controller(owner: &OwnerReference) -> bool {
    owner.controller == Some(true)
}

fn owners(object: &Object, which: impl Fn(&OwnerReference) -> bool) -> impl Iterator<Item = Key> {
    let owners = object.meta().owner_references.iter().flatten();
    owners.filter(move |owner| which(owner)).filter_map(|owner| {
        let kind = Kind::from_name(&owner.kind)?;
        Some(Key::new(kind, object.namespace(), &owner.name))
    })
}

/// A CronJob wants to know of a Job's beginning and end, and not of what its pods do meanwhile.
fn concerns_controller(before: &Object, now: &Object) -> bool {
    match (before, now) {
        (Object::Job(before), Object::Job(now)) => {
            before.metadata != now.metadata || conditions::end(before) != conditions::end(now)
        }
        _ => true,
    }
}
