//! The defaults of a `PodSpec`, in Pods and in templates alike.

use super::image::pull_policy;
use super::{containers, omit, resources, volumes};
use crate::omitempty::{default_to, items_mut, text};
use k8s_openapi::api::core::v1::{EphemeralContainer, PodAffinityTerm, PodSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use std::collections::BTreeMap;

const GRACE_SECONDS: i64 = 30;

/// Sets what is absent, and leaves out what is zero.
pub(super) fn default(spec: &mut PodSpec) {
    omit::from_spec(spec);
    default_to(&mut spec.dns_policy, "ClusterFirst");
    default_to(&mut spec.restart_policy, "Always");
    default_to(&mut spec.scheduler_name, "default-scheduler");
    spec.security_context.get_or_insert_default();
    spec.termination_grace_period_seconds.get_or_insert(GRACE_SECONDS);
    default_service_account(spec);
    items_mut(&mut spec.volumes).iter_mut().for_each(volumes::default);
    spec.containers.iter_mut().for_each(containers::default);
    items_mut(&mut spec.init_containers).iter_mut().for_each(containers::default);
    items_mut(&mut spec.ephemeral_containers).iter_mut().for_each(default_ephemeral_container);
    spec.overhead.as_mut().map(resources::round);
    if let Some(resources) = &mut spec.resources {
        resources::default(resources);
    }
}

/// The older name of the field follows the newer.
fn default_service_account(spec: &mut PodSpec) {
    if text(&spec.service_account_name).is_empty() {
        spec.service_account_name = spec.service_account.clone();
    }
    spec.service_account = spec.service_account_name.clone();
}

/// Ephemeral containers are refused in all that is created; what can be seen of their defaults is
/// only that the fields are there.
fn default_ephemeral_container(container: &mut EphemeralContainer) {
    let image = text(&container.image).to_owned();
    default_to(&mut container.image_pull_policy, pull_policy(&image));
    default_to(&mut container.termination_message_path, containers::MESSAGE_PATH);
    default_to(&mut container.termination_message_policy, "File");
    items_mut(&mut container.ports).iter_mut().for_each(containers::default_port);
    items_mut(&mut container.env).iter_mut().for_each(containers::default_variable);
    resources::default(container.resources.get_or_insert_default());
}

/// `matchLabelKeys` and `mismatchLabelKeys` become requirements with the new Pod's own labels as
/// values.
pub(super) fn merge_label_keys(spec: &mut PodSpec, labels: &BTreeMap<String, String>) {
    if let Some(affinity) = &mut spec.affinity {
        omit::affinity_terms(affinity).for_each(|term| merge(term, labels));
    }
    for constraint in items_mut(&mut spec.topology_spread_constraints) {
        if let Some(selector) = &mut constraint.label_selector {
            require(selector, &constraint.match_label_keys, "In", labels);
        }
    }
}

fn merge(term: &mut PodAffinityTerm, labels: &BTreeMap<String, String>) {
    if let Some(selector) = &mut term.label_selector {
        require(selector, &term.match_label_keys, "In", labels);
        require(selector, &term.mismatch_label_keys, "NotIn", labels);
    }
}

fn require(
    selector: &mut LabelSelector,
    keys: &Option<Vec<String>>,
    operator: &str,
    labels: &BTreeMap<String, String>,
) {
    for key in keys.iter().flatten() {
        if let Some(value) = labels.get(key) {
            selector.match_expressions.get_or_insert_default().push(LabelSelectorRequirement {
                key: key.clone(),
                operator: operator.to_owned(),
                values: Some(vec![value.clone()]),
            });
        }
    }
}
