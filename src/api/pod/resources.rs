//! Resources of a pod's containers together: sums and maxima, and the quality of service that
//! follows.

use crate::omitempty::{ResourceList, items, text};
use crate::quantity::Quantity;
use k8s_openapi::api::core::v1::{Container, PodSpec, ResourceRequirements};
use std::collections::BTreeMap;

/// Parsed amounts by resource name.
pub type Amounts = BTreeMap<String, Quantity>;

/// Reads a resource list; unreadable amounts were refused with the document and count as nothing.
pub fn amounts(list: Option<&ResourceList>) -> Amounts {
    list.into_iter()
        .flatten()
        .filter_map(|(name, amount)| Some((name.clone(), amount.0.parse().ok()?)))
        .collect()
}

/// Returns the most that the containers need at any one time, of `requests` or `limits` as `pick`
/// says: all containers and sidecars together, or an init container and the sidecars started before
/// it.
pub fn of_containers(
    spec: &PodSpec,
    pick: fn(&ResourceRequirements) -> Option<&ResourceList>,
) -> Amounts {
    let of = |container: &Container| amounts(container.resources.as_ref().and_then(pick));
    let mut together = Amounts::new();
    spec.containers.iter().for_each(|container| add(&mut together, of(container)));
    let (mut sidecars, mut while_starting) = (Amounts::new(), Amounts::new());
    for container in items(&spec.init_containers) {
        let mut now = of(container);
        if is_sidecar(container) {
            add(&mut together, now.clone());
            add(&mut sidecars, now);
            now = sidecars.clone();
        } else {
            add(&mut now, sidecars.clone());
        }
        raise(&mut while_starting, now);
    }
    raise(&mut together, while_starting);
    together
}

/// Returns what the pod requests: `spec.resources` for the resources that it names, else what its
/// containers need.
pub fn of_pod(spec: &PodSpec, pick: fn(&ResourceRequirements) -> Option<&ResourceList>) -> Amounts {
    let mut asked = of_containers(spec, pick);
    asked.extend(amounts(spec.resources.as_ref().and_then(pick)));
    asked
}

/// True for an init container that keeps running beside the others.
pub fn is_sidecar(init_container: &Container) -> bool {
    text(&init_container.restart_policy) == "Always"
}

pub fn requests(resources: &ResourceRequirements) -> Option<&ResourceList> {
    resources.requests.as_ref()
}

pub fn limits(resources: &ResourceRequirements) -> Option<&ResourceList> {
    resources.limits.as_ref()
}

/// Returns `status.qosClass`: whether every container's cpu and memory are guaranteed, some, or
/// none.
pub fn quality_of_service(spec: &PodSpec) -> &'static str {
    let containers = spec.containers.iter().chain(items(&spec.init_containers));
    let of_containers: Vec<_> = containers.map(|container| container.resources.as_ref()).collect();
    let (mut wanted, mut capped) = (Amounts::new(), Amounts::new());
    let mut is_guaranteed = true;
    let pod_level = spec.resources.as_ref().map(|resources| vec![Some(resources)]);
    for resources in pod_level.unwrap_or(of_containers) {
        let limits = compute(resources.and_then(limits));
        is_guaranteed &= limits.len() == 2;
        add(&mut wanted, compute(resources.and_then(requests)));
        add(&mut capped, limits);
    }
    match wanted == capped {
        _ if wanted.is_empty() && capped.is_empty() => "BestEffort",
        true if is_guaranteed => "Guaranteed",
        _ => "Burstable",
    }
}

/// Returns the cpu and memory of a list, where there is any.
fn compute(list: Option<&ResourceList>) -> Amounts {
    let mut amounts = amounts(list);
    amounts.retain(|name, amount| {
        matches!(name.as_str(), "cpu" | "memory") && *amount > Quantity::ZERO
    });
    amounts
}

pub fn add(sum: &mut Amounts, more: Amounts) {
    for (name, amount) in more {
        let present = sum.entry(name).or_insert(Quantity::ZERO);
        *present = present.plus(amount);
    }
}

fn raise(highest: &mut Amounts, others: Amounts) {
    for (name, amount) in others {
        let present = highest.entry(name).or_insert(amount);
        *present = amount.max(*present);
    }
}
