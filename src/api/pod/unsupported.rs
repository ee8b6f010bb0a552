//! Fields of a pod that are valid in Kubernetes and have no effect on one host of plain processes:
//! one table for each type.
//!
//! A field with the value that Kubernetes takes where it is left out changes nothing there either,
//! and is not named: manifests that were read back from a cluster are full of those.
//!
//! To add a field: a line with its path, a test whether it is set to something without effect, and
//! the reason.

use crate::check::Path;
use k8s_openapi::api::core::v1::{
    Affinity, AppArmorProfile, Container, ContainerPort, PodSecurityContext, PodSpec,
    PodTemplateSpec, ResourceRequirements, SeccompProfile, SecurityContext, VolumeMount,
};

/// A field's path below the type, a test whether it is set, and why it has no effect.
type Row<T> = (&'static str, fn(&T) -> bool, &'static str);

const ONE_NODE: &str = "this host is the only node";
const HOST_PROGRAMS: &str = "containers are programs of the host; images are not pulled";
const HOST_NETWORK: &str = "pods use the network of the host";
const HOST_NAMES: &str = "names are resolved as the host does";
const HOST_PROCESSES: &str = "pods see the processes of the host";
const NO_PROFILES: &str = "no profile is given to containers";
const NO_SECCOMP_FILES: &str = "profiles in files are not read; RuntimeDefault stands in";
const NO_TERMINAL: &str = "containers read /dev/null: attach is not served";
const NO_RIGHTS: &str = "cronlet is run by an ordinary user here, who cannot give rights";
const NO_ACCOUNTS: &str = "there is no API token for pods";

/// DNS policies with which names are resolved as on the host.
const DNS_POLICIES: [&str; 3] = ["ClusterFirst", "ClusterFirstWithHostNet", "Default"];

const SPEC: &[Row<PodSpec>] = &[
    ("affinity", |s| s.affinity.as_ref().is_some_and(is_of_pods), ONE_NODE),
    ("dnsConfig", |s| is_more(&s.dns_config), HOST_NAMES),
    ("dnsPolicy", |s| !is_one_of(&s.dns_policy, &DNS_POLICIES), HOST_NAMES),
    ("hostAliases", |s| has_items(&s.host_aliases), HOST_NAMES),
    ("hostUsers", |s| s.host_users == Some(false), "pods use the users of the host"),
    ("imagePullSecrets", |s| has_items(&s.image_pull_secrets), HOST_PROGRAMS),
    ("os", |s| s.os.as_ref().is_some_and(|os| os.name != "linux"), "this host runs Linux"),
    ("overhead", |s| is_more(&s.overhead), "there are no runtime classes"),
    ("priority", |s| s.priority.is_some_and(|priority| priority != 0), "no pod is preempted"),
    ("priorityClassName", |s| !is_one_of(&s.priority_class_name, &[]), "no pod is preempted"),
    ("resourceClaims", |s| has_items(&s.resource_claims), "no devices are allocated"),
    (
        "runtimeClassName",
        |s| !is_one_of(&s.runtime_class_name, &[]),
        "there are no runtime classes",
    ),
    ("schedulerName", |s| !is_one_of(&s.scheduler_name, &["default-scheduler"]), ONE_NODE),
    ("schedulingGroup", |s| is_more(&s.scheduling_group), ONE_NODE),
    ("serviceAccount", |s| !is_one_of(&s.service_account, &["default"]), NO_ACCOUNTS),
    ("serviceAccountName", |s| !is_one_of(&s.service_account_name, &["default"]), NO_ACCOUNTS),
    ("shareProcessNamespace", |s| s.share_process_namespace == Some(true), HOST_PROCESSES),
    ("topologySpreadConstraints", |s| has_items(&s.topology_spread_constraints), ONE_NODE),
];

/// True if a text is absent, empty or one of these.
fn is_one_of(text: &Option<String>, known: &[&str]) -> bool {
    text.as_deref().is_none_or(|text| text.is_empty() || known.contains(&text))
}

fn has_items<T>(list: &Option<Vec<T>>) -> bool {
    list.as_ref().is_some_and(|list| !list.is_empty())
}

/// True if the field has anything set in it.
fn is_more<T: Default + PartialEq>(field: &Option<T>) -> bool {
    field.as_ref().is_some_and(|field| *field != T::default())
}

/// True if there is affinity or anti-affinity to other pods.
fn is_of_pods(affinity: &Affinity) -> bool {
    affinity.pod_affinity.is_some() || affinity.pod_anti_affinity.is_some()
}

