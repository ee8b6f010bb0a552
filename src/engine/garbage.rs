//! Deletion as the API server and the garbage collector do it: grace, finalizers, dependents.

use super::Engine;
use super::backlog::{Chore, OBJECTS_PER_TURN_MAX};
use cronlet_api::kind::{Key, Kind, Object};
use cronlet_api::time::SignedDuration;
use cronlet_plan::controllers::job::record;
use cronlet_plan::kubelet::availability;
use cronlet_plan::scheduler::queue::is_bound;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

impl Engine {
    /// Asks for deletion. A Pod gets `grace_seconds` (its own if `None`); other kinds go when their
    /// finalizers do.
    pub(super) fn delete(&mut self, key: &Key, grace_seconds: Option<i64>) {
        let Some(mut object) = self.store.get(key) else { return };
        if key.kind == Kind::Pod {
            self.mark_going(&mut object, grace_seconds);
            return self.put(object);
        }
        if !is_held(&object) {
            return self.remove(&object);
        }
        self.mark_going(&mut object, Some(0));
        self.put(object);
    }

    /// Deletion with `propagationPolicy: Foreground` or `Orphan`: a finalizer holds the object
    /// meanwhile.
    pub(super) fn delete_with(&mut self, key: &Key, propagation: &str, grace_seconds: Option<i64>) {
        let Some(mut object) = self.store.get(key) else { return };
        let finalizer = if propagation == "Orphan" { ORPHAN } else { FOREGROUND };
        let list = object.meta_mut().finalizers.get_or_insert_default();
        if !list.iter().any(|f| f == finalizer) {
            list.push(finalizer.to_owned());
        }
        self.mark_going(&mut object, grace_seconds);
        self.put(object);
    }

    /// Its controllers act otherwise from now on, as after another spec: it has a generation more.
    fn mark_going(&mut self, object: &mut Object, grace_seconds: Option<i64>) {
        let grace = grace(object, grace_seconds);
        let now = self.turn.now;
        let meta = object.meta_mut();
        // A second deletion may shorten the grace period, never lengthen it.
        if meta.deletion_timestamp.is_some()
            && meta.deletion_grace_period_seconds.is_some_and(|left| left <= grace)
        {
            return;
        }
        if meta.deletion_timestamp.is_none() {
            meta.generation = meta.generation.map(|generation| generation + 1);
        }
        let at = now.checked_add(SignedDuration::from_secs(grace)).unwrap_or(now);
        meta.deletion_timestamp = Some(Time(at));
        meta.deletion_grace_period_seconds = Some(grace);
    }

    /// A Pod's plan is through with it: it goes now, or when its last finalizer does.
    pub(super) fn remove_or_wait(&mut self, key: &Key) {
        let Some(mut object) = self.store.get(key) else { return };
        if finalizers(&object).is_empty() {
            return self.remove(&object);
        }
        object.meta_mut().deletion_grace_period_seconds = Some(0);
        self.touch_claims(&object);
        self.put(object);
    }

    /// After a plan: an object whose deletion was asked for goes when nothing holds it any more.
    pub(super) fn collect_if_gone(&mut self, key: &Key) {
        let Some(object) = self.store.get(key).filter(Object::is_going) else { return };
        if has(&object, ORPHAN) {
            return self.let_go(object);
        }
        if has(&object, FOREGROUND) {
            return self.wait_for_dependents(object);
        }
        // A Pod is removed by its plan, which knows when its containers have stopped.
        if key.kind != Kind::Pod && !is_held(&object) {
            self.remove(&object);
        }
    }

    /// `orphanDependents`
    fn let_go(&mut self, owner: Object) {
        let dependents = self.store.owned(owner.uid());
        let is_last = dependents.len() <= OBJECTS_PER_TURN_MAX;
        for mut dependent in dependents.into_iter().take(OBJECTS_PER_TURN_MAX) {
            record::remember_cron_job(&mut dependent, &owner);
            dependent.disown(owner.uid());
            self.put(dependent);
        }
        match is_last {
            true => self.put(without(owner, ORPHAN)),
            false => self.continue_later(&owner.key()),
        }
    }

    /// The owner goes when none is left of those that say so (`blockOwnerDeletion`): they are
    /// deleted now (`processDeletingDependentsItem`), the others when it is gone.
    fn wait_for_dependents(&mut self, owner: Object) {
        let mut dependents = self.store.owned(owner.uid());
        dependents.retain(|dependent| blocks(dependent, owner.uid()));
        if dependents.is_empty() {
            return self.put(without(owner, FOREGROUND));
        }
        for dependent in dependents {
            self.do_soon(Chore::Collect(dependent.key()));
        }
    }

    /// Removes an object from the store, and with it (in the background) what it owned.
    pub(super) fn remove(&mut self, object: &Object) {
        self.close_run(object);
        // Its controller has one less; an owner that goes in the foreground waits for it.
        self.touch_owners(object, |_| true);
        self.touch_claims(object);
        self.touch_mounting(object);
        self.touch_storage(object);
        self.mounts.forget_claim(&object.key());
        self.touch_namespace(object);
        self.store.remove(&object.key());
        self.due.set(&object.key(), None);
        if object.kind() == Kind::Pod {
            self.forget_pod(object);
        }
        for dependent in self.store.owned_keys(object.uid()) {
            self.do_soon(Chore::Collect(dependent));
        }
    }

