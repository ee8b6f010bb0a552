//! A Node in words, with its pods and what they ask of it. There are no leases, so none is shown.

use super::page::{Page, time};
use super::related;
use cronlet_api::columns::human_duration;
use cronlet_api::kind::Object;
use cronlet_api::node::columns::roles;
use cronlet_api::pod::resources::{self, Amounts, limits, requests};
use cronlet_api::quantity::Quantity;
use cronlet_api::time::{Clock, SystemClock};
use k8s_openapi::api::core::v1::{Node, NodeStatus, NodeSystemInfo, Pod, Taint};

/// `pods`: all of the host.
pub(super) fn describe(page: &mut Page, node: &Node, pods: &[Object]) {
    let meta = &node.metadata;
    let spec = node.spec.clone().unwrap_or_default();
    let status = node.status.clone().unwrap_or_default();
    page.field(0, "Name", meta.name.as_deref().unwrap_or_default());
    page.field(0, "Roles", roles(node));
    page.labels(0, "Labels", meta.labels.as_ref());
    page.annotations(0, meta);
    page.created(meta);
    let mut taints = spec.taints.unwrap_or_default();
    taints.sort_by(|a, b| (&a.effect, &a.key).cmp(&(&b.effect, &b.key)));
    page.many(0, "Taints", taints.iter().map(taint_text));
    page.field(0, "Unschedulable", spec.unschedulable.unwrap_or(false));
    describe_status(page, &status);
    describe_system(page, &status.node_info.clone().unwrap_or_default());
    describe_pods(page, &status, pods);
}

fn taint_text(taint: &Taint) -> String {
    match taint.value.as_deref().unwrap_or_default() {
        "" => format!("{}:{}", taint.key, taint.effect),
        value => format!("{}={value}:{}", taint.key, taint.effect),
    }
}

fn describe_status(page: &mut Page, status: &NodeStatus) {
    let conditions = status.conditions.as_deref().unwrap_or_default();
    if !conditions.is_empty() {
        page.line(0, "Conditions:");
        page.line(1, "Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage");
        page.line(1, "----\t------\t-----------------\t------------------\t------\t-------");
    }
    for one in conditions {
        let at = |at: &Option<_>| at.as_ref().map_or_else(String::new, time);
        let (beat, changed) = (at(&one.last_heartbeat_time), at(&one.last_transition_time));
        let reason = one.reason.as_deref().unwrap_or_default();
        let message = one.message.as_deref().unwrap_or_default();
        let (kind, is) = (&one.type_, &one.status);
        page.line(1, format_args!("{kind} \t{is} \t{beat} \t{changed} \t{reason} \t{message}"));
    }
    page.line(0, "Addresses:");
    for address in status.addresses.iter().flatten() {
        page.field(1, &address.type_, &address.address);
    }
    for (title, list) in [("Capacity", &status.capacity), ("Allocatable", &status.allocatable)] {
        if list.as_ref().is_some_and(|list| !list.is_empty()) {
            page.line(0, format_args!("{title}:"));
        }
        for (name, amount) in list.iter().flatten() {
            page.field(1, name, &amount.0);
        }
    }
}

fn describe_system(page: &mut Page, info: &NodeSystemInfo) {
    page.line(0, "System Info:");
    for (what, text) in [
        ("Machine ID", &info.machine_id),
        ("System UUID", &info.system_uuid),
        ("Boot ID", &info.boot_id),
        ("Kernel Version", &info.kernel_version),
        ("OS Image", &info.os_image),
        ("Operating System", &info.operating_system),
        ("Architecture", &info.architecture),
        ("Container Runtime Version", &info.container_runtime_version),
        ("Kubelet Version", &info.kubelet_version),
        ("Kube-Proxy Version", &info.kube_proxy_version),
    ] {
        page.field(1, what, text);
    }
}

/// The pods that have not ended, and what they ask for together (`describeNodeResource`).
fn describe_pods(page: &mut Page, status: &NodeStatus, pods: &[Object]) {
    let room = resources::amounts(status.allocatable.as_ref().or(status.capacity.as_ref()));
    let has_ended = |pod: &&Pod| {
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        matches!(phase, Some("Succeeded" | "Failed"))
    };
    let pods: Vec<&Pod> = related::pods(pods).filter(|pod| !has_ended(pod)).collect();
    page.field(0, "Non-terminated Pods", format_args!("({} in total)", pods.len()));
    let head =
        ["Namespace", "Name", "", "CPU Requests", "CPU Limits", "Memory Requests", "Memory Limits"];
    page.line(1, format_args!("{}\tAge", head.join("\t")));
    page.line(1, format_args!("{}\t---", head.map(|word| "-".repeat(word.len())).join("\t")));
    let now = SystemClock.now();
    let (mut all_requests, mut all_limits) = (Amounts::new(), Amounts::new());
    for pod in pods {
        let Some(spec) = &pod.spec else { continue };
        let wants = resources::of_pod(spec, requests);
        let may = resources::of_pod(spec, limits);
        let created = pod.metadata.creation_timestamp.as_ref();
        let age = created.map_or_else(
            || "<unknown>".to_owned(),
            |time| human_duration(now.duration_since(time.0)),
        );
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        let shares = [(&wants, "cpu"), (&may, "cpu"), (&wants, "memory"), (&may, "memory")];
        let shares = shares.map(|(amounts, of)| share(amounts, of, &room)).join("\t");
        page.line(1, format_args!("{namespace}\t{name}\t\t{shares}\t{age}"));
        resources::add(&mut all_requests, wants);
        resources::add(&mut all_limits, may);
    }
    page.line(0, "Allocated resources:");
    page.line(1, "(Total limits may be over 100 percent, i.e., overcommitted.)");
    page.line(1, "Resource\tRequests\tLimits");
    page.line(1, "--------\t--------\t------");
    for name in ["cpu", "memory", "ephemeral-storage"] {
        let (wants, may) = (share(&all_requests, name, &room), share(&all_limits, name, &room));
        page.line(1, format_args!("{name}\t{wants}\t{may}"));
    }
}

/// An amount, and how much that is of what there is.
fn share(amounts: &Amounts, name: &str, room: &Amounts) -> String {
    let amount = amounts.get(name).copied().unwrap_or(Quantity::ZERO);
    let whole = room.get(name).map_or(0.0, |room| room.milli_value() as f64);
    // Where none is told, none is shown as used.
    let percent = match whole > 0.0 {
        true => (amount.milli_value() as f64 / whole * 100.0) as i64,
        false => 0,
    };
    format!("{amount} ({percent}%)")
}
