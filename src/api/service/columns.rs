//! The table of Services.

use crate::columns::{Cell, Column, NONE, age, labels, name, or_none};
use crate::time::Timestamp;
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec, ServiceStatus};
use std::collections::BTreeSet;

pub const COLUMNS: &[Column] = &[
    Column::name(),
    Column::text("Type"),
    Column::text("Cluster-IP"),
    Column::text("External-IP"),
    Column::text("Port(s)"),
    Column::text("Age"),
    Column::wide("Selector"),
];

pub fn cells(service: &Service, now: Timestamp) -> Vec<Cell> {
    let meta = &service.metadata;
    let nothing = ServiceSpec::default();
    let spec = service.spec.as_ref().unwrap_or(&nothing);
    let addresses = spec.cluster_ips.as_deref().unwrap_or_default();
    let ports: Vec<String> = spec.ports.iter().flatten().map(port).collect();
    vec![
        name(meta),
        spec.type_.as_deref().unwrap_or_default().into(),
        or_none(addresses.first().map(String::as_str)),
        external(spec, service.status.as_ref()).into(),
        or_none(Some(&ports.join(","))),
        age(meta, now),
        labels(spec.selector.as_ref()),
    ]
}

fn port(port: &ServicePort) -> String {
    let protocol = port.protocol.as_deref().unwrap_or_default();
    match port.node_port.filter(|node_port| *node_port > 0) {
        Some(node_port) => format!("{}:{node_port}/{protocol}", port.port),
        None => format!("{}/{protocol}", port.port),
    }
}

fn external(spec: &ServiceSpec, status: Option<&ServiceStatus>) -> String {
    let own = spec.external_ips.as_deref().unwrap_or_default().join(",");
    let either = |text: String, other: &str| if text.is_empty() { other.to_owned() } else { text };
    match spec.type_.as_deref().unwrap_or_default() {
        "ClusterIP" | "NodePort" => either(own, NONE),
        "LoadBalancer" => {
            let balanced = balanced(status);
            let all = [balanced, own].into_iter().filter(|text| !text.is_empty());
            either(all.collect::<Vec<_>>().join(","), "<pending>")
        }
        "ExternalName" => spec.external_name.clone().unwrap_or_default(),
        _ => "<unknown>".to_owned(),
    }
}

fn balanced(status: Option<&ServiceStatus>) -> String {
    let balancer = status.and_then(|status| status.load_balancer.as_ref());
    let ingress = balancer.into_iter().flat_map(|balancer| balancer.ingress.iter().flatten());
    let names: BTreeSet<&str> =
        ingress.filter_map(|one| one.ip.as_deref().or(one.hostname.as_deref())).collect();
    names.into_iter().collect::<Vec<_>>().join(",")
}
