//! The rules of a container's own restart policy, and of restarts when its resources are resized.

use super::{Scope, supported};
use crate::check::{Causes, Path};
use crate::omitempty::{items, text};
use k8s_openapi::api::core::v1::{Container, ContainerRestartRule};
use std::collections::BTreeSet;

const RESTART_POLICIES: [&str; 3] = ["Always", "Never", "OnFailure"];
const ACTIONS: [&str; 2] = ["Restart", "RestartAllContainers"];
const RULES_MAX: usize = 20;
const EXIT_CODES_MAX: usize = 255;
const RESIZE_POLICIES: [&str; 2] = ["NotRequired", "RestartContainer"];
const RESIZABLE: [&str; 2] = ["cpu", "memory"];

/// Checks `restartPolicy` and `restartPolicyRules` of a regular container.
pub(super) fn check(container: &Container, at: &Path<'_>, causes: &mut Causes) {
    check_policy(container, at, causes);
    check_rules(container, at, causes);
}

/// Checks an init container like [`check`]; its rules are checked only if it has a policy.
pub(super) fn check_init(container: &Container, at: &Path<'_>, causes: &mut Causes) {
    check_policy(container, at, causes);
    if container.restart_policy.is_some() {
        check_rules(container, at, causes);
    }
}

fn check_policy(container: &Container, at: &Path<'_>, causes: &mut Causes) {
    let at = at.child("restartPolicy");
    match &container.restart_policy {
        Some(policy) => supported(policy, &RESTART_POLICIES, &at, causes),
        None if items(&container.restart_policy_rules).is_empty() => {}
        None => causes.required(&at, "must be specified when restartPolicyRules are used"),
    }
}

fn check_rules(container: &Container, at: &Path<'_>, causes: &mut Causes) {
    let (rules, at) = (items(&container.restart_policy_rules), at.child("restartPolicyRules"));
    if rules.len() > RULES_MAX {
        causes.too_many(&at, rules.len(), RULES_MAX);
    }
    for (i, rule) in rules.iter().enumerate() {
        check_rule(rule, &at.index(i), causes);
    }
}

fn check_rule(rule: &ContainerRestartRule, at: &Path<'_>, causes: &mut Causes) {
    supported(&rule.action, &ACTIONS, &at.child("action"), causes);
    let at = at.child("exitCodes");
    let Some(exit_codes) = &rule.exit_codes else {
        return causes.required(&at, "must be specified");
    };
    supported(&exit_codes.operator, &["In", "NotIn"], &at.child("operator"), causes);
    let count = items(&exit_codes.values).len();
    if count > EXIT_CODES_MAX {
        causes.too_many(&at.child("values"), count, EXIT_CODES_MAX);
    }
}

/// Checks `resizePolicy`.
pub(super) fn check_resize(
    container: &Container,
    scope: &Scope<'_>,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    let never_restarts = text(&scope.spec.restart_policy) == "Never";
    let mut seen = BTreeSet::new();
    for (i, policy) in items(&container.resize_policy).iter().enumerate() {
        let restart_policy = policy.restart_policy.as_str();
        if !seen.insert(&policy.resource_name) {
            causes.duplicate(&at.index(i), &policy.resource_name);
        }
        super::required_and_supported(&policy.resource_name, &RESIZABLE, at, causes);
        super::required_and_supported(restart_policy, &RESIZE_POLICIES, at, causes);
        if never_restarts && restart_policy != "NotRequired" {
            let why = "must be 'NotRequired' when `restartPolicy` is 'Never'";
            causes.invalid(at, restart_policy, why);
        }
    }
}

/// Refuses restarts to resize in an init container that ends.
pub(super) fn forbid_resize_restarts(container: &Container, at: &Path<'_>, causes: &mut Causes) {
    let at = at.child("resizePolicy");
    for (i, policy) in items(&container.resize_policy).iter().enumerate() {
        if policy.restart_policy == "RestartContainer" {
            let why = "must not be set to 'RestartContainer' for non-sidecar initContainers";
            causes.invalid(&at.index(i).child("restartPolicy"), &policy.restart_policy, why);
        }
    }
}
