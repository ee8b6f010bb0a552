//! The pods of a DaemonSet: bound to their node whatever befalls it.

use crate::controllers::controller::Controller;
use crate::controllers::revisions::POD_REVISION;
use crate::plan::View;
use cronlet_api::daemon_set::defaults::TEMPLATE_GENERATION;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{
    NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, Pod, PodSpec,
    PodTemplateSpec, Toleration,
};

const GENERATION: &str = "pod-template-generation";

/// Troubles of a node that a daemon outlives, and their effects.
const TOLERATED: &[(&str, &str)] = &[
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
];
const NO_NETWORK: &str = "node.kubernetes.io/network-unavailable";

/// A new pod of the set for a node (`CreatePodTemplate`).
pub fn new(
    set: &DaemonSet,
    controller: &Controller,
    template: &PodTemplateSpec,
    hash: &str,
    node: &str,
    view: &View,
) -> Pod {
    let mut pod = controller.pod(template, 0, view);
    let annotations = set.metadata.annotations.as_ref();
    let generation = annotations.and_then(|annotations| annotations.get(TEMPLATE_GENERATION));
    let labels = pod.metadata.labels.get_or_insert_default();
    labels.insert(POD_REVISION.to_owned(), hash.to_owned());
    labels.insert(GENERATION.to_owned(), generation.cloned().unwrap_or_else(|| "1".to_owned()));
    let spec = pod.spec.get_or_insert_default();
    tolerate(spec);
    bind(spec, node);
    pod
}

/// `AddOrUpdateDaemonPodTolerations`
pub fn tolerate(spec: &mut PodSpec) {
    let network = Some((NO_NETWORK, "NoSchedule")).filter(|_| spec.host_network == Some(true));
    let tolerations = spec.tolerations.get_or_insert_default();
    for (key, effect) in TOLERATED.iter().copied().chain(network) {
        let toleration = Toleration {
            key: Some(key.to_owned()),
            operator: Some("Exists".to_owned()),
            effect: Some(effect.to_owned()),
            ..Toleration::default()
        };
        if !tolerations.contains(&toleration) {
            tolerations.push(toleration);
        }
    }
}

/// In place of the template's own wishes, which this node has met
/// (`ReplaceDaemonSetPodNodeNameNodeAffinity`).
fn bind(spec: &mut PodSpec, node: &str) {
    let name = NodeSelectorRequirement {
        key: "metadata.name".to_owned(),
        operator: "In".to_owned(),
        values: Some(vec![node.to_owned()]),
    };
    let term = NodeSelectorTerm { match_fields: Some(vec![name]), ..NodeSelectorTerm::default() };
    let affinity = spec.affinity.get_or_insert_default();
    let affinity: &mut NodeAffinity = affinity.node_affinity.get_or_insert_default();
    affinity.required_during_scheduling_ignored_during_execution =
        Some(NodeSelector { node_selector_terms: vec![term] });
}
