//! Defaults that the API server sets on a ReplicaSet before it checks it.

use crate::omitempty::omit_zeros;
use crate::template;
use k8s_openapi::api::apps::v1::ReplicaSet;

/// Sets the defaults of `apps/v1`.
pub fn set(set: &mut ReplicaSet) {
    let spec = set.spec.get_or_insert_default();
    spec.replicas.get_or_insert(1);
    omit_zeros!(spec; min_ready_seconds);
    template::tidy_selector(&mut spec.selector);
    template::set_defaults(spec.template.get_or_insert_default());
}
