//! The rules of `affinity`, to nodes and to other pods.

use crate::check::{Causes, Path};
use crate::omitempty::items;
use crate::{names, selector};
use k8s_openapi::api::core::v1::{
    NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PodAffinityTerm,
    PodSpec, WeightedPodAffinityTerm,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

pub(super) fn check(spec: &PodSpec, at: &Path<'_>, causes: &mut Causes) {
    let Some(affinity) = &spec.affinity else { return };
    let at = at.child("affinity");
    if let Some(affinity) = &affinity.node_affinity {
        check_node_affinity(affinity, &at.child("nodeAffinity"), causes);
    }
    if let Some(affinity) = &affinity.pod_affinity {
        let at = at.child("podAffinity");
        let required = items(&affinity.required_during_scheduling_ignored_during_execution);
        let preferred = items(&affinity.preferred_during_scheduling_ignored_during_execution);
        check_terms(required, preferred, &at, causes);
    }
    if let Some(affinity) = &affinity.pod_anti_affinity {
        let at = at.child("podAntiAffinity");
        let required = items(&affinity.required_during_scheduling_ignored_during_execution);
        let preferred = items(&affinity.preferred_during_scheduling_ignored_during_execution);
        check_terms(required, preferred, &at, causes);
    }
}

/// Checks `matchLabelKeys` and `mismatchLabelKeys`, after the former were merged into the selector:
/// a key that is there twice was written in both.
pub(super) fn check_label_keys(
    matching: &[String],
    mismatching: &[String],
    selector: Option<&LabelSelector>,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    let (matching_at, mismatching_at) = (at.child("matchLabelKeys"), at.child("mismatchLabelKeys"));
    for (keys, at) in [(matching, &matching_at), (mismatching, &mismatching_at)] {
        if !keys.is_empty() && selector.is_none() {
            causes.forbidden(at, "must not be specified when labelSelector is not set");
            continue;
        }
        for (i, key) in keys.iter().enumerate() {
            causes.invalid_each(&at.index(i), key, names::qualified_name(key));
        }
    }
    let mut seen: Vec<&String> = selector
        .iter()
        .flat_map(|selector| selector.match_labels.iter().flatten().map(|(key, _)| key))
        .collect();
    for requirement in selector.iter().flat_map(|selector| items(&selector.match_expressions)) {
        let key = &requirement.key;
        if let Some(i) = matching.iter().rposition(|one| one == key)
            && seen.contains(&key)
        {
            causes.invalid(&at.index(i), key, "exists in both matchLabelKeys and labelSelector");
        }
        seen.push(key);
    }
    for (i, key) in matching.iter().enumerate().filter(|(_, key)| mismatching.contains(key)) {
        let why = "exists in both matchLabelKeys and mismatchLabelKeys";
        causes.invalid(&matching_at.index(i), key, why);
    }
}

fn check_terms(
    required: &[PodAffinityTerm],
    preferred: &[WeightedPodAffinityTerm],
    at: &Path<'_>,
    causes: &mut Causes,
) {
    let required_at = at.child(REQUIRED);
    for (i, term) in required.iter().enumerate() {
        check_term(term, &required_at.index(i), causes);
    }
    let preferred_at = at.child(PREFERRED);
    for (i, term) in preferred.iter().enumerate() {
        let at = preferred_at.index(i);
        check_weight(term.weight, &at.child("weight"), causes);
        check_term(&term.pod_affinity_term, &at.child("podAffinityTerm"), causes);
    }
}

fn check_term(term: &PodAffinityTerm, at: &Path<'_>, causes: &mut Causes) {
    if let Some(selector) = &term.label_selector {
        selector::check(selector, &at.child("labelSelector"), causes);
    }
    if let Some(selector) = &term.namespace_selector {
        selector::check(selector, &at.child("namespaceSelector"), causes);
    }
    for name in items(&term.namespaces) {
        causes.invalid_each(&at.child("namespace"), name, names::dns_label(name));
    }
    let (matching, mismatching) = (items(&term.match_label_keys), items(&term.mismatch_label_keys));
    check_label_keys(matching, mismatching, term.label_selector.as_ref(), at, causes);
    let key = &term.topology_key;
    if key.is_empty() {
        causes.required(&at.child("topologyKey"), "can not be empty");
    }
    causes.invalid_each(&at.child("topologyKey"), key, names::qualified_name(key));
}

fn check_weight(weight: i32, at: &Path<'_>, causes: &mut Causes) {
    if !(1..=100).contains(&weight) {
        causes.invalid(at, weight, "must be in the range 1-100");
    }
}

fn check_node_affinity(affinity: &NodeAffinity, at: &Path<'_>, causes: &mut Causes) {
    if let Some(required) = &affinity.required_during_scheduling_ignored_during_execution {
        check_node_selector(required, &at.child(REQUIRED), causes);
    }
    let preferred_at = at.child(PREFERRED);
    let preferred = items(&affinity.preferred_during_scheduling_ignored_during_execution);
    for (i, term) in preferred.iter().enumerate() {
        let at = preferred_at.index(i);
        check_weight(term.weight, &at.child("weight"), causes);
        // A preference for an impossible label is harmless, and older clusters have such.
        check_node_term(&term.preference, false, &at.child("preference"), causes);
    }
}

/// Checks a `NodeSelector`.
pub fn check_node_selector(selector: &NodeSelector, at: &Path<'_>, causes: &mut Causes) {
    let at = at.child("nodeSelectorTerms");
    if selector.node_selector_terms.is_empty() {
        causes.required(&at, "must have at least one node selector term");
    }
    for (i, term) in selector.node_selector_terms.iter().enumerate() {
        check_node_term(term, true, &at.index(i), causes);
    }
}

fn check_node_term(
    term: &NodeSelectorTerm,
    checks_values: bool,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    let expressions_at = at.child("matchExpressions");
    for (i, requirement) in items(&term.match_expressions).iter().enumerate() {
        check_node_labels(requirement, checks_values, &expressions_at.index(i), causes);
    }
    let fields_at = at.child("matchFields");
    for (i, requirement) in items(&term.match_fields).iter().enumerate() {
        check_node_field(requirement, &fields_at.index(i), causes);
    }
}

fn check_node_labels(
    requirement: &NodeSelectorRequirement,
    checks_values: bool,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    let values = items(&requirement.values);
    let values_at = at.child("values");
    match (requirement.operator.as_str(), values.len()) {
        ("In" | "NotIn", 0) => {
            causes.required(&values_at, "must be specified when `operator` is 'In' or 'NotIn'");
        }
        ("Exists" | "DoesNotExist", 1..) => {
            let why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            causes.forbidden(&values_at, why);
        }
        ("Gt" | "Lt", 1) | ("In" | "NotIn" | "Exists" | "DoesNotExist", _) => {}
        ("Gt" | "Lt", _) => {
            let why = "must be specified single value when `operator` is 'Lt' or 'Gt'";
            causes.required(&values_at, why);
        }
        (other, _) => causes.invalid(&at.child("operator"), other, "not a valid selector operator"),
    }
    let key = &requirement.key;
    causes.invalid_each(&at.child("key"), key, names::qualified_name(key));
    for (i, value) in values.iter().enumerate().filter(|_| checks_values) {
        causes.invalid_each(&values_at.index(i), value, names::label_value(value));
    }
}

/// Checks a requirement on a node's fields, of which only the name is accepted.
fn check_node_field(requirement: &NodeSelectorRequirement, at: &Path<'_>, causes: &mut Causes) {
    let values = items(&requirement.values);
    let values_at = at.child("values");
    match requirement.operator.as_str() {
        "In" | "NotIn" if values.len() != 1 => {
            let why =
                "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
            causes.required(&values_at, why);
        }
        "In" | "NotIn" => {}
        other => causes.invalid(&at.child("operator"), other, "not a valid selector operator"),
    }
    if requirement.key != "metadata.name" {
        causes.invalid(&at.child("key"), &requirement.key, "not a valid field selector key");
        return;
    }
    for (i, value) in values.iter().enumerate() {
        causes.invalid_each(&values_at.index(i), value, names::dns_subdomain(value));
    }
}
