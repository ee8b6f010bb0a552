//! The ReplicaSets of a Deployment: what they are asked, and in which order they are taken.

use cronlet_api::deployment::hash;
use cronlet_api::pod::PORT_IN_USE;
use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetCondition};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use std::sync::Arc;

/// A ReplicaSet as it was found and as it shall be.
pub(super) struct Set {
    /// `None`: it is made by this plan.
    before: Option<Arc<ReplicaSet>>,
    now: Arc<ReplicaSet>,
}

impl Set {
    pub(super) fn found(set: Arc<ReplicaSet>) -> Set {
        Set { before: Some(set.clone()), now: set }
    }

    pub(super) fn made(set: ReplicaSet) -> Set {
        Set { before: None, now: Arc::new(set) }
    }

    pub(super) fn set(&self) -> &ReplicaSet {
        &self.now
    }

    pub(super) fn set_mut(&mut self) -> &mut ReplicaSet {
        Arc::make_mut(&mut self.now)
    }

    pub(super) fn is_made(&self) -> bool {
        self.before.is_none()
    }

    /// As it shall be, if that is not as it was; a new spec is a new generation.
    pub(super) fn into_changed(mut self) -> Option<ReplicaSet> {
        let Some(before) = self.before.take() else { return Some(Arc::unwrap_or_clone(self.now)) };
        if Arc::ptr_eq(&before, &self.now) || before == self.now {
            return None;
        }
        let mut set = Arc::unwrap_or_clone(self.now);
        if set.spec != before.spec {
            set.metadata.generation = Some(before.metadata.generation.unwrap_or(0) + 1);
        }
        Some(set)
    }

    pub(super) fn name(&self) -> &str {
        self.now.metadata.name.as_deref().unwrap_or_default()
    }

    /// Wanted pods.
    pub(super) fn size(&self) -> i32 {
        self.now.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
    }

    /// Pods that exist and are not going.
    pub(super) fn actual(&self) -> i32 {
        self.now.status.as_ref().map_or(0, |status| status.replicas)
    }

    pub(super) fn ready(&self) -> i32 {
        self.now.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or(0)
    }

    pub(super) fn available(&self) -> i32 {
        self.now.status.as_ref().and_then(|status| status.available_replicas).unwrap_or(0)
    }

    /// Available pods that will still be there once the set has its wanted size.
    pub(super) fn available_to_stay(&self) -> i32 {
        self.available().min(self.size())
    }

    pub(super) fn terminating(&self) -> i32 {
        self.now.status.as_ref().and_then(|status| status.terminating_replicas).unwrap_or(0)
    }

    /// The condition that a pod waits for a port of an older set's pod.
    pub(super) fn blocked(&self) -> Option<&ReplicaSetCondition> {
        let mut conditions = self.now.status.iter().flat_map(|status| &status.conditions).flatten();
        conditions.find(|one| one.type_ == PORT_IN_USE)
    }

    /// Its status speaks of an older spec.
    pub(super) fn is_behind(&self) -> bool {
        let observed = self.now.status.as_ref().and_then(|status| status.observed_generation);
        self.now.metadata.generation > observed
    }

    pub(super) fn is_going(&self) -> bool {
        self.now.metadata.deletion_timestamp.is_some()
    }

    pub(super) fn has_template(&self, template: &PodTemplateSpec) -> bool {
        let own = self.now.spec.as_ref().and_then(|spec| spec.template.as_ref());
        own.is_some_and(|own| hash::same_template(own, template))
    }

    pub(super) fn annotation(&self, name: &str) -> Option<&str> {
        self.now.metadata.annotations.as_ref()?.get(name).map(String::as_str)
    }

    pub(super) fn number(&self, annotation: &str) -> Option<i64> {
        self.annotation(annotation)?.parse().ok()
    }
}

/// Oldest first, then by name (`ReplicaSetsByCreationTimestamp`).
pub(super) fn sort_by_age(sets: &mut [Set]) {
    sets.sort_by(|a, b| {
        let made = |set: &Set| set.now.metadata.creation_timestamp.as_ref().map(|time| time.0);
        // What this plan makes has no date yet.
        let is_new = |set: &Set| made(set).is_none();
        (is_new(a), made(a), a.name()).cmp(&(is_new(b), made(b), b.name()))
    });
}
