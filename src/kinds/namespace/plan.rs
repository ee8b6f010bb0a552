//! A Namespace that is deleted takes with it what is in it (`namespaced_resources_deleter.go`).

use super::defaults::KUBERNETES;
use crate::kinds::action::{Action, Plan, View};
use crate::kinds::{Kind, Object};
use k8s_openapi::api::core::v1::Namespace;

/// Decides what a Namespace needs now: nothing, until its deletion is asked for.
pub fn plan(namespace: &Namespace, view: &View) -> Plan {
    let mut plan = Plan::default();
    if namespace.metadata.deletion_timestamp.is_none() {
        return plan;
    }
    let name = namespace.metadata.name.as_deref().unwrap_or_default();
    // Events are left to their hour: those of the deletion itself are still being said.
    let is_inside = |kind: &&Kind| !kind.info().is_cluster_scoped && **kind != Kind::Event;
    let kinds = Kind::ALL.iter().filter(is_inside);
    let inside: Vec<Object> = kinds.flat_map(|kind| view.others.list(*kind, name)).collect();
    let mut after = namespace.clone();
    after.status.get_or_insert_default().phase = Some("Terminating".to_owned());
    if inside.is_empty() {
        let held_by = after.spec.get_or_insert_default().finalizers.get_or_insert_default();
        held_by.retain(|finalizer| finalizer != KUBERNETES);
    }
    let staying = inside.iter().filter(|object| !object.is_going());
    plan.actions.extend(staying.map(|object| Action::Delete(object.key())));
    if after != *namespace {
        plan.push(Action::Put(after.into()));
    }
    plan
}
