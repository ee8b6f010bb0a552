//! Defaults that the API server sets on a Node before it checks it.

use crate::omitempty::omit_zeros;
use k8s_openapi::api::core::v1::Node;

/// Removes empty fields, and adds an absent spec or status.
pub fn set(node: &mut Node) {
    let spec = node.spec.get_or_insert_default();
    omit_zeros!(spec; pod_cidr, pod_cidrs, provider_id, taints, unschedulable);
    node.status.get_or_insert_default();
}
