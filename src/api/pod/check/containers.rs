//! The rules of the three lists of containers, and what all containers have in common.

use super::{
    Scope, environment, mounts, ports, probes, required, required_and_supported, resources,
    restarts, security,
};
use crate::check::{Causes, Path};
use crate::names;
use crate::omitempty::{items, text};
use crate::pod::resources::is_sidecar;
use k8s_openapi::api::core::v1::{Container, EphemeralContainer, PodSpec};
use std::collections::BTreeSet;

pub(super) const PULL_POLICIES: [&str; 3] = ["Always", "IfNotPresent", "Never"];
const MESSAGE_POLICIES: [&str; 2] = ["File", "FallbackToLogsOnError"];

/// `spec.containers`
pub(super) fn check(scope: &Scope<'_>, at: &Path<'_>, causes: &mut Causes) {
    let containers = &scope.spec.containers;
    if containers.is_empty() {
        return causes.required(at, "");
    }
    let mut seen = BTreeSet::new();
    for (i, container) in containers.iter().enumerate() {
        let at = at.index(i);
        check_common(container, scope, &at, causes);
        if !seen.insert(&container.name) {
            causes.duplicate(&at.child("name"), &container.name);
        }
        probes::check(container, scope, &at, causes);
        restarts::check(container, &at, causes);
    }
    ports::check_conflicts(containers.iter().enumerate(), at, causes);
}

/// `spec.initContainers`
pub(super) fn check_init(scope: &Scope<'_>, at: &Path<'_>, causes: &mut Causes) {
    let mut seen: BTreeSet<&str> = scope.spec.containers.iter().map(|c| c.name.as_str()).collect();
    for (i, container) in items(&scope.spec.init_containers).iter().enumerate() {
        let list_at = at;
        let at = at.index(i);
        check_common(container, scope, &at, causes);
        restarts::check_init(container, &at, causes);
        if seen.contains(container.name.as_str()) {
            causes.duplicate(&at.child("name"), &container.name);
        } else if !container.name.is_empty() {
            seen.insert(&container.name);
        }
        // They run one by one, so each is looked at alone; Kubernetes calls each the first.
        ports::check_conflicts(std::iter::once((0, container)), list_at, causes);
        if is_sidecar(container) {
            probes::check(container, scope, &at, causes);
        } else {
            probes::forbid(container, &at, causes);
            restarts::forbid_resize_restarts(container, &at, causes);
        }
    }
}

/// `spec.ephemeralContainers`, though nothing that is created may have any.
pub(super) fn check_ephemeral(scope: &Scope<'_>, at: &Path<'_>, causes: &mut Causes) {
    let others: BTreeSet<&str> = other_names(scope.spec).collect();
    let mut seen = others.clone();
    for (i, ephemeral) in items(&scope.spec.ephemeral_containers).iter().enumerate() {
        let at = at.index(i);
        let container = as_container(ephemeral);
        check_common(&container, scope, &at, causes);
        check_image(&container, &at, causes);
        if !seen.insert(&ephemeral.name) {
            causes.duplicate(&at.child("name"), &ephemeral.name);
        }
        let target = text(&ephemeral.target_container_name);
        if !target.is_empty() && !others.contains(target) {
            causes.not_found(&at.child("targetContainerName"), target);
        }
        forbid_in_ephemeral(&container, &at, causes);
    }
}

/// The image's name may have no space around it; templates were never asked.
pub(super) fn check_image_space(containers: &[Container], at: &Path<'_>, causes: &mut Causes) {
    for (i, container) in containers.iter().enumerate() {
        check_image(container, &at.index(i), causes);
    }
}

/// Every container of the pod with its field, in the order init, regular, ephemeral.
pub(super) fn each(spec: &PodSpec, at: &Path<'_>, mut visit: impl FnMut(&Container, &Path<'_>)) {
    let init_at = at.child("initContainers");
    for (i, container) in items(&spec.init_containers).iter().enumerate() {
        visit(container, &init_at.index(i));
    }
    let regular_at = at.child("containers");
    for (i, container) in spec.containers.iter().enumerate() {
        visit(container, &regular_at.index(i));
    }
    let ephemeral_at = at.child("ephemeralContainers");
    for (i, container) in items(&spec.ephemeral_containers).iter().enumerate() {
        visit(&as_container(container), &ephemeral_at.index(i));
    }
}

