//! The rules of a Service (Kubernetes' `ValidateService` and `ValidateServiceUpdate`).

use super::{EXTERNAL_NAME, LOAD_BALANCER, NODE_PORT, addresses, is_external, is_headless, is_of};
use crate::check::{Causes, Path};
use crate::{names, selector};
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::BTreeSet;
use std::net::IpAddr;

const PROTOCOLS: &[&str] = &["SCTP", "TCP", "UDP"];
const TYPES: &[&str] = &["ClusterIP", EXTERNAL_NAME, LOAD_BALANCER, NODE_PORT];
const AFFINITIES: &[&str] = &["ClientIP", "None"];
const POLICIES: &[&str] = &["Cluster", "Local"];
const DISTRIBUTIONS: &[&str] = &["PreferClose", "PreferSameNode", "PreferSameZone"];
const AFFINITY_SECONDS_MAX: i32 = 86_400;
const SOURCE_RANGES: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";
const TOPOLOGY_MODE: &str = "service.kubernetes.io/topology-mode";
const TOPOLOGY_HINTS: &str = "service.kubernetes.io/topology-aware-hints";

/// Checks a new Service, after its defaults and [`addresses::settle`]; `metadata` is checked
/// elsewhere.
pub fn create(service: &Service, causes: &mut Causes) {
    let Some(spec) = &service.spec else { return };
    let at = Path::root("spec");
    check_type(spec, &at, causes);
    check_ports(spec, &at, causes);
    if let Some(labels) = &spec.selector {
        selector::check_labels(labels, &at.child("selector"), causes);
    }
    check_affinity(spec, &at, causes);
    if !is_of(spec, EXTERNAL_NAME) {
        addresses::check(spec, causes);
    }
    for (i, address) in spec.external_ips.iter().flatten().enumerate() {
        check_external_address(address, &at.child("externalIPs").index(i), causes);
    }
    check_balancer(spec, &at, causes);
    check_source_ranges(service, spec, causes);
    check_traffic(spec, &at, causes);
    check_topology(&service.metadata, causes);
}

/// Checks a change, after [`super::defaults::prepare_update`]: addresses stay.
pub fn update(old: &Service, new: &Service, causes: &mut Causes) {
    create(new, causes);
    let (Some(had), Some(spec)) = (&old.spec, &new.spec) else { return };
    let at = Path::root("spec");
    if let (Some(before), Some(port)) = (had.health_check_node_port, spec.health_check_node_port)
        && before != port
    {
        causes.forbidden(&at.child("healthCheckNodePort"), "field is immutable");
    }
    if is_of(had, LOAD_BALANCER)
        && is_of(spec, LOAD_BALANCER)
        && had.load_balancer_class != spec.load_balancer_class
    {
        let class = spec.load_balancer_class.as_deref().unwrap_or_default();
        causes.invalid(&at.child("loadBalancerClass"), class, "may not change once set");
    }
    // Kubernetes reports this twice.
    check_class(spec, &at, causes);
    if is_of(had, EXTERNAL_NAME) || is_of(spec, EXTERNAL_NAME) {
        return;
    }
    if is_headless(had) && is_headless(spec) {
        return;
    }
    check_kept(&had.cluster_ips, &spec.cluster_ips, &at.child("clusterIPs"), causes);
    if is_headless(had) == is_headless(spec) {
        check_kept(&had.ip_families, &spec.ip_families, &at.child("ipFamilies"), causes);
    }
}

/// Checks that the first of a list stays once it is set; a second one may be added or removed.
fn check_kept(
    had: &Option<Vec<String>>,
    has: &Option<Vec<String>>,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    let first = |list: &Option<Vec<String>>| list.as_ref().and_then(|list| list.first().cloned());
    match (first(had), first(has)) {
        (Some(_), None) => causes.invalid(&at.index(0), "", "the first can not be unset"),
        (Some(old), Some(new)) if old != new => {
            causes.invalid(&at.index(0), new, "may not change once set");
        }
        _ => {}
    }
}

fn check_type(spec: &ServiceSpec, at: &Path<'_>, causes: &mut Causes) {
    let kind = spec.type_.as_deref().unwrap_or_default();
    if !TYPES.contains(&kind) {
        causes.unsupported(&at.child("type"), kind, TYPES);
    }
    if (kind == NODE_PORT || kind == LOAD_BALANCER) && is_headless(spec) {
        let why = format!("may not be set to 'None' for {kind} services");
        causes.invalid(&at.child("clusterIPs").index(0), "None", why);
    }
    if kind != EXTERNAL_NAME {
        return;
    }
    let why = "may not be set for ExternalName services";
    for (field, is_set) in [
        ("clusterIPs", spec.cluster_ips.is_some()),
        ("ipFamilies", spec.ip_families.is_some()),
        ("ipFamilyPolicy", spec.ip_family_policy.is_some()),
    ] {
        if is_set {
            causes.forbidden(&at.child(field), why);
        }
    }
    let name = spec.external_name.as_deref().unwrap_or_default();
    match name.strip_suffix('.').unwrap_or(name) {
        "" => causes.required(&at.child("externalName"), ""),
        name => {
            causes.invalid_each(&at.child("externalName"), name, names::dns_subdomain(name));
        }
    }
}

