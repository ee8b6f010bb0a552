//! The rules of a `PodSpec`: its own fields, and every subject in turn.

use super::{
    Scope, affinity, containers, dns, os, required_and_supported, resources, scheduling, security,
    volumes, windows,
};
use crate::check::{Causes, Path};
use crate::names;
use crate::omitempty::{flag, items, text};
use k8s_openapi::api::core::v1::{PodResourceClaim, PodSpec};
use std::collections::BTreeSet;

const RESTART_POLICIES: [&str; 3] = ["Always", "OnFailure", "Never"];
const HOST_NAME_LENGTH_MAX: usize = 64;

pub(super) fn check(scope: &Scope<'_>, at: &Path<'_>, causes: &mut Causes) {
    let spec = scope.spec;
    if spec.termination_grace_period_seconds.is_none() {
        causes.required(&at.child("terminationGracePeriodSeconds"), "");
    }
    volumes::check(scope, &at.child("volumes"), causes);
    check_claims(items(&spec.resource_claims), &at.child("resourceClaims"), causes);
    containers::check(scope, &at.child("containers"), causes);
    containers::check_init(scope, &at.child("initContainers"), causes);
    containers::check_ephemeral(scope, &at.child("ephemeralContainers"), causes);
    resources::check_pod_level(scope, &at.child("resources"), causes);
    check_host_ports(scope, &at.child("containers"), causes);
    let restart_policy = text(&spec.restart_policy);
    let restart_policy_at = at.child("restartPolicy");
    required_and_supported(restart_policy, &RESTART_POLICIES, &restart_policy_at, causes);
    dns::check(spec, at, causes);
    security::check_pod(scope, &at.child("securityContext"), causes);
    affinity::check(spec, at, causes);
    scheduling::check(spec, at, causes);
    windows::check_host_process(spec, at, causes);
    security::check_host_users(spec, at, causes);
    check_names(spec, at, causes);
    if let Some(seconds) = spec.active_deadline_seconds {
        let faults = names::within(1, i32::MAX.into(), seconds);
        causes.invalid_each(&at.child("activeDeadlineSeconds"), seconds, faults);
    }
    if let Some(overhead) = &spec.overhead {
        resources::check_overhead(overhead, &at.child("overhead"), causes);
    }
    os::check(spec, at, causes);
}

/// Names of other objects, and of the pod on the network.
fn check_names(spec: &PodSpec, at: &Path<'_>, causes: &mut Causes) {
    let subdomains = [
        ("serviceAccountName", &spec.service_account_name),
        ("nodeName", &spec.node_name),
        ("priorityClassName", &spec.priority_class_name),
    ];
    for (field, name) in subdomains.map(|(field, name)| (field, text(name))) {
        if !name.is_empty() {
            causes.invalid_each(&at.child(field), name, names::dns_subdomain(name));
        }
    }
    for (field, name) in [("hostname", &spec.hostname), ("subdomain", &spec.subdomain)] {
        let name = text(name);
        if !name.is_empty() {
            causes.invalid_each(&at.child(field), name, names::dns_label(name));
        }
    }
    if let Some(name) = &spec.runtime_class_name {
        causes.invalid_each(&at.child("runtimeClassName"), name, names::dns_subdomain(name));
    }
    if let Some(name) = &spec.hostname_override {
        check_host_name_override(name, spec, &at.child("hostnameOverride"), causes);
    }
}

fn check_host_name_override(name: &str, spec: &PodSpec, at: &Path<'_>, causes: &mut Causes) {
    if flag(spec.host_network) {
        causes.forbidden(at, "may not be specified when `hostNetwork` is true");
    }
    if flag(spec.set_hostname_as_fqdn) {
        causes.forbidden(at, "may not be specified when `setHostnameAsFQDN` is true");
    }
    causes.invalid_each(at, name, names::dns_subdomain(name));
    if name.len() > HOST_NAME_LENGTH_MAX {
        causes.too_long(at, HOST_NAME_LENGTH_MAX);
    }
}

/// On the host's network both ports are one. In a template the host's may be left to be defaulted.
fn check_host_ports(scope: &Scope<'_>, at: &Path<'_>, causes: &mut Causes) {
    if !flag(scope.spec.host_network) {
        return;
    }
    for (i, container) in scope.spec.containers.iter().enumerate() {
        let at = at.index(i);
        for (j, port) in items(&container.ports).iter().enumerate() {
            let host_port = port.host_port.unwrap_or_default();
            if (scope.is_pod || host_port != 0) && host_port != port.container_port {
                let why = "must match `containerPort` when `hostNetwork` is true";
                causes.invalid(&at.child("ports").index(j).child("hostPort"), host_port, why);
            }
        }
    }
}

fn check_claims(claims: &[PodResourceClaim], at: &Path<'_>, causes: &mut Causes) {
    let mut seen = BTreeSet::new();
    for (i, claim) in claims.iter().enumerate() {
        let at = at.index(i);
        match claim.name.as_str() {
            "" => causes.required(&at.child("name"), ""),
            name if !seen.insert(name) => causes.duplicate(&at.child("name"), name),
            name => causes.invalid_each(&at.child("name"), name, names::dns_label(name)),
        }
        let sources = [
            ("resourceClaimName", &claim.resource_claim_name),
            ("resourceClaimTemplateName", &claim.resource_claim_template_name),
        ];
        match sources.iter().filter(|(_, name)| name.is_some()).count() {
            0 => causes.invalid(
                &at,
                &claim.name,
                "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`",
            ),
            1 => {}
            _ => causes.invalid(
                &at,
                &claim.name,
                "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be \
                 specified",
            ),
        }
        for (field, name) in sources {
            if let Some(name) = name {
                causes.invalid_each(&at.child(field), name, names::dns_subdomain(name));
            }
        }
    }
}
