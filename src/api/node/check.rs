//! The rules of a Node.

use crate::check::{Causes, Path};
use crate::names;
use k8s_openapi::api::core::v1::{Node, NodeSpec, Taint};

const EFFECTS: &[&str] = &["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// The rules of a new Node; those of `metadata` are checked elsewhere.
pub fn create(node: &Node, causes: &mut Causes) {
    // Kubernetes names this field by a wrong parent.
    let at = Path::root("metadata");
    let at = at.child("taints");
    let taints = node.spec.iter().flat_map(|spec| spec.taints.iter().flatten());
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for (i, taint) in taints.enumerate() {
        let at = at.index(i);
        check_taint(taint, &at, causes);
        let identity = (taint.key.as_str(), taint.effect.as_str());
        if seen.contains(&identity) {
            causes.duplicate(&at, format!("{}:{}", taint.key, taint.effect));
        }
        seen.push(identity);
    }
}

/// Checks a change: ranges and the provider of the node are set once, and taints come and go.
pub fn update(old: &Node, new: &Node, causes: &mut Causes) {
    create(new, causes);
    let nothing = NodeSpec::default();
    let (had, spec) =
        (old.spec.as_ref().unwrap_or(&nothing), new.spec.as_ref().unwrap_or(&nothing));
    let at = Path::root("spec");
    let mut same = spec.clone();
    same.taints.clone_from(&had.taints);
    same.unschedulable = had.unschedulable;
    if had.pod_cidrs != spec.pod_cidrs {
        if had.pod_cidrs.is_some() {
            let why = "node updates may not change podCIDR except from \"\" to valid";
            causes.forbidden(&at.child("podCIDRs"), why);
        }
        same.pod_cidrs.clone_from(&had.pod_cidrs);
    }
    same.pod_cidr.clone_from(&had.pod_cidr);
    if had.provider_id != spec.provider_id {
        if had.provider_id.is_some() {
            let why = "node updates may not change providerID except from \"\" to valid";
            causes.forbidden(&at.child("providerID"), why);
        }
        same.provider_id.clone_from(&had.provider_id);
    }
    if same != *had {
        let why = "node updates may only change labels, taints, or capacity";
        causes.forbidden(&at, why);
    }
}

fn check_taint(taint: &Taint, at: &Path<'_>, causes: &mut Causes) {
    causes.invalid_each(&at.child("key"), &taint.key, names::qualified_name(&taint.key));
    let value = taint.value.as_deref().unwrap_or_default();
    let faults = names::label_value(value);
    if !faults.is_empty() {
        causes.invalid(&at.child("value"), value, faults.join(";"));
    }
    let at = at.child("effect");
    match taint.effect.as_str() {
        "" => causes.required(&at, ""),
        effect if EFFECTS.contains(&effect) => {}
        other => causes.unsupported(&at, other, EFFECTS),
    }
}
