//! Addresses of a Service: what they may be, which families they are of, and what is allocated.
//!
//! The API server looks at these before anything else of a Service, and where they are wrong it
//! tells of nothing else. Its cluster is one of IPv4 alone.

use super::{EXTERNAL_NAME, HEADLESS, LOAD_BALANCER, is_headless, is_of, needs_node_ports};
use crate::check::{Causes, Path};
use crate::names;
use k8s_openapi::api::core::v1::{Service, ServiceSpec};
use serde_json::Value;
use std::collections::BTreeSet;

const SINGLE: &str = "SingleStack";
const PREFER_DUAL: &str = "PreferDualStack";
const REQUIRE_DUAL: &str = "RequireDualStack";
const IPV4: &str = "IPv4";
const IPV6: &str = "IPv6";

/// `--service-node-port-range`
const NODE_PORTS: std::ops::RangeInclusive<i32> = 30_000..=32_767;

/// Stands where a value is allocated when the Service is created.
const ALLOCATED: &str = "<allocated>";

/// Completes `clusterIPs`, `ipFamilies` and `ipFamilyPolicy`, or says why they cannot be.
pub fn settle(old: Option<&Service>, service: &mut Service, causes: &mut Causes) {
    let had = old.and_then(|old| old.spec.as_ref());
    let Some(spec) = &mut service.spec else { return };
    if spec.cluster_ips.is_none() {
        spec.cluster_ips = spec.cluster_ip.clone().map(|address| vec![address]);
    }
    if is_of(spec, EXTERNAL_NAME) {
        return;
    }
    let is_bare = is_headless(spec) && spec.selector.is_none();
    spec.ip_family_policy = spec.ip_family_policy.take().or_else(|| {
        let before = had.and_then(|had| had.ip_family_policy.clone());
        before.or_else(|| Some(if is_bare { REQUIRE_DUAL } else { SINGLE }.to_owned()))
    });
    check(spec, causes);
    if causes.found.is_empty() {
        settle_families(spec, is_bare, causes);
    }
    if causes.found.is_empty() && needs_node_ports(spec) {
        check_node_ports(spec, causes);
    }
}

/// The rules of `clusterIP`, `clusterIPs`, `ipFamilies` and `ipFamilyPolicy`
/// (`ValidateServiceClusterIPsRelatedFields`).
pub fn check(spec: &ServiceSpec, causes: &mut Causes) {
    let at = Path::root("spec");
    let addresses_at = at.child("clusterIPs");
    let addresses = spec.cluster_ips.as_deref().unwrap_or_default();
    match (spec.cluster_ip.as_deref(), addresses.first()) {
        (Some(one), Some(first)) if one != first => {
            causes.invalid(&addresses_at, addresses, "first value must match `clusterIP`");
        }
        (None, Some(_)) => {
            let why = "must be empty when `clusterIP` is not specified";
            causes.invalid(&addresses_at, addresses, why);
        }
        _ => {}
    }
    let families = spec.ip_families.as_deref().unwrap_or_default();
    for (i, family) in families.iter().enumerate() {
        let at = at.child("ipFamilies");
        if ![IPV4, IPV6].contains(&family.as_str()) {
            causes.unsupported(&at.index(i), family, &[IPV4, IPV6]);
        }
        if families[..i].contains(family) {
            causes.duplicate(&at.index(i), family);
        }
    }
    let policies = [PREFER_DUAL, REQUIRE_DUAL, SINGLE];
    if let Some(policy) = &spec.ip_family_policy
        && !policies.contains(&policy.as_str())
    {
        causes.unsupported(&at.child("ipFamilyPolicy"), policy, &policies);
    }
    check_addresses(addresses, families, &addresses_at, causes);
}

fn check_addresses(addresses: &[String], families: &[String], at: &Path<'_>, causes: &mut Causes) {
    let before = causes.found.len();
    for (i, address) in addresses.iter().enumerate() {
        if i > 0 || address != HEADLESS {
            causes.invalid_each(&at.index(i), address, names::ip_address(address));
        } else if addresses.len() > 1 {
            causes.invalid(at, addresses, "'None' must be the first and only value");
        }
    }
    let is_broken = causes.found.len() > before;
    if addresses.len() > 2 {
        causes.invalid(at, addresses, "may only hold up to 2 values");
    }
    if is_broken {
        return;
    }
    let distinct: BTreeSet<&str> = addresses.iter().map(|one| family(one)).collect();
    if addresses.len() > 1 && distinct.len() < 2 {
        causes.invalid(at, addresses, "may specify no more than one IP for each IP family");
    }
    for (i, (address, wanted)) in addresses.iter().zip(families).enumerate() {
        let is_known = [IPV4, IPV6].contains(&wanted.as_str());
        if address != HEADLESS && is_known && family(address) != wanted {
            let why = format!("expected an {wanted} value as indicated by `ipFamilies[{i}]`");
            causes.invalid(&at.index(i), address, why);
        }
    }
}

