//! Whether a pod's wishes about nodes fit a node: its name, labels and taints, and what it has.

use cronlet_api::pod::resources;
use k8s_openapi::api::core::v1::{
    Node, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PodSpec, Taint, Toleration,
};
use std::collections::BTreeMap;

/// What keeps a pod from the node, in the scheduler's words: the first of its filters that says no
/// speaks. Empty: nothing does.
///
/// Of resources, a pod may not ask for more than the host has; what all of them ask for together,
/// and what the host does not count, is not looked at.
pub fn obstacles(pod: &PodSpec, node: &Node) -> Vec<String> {
    let tolerations = pod.tolerations.as_deref().unwrap_or_default();
    let is_closed = node.spec.as_ref().is_some_and(|spec| spec.unschedulable == Some(true));
    if is_closed && !tolerations.iter().any(|one| tolerates(one, &unschedulable())) {
        return vec!["node(s) were unschedulable".to_owned()];
    }
    if is_kept_off(pod, node, &["NoSchedule", "NoExecute"]) {
        return vec!["node(s) had untolerated taint(s)".to_owned()];
    }
    if !is_wanted(pod, node) {
        return vec!["node(s) didn't match Pod's node affinity/selector".to_owned()];
    }
    let asked = resources::of_pod(pod, resources::requests);
    if asked.is_empty() {
        return Vec::new();
    }
    let has = node.status.as_ref().and_then(|status| status.allocatable.as_ref());
    let has = resources::amounts(has);
    let is_lacking = |name: &String, amount| has.get(name).is_some_and(|has| amount > has);
    let lacking = asked.iter().filter(|(name, amount)| is_lacking(name, *amount));
    lacking.map(|(name, _)| format!("Insufficient {name}")).collect()
}

/// At most this many pods are bound to the node and have not ended.
pub fn pods_max(node: &Node) -> u32 {
    let has = node.status.as_ref().and_then(|status| status.allocatable.as_ref());
    let pods = has.and_then(|has| has.get("pods")).and_then(|pods| pods.0.parse().ok());
    pods.unwrap_or(u32::MAX)
}

/// The taint of a node that takes no new pods.
pub fn unschedulable() -> Taint {
    Taint {
        key: "node.kubernetes.io/unschedulable".to_owned(),
        effect: "NoSchedule".to_owned(),
        ..Taint::default()
    }
}

/// The node is the one that the pod names, and has the labels that it selects.
pub fn is_wanted(pod: &PodSpec, node: &Node) -> bool {
    let name = node.metadata.name.as_deref().unwrap_or_default();
    let wanted_name = pod.node_name.as_deref().filter(|wanted| !wanted.is_empty());
    let nothing = BTreeMap::new();
    let labels = node.metadata.labels.as_ref().unwrap_or(&nothing);
    let selector = pod.node_selector.iter().flatten();
    let affinity = pod.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
    let required = affinity
        .and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution.as_ref());
    wanted_name.is_none_or(|wanted| wanted == name)
        && selector.into_iter().all(|(key, value)| labels.get(key) == Some(value))
        && required.is_none_or(|required| selects(required, name, labels))
}

/// True if one of the selector's terms picks the node of that name and labels.
pub fn selects(selector: &NodeSelector, name: &str, labels: &BTreeMap<String, String>) -> bool {
    selector.node_selector_terms.iter().any(|term| is_met(term, name, labels))
}

/// A taint with one of the effects is not tolerated.
pub fn is_kept_off(pod: &PodSpec, node: &Node, effects: &[&str]) -> bool {
    let taints = node.spec.iter().flat_map(|spec| spec.taints.iter().flatten());
    let tolerations = pod.tolerations.as_deref().unwrap_or_default();
    let is_tolerated = |taint: &Taint| tolerations.iter().any(|one| tolerates(one, taint));
    taints.into_iter().any(|taint| effects.contains(&taint.effect.as_str()) && !is_tolerated(taint))
}

fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let key = toleration.key.as_deref().unwrap_or_default();
    let effect = toleration.effect.as_deref().unwrap_or_default();
    let value = toleration.value.as_deref().unwrap_or_default();
    let fits_value = match toleration.operator.as_deref().unwrap_or_default() {
        "Exists" => true,
        "" | "Equal" => value == taint.value.as_deref().unwrap_or_default(),
        _ => false,
    };
    (effect.is_empty() || effect == taint.effect)
        && (key.is_empty() || key == taint.key)
        && fits_value
}

/// A term without requirements picks no node.
fn is_met(term: &NodeSelectorTerm, name: &str, labels: &BTreeMap<String, String>) -> bool {
    let expressions = term.match_expressions.as_deref().unwrap_or_default();
    let fields = term.match_fields.as_deref().unwrap_or_default();
    let field = |one: &NodeSelectorRequirement| Some(name).filter(|_| one.key == "metadata.name");
    !(expressions.is_empty() && fields.is_empty())
        && expressions.iter().all(|one| holds(one, labels.get(&one.key).map(String::as_str)))
        && fields.iter().all(|one| holds(one, field(one)))
}

