//! The rules of a Pod's update: the fields that may change after its creation.

use super::{annotations, scheduling, whole_pod};
use crate::check::{Causes, Path};
use crate::names;
use crate::omitempty::{items, text};
use k8s_openapi::api::core::v1::{Affinity, Container, NodeAffinity, Pod, PodSpec, Toleration};
use std::collections::BTreeMap;

const CHANGEABLE: &str = "`spec.containers[*].image`,`spec.initContainers[*].image`,\
    `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),\
    `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// Checks a Pod that replaces `old`. Both are defaulted; changes of `metadata` are checked
/// elsewhere.
pub fn pod_update(old: &Pod, new: &Pod) -> Causes {
    let mut causes = Causes::default();
    let nothing = PodSpec::default();
    let (old_spec, new_spec) =
        (old.spec.as_ref().unwrap_or(&nothing), new.spec.as_ref().unwrap_or(&nothing));
    let at = Path::root("spec");
    whole_pod(new_spec, &new.metadata, &mut causes);
    let annotations_at = Path::root("metadata");
    let annotations_at = annotations_at.child("annotations");
    annotations::check_update(&old.metadata, &new.metadata, &annotations_at, &mut causes);
    let lists = [
        ("containers", old_spec.containers.as_slice(), new_spec.containers.as_slice()),
        ("initContainers", items(&old_spec.init_containers), items(&new_spec.init_containers)),
    ];
    for (field, old, new) in lists {
        if !same_containers(old, new, &at.child(field), &mut causes) {
            return causes;
        }
    }
    let deadlines = (old_spec.active_deadline_seconds, new_spec.active_deadline_seconds);
    if !check_deadline(deadlines, &at.child("activeDeadlineSeconds"), &mut causes) {
        return causes;
    }
    let tolerations = (items(&old_spec.tolerations), items(&new_spec.tolerations));
    check_tolerations(tolerations, &at.child("tolerations"), &mut causes);
    check_gates(old_spec, new_spec, &at.child("schedulingGates"), &mut causes);
    let mut rest = with_changeable_of(old_spec, new_spec);
    if !items(&old_spec.scheduling_gates).is_empty() {
        check_while_gated(old_spec, &mut rest, &at, &mut causes);
    }
    if rest != *old_spec {
        causes.forbidden(&at, format!("pod updates may not change fields other than {CHANGEABLE}"));
    }
    causes
}

/// Checks the numbers and images of containers. Returns false if nothing else can be compared.
fn same_containers(
    old: &[Container],
    new: &[Container],
    at: &Path<'_>,
    causes: &mut Causes,
) -> bool {
    if old.len() != new.len() {
        causes.forbidden(at, "pod updates may not add or remove containers");
        return false;
    }
    for (i, container) in new.iter().enumerate() {
        let at = at.index(i);
        let image = text(&container.image);
        super::required(image, &at.child("image"), causes);
        if image.trim() != image {
            let why = "must not have leading or trailing whitespace";
            causes.invalid(&at.child("image"), image, why);
        }
    }
    true
}

/// Checks that a deadline is set or brought forward. Returns false if nothing else is checked.
fn check_deadline(
    (old, new): (Option<i64>, Option<i64>),
    at: &Path<'_>,
    causes: &mut Causes,
) -> bool {
    match (old, new) {
        (Some(_), None) => {
            causes.invalid(at, "", "must not update from a positive integer to nil value");
            true
        }
        (_, Some(seconds)) if !(0..=i32::MAX.into()).contains(&seconds) => {
            causes.invalid_each(at, seconds, names::within(0, i32::MAX.into(), seconds));
            false
        }
        (Some(before), Some(seconds)) if before < seconds => {
            causes.invalid(at, seconds, "must be less than or equal to previous value");
            false
        }
        _ => true,
    }
}

