//! What the API server makes of a Node before it checks it.

use crate::omitempty::omit_zeros;
use k8s_openapi::api::core::v1::Node;

/// Empty is absent.
pub fn set(node: &mut Node) {
    let spec = node.spec.get_or_insert_default();
    omit_zeros!(spec; pod_cidr, pod_cidrs, provider_id, taints, unschedulable);
    node.status.get_or_insert_default();
}