fn holds(requirement: &NodeSelectorRequirement, value: Option<&str>) -> bool {
    let values = requirement.values.as_deref().unwrap_or_default();
    let is_listed = value.is_some_and(|value| values.iter().any(|one| one == value));
    let numbers =
        || -> Option<(i64, i64)> { Some((value?.parse().ok()?, values.first()?.parse().ok()?)) };
    match requirement.operator.as_str() {
        "In" => is_listed,
        "NotIn" => !is_listed,
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => numbers().is_some_and(|(has, wants)| has > wants),
        "Lt" => numbers().is_some_and(|(has, wants)| has < wants),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn node(taints: Value) -> Node {
        let labels = json!({"disk": "ssd", "cores": "8"});
        let node = json!({"metadata": {"name": "n", "labels": labels}, "spec": {"taints": taints}});
        serde_json::from_value(node).expect("a node")
    }

    fn pod(mut spec: Value) -> PodSpec {
        spec["containers"] = json!([]);
        serde_json::from_value(spec).expect("a spec")
    }

    #[test]
    fn which_nodes_are_wanted() {
        let check = |spec: Value, want: bool| {
            assert_eq!(is_wanted(&pod(spec.clone()), &node(json!([]))), want, "{spec}");
        };
        check(json!({}), true);
        check(json!({"nodeName": "n"}), true);
        check(json!({"nodeName": "m"}), false);
        check(json!({"nodeSelector": {"disk": "ssd"}}), true);
        check(json!({"nodeSelector": {"disk": "hdd"}}), false);
        let terms = |terms: Value| {
            json!({"affinity": {"nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}})
        };
        let term = |key: &str, operator: &str, values: &[&str]| {
            let one = json!({"key": key, "operator": operator, "values": values});
            json!({"matchExpressions": [one]})
        };
        let cases = [
            ("disk", "In", &["ssd", "hdd"][..], true),
            ("disk", "NotIn", &["ssd"], false),
            ("gpu", "NotIn", &["x"], true),
            ("disk", "Exists", &[], true),
            ("gpu", "Exists", &[], false),
            ("gpu", "DoesNotExist", &[], true),
            ("cores", "Gt", &["4"], true),
            ("cores", "Lt", &["4"], false),
            ("disk", "Gt", &["4"], false),
        ];
        for (key, operator, values, want) in cases {
            check(terms(json!([term(key, operator, values)])), want);
        }
        check(terms(json!([term("gpu", "Exists", &[]), term("disk", "Exists", &[])])), true);
        check(terms(json!([{}])), false);
        let field = json!({"key": "metadata.name", "operator": "In", "values": ["n"]});
        check(terms(json!([{"matchFields": [field]}])), true);
    }

    #[test]
    fn what_keeps_a_pod_away() {
        let check = |spec: Value, is_closed: bool, want: &[&str]| {
            let mut node = node(json!([{"key": "k", "effect": "NoSchedule"}]));
            let of_node = node.spec.get_or_insert_default();
            of_node.unschedulable = Some(is_closed);
            if spec["tolerations"].is_null() {
                of_node.taints = None;
            }
            let status = json!({"allocatable": {"cpu": "2", "memory": "1Gi"}});
            node.status = serde_json::from_value(status).expect("a status");
            let pod: PodSpec = serde_json::from_value(spec.clone()).expect("a spec");
            assert_eq!(obstacles(&pod, &node), want, "{spec}");
        };
        let asks = |cpu: &str, memory: &str| {
            let resources = json!({"requests": {"cpu": cpu, "memory": memory, "x/gpu": "1"}});
            json!({"containers": [{"name": "a", "resources": resources}, {"name": "b"}]})
        };
        check(asks("2", "1Gi"), false, &[]);
        check(asks("2100m", "1Gi"), false, &["Insufficient cpu"]);
        check(asks("3", "1025Mi"), false, &["Insufficient cpu", "Insufficient memory"]);
        let of_pod = json!({"requests": {"cpu": "3"}, "limits": {"cpu": "3"}});
        let of_pod = json!({"resources": of_pod, "containers": [{"name": "a"}]});
        check(of_pod, false, &["Insufficient cpu"]);
        check(json!({"containers": []}), true, &["node(s) were unschedulable"]);
        let tolerations = |key: &str| {
            let toleration = json!({"key": key, "operator": "Exists"});
            json!({"containers": [], "tolerations": [toleration]})
        };
        check(
            tolerations("node.kubernetes.io/unschedulable"),
            true,
            &["node(s) had untolerated taint(s)"],
        );
        check(tolerations("k"), false, &[]);
        check(tolerations("k"), true, &["node(s) were unschedulable"]);
        let other = json!({"containers": [], "nodeSelector": {"disk": "hdd"}});
        check(other, false, &["node(s) didn't match Pod's node affinity/selector"]);
    }

    #[test]
    fn what_taints_keep_off() {
        let check = |tolerations: Value, want: bool| {
            let node = node(json!([{"key": "k", "value": "v", "effect": "NoSchedule"}]));
            let pod = pod(json!({"tolerations": tolerations}));
            assert_eq!(is_kept_off(&pod, &node, &["NoSchedule"]), want, "{tolerations}");
            assert!(!is_kept_off(&pod, &node, &["NoExecute"]));
        };
        check(json!([]), true);
        check(json!([{"operator": "Exists"}]), false);
        check(json!([{"key": "k", "value": "v"}]), false);
        check(json!([{"key": "k", "value": "w"}]), true);
        check(json!([{"key": "k", "operator": "Exists", "effect": "NoSchedule"}]), false);
        check(json!([{"key": "k", "operator": "Exists", "effect": "NoExecute"}]), true);
        check(json!([{"key": "l", "operator": "Exists"}]), true);
    }
}