fn check_ports(spec: &ServiceSpec, at: &Path<'_>, causes: &mut Causes) {
    let ports = spec.ports.as_deref().unwrap_or_default();
    let at = at.child("ports");
    if ports.is_empty() && !is_headless(spec) && !is_of(spec, EXTERNAL_NAME) {
        causes.required(&at, "");
    }
    let (mut seen, mut of_node) = (BTreeSet::new(), BTreeSet::new());
    for (i, port) in ports.iter().enumerate() {
        let at = at.index(i);
        check_port(port, &ports[..i], ports.len() > 1, &at, causes);
        if let Some(number) = port.node_port {
            if is_of(spec, "ClusterIP") {
                let why = "may not be used when `type` is 'ClusterIP'";
                causes.forbidden(&at.child("nodePort"), why);
            }
            if !of_node.insert((&port.protocol, number)) {
                causes.duplicate(&at.child("nodePort"), number);
            }
        }
        if !seen.insert((&port.protocol, port.port)) {
            let protocol = port.protocol.as_deref().unwrap_or_default();
            causes.duplicate(&at, format!("{}/{protocol}", port.port));
        }
    }
}

fn check_port(
    port: &ServicePort,
    before: &[ServicePort],
    needs_name: bool,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    match port.name.as_deref() {
        None if needs_name => causes.required(&at.child("name"), ""),
        None => {}
        Some(name) => {
            causes.invalid_each(&at.child("name"), name, names::dns_label(name));
            if before.iter().any(|one| one.name == port.name) {
                causes.duplicate(&at.child("name"), name);
            }
        }
    }
    causes.invalid_each(&at.child("port"), port.port, names::port_number(port.port.into()));
    let protocol = port.protocol.as_deref().unwrap_or_default();
    if !PROTOCOLS.contains(&protocol) {
        causes.unsupported(&at.child("protocol"), protocol, PROTOCOLS);
    }
    let target_at = at.child("targetPort");
    match &port.target_port {
        Some(IntOrString::Int(number)) => {
            causes.invalid_each(&target_at, number, names::port_number((*number).into()));
        }
        Some(IntOrString::String(name)) => {
            causes.invalid_each(&target_at, name, names::port_name(name));
        }
        None => {}
    }
    if let Some(protocol) = &port.app_protocol {
        causes.invalid_each(&at.child("appProtocol"), protocol, names::qualified_name(protocol));
    }
}

fn check_affinity(spec: &ServiceSpec, at: &Path<'_>, causes: &mut Causes) {
    let affinity = spec.session_affinity.as_deref().unwrap_or_default();
    if !AFFINITIES.contains(&affinity) {
        return causes.unsupported(&at.child("sessionAffinity"), affinity, AFFINITIES);
    }
    let config = spec.session_affinity_config.as_ref();
    let client = config.and_then(|config| config.client_ip.as_ref());
    let Some(seconds) = client.and_then(|client| client.timeout_seconds) else { return };
    if !(1..=AFFINITY_SECONDS_MAX).contains(&seconds) {
        let at = at.child("sessionAffinityConfig");
        let at = at.child("clientIP");
        let why = format!("must be greater than 0 and less than {AFFINITY_SECONDS_MAX}");
        causes.invalid(&at.child("timeoutSeconds"), seconds, why);
    }
}

/// Checks that an address is neither unspecified nor of this host itself or its link.
fn check_external_address(address: &str, at: &Path<'_>, causes: &mut Causes) {
    let faults = names::ip_address(address);
    if !faults.is_empty() {
        return causes.invalid_each(at, address, faults);
    }
    let Ok(ip) = address.parse::<IpAddr>() else { return };
    let (is_link_local, is_link_multicast) = match ip {
        IpAddr::V4(ip) => (ip.is_link_local(), ip.octets()[..3] == [224, 0, 0]),
        IpAddr::V6(ip) => (ip.is_unicast_link_local(), ip.segments()[0] & 0xff0f == 0xff02),
    };
    let why = if ip.is_unspecified() {
        "may not be unspecified (0.0.0.0 or ::)"
    } else if ip.is_loopback() {
        "may not be in the loopback range (127.0.0.0/8, ::1/128)"
    } else if is_link_local {
        "may not be in the link-local range (169.254.0.0/16, fe80::/10)"
    } else if is_link_multicast {
        "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"
    } else {
        return;
    };
    causes.invalid(at, address, why);
}

