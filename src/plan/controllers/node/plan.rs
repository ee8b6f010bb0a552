//! A Node that takes no new pods (`kubectl cordon`) says so by a taint too, as the node lifecycle
//! controller writes it: what tolerates the taint comes all the same.

use crate::plan::{Action, Plan, View};
use crate::scheduler::fit::unschedulable;
use k8s_openapi::api::core::v1::{Node, Taint};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// Decides what a Node needs now.
pub fn plan(node: &Node, view: &View) -> Plan {
    let mut plan = Plan::default();
    let mut after = node.clone();
    let spec = after.spec.get_or_insert_default();
    let is_closed = spec.unschedulable == Some(true);
    let wanted = unschedulable();
    let is_same = |taint: &Taint| (&taint.key, &taint.effect) == (&wanted.key, &wanted.effect);
    let taints = spec.taints.get_or_insert_default();
    if !is_closed {
        taints.retain(|taint| !is_same(taint));
    } else if !taints.iter().any(is_same) {
        taints.push(Taint { time_added: Some(Time(view.now)), ..wanted });
    }
    spec.taints.take_if(|taints| taints.is_empty());
    after.spec.take_if(|spec| *spec == Default::default());
    if after.spec.clone().unwrap_or_default() != node.spec.clone().unwrap_or_default() {
        plan.push(Action::Put(after.into()));
    }
    plan
}
