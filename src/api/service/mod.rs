//! Service: a name for pods.

use k8s_openapi::api::core::v1::ServiceSpec;

pub mod addresses;

pub mod check;

pub mod columns;

pub mod defaults;

const EXTERNAL_NAME: &str = "ExternalName";
const LOAD_BALANCER: &str = "LoadBalancer";
const NODE_PORT: &str = "NodePort";

/// `spec.clusterIP` of a Service that has no address of its own.
const HEADLESS: &str = "None";

fn is_of(spec: &ServiceSpec, kind: &str) -> bool {
    spec.type_.as_deref() == Some(kind)
}

/// True if its pods are found by their own addresses alone.
pub fn is_headless(spec: &ServiceSpec) -> bool {
    matches!(spec.cluster_ips.as_deref(), Some([only]) if only == HEADLESS)
}

/// True if it is reached from outside of the cluster.
fn is_external(spec: &ServiceSpec) -> bool {
    let has_addresses = spec.external_ips.as_ref().is_some_and(|addresses| !addresses.is_empty());
    needs_node_ports(spec) || is_of(spec, "ClusterIP") && has_addresses
}

fn needs_node_ports(spec: &ServiceSpec) -> bool {
    is_of(spec, NODE_PORT) || is_of(spec, LOAD_BALANCER)
}

mod strategy;