const ONLY_BALANCED: &str = "may only be used when `type` is 'LoadBalancer'";

fn check_balancer(spec: &ServiceSpec, at: &Path<'_>, causes: &mut Causes) {
    if spec.allocate_load_balancer_node_ports.is_some() && !is_of(spec, LOAD_BALANCER) {
        causes.forbidden(&at.child("allocateLoadBalancerNodePorts"), ONLY_BALANCED);
    }
    check_class(spec, at, causes);
}

fn check_class(spec: &ServiceSpec, at: &Path<'_>, causes: &mut Causes) {
    let Some(class) = &spec.load_balancer_class else { return };
    let at = at.child("loadBalancerClass");
    if is_of(spec, LOAD_BALANCER) {
        causes.invalid_each(&at, class, names::qualified_name(class));
    } else {
        causes.forbidden(&at, ONLY_BALANCED);
    }
}

/// Checks ranges in the field, or else in the annotation that came before it.
fn check_source_ranges(service: &Service, spec: &ServiceSpec, causes: &mut Causes) {
    let (spec_at, metadata_at) = (Path::root("spec"), Path::root("metadata"));
    let annotations_at = metadata_at.child("annotations");
    let annotations = service.metadata.annotations.as_ref();
    let (at, ranges): (Path<'_>, Vec<&str>) = match &spec.load_balancer_source_ranges {
        // Kubernetes spells this field so.
        Some(ranges) if !ranges.is_empty() => {
            let ranges = ranges.iter().map(String::as_str).collect();
            (spec_at.child("LoadBalancerSourceRanges"), ranges)
        }
        _ => match annotations.and_then(|all| all.get(SOURCE_RANGES)) {
            None => return,
            Some(value) if value.trim().is_empty() => (annotations_at.key(SOURCE_RANGES), vec![]),
            Some(value) => (annotations_at.key(SOURCE_RANGES), value.split(',').collect()),
        },
    };
    if !is_of(spec, LOAD_BALANCER) {
        causes.forbidden(&at, ONLY_BALANCED);
    }
    let is_field = spec.load_balancer_source_ranges.as_ref().is_some_and(|list| !list.is_empty());
    for (i, range) in ranges.iter().enumerate() {
        let at = if is_field { at.index(i) } else { at };
        causes.invalid_each(&at, range, names::cidr(range.trim()));
    }
}

/// Checks that an annotation has the same value under its new name and its old one.
fn check_topology(metadata: &ObjectMeta, causes: &mut Causes) {
    let of = |key: &str| metadata.annotations.as_ref().and_then(|all| all.get(key));
    if let (Some(mode), Some(hints)) = (of(TOPOLOGY_MODE), of(TOPOLOGY_HINTS))
        && mode != hints
    {
        let why = format!("must match annotations[{TOPOLOGY_HINTS}] when both are specified");
        let at = Path::root("metadata");
        causes.invalid(&at.child("annotations").key(TOPOLOGY_MODE), mode, why);
    }
}

/// True if the type is known, and the Service is more than a name.
fn has_traffic_within(spec: &ServiceSpec) -> bool {
    ["ClusterIP", LOAD_BALANCER, NODE_PORT].iter().any(|kind| is_of(spec, kind))
}

fn check_traffic(spec: &ServiceSpec, at: &Path<'_>, causes: &mut Causes) {
    let outer_at = at.child("externalTrafficPolicy");
    let outer = spec.external_traffic_policy.as_deref();
    match outer {
        Some(policy) if !is_external(spec) => {
            let why = "may only be set for externally-accessible services";
            causes.invalid(&outer_at, policy, why);
        }
        Some(policy) if !POLICIES.contains(&policy) => {
            causes.unsupported(&outer_at, policy, POLICIES);
        }
        None if is_external(spec) => causes.required(&outer_at, ""),
        _ => {}
    }
    let health_at = at.child("healthCheckNodePort");
    match spec.health_check_node_port {
        Some(port) if !is_of(spec, LOAD_BALANCER) || outer != Some("Local") => {
            let why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` \
                       is 'Local'";
            causes.invalid(&health_at, port, why);
        }
        Some(port) => causes.invalid_each(&health_at, port, names::port_number(port.into())),
        None => {}
    }
    let inner_at = at.child("internalTrafficPolicy");
    match spec.internal_traffic_policy.as_deref() {
        None if has_traffic_within(spec) => causes.required(&inner_at, ""),
        Some(policy) if !POLICIES.contains(&policy) => {
            causes.unsupported(&inner_at, policy, POLICIES);
        }
        _ => {}
    }
    if let Some(distribution) = spec.traffic_distribution.as_deref()
        && !DISTRIBUTIONS.contains(&distribution)
    {
        causes.unsupported(&at.child("trafficDistribution"), distribution, DISTRIBUTIONS);
    }
}
