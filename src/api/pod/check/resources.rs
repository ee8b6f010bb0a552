//! The rules of `resources`, of a container and of the whole pod, and of `overhead`.

use super::{Scope, supported};
use crate::check::{Causes, Path, Reason};
use crate::names;
use crate::omitempty::{ResourceList, items, text};
use crate::pod::resources::{self, Amounts};
use crate::quantity::Quantity;
use k8s_openapi::api::core::v1::{ResourceClaim, ResourceRequirements};
use std::collections::BTreeSet;

const HUGE_PAGES: &str = "hugepages-";
const FOR_CONTAINERS: [&str; 3] = ["cpu", "ephemeral-storage", "memory"];
/// Names without a prefix that have a meaning in Kubernetes, but not in a container.
const FOR_QUOTAS: [&str; 17] = [
    "configmaps",
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
    "requests.storage",
    "resourcequotas",
    "secrets",
    "services",
    "services.loadbalancers",
    "services.nodeports",
    "storage",
];

type NameRule = fn(&str, &Path<'_>, &mut Causes);

/// Checks `resources` of a container.
pub(super) fn check(
    resources: &ResourceRequirements,
    scope: &Scope<'_>,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    check_lists(resources, check_container_name, at, causes);
    check_claims(items(&resources.claims), scope, &at.child("claims"), causes);
}

/// Checks `overhead`, which Kubernetes checks as the limits of a container.
pub(super) fn check_overhead(overhead: &ResourceList, at: &Path<'_>, causes: &mut Causes) {
    let limits = ResourceRequirements { limits: Some(overhead.clone()), ..Default::default() };
    check_lists(&limits, check_container_name, at, causes);
}

/// Checks `spec.resources`.
pub(super) fn check_pod_level(scope: &Scope<'_>, at: &Path<'_>, causes: &mut Causes) {
    let Some(resources) = &scope.spec.resources else { return };
    if scope.spec.os.as_ref().is_some_and(|os| os.name == "windows") {
        return causes.forbidden(at, "may not be set for a windows pod");
    }
    if resources.claims.is_some() {
        causes.forbidden(&at.child("claims"), "claims cannot be set for Resources at pod-level");
    }
    check_lists(resources, check_pod_level_name, at, causes);
    check_claims(items(&resources.claims), scope, &at.child("claims"), causes);
    check_containers_fit(scope, resources, at, causes);
}

fn check_lists(
    resources: &ResourceRequirements,
    check_name: NameRule,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    let limits = resources::amounts(resources.limits.as_ref());
    let requests = resources::amounts(resources.requests.as_ref());
    for (field, list) in [("limits", &limits), ("requests", &requests)] {
        let list_at = at.child(field);
        for (name, amount) in list {
            let at = list_at.key(name);
            check_name(name, &at, causes);
            check_amount(name, amount, &at, causes);
        }
    }
    check_requests(&requests, &limits, at, causes);
    let mut all = limits.keys().chain(requests.keys());
    let needs_compute = all.clone().any(|name| name.starts_with(HUGE_PAGES));
    if needs_compute && !all.any(|name| matches!(name.as_str(), "cpu" | "memory")) {
        causes.forbidden(at, "HugePages require cpu or memory");
    }
}

/// Checks that no request exceeds its limit, and equals it if the resource cannot be shared.
fn check_requests(requests: &Amounts, limits: &Amounts, at: &Path<'_>, causes: &mut Causes) {
    for (name, request) in requests {
        let can_share = is_native(name) && !name.starts_with(HUGE_PAGES);
        let relation = match limits.get(name) {
            None if can_share => continue,
            None => {
                let why = "Limit must be set for non overcommitable resources";
                causes.required(&at.child("limits"), why);
                continue;
            }
            Some(limit) if request != limit && !can_share => ("equal to", limit),
            Some(limit) if request > limit => ("less than or equal to", limit),
            Some(_) => continue,
        };
        let why = format!("must be {} {name} limit of {}", relation.0, relation.1);
        causes.invalid(&at.child("requests"), request.to_string(), why);
    }
}

fn check_amount(name: &str, amount: &Quantity, at: &Path<'_>, causes: &mut Causes) {
    let written = amount.to_string();
    if amount.is_negative() {
        causes.invalid(at, &written, "must be greater than or equal to 0");
    }
    if is_counted(name) && !amount.is_integer() {
        causes.invalid(at, &written, "must be an integer");
    }
    if let Some(size) = name.strip_prefix(HUGE_PAGES) {
        let is_whole = size.parse().is_ok_and(|size: Quantity| {
            !size.is_negative() && size.is_integer() && amount.is_multiple_of(&size)
        });
        if !is_whole {
            let why = format!("{written} is not positive integer multiple of {name}");
            causes.invalid(at, &written, why);
        }
    }
}

fn check_container_name(name: &str, at: &Path<'_>, causes: &mut Causes) {
    check_name(name, at, causes);
    if !name.contains('/') {
        if !FOR_CONTAINERS.contains(&name) && !name.starts_with(HUGE_PAGES) {
            causes.invalid(at, name, "must be a standard resource for containers");
        }
    } else if !is_native(name) && !is_extended(name) {
        causes.invalid(at, name, "doesn't follow extended resource name standard");
    }
}

fn check_pod_level_name(name: &str, at: &Path<'_>, causes: &mut Causes) {
    if check_name(name, at, causes) && !name.starts_with(HUGE_PAGES) {
        supported(name, &["cpu", "hugepages-", "memory"], at, causes);
    }
}

/// True if Kubernetes has the name or if it is a qualified one.
fn check_name(name: &str, at: &Path<'_>, causes: &mut Causes) -> bool {
    let faults = names::qualified_name(name);
    if !faults.is_empty() {
        causes.invalid_each(at, name, faults);
        return false;
    }
    let is_known = FOR_CONTAINERS.contains(&name) || FOR_QUOTAS.contains(&name);
    if name.contains('/') || is_known || name.starts_with(HUGE_PAGES) {
        return true;
    }
    causes.invalid(at, name, "must be a standard resource type or fully qualified");
    false
}

/// True for a resource of Kubernetes' own, which can be shared: no prefix, or `kubernetes.io`.
fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

/// True for a resource that is not Kubernetes' own, such as `nvidia.com/gpu`.
fn is_extended(name: &str) -> bool {
    !is_native(name)
        && !name.starts_with("requests.")
        && names::qualified_name(&format!("requests.{name}")).is_empty()
}

/// True for a resource that comes in whole pieces.
fn is_counted(name: &str) -> bool {
    let in_objects = [
        "configmaps",
        "persistentvolumeclaims",
        "pods",
        "replicationcontrollers",
        "resourcequotas",
        "secrets",
        "services",
        "services.loadbalancers",
        "services.nodeports",
    ];
    in_objects.contains(&name) || is_extended(name)
}

/// Checks that the containers' requests and limits fit in the pod's.
fn check_containers_fit(
    scope: &Scope<'_>,
    resources: &ResourceRequirements,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    let (requests_at, limits_at) = (at.child("requests"), at.child("limits"));
    let requests = resources::amounts(resources.requests.as_ref());
    for (name, sum) in resources::of_containers(scope.spec, resources::requests) {
        if let Some(request) = requests.get(&name).filter(|request| sum > **request) {
            let why =
                format!("must be greater than or equal to aggregate container requests of {sum}");
            causes.invalid(&requests_at.key(&name), request.to_string(), why);
        }
    }
    let limits = resources::amounts(resources.limits.as_ref());
    for (name, sum) in resources::of_containers(scope.spec, resources::limits) {
        let limit = limits.get(&name).filter(|limit| name.starts_with(HUGE_PAGES) && sum > **limit);
        if let Some(limit) = limit {
            let why =
                format!("must be greater than or equal to aggregate container limits of {sum}");
            causes.invalid(&limits_at.key(&name), limit.to_string(), why);
        }
    }
    let containers_at = at.child("containers");
    for (i, container) in scope.spec.containers.iter().enumerate() {
        let of_container = container.resources.as_ref().and_then(resources::limits);
        for (name, limit) in resources::amounts(of_container) {
            let Some(pod_limit) = limits.get(&name).filter(|pod_limit| limit > **pod_limit) else {
                continue;
            };
            let why = format!("must be less than or equal to pod limits of {pod_limit}");
            let at = containers_at.index(i);
            causes.invalid(&at.key(&name).child("limits"), limit.to_string(), why);
        }
    }
}

/// Checks claims of devices, which the pod lists in `resourceClaims`.
fn check_claims(claims: &[ResourceClaim], scope: &Scope<'_>, at: &Path<'_>, causes: &mut Causes) {
    let mut seen: BTreeSet<(&str, &str)> = BTreeSet::new();
    for (i, claim) in claims.iter().enumerate() {
        let at = at.index(i);
        let (name, request) = (claim.name.as_str(), text(&claim.request));
        if name.is_empty() {
            causes.required(&at, "");
            continue;
        }
        if !request.is_empty() {
            causes.invalid_each(&at.child("request"), request, names::dns_label(request));
        }
        // The whole claim covers each of its requests.
        let is_covered = |(other, part): &(&str, &str)| {
            *other == name && (part.is_empty() || request.is_empty() || *part == request)
        };
        if seen.iter().any(is_covered) {
            causes.duplicate(&at, if request.is_empty() { name } else { request });
        }
        seen.insert((name, request));
        if !scope.has_claim(name) {
            let why =
                format!("Not found: {name:?}: must be one of the names in pod.spec.resourceClaims");
            causes.add(&at, Reason::NotFound, why);
        }
    }
}
