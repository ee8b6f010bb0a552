//! This host as a Node: what the kubelet tells of it.

use cronlet_api::names;
use cronlet_api::quantity::Quantity;
use cronlet_api::settings::Settings;
use cronlet_api::time::Timestamp;
use k8s_openapi::api::core::v1::{Node, NodeAddress, NodeCondition, NodeStatus, NodeSystemInfo};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Written;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use std::collections::BTreeMap;

const HOSTNAME: &str = "kubernetes.io/hostname";
const OS: &str = "kubernetes.io/os";
const ARCH: &str = "kubernetes.io/arch";

/// The Kubernetes whose behaviour this follows.
pub const MINOR: &str = "36";

/// What is told where Kubernetes tells its own version.
pub fn version() -> String {
    format!("v1.{MINOR}.0+cronlet.{}", env!("CARGO_PKG_VERSION"))
}

/// As Go names it.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// A label's length: the Node's name is the label [`HOSTNAME`] too.
const NAME_LENGTH_MAX: usize = 63;

/// What the Node of a host is called: the host's name in lower case, as the kubelet has it. Where
/// Linux allows more than Kubernetes, such as `build_box`, there is a `-` instead.
pub fn name_of(host_name: &str) -> String {
    let allowed = |c: char| match c.to_ascii_lowercase() {
        c @ ('a'..='z' | '0'..='9' | '.') => c,
        _ => '-',
    };
    let name: String = host_name.chars().map(allowed).take(NAME_LENGTH_MAX).collect();
    let labels = name.split('.').map(|label| label.trim_matches('-'));
    let labels: Vec<&str> = labels.filter(|label| !label.is_empty()).collect();
    if labels.is_empty() { "localhost".to_owned() } else { labels.join(".") }
}

/// Why a Node may not be called so, if it may not.
pub fn fault_of_name(name: &str) -> Option<String> {
    names::dns_subdomain(name).into_iter().chain(names::label_value(name)).next()
}

/// The Node as it shall be; labels, taints and whatever else users wrote to it stay.
pub fn node(before: Option<Node>, settings: &Settings, now: Timestamp) -> Node {
    let mut node = before.unwrap_or_else(|| Node {
        metadata: ObjectMeta { name: Some(settings.node_name.clone()), ..ObjectMeta::default() },
        ..Node::default()
    });
    let name = settings.node_name.as_str();
    let labels = [(HOSTNAME, name), (OS, std::env::consts::OS), (ARCH, architecture())];
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
    node.metadata.labels.get_or_insert_default().extend(labels);
    let status = node.status.get_or_insert_default();
    describe(status, settings);
    tell(status, ready(now));
    node
}

/// The Node of a name that this host had: nobody answers by it any more
/// (`tryUpdateNodeHealth` of the node lifecycle controller).
pub fn left(mut node: Node, now: Timestamp) -> Node {
    let unknown = NodeCondition {
        status: "Unknown".to_owned(),
        reason: Some("NodeStatusUnknown".to_owned()),
        message: Some("Kubelet stopped posting node status.".to_owned()),
        ..ready(now)
    };
    tell(node.status.get_or_insert_default(), unknown);
    node
}

/// A condition that is as it was keeps its times.
fn tell(status: &mut NodeStatus, condition: NodeCondition) {
    let conditions = status.conditions.get_or_insert_default();
    match conditions.iter_mut().find(|one| one.type_ == condition.type_) {
        Some(same) if same.status == condition.status => {}
        Some(other) => *other = condition,
        None => conditions.push(condition),
    }
}

fn describe(status: &mut NodeStatus, settings: &Settings) {
    let cpu = canonical(&format!("{}m", settings.host_cpu_millis));
    let memory = canonical(&format!("{}Ki", settings.host_memory_bytes / 1024));
    let pods = Written(pods_max(settings).to_string());
    let capacity = [("cpu", cpu), ("memory", memory), ("pods", pods)];
    let capacity = capacity.map(|(name, amount)| (name.to_owned(), amount));
    status.capacity = Some(BTreeMap::from(capacity));
    status.allocatable = status.capacity.clone();
    let address = |kind: &str, address: &str| NodeAddress {
        type_: kind.to_owned(),
        address: address.to_owned(),
    };
    status.addresses = Some(vec![
        address("InternalIP", &settings.host_ip),
        address("Hostname", &settings.node_name),
    ]);
    status.node_info = Some(NodeSystemInfo {
        architecture: architecture().to_owned(),
        operating_system: std::env::consts::OS.to_owned(),
        os_image: settings.host_os.clone(),
        kernel_version: settings.host_kernel.clone(),
        kubelet_version: version(),
        container_runtime_version: concat!("process://", env!("CARGO_PKG_VERSION")).to_owned(),
        ..NodeSystemInfo::default()
    });
}

/// How many pods run at once where the configuration says nothing: one for each MiB of memory, as
/// the shim and the smallest of programs take about half of that, and no fewer than the kubelet's
/// 110. Beyond 2,500, processes and cgroups are what a host is short of first.
fn pods_max(settings: &Settings) -> u32 {
    let by_memory = u32::try_from(settings.host_memory_bytes >> 20).unwrap_or(u32::MAX);
    settings.limits.pods.unwrap_or(by_memory.clamp(110, 2500))
}

fn canonical(text: &str) -> Written {
    Written(text.parse::<Quantity>().expect("a number and its suffix").to_string())
}

/// Pressure of memory, disk or processes is not measured, and so not told.
fn ready(now: Timestamp) -> NodeCondition {
    NodeCondition {
        type_: "Ready".to_owned(),
        status: "True".to_owned(),
        reason: Some("KubeletReady".to_owned()),
        message: Some("cronlet runs pods on this host".to_owned()),
        last_heartbeat_time: Some(Time(now)),
        last_transition_time: Some(Time(now)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_has_a_name_that_a_node_may_have() {
        for (host, node) in [
            ("vm", "vm"),
            ("Build_Box", "build-box"),
            ("_a_._.b-.example.com.", "a.b.example.com"),
            ("(none)", "none"),
            ("büro", "b-ro"),
            ("", "localhost"),
            ("--", "localhost"),
            (&format!("{}-{}", "a".repeat(62), "b".repeat(40)), &"a".repeat(62)),
        ] {
            assert_eq!(name_of(host), node);
            assert_eq!(fault_of_name(node), None, "{node}");
        }
        assert!(fault_of_name("Build_Box").is_some());
        assert!(fault_of_name(&"a".repeat(64)).is_some());
    }
}