const POD_SECURITY: &[Row<PodSecurityContext>] = &[
    ("appArmorProfile", |s| has_profile(&s.app_armor_profile), NO_PROFILES),
    ("seLinuxOptions", |s| is_more(&s.se_linux_options), NO_PROFILES),
    ("seccompProfile", |s| is_in_a_file(&s.seccomp_profile), NO_SECCOMP_FILES),
    ("sysctls", |s| has_items(&s.sysctls), HOST_NETWORK),
];

fn has_profile(profile: &Option<AppArmorProfile>) -> bool {
    profile.as_ref().is_some_and(|profile| profile.type_ != "Unconfined")
}

fn is_in_a_file(profile: &Option<SeccompProfile>) -> bool {
    profile.as_ref().is_some_and(|profile| profile.type_ == "Localhost")
}

const CONTAINER: &[Row<Container>] = &[
    ("imagePullPolicy", |c| c.image_pull_policy.as_deref() == Some("Always"), HOST_PROGRAMS),
    ("resizePolicy", restarts_to_resize, "containers are not resized"),
    ("restartPolicyRules", restarts_all, "RestartAllContainers restarts its own container alone"),
    ("stdin", |c| c.stdin == Some(true), NO_TERMINAL),
    ("stdinOnce", |c| c.stdin_once == Some(true), NO_TERMINAL),
    ("tty", |c| c.tty == Some(true), NO_TERMINAL),
    ("volumeDevices", |c| has_items(&c.volume_devices), "block devices are not attached"),
];

const SECURITY: &[Row<SecurityContext>] = &[
    ("appArmorProfile", |s| has_profile(&s.app_armor_profile), NO_PROFILES),
    ("seLinuxOptions", |s| is_more(&s.se_linux_options), NO_PROFILES),
    ("seccompProfile", |s| is_in_a_file(&s.seccomp_profile), NO_SECCOMP_FILES),
];

/// Fields that have an effect only if root runs the daemon.
const RIGHTS: &[Row<SecurityContext>] = &[
    ("capabilities.add", adds_capabilities, NO_RIGHTS),
    ("privileged", |s| s.privileged == Some(true), NO_RIGHTS),
];

fn adds_capabilities(security: &SecurityContext) -> bool {
    security.capabilities.as_ref().is_some_and(|capabilities| has_items(&capabilities.add))
}

const PORT: &[Row<ContainerPort>] = &[
    ("hostIP", |p| !is_one_of(&p.host_ip, &["0.0.0.0"]), HOST_NETWORK),
    ("hostPort", |p| ![0, p.container_port].contains(&p.host_port.unwrap_or(0)), HOST_NETWORK),
];

const MOUNT: &[Row<VolumeMount>] = &[(
    "mountPropagation",
    |m| !is_one_of(&m.mount_propagation, &["None"]),
    "mounts are private to a container",
)];

fn restarts_to_resize(container: &Container) -> bool {
    let policies = container.resize_policy.iter().flatten();
    policies.into_iter().any(|policy| policy.restart_policy != "NotRequired")
}

fn restarts_all(container: &Container) -> bool {
    let rules = container.restart_policy_rules.iter().flatten();
    rules.into_iter().any(|rule| rule.action == "RestartAllContainers")
}

/// Resources that a cgroup limits here; a limit on any other has no effect.
const LIMITED: &[&str] = &["cpu", "memory"];

/// Adds a warning for each such field of a template in the field `at`, as the user wrote it (before
/// defaults).
pub fn template(
    template: &PodTemplateSpec,
    at: &Path<'_>,
    is_root: bool,
    warnings: &mut Vec<String>,
) {
    if let Some(pod) = &template.spec {
        spec(pod, &at.child("spec"), is_root, warnings);
    }
}

/// Adds a warning for each such field of a pod's spec in the field `at`, as the user wrote it
/// (before defaults). `is_root` is true if root runs cronlet.
pub fn spec(spec: &PodSpec, at: &Path<'_>, is_root: bool, warnings: &mut Vec<String>) {
    each(SPEC, spec, at, warnings);
    if let Some(resources) = &spec.resources {
        limits(resources, &at.child("resources"), warnings);
    }
    if let Some(security) = &spec.security_context {
        each(POD_SECURITY, security, &at.child("securityContext"), warnings);
    }
    for (index, one) in spec.init_containers.iter().flatten().enumerate() {
        container(one, &at.child("initContainers").index(index), is_root, warnings);
    }
    for (index, one) in spec.containers.iter().enumerate() {
        container(one, &at.child("containers").index(index), is_root, warnings);
    }
}

