//! Fields of a pod that are fine in Kubernetes and do nothing on one host of plain processes: one
//! table for each type.
//!
//! To add a field: a line with its path, whether the user set it, and why it does nothing here.

use crate::kinds::check::Path;
use k8s_openapi::api::core::v1::{
    Affinity, Container, ContainerPort, PodSecurityContext, PodSpec, PodTemplateSpec,
    ResourceRequirements, SecurityContext, VolumeMount,
};

/// A field's path below the type, whether it is set, and why it does nothing.
type Row<T> = (&'static str, fn(&T) -> bool, &'static str);

const ONE_NODE: &str = "this host is the only node";
const HOST_PROGRAMS: &str = "containers are programs of the host; images are not pulled";
const HOST_NETWORK: &str = "pods use the network of the host";
const HOST_NAMES: &str = "names are resolved as the host does";
const HOST_PROCESSES: &str = "pods see the processes of the host";
const NO_SANDBOX: &str = "containers are plain processes, without this confinement";
const NO_TERMINAL: &str = "containers read /dev/null: attach is not served";
const NO_ACCOUNTS: &str = "there is no API token for pods";

const SPEC: &[Row<PodSpec>] = &[
    ("affinity", |s| s.affinity.as_ref().is_some_and(is_of_pods), ONE_NODE),
    ("automountServiceAccountToken", |s| s.automount_service_account_token.is_some(), NO_ACCOUNTS),
    ("dnsConfig", |s| s.dns_config.is_some(), HOST_NAMES),
    ("dnsPolicy", |s| s.dns_policy.is_some(), HOST_NAMES),
    ("enableServiceLinks", |s| s.enable_service_links.is_some(), "there are no Services"),
    ("hostAliases", |s| s.host_aliases.is_some(), HOST_NAMES),
    ("hostIPC", |s| s.host_ipc == Some(false), "pods use the IPC of the host"),
    ("hostNetwork", |s| s.host_network == Some(false), HOST_NETWORK),
    ("hostPID", |s| s.host_pid == Some(false), HOST_PROCESSES),
    ("hostUsers", |s| s.host_users == Some(false), "pods use the users of the host"),
    ("imagePullSecrets", |s| s.image_pull_secrets.is_some(), HOST_PROGRAMS),
    ("os", |s| s.os.is_some(), ONE_NODE),
    ("overhead", |s| s.overhead.is_some(), "there are no runtime classes"),
    ("preemptionPolicy", |s| s.preemption_policy.is_some(), "no pod is preempted"),
    ("priority", |s| s.priority.is_some(), "no pod is preempted"),
    ("priorityClassName", |s| s.priority_class_name.is_some(), "no pod is preempted"),
    ("resourceClaims", |s| s.resource_claims.is_some(), "no devices are allocated"),
    ("runtimeClassName", |s| s.runtime_class_name.is_some(), "there are no runtime classes"),
    ("schedulerName", |s| s.scheduler_name.is_some(), ONE_NODE),
    ("schedulingGroup", |s| s.scheduling_group.is_some(), ONE_NODE),
    ("serviceAccount", |s| s.service_account.is_some(), NO_ACCOUNTS),
    ("serviceAccountName", |s| s.service_account_name.is_some(), NO_ACCOUNTS),
    ("shareProcessNamespace", |s| s.share_process_namespace.is_some(), HOST_PROCESSES),
    ("topologySpreadConstraints", |s| s.topology_spread_constraints.is_some(), ONE_NODE),
];

/// Which other pods a pod wants near it, or far from it.
fn is_of_pods(affinity: &Affinity) -> bool {
    affinity.pod_affinity.is_some() || affinity.pod_anti_affinity.is_some()
}

const POD_SECURITY: &[Row<PodSecurityContext>] = &[
    ("appArmorProfile", |s| s.app_armor_profile.is_some(), NO_SANDBOX),
    ("fsGroupChangePolicy", |s| s.fs_group_change_policy.is_some(), NO_SANDBOX),
    ("seLinuxChangePolicy", |s| s.se_linux_change_policy.is_some(), NO_SANDBOX),
    ("seLinuxOptions", |s| s.se_linux_options.is_some(), NO_SANDBOX),
    ("seccompProfile", |s| s.seccomp_profile.is_some(), NO_SANDBOX),
    ("sysctls", |s| s.sysctls.is_some(), HOST_NETWORK),
];

const CONTAINER: &[Row<Container>] = &[
    ("imagePullPolicy", |c| c.image_pull_policy.is_some(), HOST_PROGRAMS),
    ("resizePolicy", |c| c.resize_policy.is_some(), "containers are not resized"),
    ("restartPolicyRules", restarts_all, "RestartAllContainers restarts its own container alone"),
    ("stdin", |c| c.stdin == Some(true), NO_TERMINAL),
    ("stdinOnce", |c| c.stdin_once == Some(true), NO_TERMINAL),
    ("tty", |c| c.tty == Some(true), NO_TERMINAL),
    ("volumeDevices", |c| c.volume_devices.is_some(), "block devices are not attached"),
];

const SECURITY: &[Row<SecurityContext>] = &[
    ("allowPrivilegeEscalation", |s| s.allow_privilege_escalation.is_some(), NO_SANDBOX),
    ("appArmorProfile", |s| s.app_armor_profile.is_some(), NO_SANDBOX),
    ("capabilities", |s| s.capabilities.is_some(), NO_SANDBOX),
    ("privileged", |s| s.privileged.is_some(), NO_SANDBOX),
    ("procMount", |s| s.proc_mount.is_some(), NO_SANDBOX),
    ("seLinuxOptions", |s| s.se_linux_options.is_some(), NO_SANDBOX),
    ("seccompProfile", |s| s.seccomp_profile.is_some(), NO_SANDBOX),
];

