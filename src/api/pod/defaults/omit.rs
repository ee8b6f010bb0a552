//! Fields that Go leaves out of an object: those that are zero and not pointers (`omitempty`).
//!
//! `tty: false`, `value: ""` and `volumes: []` disappear when the API server stores an object;
//! `runAsNonRoot: false` or `optional: false` are pointers there and stay. This file names the
//! fields that disappear.

use crate::omitempty::{items_mut, omit_zero, omit_zeros};
use k8s_openapi::api::core::v1::{
    Affinity, Capabilities, Container, EnvVar, HTTPGetAction, LifecycleHandler, NodeSelectorTerm,
    PodAffinityTerm, PodDNSConfig, PodSecurityContext, PodSpec, Probe, SELinuxOptions,
    SecurityContext, Volume, VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

pub(super) fn from_spec(spec: &mut PodSpec) {
    omit_zeros!(spec; ephemeral_containers, host_aliases, host_ipc, host_network, host_pid,
        hostname, image_pull_secrets, init_containers, node_name, node_selector, overhead,
        priority_class_name, readiness_gates, resource_claims, scheduling_gates, service_account,
        service_account_name, subdomain, tolerations, topology_spread_constraints, volumes);
    spec.security_context.as_mut().map(from_pod_security);
    spec.affinity.as_mut().map(from_affinity);
    spec.dns_config.as_mut().map(from_dns);
    for toleration in items_mut(&mut spec.tolerations) {
        omit_zeros!(toleration; effect, key, operator, value);
    }
    for constraint in items_mut(&mut spec.topology_spread_constraints) {
        omit_zero(&mut constraint.match_label_keys);
        constraint.label_selector.as_mut().map(from_selector);
    }
    for alias in items_mut(&mut spec.host_aliases) {
        omit_zero(&mut alias.hostnames);
    }
    items_mut(&mut spec.volumes).iter_mut().for_each(from_volume);
    spec.containers.iter_mut().for_each(from_container);
    items_mut(&mut spec.init_containers).iter_mut().for_each(from_container);
}

/// Iterates over each term of affinity and anti-affinity between pods, preferred and required.
pub(super) fn affinity_terms(
    affinity: &mut Affinity,
) -> impl Iterator<Item = &mut PodAffinityTerm> {
    let near = affinity.pod_affinity.as_mut().map(|affinity| {
        (
            &mut affinity.preferred_during_scheduling_ignored_during_execution,
            &mut affinity.required_during_scheduling_ignored_during_execution,
        )
    });
    let far = affinity.pod_anti_affinity.as_mut().map(|affinity| {
        (
            &mut affinity.preferred_during_scheduling_ignored_during_execution,
            &mut affinity.required_during_scheduling_ignored_during_execution,
        )
    });
    near.into_iter().chain(far).flat_map(|(preferred, required)| {
        let preferred = items_mut(preferred).iter_mut().map(|term| &mut term.pod_affinity_term);
        preferred.chain(items_mut(required))
    })
}

fn from_affinity(affinity: &mut Affinity) {
    if let Some(affinity) = &mut affinity.pod_affinity {
        omit_zeros!(affinity; preferred_during_scheduling_ignored_during_execution,
            required_during_scheduling_ignored_during_execution);
    }
    if let Some(affinity) = &mut affinity.pod_anti_affinity {
        omit_zeros!(affinity; preferred_during_scheduling_ignored_during_execution,
            required_during_scheduling_ignored_during_execution);
    }
    for term in affinity_terms(affinity) {
        omit_zeros!(term; match_label_keys, mismatch_label_keys, namespaces);
        let selectors = [&mut term.label_selector, &mut term.namespace_selector];
        selectors.into_iter().flatten().for_each(from_selector);
    }
    if let Some(affinity) = &mut affinity.node_affinity {
        let preferred = &mut affinity.preferred_during_scheduling_ignored_during_execution;
        omit_zero(preferred);
        for term in items_mut(preferred) {
            from_node_term(&mut term.preference);
        }
        if let Some(required) = &mut affinity.required_during_scheduling_ignored_during_execution {
            required.node_selector_terms.iter_mut().for_each(from_node_term);
        }
    }
}

fn from_node_term(term: &mut NodeSelectorTerm) {
    omit_zeros!(term; match_expressions, match_fields);
    let fields = items_mut(&mut term.match_fields).iter_mut();
    for requirement in items_mut(&mut term.match_expressions).iter_mut().chain(fields) {
        omit_zero(&mut requirement.values);
    }
}

fn from_selector(selector: &mut LabelSelector) {
    omit_zeros!(selector; match_expressions, match_labels);
    for requirement in items_mut(&mut selector.match_expressions) {
        omit_zero(&mut requirement.values);
    }
}

fn from_dns(dns: &mut PodDNSConfig) {
    omit_zeros!(dns; nameservers, options, searches);
    for option in items_mut(&mut dns.options) {
        omit_zero(&mut option.name);
    }
}

fn from_pod_security(security: &mut PodSecurityContext) {
    omit_zeros!(security; supplemental_groups, sysctls);
    security.se_linux_options.as_mut().map(from_se_linux);
}

fn from_security(security: &mut SecurityContext) {
    security.se_linux_options.as_mut().map(from_se_linux);
    if let Some(Capabilities { add, drop }) = &mut security.capabilities {
        omit_zero(add);
        omit_zero(drop);
    }
}

fn from_se_linux(options: &mut SELinuxOptions) {
    omit_zeros!(options; level, role, type_, user);
}

fn from_container(container: &mut Container) {
    omit_zeros!(container; args, command, env, env_from, image, ports, resize_policy,
        restart_policy_rules, stdin, stdin_once, tty, volume_devices, volume_mounts, working_dir);
    items_mut(&mut container.env).iter_mut().for_each(from_variable);
    for source in items_mut(&mut container.env_from) {
        omit_zero(&mut source.prefix);
    }
    for port in items_mut(&mut container.ports) {
        omit_zeros!(port; host_ip, host_port, name);
    }
    for mount in items_mut(&mut container.volume_mounts) {
        omit_zeros!(mount; read_only, sub_path, sub_path_expr);
    }
    for rule in items_mut(&mut container.restart_policy_rules) {
        if let Some(exit_codes) = &mut rule.exit_codes {
            omit_zero(&mut exit_codes.values);
        }
    }
    let probes = [
        &mut container.liveness_probe,
        &mut container.readiness_probe,
        &mut container.startup_probe,
    ];
    probes.into_iter().flatten().for_each(from_probe);
    if let Some(lifecycle) = &mut container.lifecycle {
        let hooks = [&mut lifecycle.post_start, &mut lifecycle.pre_stop];
        hooks.into_iter().flatten().for_each(from_hook);
    }
    container.security_context.as_mut().map(from_security);
}

fn from_variable(variable: &mut EnvVar) {
    omit_zero(&mut variable.value);
    if let Some(field) = variable.value_from.as_mut().and_then(|s| s.resource_field_ref.as_mut()) {
        omit_zero(&mut field.container_name);
    }
}

fn from_probe(probe: &mut Probe) {
    omit_zero(&mut probe.initial_delay_seconds);
    probe.http_get.as_mut().map(from_http_get);
    if let Some(socket) = &mut probe.tcp_socket {
        omit_zero(&mut socket.host);
    }
    if let Some(exec) = &mut probe.exec {
        omit_zero(&mut exec.command);
    }
}

fn from_hook(hook: &mut LifecycleHandler) {
    hook.http_get.as_mut().map(from_http_get);
    if let Some(socket) = &mut hook.tcp_socket {
        omit_zero(&mut socket.host);
    }
    if let Some(exec) = &mut hook.exec {
        omit_zero(&mut exec.command);
    }
}

fn from_http_get(request: &mut HTTPGetAction) {
    omit_zeros!(request; host, http_headers);
}

fn from_volume(volume: &mut Volume) {
    if let Some(empty_dir) = &mut volume.empty_dir {
        omit_zero(&mut empty_dir.medium);
    }
    if let Some(secret) = &mut volume.secret {
        omit_zeros!(secret; items, secret_name);
    }
    if let Some(config_map) = &mut volume.config_map {
        omit_zero(&mut config_map.items);
    }
    if let Some(downward) = &mut volume.downward_api {
        omit_zero(&mut downward.items);
    }
    if let Some(claim) = &mut volume.persistent_volume_claim {
        omit_zero(&mut claim.read_only);
    }
    if let Some(nfs) = &mut volume.nfs {
        omit_zero(&mut nfs.read_only);
    }
    if let Some(csi) = &mut volume.csi {
        omit_zero(&mut csi.volume_attributes);
    }
    if let Some(image) = &mut volume.image {
        omit_zero(&mut image.reference);
    }
    if let Some(projected) = &mut volume.projected {
        items_mut(&mut projected.sources).iter_mut().for_each(from_projection);
    }
    if let Some(template) =
        volume.ephemeral.as_mut().and_then(|ephemeral| ephemeral.volume_claim_template.as_mut())
    {
        omit_zeros!(template.spec; access_modes, volume_name);
    }
    from_disk(volume);
}

fn from_projection(source: &mut VolumeProjection) {
    if let Some(secret) = &mut source.secret {
        omit_zero(&mut secret.items);
    }
    if let Some(config_map) = &mut source.config_map {
        omit_zero(&mut config_map.items);
    }
    if let Some(downward) = &mut source.downward_api {
        omit_zero(&mut downward.items);
    }
    if let Some(token) = &mut source.service_account_token {
        omit_zero(&mut token.audience);
    }
}

/// Removes zeros from volumes of other machines and clouds.
fn from_disk(volume: &mut Volume) {
    if let Some(iscsi) = &mut volume.iscsi {
        omit_zeros!(iscsi; chap_auth_discovery, chap_auth_session, fs_type, portals, read_only);
    }
    if let Some(disk) = &mut volume.aws_elastic_block_store {
        omit_zeros!(disk; fs_type, partition, read_only);
    }
    if let Some(disk) = &mut volume.gce_persistent_disk {
        omit_zeros!(disk; fs_type, partition, read_only);
    }
    if let Some(disk) = &mut volume.fc {
        omit_zeros!(disk; fs_type, read_only, target_wwns, wwids);
    }
    if let Some(disk) = &mut volume.rbd {
        omit_zeros!(disk; fs_type, read_only);
    }
    if let Some(disk) = &mut volume.flex_volume {
        omit_zeros!(disk; fs_type, options, read_only);
    }
    if let Some(disk) = &mut volume.cephfs {
        omit_zeros!(disk; path, read_only, secret_file, user);
    }
    if let Some(disk) = &mut volume.cinder {
        omit_zeros!(disk; fs_type, read_only);
    }
    if let Some(files) = &mut volume.azure_file {
        omit_zero(&mut files.read_only);
    }
    if let Some(files) = &mut volume.glusterfs {
        omit_zero(&mut files.read_only);
    }
    if let Some(repository) = &mut volume.git_repo {
        omit_zeros!(repository; directory, revision);
    }
}
