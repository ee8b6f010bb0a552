//! What the API server makes of a ReplicaSet before it checks it.

use crate::omitempty::omit_zeros;
use crate::template;
use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetStatus};

/// The defaults of `apps/v1`.
pub fn set(set: &mut ReplicaSet) {
    let spec = set.spec.get_or_insert_default();
    spec.replicas.get_or_insert(1);
    omit_zeros!(spec; min_ready_seconds);
    template::tidy_selector(&mut spec.selector);
    template::set_defaults(spec.template.get_or_insert_default());
}

/// A new ReplicaSet has made nothing.
pub fn prepare_create(set: &mut ReplicaSet) {
    set.metadata.generation = Some(1);
    set.status = Some(ReplicaSetStatus::default());
}

/// The status stays; another spec is another generation.
pub fn prepare_update(old: &ReplicaSet, new: &mut ReplicaSet) {
    new.status = old.status.clone();
    if new.spec != old.spec {
        new.metadata.generation = Some(old.metadata.generation.unwrap_or_default() + 1);
    }
}