fn container(container: &Container, at: &Path<'_>, is_root: bool, warnings: &mut Vec<String>) {
    each(CONTAINER, container, at, warnings);
    if let Some(security) = &container.security_context {
        let at = at.child("securityContext");
        each(SECURITY, security, &at, warnings);
        if !is_root {
            each(RIGHTS, security, &at, warnings);
        }
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
            spec(&read, &Path::root("spec"), true, &mut warnings);
            let fields: Vec<&str> =
                warnings.iter().filter_map(|w| Some(w.split_once(": ")?.0)).collect();
            assert_eq!(fields, want, "{pod}");
        };
        check(json!({"containers": [{"name": "a", "image": "b", "command": ["c"]}]}), &[]);
        check(json!({"containers": [], "hostNetwork": true, "hostPID": true}), &[]);
        check(json!({"containers": [], "hostUsers": false}), &["spec.hostUsers"]);
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
                "securityContext": {"runAsUser": 5, "appArmorProfile": {"type": "RuntimeDefault"}},
                "resources": {"limits": {"cpu": "1", "ephemeral-storage": "1Gi"}},
                "ports": [{"containerPort": 80, "hostPort": 8080}],
            }]}),
            &[
                "spec.containers[0].imagePullPolicy",
                "spec.containers[0].restartPolicyRules",
                "spec.containers[0].securityContext.appArmorProfile",
                "spec.containers[0].resources.limits[ephemeral-storage]",
                "spec.containers[0].ports[0].hostPort",
            ],
        );
    }

    /// Checks that honoured fields, and fields without effect in Kubernetes, give no warning.
    #[test]
    fn nothing_is_said_of_what_is_honoured() {
        let security = [
            json!({"privileged": false}),
            json!({"privileged": true}),
            json!({"allowPrivilegeEscalation": true}),
            json!({"allowPrivilegeEscalation": false}),
            json!({"capabilities": {}}),
            json!({"capabilities": {"add": [], "drop": ["ALL"]}}),
            json!({"seccompProfile": {"type": "RuntimeDefault"}}),
            json!({"seccompProfile": {"type": "Unconfined"}}),
            json!({"appArmorProfile": {"type": "Unconfined"}, "seLinuxOptions": {}}),
            json!({"procMount": "Default", "readOnlyRootFilesystem": true}),
        ];
        for own in security {
            let pod = json!({"containers": [{"name": "a", "securityContext": own}]});
            let read: PodSpec = serde_json::from_value(pod).expect("a pod's spec");
            let mut warnings = Vec::new();
            spec(&read, &Path::root("spec"), true, &mut warnings);
            assert_eq!(warnings, [""; 0], "{own}");
        }
        // As the API server gives a pod back that says nothing of all this.
        let read_back = json!({
            "dnsPolicy": "ClusterFirst", "enableServiceLinks": true, "hostNetwork": false,
            "preemptionPolicy": "PreemptLowerPriority", "priority": 0, "securityContext": {},
            "schedulerName": "default-scheduler", "serviceAccount": "default",
            "serviceAccountName": "default", "automountServiceAccountToken": true,
            "os": {"name": "linux"}, "hostUsers": true, "hostAliases": [],
            "containers": [{
                "name": "a", "imagePullPolicy": "IfNotPresent", "stdin": false, "tty": false,
                "ports": [{"containerPort": 80, "hostPort": 80}],
                "resizePolicy": [{"resourceName": "cpu", "restartPolicy": "NotRequired"}],
                "volumeMounts": [{"name": "v", "mountPath": "/v", "mountPropagation": "None"}],
            }],
        });
        let read: PodSpec = serde_json::from_value(read_back).expect("a pod's spec");
        let mut warnings = Vec::new();
        spec(&read, &Path::root("spec"), true, &mut warnings);
        assert_eq!(warnings, [""; 0]);
    }

    #[test]
    fn rights_that_an_ordinary_user_cannot_give_are_named() {
        let own = json!({"privileged": true, "capabilities": {"add": ["NET_ADMIN"]}});
        let others = json!({"privileged": false, "capabilities": {"add": [], "drop": ["ALL"]}});
        let pod = json!({"initContainers": [{"name": "a", "securityContext": own}],
            "containers": [{"name": "b", "securityContext": others}]});
        let read: PodSpec = serde_json::from_value(pod).expect("a pod's spec");
        for (is_root, want) in [(true, [].as_slice()), (false, &["capabilities.add", "privileged"])]
        {
            let mut warnings = Vec::new();
            spec(&read, &Path::root("spec"), is_root, &mut warnings);
            let want: Vec<String> = (want.iter())
                .map(|field| format!("spec.initContainers[0].securityContext.{field}"))
                .collect();
            let fields = warnings.iter().filter_map(|w| Some(w.split_once(": ")?.0));
            assert_eq!(fields.collect::<Vec<_>>(), want);
        }
    }
}