    /// True if the owner with this uid, which the object names, is no more.
    pub(super) fn has_lost(&self, dependent: &Key, owner_uid: &str) -> bool {
        let Some(object) = self.store.get(dependent) else { return false };
        let owners = object.meta().owner_references.iter().flatten();
        let mut owner = owners.filter(|owner| owner.uid == owner_uid);
        owner.any(|owner| self.standing(&object, owner) != Standing::Solid)
    }

    /// Deletes an object that lives by its owners when the last of them is gone or waits for it;
    /// with another that stays it stays too, and forgets those (`attemptToDeleteItem`).
    pub(super) fn collect_dependent(&mut self, key: &Key) {
        let Some(object) = self.store.get(key) else { return };
        if object.is_going() {
            // A pod whose Job is gone has a finalizer less.
            self.dirty.insert(key.clone());
            return;
        }
        let owners = object.meta().owner_references.clone().unwrap_or_default();
        let stands = |owner: &OwnerReference| self.standing(&object, owner);
        let standings: Vec<Standing> = owners.iter().map(stands).collect();
        if standings.iter().all(|standing| *standing == Standing::Solid) {
            return;
        }
        if standings.contains(&Standing::Solid) {
            let mut kept = object;
            let going = owners.iter().zip(standings).filter(|(_, is)| *is != Standing::Solid);
            going.for_each(|(owner, _)| kept.disown(&owner.uid));
            return self.put(kept);
        }
        let is_awaited = standings.contains(&Standing::Waiting);
        self.delete_dependent(object, is_awaited);
    }

    /// A kind that is not known here may well have such an object, and what is in no namespace
    /// cannot say in which its owner is.
    fn standing(&self, dependent: &Object, owner: &OwnerReference) -> Standing {
        let group = owner.api_version.split_once('/').map_or("", |(group, _)| group);
        let kind = Kind::from_name(&owner.kind).filter(|kind| kind.info().group == group);
        let Some(kind) = kind else { return Standing::Solid };
        if dependent.namespace().is_empty() && !kind.info().is_cluster_scoped {
            return Standing::Solid;
        }
        let key = Key::new(kind, dependent.namespace(), &owner.name);
        match self.store.get(&key).filter(|found| found.uid() == owner.uid) {
            None => Standing::Absent,
            Some(found) if found.is_going() && has(&found, FOREGROUND) => Standing::Waiting,
            Some(_) => Standing::Solid,
        }
    }

    /// What an owner waits for waits for its own first.
    fn delete_dependent(&mut self, dependent: Object, is_awaited: bool) {
        let key = dependent.key();
        let own = self.store.owned(dependent.uid());
        if is_awaited && !own.is_empty() {
            if own.iter().any(|one| one.is_going() && has(one, FOREGROUND)) {
                // They wait for each other in a circle.
                self.put(unblocking(dependent));
            }
            self.delete_with(&key, "Foreground", None);
            return self.collect_if_gone(&key);
        }
        self.delete(&key, None);
    }
}

/// How an owner stands to what it owns.
#[derive(PartialEq, Eq)]
enum Standing {
    Solid,
    Absent,
    /// It goes in the foreground, after what it owns.
    Waiting,
}

/// How many seconds a Pod has to end: its own, unless someone asked for others; none where nothing
/// runs yet or any more (`CheckGracefulDelete`). Other kinds have none.
fn grace(object: &Object, wanted: Option<i64>) -> i64 {
    let Object::Pod(pod) = object else { return 0 };
    if !is_bound(pod) || availability::has_ended(pod) {
        return 0;
    }
    let own = pod.spec.as_ref().and_then(|spec| spec.termination_grace_period_seconds).unwrap_or(0);
    match wanted.unwrap_or(own) {
        negative if negative < 0 => 1,
        grace => grace,
    }
}

fn has(object: &Object, finalizer: &str) -> bool {
    finalizers(object).iter().any(|one| one == finalizer)
}

fn without(mut object: Object, finalizer: &str) -> Object {
    let list = &mut object.meta_mut().finalizers;
    list.iter_mut().for_each(|list| list.retain(|one| one != finalizer));
    list.take_if(|list| list.is_empty());
    object
}

/// Whether the owner, where it goes in the foreground, waits for the object.
fn blocks(dependent: &Object, owner_uid: &str) -> bool {
    let owners = dependent.meta().owner_references.iter().flatten();
    let mut this = owners.filter(|owner| owner.uid == owner_uid);
    this.any(|owner| owner.block_owner_deletion == Some(true))
}

/// No owner waits for it (`unblockOwnerReferencesStrategicMergePatch`).
fn unblocking(mut object: Object) -> Object {
    for owner in object.meta_mut().owner_references.iter_mut().flatten() {
        owner.block_owner_deletion = owner.block_owner_deletion.map(|_| false);
    }
    object
}

/// A Namespace is also held by what is in it.
fn is_held(object: &Object) -> bool {
    let of_namespace = match object {
        Object::Namespace(namespace) => namespace.spec.as_ref(),
        _ => None,
    };
    let of_namespace = of_namespace.and_then(|spec| spec.finalizers.as_ref());
    !finalizers(object).is_empty() || of_namespace.is_some_and(|list| !list.is_empty())
}

pub(super) fn finalizers(object: &Object) -> &[String] {
    object.meta().finalizers.as_deref().unwrap_or_default()
}
