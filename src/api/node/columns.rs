//! The table of Nodes.

use crate::columns::{Cell, Column, NONE, age, name};
use crate::time::Timestamp;
use k8s_openapi::api::core::v1::Node;
use std::collections::BTreeSet;

pub const COLUMNS: &[Column] = &[
    Column::name(),
    Column::text("Status"),
    Column::text("Roles"),
    Column::text("Age"),
    Column::text("Version"),
    Column::wide("Internal-IP"),
    Column::wide("External-IP"),
    Column::wide("OS-Image"),
    Column::wide("Kernel-Version"),
    Column::wide("Container-Runtime"),
];

const ROLE_PREFIX: &str = "node-role.kubernetes.io/";
const ROLE_LABEL: &str = "kubernetes.io/role";

pub fn cells(node: &Node, now: Timestamp) -> Vec<Cell> {
    let meta = &node.metadata;
    let info = node.status.as_ref().and_then(|status| status.node_info.clone()).unwrap_or_default();
    let known = |text: &str| -> Cell { if text.is_empty() { "<unknown>" } else { text }.into() };
    vec![
        name(meta),
        state(node).into(),
        roles(node).into(),
        age(meta, now),
        info.kubelet_version.as_str().into(),
        address(node, "InternalIP").into(),
        address(node, "ExternalIP").into(),
        known(&info.os_image),
        known(&info.kernel_version),
        known(&info.container_runtime_version),
    ]
}

fn state(node: &Node) -> String {
    let mut conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let ready = conditions.find(|condition| condition.type_ == "Ready");
    let state = match ready.map(|condition| condition.status.as_str()) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    };
    let is_cordoned = node.spec.as_ref().and_then(|spec| spec.unschedulable) == Some(true);
    if is_cordoned { format!("{state},SchedulingDisabled") } else { state.to_owned() }
}

pub fn roles(node: &Node) -> String {
    let labels = node.metadata.labels.iter().flatten();
    let role = |(key, value): (&String, &String)| match key.strip_prefix(ROLE_PREFIX) {
        Some(role) if !role.is_empty() => Some(role.to_owned()),
        _ if key == ROLE_LABEL && !value.is_empty() => Some(value.clone()),
        _ => None,
    };
    let roles: BTreeSet<String> = labels.filter_map(role).collect();
    let roles: Vec<String> = roles.into_iter().collect();
    if roles.is_empty() { NONE.to_owned() } else { roles.join(",") }
}

fn address<'a>(node: &'a Node, kind: &str) -> &'a str {
    let mut addresses = node.status.iter().flat_map(|status| status.addresses.iter().flatten());
    addresses.find(|address| address.type_ == kind).map_or(NONE, |address| &address.address)
}
