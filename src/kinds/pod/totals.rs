//! What a pod's containers ask for together: sums and maxima of resources.

use super::zero::{ResourceList, items, text};
use crate::kinds::quantity::Quantity;
use k8s_openapi::api::core::v1::{Container, PodSpec, ResourceRequirements};
use std::collections::BTreeMap;

/// Amounts by resource name, read.
pub type Amounts = BTreeMap<String, Quantity>;

/// Reads a resource list; amounts that cannot be read were refused with the document and count as
/// nothing.
pub fn amounts(list: Option<&ResourceList>) -> Amounts {
    list.into_iter()
        .flatten()
        .filter_map(|(name, amount)| Some((name.clone(), amount.0.parse().ok()?)))
        .collect()
}

/// What the containers need at most at any one time, of `requests` or `limits` as `pick` says: all
/// containers and sidecars together, or an init container and the sidecars started before it.
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

/// An init container that keeps running beside the others.
pub fn is_sidecar(init_container: &Container) -> bool {
    text(&init_container.restart_policy) == "Always"
}

pub fn requests(resources: &ResourceRequirements) -> Option<&ResourceList> {
    resources.requests.as_ref()
}

pub fn limits(resources: &ResourceRequirements) -> Option<&ResourceList> {
    resources.limits.as_ref()
}

fn add(sum: &mut Amounts, more: Amounts) {
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
