//! The defaults of `resources`: canonical amounts in thousandths, and requests that follow limits.

use crate::omitempty::{ResourceList, omit_zero, omit_zeros};
use crate::pod::resources::{self, Amounts};
use crate::quantity::{MILLI, Quantity};
use k8s_openapi::api::core::v1::{Container, PodSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Written;

pub(super) fn default(resources: &mut ResourceRequirements) {
    resources.limits.as_mut().map(round);
    resources.requests.as_mut().map(round);
    omit_zeros!(resources; limits, requests, claims);
    for claim in resources.claims.iter_mut().flatten() {
        omit_zero(&mut claim.request);
    }
}

/// Writes each amount canonically, rounded up to thousandths. What is no amount stays as it is, to
/// be refused.
pub fn round(list: &mut ResourceList) {
    for amount in list.values_mut() {
        if let Ok(read) = amount.0.parse::<Quantity>() {
            *amount = written(read.round_up(MILLI));
        }
    }
}

/// In a Pod, what is limited but not requested is requested up to its limit.
pub(super) fn default_requests(container: &mut Container) {
    let Some(resources) = &mut container.resources else { return };
    let Some(limits) = &resources.limits else { return };
    let requests = resources.requests.get_or_insert_default();
    for (name, limit) in limits {
        requests.entry(name.clone()).or_insert_with(|| limit.clone());
    }
}

/// `spec.resources` of a Pod: what is missing there follows from its containers and its own limits.
pub(super) fn default_for_pod(spec: &mut PodSpec) {
    let container_limits = resources::of_containers(spec, resources::limits);
    let container_requests = resources::of_containers(spec, resources::requests);
    let Some(resources) = &mut spec.resources else { return };
    default_pod_huge_pages(resources, container_limits);
    let Some(limits) = resources.limits.as_ref().filter(|limits| !limits.is_empty()) else {
        return;
    };
    let requests = resources.requests.get_or_insert_default();
    for (name, amount) in container_requests {
        if matches!(name.as_str(), "cpu" | "memory") {
            requests.entry(name).or_insert_with(|| written(amount));
        }
    }
    for (name, limit) in limits.iter().filter(|(name, _)| is_pod_level(name)) {
        requests.entry(name.clone()).or_insert_with(|| limit.clone());
    }
}

/// Whether `spec.resources` may speak of this resource.
pub(super) fn is_pod_level(name: &str) -> bool {
    matches!(name, "cpu" | "memory") || name.starts_with("hugepages-")
}

fn default_pod_huge_pages(resources: &mut ResourceRequirements, container_limits: Amounts) {
    let is_empty = |list: &Option<ResourceList>| list.as_ref().is_none_or(ResourceList::is_empty);
    if is_empty(&resources.limits) && is_empty(&resources.requests) {
        return;
    }
    for (name, limit) in container_limits {
        let is_requested = resources.requests.as_ref().is_some_and(|list| list.contains_key(&name));
        if name.starts_with("hugepages-") && !is_requested {
            let limits = resources.limits.get_or_insert_default();
            limits.entry(name).or_insert_with(|| written(limit));
        }
    }
}

fn written(amount: Quantity) -> Written {
    Written(amount.to_string())
}
