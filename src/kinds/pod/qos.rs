//! A pod's quality of service class (`status.qosClass`), as Kubernetes computes it.

use crate::kinds::quantity::Quantity;
use k8s_openapi::api::core::v1::{PodSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Written;
use std::collections::BTreeMap;

const RESOURCES: [&str; 2] = ["cpu", "memory"];

/// `Guaranteed` where each container's limits are its requests, `BestEffort` where none asks for anything, otherwise
/// `Burstable`.
pub fn class(spec: &PodSpec) -> &'static str {
    let own = spec.resources.iter();
    let all: Vec<&ResourceRequirements> = if spec.resources.as_ref().is_some_and(asks) {
        own.collect()
    } else {
        let containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
        let none = const { &NONE };
        containers.map(|container| container.resources.as_ref().unwrap_or(none)).collect()
    };
    if !all.iter().any(|resources| asks(resources)) {
        "BestEffort"
    } else if all.iter().all(|resources| is_guaranteed(resources)) {
        "Guaranteed"
    } else {
        "Burstable"
    }
}

const NONE: ResourceRequirements =
    ResourceRequirements { claims: None, limits: None, requests: None };

fn asks(resources: &ResourceRequirements) -> bool {
    let both = [&resources.limits, &resources.requests];
    both.into_iter().any(|map| RESOURCES.iter().any(|name| amount(map, name).is_some()))
}

fn is_guaranteed(resources: &ResourceRequirements) -> bool {
    RESOURCES.iter().all(|name| {
        let limit = amount(&resources.limits, name);
        let request = amount(&resources.requests, name).or(limit);
        limit.is_some() && limit == request
    })
}

/// A quantity that is not nothing.
fn amount(map: &Option<BTreeMap<String, Written>>, name: &str) -> Option<Quantity> {
    let quantity: Quantity = map.as_ref()?.get(name)?.0.parse().ok()?;
    (!quantity.is_zero()).then_some(quantity)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn as_kubernetes() {
        let check = |resources: serde_json::Value, want: &str| {
            let spec = json!({"containers": resources.as_array().expect("a list").iter()
                .map(|r| json!({"name": "c", "resources": r})).collect::<Vec<_>>()});
            let spec: PodSpec = serde_json::from_value(spec).expect("a spec");
            assert_eq!(class(&spec), want, "{resources}");
        };
        let full = json!({"cpu": "1", "memory": "1Gi"});
        check(json!([{}]), "BestEffort");
        check(json!([{"limits": {"ephemeral-storage": "1Gi"}}]), "BestEffort");
        check(json!([{"requests": {"cpu": "0"}}]), "BestEffort");
        check(json!([{"requests": {"cpu": "1m"}}]), "Burstable");
        check(json!([{"limits": full}]), "Guaranteed");
        check(
            json!([{"limits": full, "requests": {"cpu": "1000m", "memory": "1024Mi"}}]),
            "Guaranteed",
        );
        check(json!([{"limits": full, "requests": {"cpu": "500m"}}]), "Burstable");
        check(json!([{"limits": full}, {}]), "Burstable");
    }
}
