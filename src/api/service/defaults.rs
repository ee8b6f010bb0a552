//! Defaults that the API server sets on a Service before it checks it.

use super::{EXTERNAL_NAME, LOAD_BALANCER, NODE_PORT, is_external, is_of, needs_node_ports};
use crate::omitempty::{default_to, omit_zeros};
use k8s_openapi::api::core::v1::{
    ClientIPConfig, LoadBalancerStatus, Service, ServicePort, ServiceSpec, ServiceStatus,
    SessionAffinityConfig,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::{BTreeMap, BTreeSet};

/// Three hours.
const CLIENT_AFFINITY_SECONDS: i32 = 10_800;

/// Sets the defaults of `core/v1`.
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

/// Sets the status of a new Service: no load balancer.
pub fn prepare_create(service: &mut Service) {
    let load_balancer = Some(LoadBalancerStatus::default());
    service.status = Some(ServiceStatus { load_balancer, ..ServiceStatus::default() });
}

/// Keeps allocated values that the new Service does not set (`patchAllocatedValues`,
/// `normalizeClusterIPs`).
pub fn prepare_update(old: &Service, new: &mut Service) {
    let (Some(had), Some(spec)) = (&old.spec, &mut new.spec) else { return };
    if !is_of(had, EXTERNAL_NAME) && !is_of(spec, EXTERNAL_NAME) {
        spec.cluster_ip = spec.cluster_ip.take().or_else(|| had.cluster_ip.clone());
        spec.cluster_ips = spec.cluster_ips.take().or_else(|| had.cluster_ips.clone());
    }
    if had.cluster_ip != spec.cluster_ip && had.cluster_ips == spec.cluster_ips {
        spec.cluster_ips = spec.cluster_ip.clone().map(|address| vec![address]);
    }
    if needs_node_ports(had) && needs_node_ports(spec) {
        keep_node_ports(had, spec);
    }
    if needs_health_check(had) && needs_health_check(spec) {
        spec.health_check_node_port = spec.health_check_node_port.or(had.health_check_node_port);
    }
}

/// Drops the fields of the type before that the new one cannot have, if the change left them as
/// they were (`dropTypeDependentFields`).
pub fn drop_dependent(old: &Service, new: &mut Service) {
    let (Some(had), Some(spec)) = (&old.spec, &mut new.spec) else { return };
    if !is_of(had, EXTERNAL_NAME) && is_of(spec, EXTERNAL_NAME) {
        if had.cluster_ip == spec.cluster_ip && had.cluster_ips == spec.cluster_ips {
            (spec.cluster_ip, spec.cluster_ips) = (None, None);
        }
        spec.ip_families.take_if(|families| had.ip_families.as_ref() == Some(families));
        spec.ip_family_policy.take_if(|policy| had.ip_family_policy.as_ref() == Some(policy));
    }
    if needs_node_ports(had) && !needs_node_ports(spec) {
        let kept = node_ports(had);
        if node_ports(spec).is_subset(&kept) {
            spec.ports.iter_mut().flatten().for_each(|port| port.node_port = None);
        }
    }
    if needs_health_check(had) && !needs_health_check(spec) {
        let before = had.health_check_node_port;
        spec.health_check_node_port.take_if(|port| before == Some(*port));
    }
    if is_of(had, LOAD_BALANCER) && !is_of(spec, LOAD_BALANCER) {
        let before = had.allocate_load_balancer_node_ports;
        spec.allocate_load_balancer_node_ports.take_if(|is_set| before == Some(*is_set));
        spec.load_balancer_class.take_if(|class| had.load_balancer_class.as_ref() == Some(class));
    }
    if is_external(had) && !is_external(spec) {
        let before = had.external_traffic_policy.as_ref();
        spec.external_traffic_policy.take_if(|policy| before == Some(policy));
    }
    if !is_of(spec, LOAD_BALANCER) {
        let load_balancer = Some(LoadBalancerStatus::default());
        new.status.get_or_insert_default().load_balancer = load_balancer;
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

/// Keeps the node port of a port with the same name, unless another took it.
fn keep_node_ports(had: &ServiceSpec, spec: &mut ServiceSpec) {
    let mut used: BTreeSet<i32> =
        node_ports(had).intersection(&node_ports(spec)).copied().collect();
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

fn node_ports(spec: &ServiceSpec) -> BTreeSet<i32> {
    spec.ports.iter().flatten().filter_map(|port| port.node_port).collect()
}

fn needs_health_check(spec: &ServiceSpec) -> bool {
    is_of(spec, LOAD_BALANCER) && spec.external_traffic_policy.as_deref() == Some("Local")
}