const PORT: &[Row<ContainerPort>] = &[
    ("hostIP", |p| p.host_ip.is_some(), HOST_NETWORK),
    ("hostPort", |p| p.host_port.is_some(), HOST_NETWORK),
];

const MOUNT: &[Row<VolumeMount>] = &[
    ("mountPropagation", |m| m.mount_propagation.is_some(), "mounts are private to a container"),
    ("recursiveReadOnly", |m| m.recursive_read_only.is_some(), "mounts are private to a container"),
];

fn restarts_all(container: &Container) -> bool {
    let rules = container.restart_policy_rules.iter().flatten();
    rules.into_iter().any(|rule| rule.action == "RestartAllContainers")
}

/// Resources that a cgroup limits here; a limit on any other does nothing.
const LIMITED: &[&str] = &["cpu", "memory"];

/// A warning for each such field of a template in the field `at`, as the user wrote it (before
/// defaults).
pub fn template(template: &PodTemplateSpec, at: &Path<'_>, warnings: &mut Vec<String>) {
    if let Some(pod) = &template.spec {
        spec(pod, &at.child("spec"), warnings);
    }
}

/// A warning for each such field of a pod's spec in the field `at`, as the user wrote it (before
/// defaults).
pub fn spec(spec: &PodSpec, at: &Path<'_>, warnings: &mut Vec<String>) {
    each(SPEC, spec, at, warnings);
    if let Some(security) = &spec.security_context {
        each(POD_SECURITY, security, &at.child("securityContext"), warnings);
    }
    for (index, one) in spec.init_containers.iter().flatten().enumerate() {
        container(one, &at.child("initContainers").index(index), warnings);
    }
    for (index, one) in spec.containers.iter().enumerate() {
        container(one, &at.child("containers").index(index), warnings);
    }
}

fn container(container: &Container, at: &Path<'_>, warnings: &mut Vec<String>) {
    each(CONTAINER, container, at, warnings);
    if let Some(security) = &container.security_context {
        each(SECURITY, security, &at.child("securityContext"), warnings);
    }
    if let Some(resources) = &container.resources {
        limits(resources, &at.child("resources"), warnings);
    }
    for (index, port) in container.ports.iter().flatten().enumerate() {
        each(PORT, port, &at.child("ports").index(index), warnings);
    }
    for (index, mount) in container.volume_mounts.iter().flatten().enumerate() {
        each(MOUNT, mount, &at.child("volumeMounts").index(index), warnings);
    }
}

fn limits(resources: &ResourceRequirements, at: &Path<'_>, warnings: &mut Vec<String>) {
    let at = at.child("limits");
    for name in resources.limits.iter().flat_map(|limits| limits.keys()) {
        if !LIMITED.contains(&name.as_str()) {
            warnings.push(told(&at.key(name), "only cpu and memory are limited"));
        }
    }
}

fn each<T>(rows: &[Row<T>], of: &T, at: &Path<'_>, warnings: &mut Vec<String>) {
    for (field, _, why) in rows.iter().filter(|(_, is_set, _)| is_set(of)) {
        warnings.push(told(&at.child(field), why));
    }
}

fn told(at: &Path<'_>, why: &str) -> String {
    format!("{at}: has no effect: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn each_field_is_named_once() {
        let check = |pod: Value, want: &[&str]| {
            let read: PodSpec = serde_json::from_value(pod.clone()).expect("a pod's spec");
            let mut warnings = Vec::new();
            spec(&read, &Path::root("spec"), &mut warnings);
            let fields: Vec<&str> =
                warnings.iter().filter_map(|w| Some(w.split_once(": ")?.0)).collect();
            assert_eq!(fields, want, "{pod}");
        };
        check(json!({"containers": [{"name": "a", "image": "b", "command": ["c"]}]}), &[]);
        check(json!({"containers": [], "hostNetwork": true, "hostPID": true}), &[]);
        check(json!({"containers": [], "hostNetwork": false}), &["spec.hostNetwork"]);
        check(
            json!({"containers": [], "affinity": {"podAffinity": {}}, "schedulerName": "s"}),
            &["spec.affinity", "spec.schedulerName"],
        );
        check(
            json!({"containers": [
                {"name": "a", "stdin": true, "stdinOnce": true, "tty": true},
                {"name": "b", "stdin": false, "stdinOnce": false, "tty": false},
            ]}),
            &["spec.containers[0].stdin", "spec.containers[0].stdinOnce", "spec.containers[0].tty"],
        );
        check(json!({"containers": [], "affinity": {"nodeAffinity": {}}, "tolerations": []}), &[]);
        check(
            json!({"containers": [{
                "name": "a",
                "imagePullPolicy": "Always",
                "restartPolicyRules": [{"action": "RestartAllContainers"}],
                "securityContext": {"runAsUser": 5, "privileged": true},
                "resources": {"limits": {"cpu": "1", "ephemeral-storage": "1Gi"}},
                "ports": [{"containerPort": 80, "hostPort": 80}],
            }]}),
            &[
                "spec.containers[0].imagePullPolicy",
                "spec.containers[0].restartPolicyRules",
                "spec.containers[0].securityContext.privileged",
                "spec.containers[0].resources.limits[ephemeral-storage]",
                "spec.containers[0].ports[0].hostPort",
            ],
        );
    }
}