/// Checks that tolerations are only added, except for a change of `tolerationSeconds`.
fn check_tolerations(
    (old, new): (&[Toleration], &[Toleration]),
    at: &Path<'_>,
    causes: &mut Causes,
) {
    let timeless =
        |toleration: &Toleration| Toleration { toleration_seconds: None, ..toleration.clone() };
    let is_kept = |old: &Toleration| new.iter().any(|new| timeless(new) == timeless(old));
    if !old.iter().all(is_kept) {
        let why = "existing toleration can not be modified except its tolerationSeconds";
        return causes.forbidden(at, why);
    }
    scheduling::check_tolerations(new, at, causes);
}

fn check_gates(old: &PodSpec, new: &PodSpec, at: &Path<'_>, causes: &mut Causes) {
    let before = items(&old.scheduling_gates);
    for (i, gate) in items(&new.scheduling_gates).iter().enumerate() {
        if !before.contains(gate) {
            let why =
                format!("only deletion is allowed, but found new scheduling gate '{}'", gate.name);
            causes.forbidden(&at.index(i).child("name"), why);
        }
    }
}

/// Returns the new spec with the changeable fields of the old, to compare with the old.
fn with_changeable_of(old: &PodSpec, new: &PodSpec) -> PodSpec {
    let mut rest = new.clone();
    keep_images(&old.containers, &mut rest.containers);
    if let Some(containers) = &mut rest.init_containers {
        keep_images(items(&old.init_containers), containers);
    }
    rest.active_deadline_seconds = old.active_deadline_seconds;
    rest.tolerations = old.tolerations.clone();
    rest.scheduling_gates = old.scheduling_gates.clone();
    let was_negative = old.termination_grace_period_seconds.is_some_and(|seconds| seconds < 0);
    if was_negative && rest.termination_grace_period_seconds == Some(1) {
        rest.termination_grace_period_seconds = old.termination_grace_period_seconds;
    }
    rest
}

fn keep_images(old: &[Container], new: &mut [Container]) {
    for (old, new) in old.iter().zip(new) {
        new.image = old.image.clone();
    }
}

/// Checks that a gated pod is restricted to fewer nodes, if its nodes change.
fn check_while_gated(old: &PodSpec, rest: &mut PodSpec, at: &Path<'_>, causes: &mut Causes) {
    if rest.node_selector != old.node_selector {
        let none = BTreeMap::new();
        let new = rest.node_selector.as_ref().unwrap_or(&none);
        let is_kept = |(key, value): (&String, &String)| new.get(key) == Some(value);
        if !old.node_selector.iter().flatten().all(is_kept) {
            let why = "only additions to spec.nodeSelector are allowed (no mutations or deletions)";
            causes.invalid(&at.child("nodeSelector"), new, why);
        }
        rest.node_selector = old.node_selector.clone();
    }
    let before = node_affinity(&old.affinity).cloned();
    let after = node_affinity(&rest.affinity).cloned();
    if before != after {
        let at = at.child("affinity");
        check_node_affinity(before.as_ref(), after.as_ref(), &at.child("nodeAffinity"), causes);
        let affinity = rest.affinity.get_or_insert_default();
        affinity.node_affinity = before;
        if *affinity == Affinity::default() && old.affinity.is_none() {
            rest.affinity = None;
        }
    }
}

fn node_affinity(affinity: &Option<Affinity>) -> Option<&NodeAffinity> {
    affinity.as_ref()?.node_affinity.as_ref()
}

