//! A Namespace that is deleted takes with it what is in it (`namespaced_resources_deleter.go`): the
//! pods first, and the rest when they are gone, so that nothing is taken from under them.

use super::conditions;
use crate::plan::{Action, Plan, View};
use cronlet_api::kind::{Kind, Object};
use cronlet_api::namespace::defaults::KUBERNETES;
use k8s_openapi::api::core::v1::Namespace;

/// Decides what a Namespace needs now: nothing, until its deletion is asked for.
pub fn plan(namespace: &Namespace, view: &View) -> Plan {
    let mut plan = Plan::default();
    if namespace.metadata.deletion_timestamp.is_none() {
        return plan;
    }
    let name = namespace.metadata.name.as_deref().unwrap_or_default();
    let pods = view.lookup.list(Kind::Pod, name);
    let inside = if pods.is_empty() { rest(name, view) } else { pods };
    let mut after = namespace.clone();
    let status = after.status.get_or_insert_default();
    status.phase = Some("Terminating".to_owned());
    // What is not held by a finalizer is gone before anyone looks.
    let left: Vec<&Object> = inside.iter().filter(|object| stays_for_now(object)).collect();
    conditions::set(status, &left, view.now);
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

fn rest(name: &str, view: &View) -> Vec<Object> {
    // Events are left to their hour: those of the deletion itself are still being said.
    let is_inside = |kind: &&Kind| !kind.info().is_cluster_scoped && **kind != Kind::Event;
    let kinds = Kind::ALL.iter().filter(is_inside);
    kinds.flat_map(|kind| view.lookup.list(*kind, name)).collect()
}

fn stays_for_now(object: &Object) -> bool {
    object.kind() == Kind::Pod || object.meta().finalizers.iter().flatten().next().is_some()
}
