//! The rules of a Node.

use crate::kinds::check::{Causes, Path};
use crate::kinds::names;
use k8s_openapi::api::core::v1::{Node, Taint};

const EFFECTS: &[&str] = &["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// The rules of a new Node, and of each change; those of `metadata` are checked elsewhere.
pub fn create(node: &Node, causes: &mut Causes) {
    let at = Path::root("spec");
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

fn check_taint(taint: &Taint, at: &Path<'_>, causes: &mut Causes) {
    causes.invalid_each(&at.child("key"), &taint.key, names::qualified_name(&taint.key));
    let value = taint.value.as_deref().unwrap_or_default();
    causes.invalid_each(&at.child("value"), value, names::label_value(value));
    let at = at.child("effect");
    match taint.effect.as_str() {
        "" => causes.required(&at, ""),
        effect if EFFECTS.contains(&effect) => {}
        other => causes.unsupported(&at, other, EFFECTS),
    }
}