/// Checks that required terms only gain expressions.
fn check_node_affinity(
    old: Option<&NodeAffinity>,
    new: Option<&NodeAffinity>,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    let terms = |affinity: Option<&NodeAffinity>| {
        let required = affinity?.required_during_scheduling_ignored_during_execution.as_ref()?;
        Some(required.node_selector_terms.clone())
    };
    let Some(before) = terms(old) else { return };
    let after = terms(new).unwrap_or_default();
    let at = at.child("requiredDuringSchedulingIgnoredDuringExecution");
    let at = at.child("nodeSelectorTerms");
    if before.len() != after.len() {
        return causes.invalid(
            &at,
            after.len(),
            "no additions/deletions to non-empty list allowed",
        );
    }
    for (i, (before, after)) in before.iter().zip(&after).enumerate() {
        let expressions = (items(&before.match_expressions), items(&after.match_expressions));
        let fields = (items(&before.match_fields), items(&after.match_fields));
        let was_empty = expressions.0.is_empty() && fields.0.is_empty();
        let is_grown = expressions.1.starts_with(expressions.0) && fields.1.starts_with(fields.0);
        if !is_grown || was_empty && before != after {
            let why = "only additions are allowed (no mutations or deletions)";
            causes.invalid(&at.index(i), i, why);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::defaults;
    use serde_json::{Value, json};

    /// Changes one field of a pod; the causes, as `field Reason`.
    #[track_caller]
    fn check(before: Value, after: Value, want: &[&str]) {
        let pod = |change: &Value| {
            let mut spec = json!({"containers": [{"name": "a", "image": "b:1"}]});
            let change = change.as_object().expect("an object").clone();
            spec.as_object_mut().expect("an object").extend(change);
            let json = json!({"metadata": {"name": "p"}, "spec": spec});
            let mut pod: Pod = serde_json::from_value(json).expect("a Pod");
            defaults::pod(&mut pod);
            pod
        };
        let found = pod_update(&pod(&before), &pod(&after)).found;
        let found: Vec<String> =
            found.iter().map(|cause| format!("{} {:?}", cause.field, cause.reason)).collect();
        assert_eq!(found, want, "{before} to {after}");
    }

    #[test]
    fn what_may_change() {
        let container = |image: &str| json!({"containers": [{"name": "a", "image": image}]});
        check(json!({}), json!({}), &[]);
        check(json!({}), container("b:2"), &[]);
        check(
            json!({}),
            container(""),
            &["spec.containers[0].image Required", "spec.containers[0].image Required"],
        );
        check(json!({}), json!({"activeDeadlineSeconds": 5}), &[]);
        check(json!({"activeDeadlineSeconds": 5}), json!({"activeDeadlineSeconds": 4}), &[]);
        check(
            json!({}),
            json!({"tolerations": [{"key": "a", "operator": "Exists"}]}),
            &[
            // The two that admission adds come first in the old pod and last in the new: kept.
        ],
        );
        check(json!({"schedulingGates": [{"name": "a"}]}), json!({}), &[]);
        let gated =
            |selector: Value| json!({"schedulingGates": [{"name": "a"}], "nodeSelector": selector});
        check(gated(json!({"a": "1"})), gated(json!({"a": "1", "b": "2"})), &[]);
        check(gated(json!({"a": "1"})), gated(json!({"b": "2"})), &["spec.nodeSelector Invalid"]);
    }

    #[test]
    fn what_may_not_change() {
        let deadline = "spec.activeDeadlineSeconds Invalid";
        check(
            json!({"activeDeadlineSeconds": 5}),
            json!({"activeDeadlineSeconds": 6}),
            &[deadline],
        );
        check(json!({"activeDeadlineSeconds": 5}), json!({}), &[deadline]);
        check(json!({}), json!({"restartPolicy": "Never"}), &["spec Forbidden"]);
        check(json!({}), json!({"terminationGracePeriodSeconds": 1}), &["spec Forbidden"]);
        check(json!({}), json!({"nodeSelector": {"a": "b"}}), &["spec Forbidden"]);
        let two =
            json!({"containers": [{"name": "a", "image": "b:1"}, {"name": "c", "image": "d"}]});
        check(json!({}), two, &["spec.containers Forbidden"]);
        let tolerations = |key: &str| json!({"tolerations": [{"key": key, "operator": "Exists"}]});
        check(tolerations("a"), tolerations("b"), &["spec.tolerations Forbidden"]);
        let gates = |name: &str| json!({"schedulingGates": [{"name": name}]});
        check(gates("a"), gates("b"), &["spec.schedulingGates[0].name Forbidden"]);
    }
}