fn settle_families(spec: &mut ServiceSpec, is_bare: bool, causes: &mut Causes) {
    let at = Path::root("spec");
    let (families_at, policy_at) = (at.child("ipFamilies"), at.child("ipFamilyPolicy"));
    let policy = spec.ip_family_policy.clone().unwrap_or_default();
    let addresses = spec.cluster_ips.clone().unwrap_or_default();
    let families = spec.ip_families.get_or_insert_default();
    for (many, what) in [(addresses.len(), "cluster IPs"), (families.len(), "IP families")] {
        if many == 2 && policy == SINGLE {
            let why = "must be 'RequireDualStack' or 'PreferDualStack' when multiple";
            causes.invalid(&policy_at, &policy, format_args!("{why} {what} are specified"));
        }
    }
    for (i, address) in addresses.iter().enumerate().skip(families.len()) {
        match family(address) {
            _ if address == HEADLESS => {}
            IPV6 => {
                let why = "IPv6 is not configured on this cluster";
                causes.invalid(&at.child("clusterIPs").index(i), address, why);
            }
            family => families.push(family.to_owned()),
        }
    }
    if !causes.found.is_empty() {
        return;
    }
    if !is_bare {
        if policy == REQUIRE_DUAL {
            let why = "this cluster is not configured for dual-stack services";
            causes.invalid(&policy_at, &policy, why);
        }
        for (i, family) in families.iter().enumerate().filter(|(_, family)| *family == IPV6) {
            causes.invalid(&families_at.index(i), family, "not configured on this cluster");
        }
    }
    if families.is_empty() {
        families.push(IPV4.to_owned());
    }
    if is_bare && policy != SINGLE && families.len() == 1 {
        families.push(if families[0] == IPV4 { IPV6 } else { IPV4 }.to_owned());
    }
}

/// Ports of the node that are asked for must be free ones of the range.
fn check_node_ports(spec: &ServiceSpec, causes: &mut Causes) {
    let at = Path::root("spec");
    let mut taken = BTreeSet::new();
    for (i, port) in spec.ports.iter().flatten().enumerate() {
        let Some(number) = port.node_port else { continue };
        let at = at.child("ports");
        let at = at.index(i);
        if !NODE_PORTS.contains(&number) {
            let why = "provided port is not in the valid range. The range of valid ports is \
                       30000-32767";
            return causes.invalid(&at.child("nodePort"), number, why);
        }
        if !taken.insert((number, &port.protocol)) {
            let why = "provided port is already allocated";
            return causes.invalid(&at.child("nodePort"), number, why);
        }
    }
}

/// Puts placeholders into a Service's JSON where creation allocates: for a look ahead.
pub fn show_allocated(service: &Service, shown: &mut Value) {
    let Some(spec) = &service.spec else { return };
    if !is_of(spec, EXTERNAL_NAME) && spec.cluster_ips.is_none() {
        shown["spec"]["clusterIP"] = ALLOCATED.into();
        shown["spec"]["clusterIPs"] = ALLOCATED.into();
    }
    let is_balanced = is_of(spec, LOAD_BALANCER);
    if !needs_node_ports(spec)
        || is_balanced && spec.allocate_load_balancer_node_ports == Some(false)
    {
        return;
    }
    for (i, port) in spec.ports.iter().flatten().enumerate() {
        if port.node_port.is_none() {
            shown["spec"]["ports"][i]["nodePort"] = ALLOCATED.into();
        }
    }
    let is_local = spec.external_traffic_policy.as_deref() == Some("Local");
    if is_balanced && is_local && spec.health_check_node_port.is_none() {
        shown["spec"]["healthCheckNodePort"] = ALLOCATED.into();
    }
}

fn family(address: &str) -> &'static str {
    if address.contains(':') { IPV6 } else { IPV4 }
}
