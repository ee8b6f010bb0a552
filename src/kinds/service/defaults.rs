//! What the API server makes of a Service before it checks it.

use super::{EXTERNAL_NAME, LOAD_BALANCER, NODE_PORT, is_external, needs_node_ports};
use crate::kinds::pod::zero::{default_to, omit_zeros};
use k8s_openapi::api::core::v1::{
    ClientIPConfig, LoadBalancerStatus, Service, ServicePort, ServiceSpec, ServiceStatus,
    SessionAffinityConfig,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::{BTreeMap, BTreeSet};

/// Three hours.
const CLIENT_AFFINITY_SECONDS: i32 = 10_800;

/// The defaults of `core/v1`.
pub fn set(service: &mut Service) {
    let spec = service.spec.get_or_insert_default();
    omit_zeros!(spec; cluster_ip, cluster_ips, external_ips, external_name,
        external_traffic_policy, health_check_node_port, ip_families, load_balancer_ip,
        load_balancer_source_ranges, ports, publish_not_ready_addresses, selector);
    default_to(&mut spec.type_, "ClusterIP");
    default_to(&mut spec.session_affinity, "None");
    match spec.session_affinity.as_deref() {
        Some("None") => spec.session_affinity_config = None,
        Some("ClientIP") => set_client_affinity(spec),
        _ => {}
    }
    spec.ports.iter_mut().flatten().for_each(set_port);
    if is_external(spec) {
        spec.external_traffic_policy.get_or_insert_with(|| "Cluster".into());
    }
    if ["ClusterIP", NODE_PORT, LOAD_BALANCER].contains(&spec.type_.as_deref().unwrap_or_default())
    {
        spec.internal_traffic_policy.get_or_insert_with(|| "Cluster".into());
    }
    if spec.type_.as_deref() == Some(LOAD_BALANCER) {
        spec.allocate_load_balancer_node_ports.get_or_insert(true);
    }
}

/// A new Service is balanced by nothing.
pub fn prepare_create(service: &mut Service) {
    let load_balancer = Some(LoadBalancerStatus::default());
    service.status = Some(ServiceStatus { load_balancer, ..ServiceStatus::default() });
}

/// The status stays, and so does what was allocated where the new one does not say otherwise.
pub fn prepare_update(old: &Service, new: &mut Service) {
    new.status = old.status.clone();
    let (Some(had), Some(spec)) = (&old.spec, &mut new.spec) else { return };
    let has_address = |spec: &ServiceSpec| spec.type_.as_deref() != Some(EXTERNAL_NAME);
    if has_address(had) && has_address(spec) {
        spec.cluster_ip = spec.cluster_ip.take().or_else(|| had.cluster_ip.clone());
        if spec.cluster_ip == had.cluster_ip {
            spec.cluster_ips = spec.cluster_ips.take().or_else(|| had.cluster_ips.clone());
        }
    }
    if needs_node_ports(had) && needs_node_ports(spec) {
        keep_node_ports(had, spec);
    }
    if spec.health_check_node_port.is_none() {
        spec.health_check_node_port = had.health_check_node_port;
    }
}

fn set_client_affinity(spec: &mut ServiceSpec) {
    let config = spec.session_affinity_config.as_ref().and_then(|config| config.client_ip.as_ref());
    if config.and_then(|client| client.timeout_seconds).is_none() {
        let client_ip = Some(ClientIPConfig { timeout_seconds: Some(CLIENT_AFFINITY_SECONDS) });
        spec.session_affinity_config = Some(SessionAffinityConfig { client_ip });
    }
}

fn set_port(port: &mut ServicePort) {
    omit_zeros!(port; name, node_port);
    default_to(&mut port.protocol, "TCP");
    let is_unset = match &port.target_port {
        None => true,
        Some(IntOrString::Int(number)) => *number == 0,
        Some(IntOrString::String(name)) => name.is_empty(),
    };
    if is_unset {
        port.target_port = Some(IntOrString::Int(port.port));
    }
}

/// A port of the same name keeps its port of the node, unless another took it.
fn keep_node_ports(had: &ServiceSpec, spec: &mut ServiceSpec) {
    let of = |spec: &ServiceSpec| -> BTreeSet<i32> {
        spec.ports.iter().flatten().filter_map(|port| port.node_port).collect()
    };
    let mut used: BTreeSet<i32> = of(had).intersection(&of(spec)).copied().collect();
    let by_name: BTreeMap<_, _> =
        had.ports.iter().flatten().map(|port| (port.name.clone(), port.node_port)).collect();
    for port in spec.ports.iter_mut().flatten().filter(|port| port.node_port.is_none()) {
        if let Some(Some(had)) = by_name.get(&port.name)
            && used.insert(*had)
        {
            port.node_port = Some(*had);
        }
    }
}
