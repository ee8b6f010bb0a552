//! Deletion as the API server and the garbage collector do it: grace, finalizers, dependents.

use super::Engine;
use crate::kinds::{Key, Kind, Object};
use crate::time::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// The finalizer by which a Job makes sure that it counts each pod.
const JOB_TRACKING: &str = "batch.kubernetes.io/job-tracking";
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
    pub(super) fn delete_with(&mut self, key: &Key, propagation: &str) {
        let Some(mut object) = self.store.get(key) else { return };
        let finalizer = if propagation == "Orphan" { ORPHAN } else { FOREGROUND };
        let list = object.meta_mut().finalizers.get_or_insert_default();
        if !list.iter().any(|f| f == finalizer) {
            list.push(finalizer.to_owned());
        }
        self.mark_going(&mut object, Some(0));
        self.put(object);
    }

    fn mark_going(&mut self, object: &mut Object, grace_seconds: Option<i64>) {
        let own = match object {
            Object::Pod(pod) => pod.spec.as_ref().and_then(|s| s.termination_grace_period_seconds),
            _ => None,
        };
        let grace = grace_seconds.or(own).unwrap_or(30).max(0);
        let now = self.turn.now;
        let meta = object.meta_mut();
        // A second deletion may shorten the grace period, never lengthen it.
        if meta.deletion_timestamp.is_some()
            && meta.deletion_grace_period_seconds.is_some_and(|left| left <= grace)
        {
            return;
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
        self.put(object);
    }

    /// After a plan: an object whose deletion was asked for goes when nothing holds it any more.
    pub(super) fn collect_if_gone(&mut self, key: &Key) {
        let Some(object) = self.store.get(key).filter(Object::is_going) else { return };
        if finalizers(&object).iter().any(|f| f == ORPHAN || f == FOREGROUND) {
            return self.propagate(object);
        }
        // A Pod is removed by its plan, which knows when its containers have stopped.
        if key.kind != Kind::Pod && !is_held(&object) {
            self.remove(&object);
        }
    }

    fn propagate(&mut self, mut owner: Object) {
        let orphan = finalizers(&owner).iter().any(|f| f == ORPHAN);
        let dependents = self.store.owned(owner.uid());
        let mut blocked = false;
        for mut dependent in dependents {
            if orphan {
                dependent.disown(owner.uid());
                self.put(dependent);
            } else {
                blocked = true;
                self.delete_dependent(&dependent);
            }
        }
        if !blocked {
            let list = owner.meta_mut().finalizers.get_or_insert_default();
            list.retain(|f| f != ORPHAN && f != FOREGROUND);
            self.put(owner);
        }
    }

    /// Removes an object from the store, and with it (in the background) what it owned.
    pub(super) fn remove(&mut self, object: &Object) {
        // Its controller has one less; an owner that goes in the foreground waits for it.
        self.touch_owners(object, |_| true);
        self.touch_claims(object);
        self.touch_namespace(object);
        self.store.remove(&object.key());
        self.due.set(&object.key(), None);
        if object.kind() == Kind::Pod {
            self.forget_pod(object);
        }
        for dependent in self.store.owned(object.uid()) {
            self.delete_dependent(&dependent);
        }
    }

    /// Its owner is going: the Job that would take the tracking finalizer away may be gone already.
    fn delete_dependent(&mut self, dependent: &Object) {
        let key = dependent.key();
        if finalizers(dependent).iter().any(|f| f == JOB_TRACKING) {
            let mut freed = dependent.clone();
            freed.meta_mut().finalizers.get_or_insert_default().retain(|f| f != JOB_TRACKING);
            if finalizers(&freed).is_empty() {
                freed.meta_mut().finalizers = None;
            }
            self.put(freed);
        }
        if !dependent.is_going() {
            self.delete(&key, None);
        }
    }
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