fn other_names(spec: &PodSpec) -> impl Iterator<Item = &str> {
    let init = items(&spec.init_containers).iter();
    spec.containers.iter().chain(init).map(|container| container.name.as_str())
}

fn check_common(container: &Container, scope: &Scope<'_>, at: &Path<'_>, causes: &mut Causes) {
    let name_at = at.child("name");
    match container.name.as_str() {
        "" => causes.required(&name_at, ""),
        name => causes.invalid_each(&name_at, name, names::dns_label(name)),
    }
    required(text(&container.image), &at.child("image"), causes);
    let message_policy = text(&container.termination_message_policy);
    let message_at = at.child("terminationMessagePolicy");
    required_and_supported(message_policy, &MESSAGE_POLICIES, &message_at, causes);
    ports::check(items(&container.ports), &at.child("ports"), causes);
    environment::check(items(&container.env), scope, &at.child("env"), causes);
    environment::check_from(items(&container.env_from), &at.child("envFrom"), causes);
    mounts::check(container, scope, at, causes);
    let pull_policy = text(&container.image_pull_policy);
    required_and_supported(pull_policy, &PULL_POLICIES, &at.child("imagePullPolicy"), causes);
    if let Some(resources) = &container.resources {
        resources::check(resources, scope, &at.child("resources"), causes);
    }
    restarts::check_resize(container, scope, &at.child("resizePolicy"), causes);
    if let Some(context) = &container.security_context {
        security::check_container(context, scope, &at.child("securityContext"), causes);
    }
}

fn check_image(container: &Container, at: &Path<'_>, causes: &mut Causes) {
    let image = text(&container.image);
    if image.trim() != image {
        let why = "must not have leading or trailing whitespace";
        causes.invalid(&at.child("image"), image, why);
    }
}

/// Ephemeral containers are for looking in; what makes a service is not theirs.
fn forbid_in_ephemeral(container: &Container, at: &Path<'_>, causes: &mut Causes) {
    let resources = container.resources.as_ref();
    let fields = [
        ("ports", !items(&container.ports).is_empty()),
        ("resources", resources.is_some_and(|resources| *resources != Default::default())),
        ("resizePolicy", !items(&container.resize_policy).is_empty()),
        ("restartPolicy", container.restart_policy.is_some()),
        ("restartPolicyRules", !items(&container.restart_policy_rules).is_empty()),
        ("livenessProbe", container.liveness_probe.is_some()),
        ("readinessProbe", container.readiness_probe.is_some()),
        ("startupProbe", container.startup_probe.is_some()),
        ("lifecycle", container.lifecycle.is_some()),
    ];
    let why = "cannot be set for an Ephemeral Container";
    for (field, _) in fields.iter().filter(|(_, is_set)| *is_set) {
        causes.forbidden(&at.child(field), why);
    }
    let mounts_at = at.child("volumeMounts");
    for (i, mount) in items(&container.volume_mounts).iter().enumerate() {
        for (field, path) in [("subPath", &mount.sub_path), ("subPathExpr", &mount.sub_path_expr)] {
            if !text(path).is_empty() {
                causes.forbidden(&mounts_at.index(i).child(field), why);
            }
        }
    }
}

/// The fields that both kinds of container have.
fn as_container(ephemeral: &EphemeralContainer) -> Container {
    let from = ephemeral.clone();
    Container {
        args: from.args,
        command: from.command,
        env: from.env,
        env_from: from.env_from,
        image: from.image,
        image_pull_policy: from.image_pull_policy,
        lifecycle: from.lifecycle,
        liveness_probe: from.liveness_probe,
        name: from.name,
        ports: from.ports,
        readiness_probe: from.readiness_probe,
        resize_policy: from.resize_policy,
        resources: from.resources,
        restart_policy: from.restart_policy,
        restart_policy_rules: from.restart_policy_rules,
        security_context: from.security_context,
        startup_probe: from.startup_probe,
        stdin: from.stdin,
        stdin_once: from.stdin_once,
        termination_message_path: from.termination_message_path,
        termination_message_policy: from.termination_message_policy,
        tty: from.tty,
        volume_devices: from.volume_devices,
        volume_mounts: from.volume_mounts,
        working_dir: from.working_dir,
    }
}
