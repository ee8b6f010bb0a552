//! The rules of where and when a pod may be placed: tolerations, spreading, gates, preemption.

use super::{affinity, required_and_supported, supported};
use crate::check::{Causes, Path};
use crate::omitempty::{items, text};
use crate::{names, selector};
use k8s_openapi::api::core::v1::{PodSpec, Toleration, TopologySpreadConstraint};
use std::collections::BTreeSet;

const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
const WHEN_UNSATISFIABLE: [&str; 2] = ["DoNotSchedule", "ScheduleAnyway"];
const PREEMPTION_POLICIES: [&str; 2] = ["PreemptLowerPriority", "Never"];

pub(super) fn check(spec: &PodSpec, at: &Path<'_>, causes: &mut Causes) {
    if let Some(labels) = &spec.node_selector {
        selector::check_labels(labels, &at.child("nodeSelector"), causes);
    }
    check_gates(spec, at, causes);
    let constraints = items(&spec.topology_spread_constraints);
    check_spread(constraints, &at.child("topologySpreadConstraints"), causes);
    check_tolerations(items(&spec.tolerations), &at.child("tolerations"), causes);
    if let Some(policy) = &spec.preemption_policy {
        let at = at.child("preemptionPolicy");
        required_and_supported(policy, &PREEMPTION_POLICIES, &at, causes);
    }
}

fn check_gates(spec: &PodSpec, at: &Path<'_>, causes: &mut Causes) {
    let readiness_at = at.child("readinessGates");
    for (i, gate) in items(&spec.readiness_gates).iter().enumerate() {
        let at = readiness_at.index(i);
        let name = &gate.condition_type;
        causes.invalid_each(&at.child("conditionType"), name, names::qualified_name(name));
    }
    let scheduling_at = at.child("schedulingGates");
    let mut seen = BTreeSet::new();
    for (i, gate) in items(&spec.scheduling_gates).iter().enumerate() {
        let at = scheduling_at.index(i);
        causes.invalid_each(&at, &gate.name, names::qualified_name(&gate.name));
        if !seen.insert(&gate.name) {
            causes.duplicate(&at, &gate.name);
        }
    }
}

pub(super) fn check_tolerations(tolerations: &[Toleration], at: &Path<'_>, causes: &mut Causes) {
    for (i, toleration) in tolerations.iter().enumerate() {
        check_toleration(toleration, &at.index(i), causes);
    }
}

fn check_toleration(toleration: &Toleration, at: &Path<'_>, causes: &mut Causes) {
    let (key, value) = (text(&toleration.key), text(&toleration.value));
    let (operator, effect) = (text(&toleration.operator), text(&toleration.effect));
    let operator_at = at.child("operator");
    if !key.is_empty() {
        causes.invalid_each(&at.child("key"), key, names::qualified_name(key));
    } else if operator != "Exists" {
        let why = "operator must be Exists when `key` is empty, which means \"match all values and \
                   all keys\"";
        causes.invalid(&operator_at, operator, why);
    }
    if toleration.toleration_seconds.is_some() && effect != "NoExecute" {
        let why = "effect must be 'NoExecute' when `tolerationSeconds` is set";
        causes.invalid(&at.child("effect"), effect, why);
    }
    match operator {
        "" | "Equal" => {
            let faults = names::label_value(value);
            if !faults.is_empty() {
                causes.invalid(&operator_at, value, faults.join(";"));
            }
        }
        "Exists" if !value.is_empty() => {
            causes.invalid(&operator_at, value, "value must be empty when `operator` is 'Exists'");
        }
        other => supported(other, &["Equal", "Exists"], &operator_at, causes),
    }
    if !effect.is_empty() {
        supported(effect, &EFFECTS, &at.child("effect"), causes);
    }
}

fn check_spread(constraints: &[TopologySpreadConstraint], at: &Path<'_>, causes: &mut Causes) {
    for (i, constraint) in constraints.iter().enumerate() {
        let at = at.index(i);
        let (key, action) = (&constraint.topology_key, &constraint.when_unsatisfiable);
        if constraint.max_skew <= 0 {
            let why = "must be greater than zero";
            causes.invalid(&at.child("maxSkew"), constraint.max_skew, why);
        }
        if key.is_empty() {
            causes.required(&at.child("topologyKey"), "can not be empty");
        }
        supported(action, &WHEN_UNSATISFIABLE, &at.child("whenUnsatisfiable"), causes);
        let is_same = |other: &TopologySpreadConstraint| {
            other.topology_key == *key && other.when_unsatisfiable == *action
        };
        if constraints[i + 1..].iter().any(is_same) {
            let at = at.child("{topologyKey, whenUnsatisfiable}");
            causes.duplicate(&at, format!("{{{key}, {action}}}"));
        }
        check_domains(constraint, &at.child("minDomains"), causes);
        for (field, policy) in [
            ("nodeAffinityPolicy", &constraint.node_affinity_policy),
            ("nodeTaintsPolicy", &constraint.node_taints_policy),
        ] {
            if let Some(policy) = policy {
                supported(policy, &["Honor", "Ignore"], &at.child(field), causes);
            }
        }
        let selector = constraint.label_selector.as_ref();
        affinity::check_label_keys(items(&constraint.match_label_keys), &[], selector, &at, causes);
        if let Some(selector) = selector {
            selector::check(selector, &at.child("labelSelector"), causes);
        }
    }
}

fn check_domains(constraint: &TopologySpreadConstraint, at: &Path<'_>, causes: &mut Causes) {
    let Some(count) = constraint.min_domains else { return };
    let action = &constraint.when_unsatisfiable;
    if count <= 0 {
        causes.invalid(at, count, "must be greater than zero");
    }
    if action != "DoNotSchedule" {
        let why =
            format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}");
        causes.invalid(at, count, why);
    }
}
