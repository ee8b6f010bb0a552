//! The rules of a ReplicaSet (Kubernetes' `ValidateReplicaSet` and `ValidateReplicaSetUpdate`).

use crate::check::{Causes, Path};
use crate::meta::{immutable, nonnegative};
use crate::template;
use k8s_openapi::api::apps::v1::ReplicaSet;

/// The rules of a new ReplicaSet, after its defaults; those of `metadata` are checked elsewhere.
pub fn create(set: &ReplicaSet, causes: &mut Causes) {
    let Some(spec) = &set.spec else { return };
    let at = Path::root("spec");
    nonnegative(spec.replicas, &at.child("replicas"), causes);
    nonnegative(spec.min_ready_seconds, &at.child("minReadySeconds"), causes);
    let can_match =
        template::check_selector(&spec.selector, "deployment", &at.child("selector"), causes);
    if can_match && let Some(pods) = &spec.template {
        template::check(pods, &spec.selector, "ReplicaSet", &at.child("template"), causes);
    }
}

/// The rules of a change, after [`super::defaults::set`] and `prepare_update`.
pub fn update(old: &ReplicaSet, new: &ReplicaSet, causes: &mut Causes) {
    create(new, causes);
    let (Some(had), Some(spec)) = (&old.spec, &new.spec) else { return };
    let at = Path::root("spec");
    immutable(&had.selector, &spec.selector, &at.child("selector"), causes);
}

/// The rules of `status`: counts are not negative, and not more than there are.
pub fn status(set: &ReplicaSet, causes: &mut Causes) {
    let Some(status) = &set.status else { return };
    let at = Path::root("status");
    let labeled = status.fully_labeled_replicas.unwrap_or(0);
    let ready = status.ready_replicas.unwrap_or(0);
    let available = status.available_replicas.unwrap_or(0);
    nonnegative(Some(status.replicas), &at.child("replicas"), causes);
    nonnegative(Some(labeled), &at.child("fullyLabeledReplicas"), causes);
    nonnegative(Some(ready), &at.child("readyReplicas"), causes);
    nonnegative(Some(available), &at.child("availableReplicas"), causes);
    nonnegative(status.terminating_replicas, &at.child("terminatingReplicas"), causes);
    nonnegative(status.observed_generation, &at.child("observedGeneration"), causes);
    let more = "cannot be greater than status.replicas";
    for (field, count) in [
        ("fullyLabeledReplicas", labeled),
        ("readyReplicas", ready),
        ("availableReplicas", available),
    ] {
        if count > status.replicas {
            causes.invalid(&at.child(field), count, more);
        }
    }
    if available > ready {
        let why = "cannot be greater than readyReplicas";
        causes.invalid(&at.child("availableReplicas"), available, why);
    }
}
