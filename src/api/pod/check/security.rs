//! The rules of security contexts, and of sharing the host's users.

use super::{Scope, containers, profiles, supported, windows};
use crate::check::{Causes, Path};
use crate::names;
use crate::omitempty::{flag, items};
use k8s_openapi::api::core::v1::{PodSecurityContext, PodSpec, SecurityContext, Sysctl};
use std::collections::BTreeSet;

const SYSCTL_LENGTH_MAX: usize = 253;
const SYSCTL_NAME: &str = "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";

/// Checks `spec.securityContext`.
pub(super) fn check_pod(scope: &Scope<'_>, at: &Path<'_>, causes: &mut Causes) {
    let spec = scope.spec;
    if flag(spec.share_process_namespace) && flag(spec.host_pid) {
        let why = "ShareProcessNamespace and HostPID cannot both be enabled";
        causes.invalid(&at.child("shareProcessNamespace"), true, why);
    }
    let Some(context) = &spec.security_context else { return };
    let ids = [
        ("fsGroup", context.fs_group),
        ("runAsUser", context.run_as_user),
        ("runAsGroup", context.run_as_group),
    ];
    check_ids(&ids, at, causes);
    let groups_at = at.child("supplementalGroups");
    for (i, group) in items(&context.supplemental_groups).iter().enumerate() {
        causes.invalid_each(&groups_at.index(i), group, names::user_or_group_id(*group));
    }
    check_sysctls(items(&context.sysctls), spec, &at.child("sysctls"), causes);
    check_policies(context, at, causes);
    profiles::check_seccomp(&context.seccomp_profile, &at.child("seccompProfile"), causes);
    windows::check_options(&context.windows_options, &at.child("windowsOptions"), causes);
    profiles::check_app_armor(&context.app_armor_profile, &at.child("appArmorProfile"), causes);
}

/// Checks `securityContext` of a container.
pub(super) fn check_container(
    context: &SecurityContext,
    scope: &Scope<'_>,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    let ids = [("runAsUser", context.run_as_user), ("runAsGroup", context.run_as_group)];
    check_ids(&ids, at, causes);
    if let Some(mount) = &context.proc_mount {
        let at = at.child("procMount");
        supported(mount, &["Default", "Unmasked"], &at, causes);
        if mount == "Unmasked" && scope.shares_host_users() {
            causes.invalid(&at, mount, "`hostUsers` must be false to use `Unmasked`");
        }
    }
    profiles::check_seccomp(&context.seccomp_profile, &at.child("seccompProfile"), causes);
    if context.allow_privilege_escalation == Some(false) {
        check_no_escalation(context, at, causes);
    }
    windows::check_options(&context.windows_options, &at.child("windowsOptions"), causes);
    profiles::check_app_armor(&context.app_armor_profile, &at.child("appArmorProfile"), causes);
}

/// Checks that a pod with users of its own shares no other namespaces of the host.
pub(super) fn check_host_users(spec: &PodSpec, at: &Path<'_>, causes: &mut Causes) {
    if spec.host_users != Some(false) {
        return;
    }
    let shared = [
        ("hostNetwork", spec.host_network),
        ("HostPID", spec.host_pid),
        ("HostIPC", spec.host_ipc),
    ];
    for (field, _) in shared.iter().filter(|(_, shared)| flag(*shared)) {
        causes.forbidden(&at.child(field), "when `pod.Spec.HostUsers` is false");
    }
    containers::each(spec, at, |container, at| {
        if !items(&container.volume_devices).is_empty() {
            let why = "when `pod.Spec.HostUsers` is false";
            causes.forbidden(&at.child("volumeDevices"), why);
        }
    });
}

fn check_ids(ids: &[(&str, Option<i64>)], at: &Path<'_>, causes: &mut Causes) {
    for (field, id) in ids {
        if let Some(id) = *id {
            causes.invalid_each(&at.child(field), id, names::user_or_group_id(id));
        }
    }
}

fn check_policies(context: &PodSecurityContext, at: &Path<'_>, causes: &mut Causes) {
    let policies: [(&str, &Option<String>, &[&str]); 3] = [
        ("fsGroupChangePolicy", &context.fs_group_change_policy, &["Always", "OnRootMismatch"]),
        ("supplementalGroupsPolicy", &context.supplemental_groups_policy, &["Merge", "Strict"]),
        // `MountOption` needs the feature gate SELinuxMount.
        ("seLinuxChangePolicy", &context.se_linux_change_policy, &["Recursive"]),
    ];
    for (field, policy, known) in policies {
        if let Some(policy) = policy {
            supported(policy, known, &at.child(field), causes);
        }
    }
}

fn check_no_escalation(context: &SecurityContext, at: &Path<'_>, causes: &mut Causes) {
    if flag(context.privileged) {
        let why = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
        causes.invalid(at, "privileged", why);
    }
    let added = context.capabilities.as_ref().map(|capabilities| items(&capabilities.add));
    for _ in added.unwrap_or_default().iter().filter(|added| *added == "CAP_SYS_ADMIN") {
        let why =
            "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
        causes.invalid(at, "CAP_SYS_ADMIN", why);
    }
}

fn check_sysctls(sysctls: &[Sysctl], spec: &PodSpec, at: &Path<'_>, causes: &mut Causes) {
    let mut seen = BTreeSet::new();
    for (i, Sysctl { name, .. }) in sysctls.iter().enumerate() {
        let at = at.index(i);
        let at = at.child("name");
        if name.is_empty() {
            causes.required(&at, "");
        } else if !is_sysctl_name(name) {
            let why = format!(
                "must have at most {SYSCTL_LENGTH_MAX} characters and match regex {SYSCTL_NAME}"
            );
            causes.invalid(&at, name, why);
        } else if seen.contains(name) {
            causes.duplicate(&at, name);
        }
        seen.insert(name);
        match namespace_of(name) {
            Some("net") if flag(spec.host_network) => {
                causes.invalid(&at, name, "may not be specified when 'hostNetwork' is true");
            }
            Some("ipc") if flag(spec.host_ipc) => {
                causes.invalid(&at, name, "may not be specified when 'hostIPC' is true");
            }
            _ => {}
        }
    }
}

fn is_sysctl_name(name: &str) -> bool {
    let is_edge = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_segment = |segment: &str| {
        let bytes = segment.as_bytes();
        bytes.first().copied().is_some_and(is_edge)
            && bytes.last().copied().is_some_and(is_edge)
            && bytes.iter().all(|&byte| is_edge(byte) || b"-_".contains(&byte))
    };
    name.len() <= SYSCTL_LENGTH_MAX && name.split(['.', '/']).all(is_segment)
}

/// Returns the kernel namespace that the setting belongs to, if any. `/` separates as `.` does.
fn namespace_of(sysctl: &str) -> Option<&'static str> {
    let name = sysctl.replace('/', ".");
    let is_ipc = ["kernel.shm", "kernel.msg", "fs.mqueue."].iter().any(|p| name.starts_with(p));
    match name.as_str() {
        _ if is_ipc => Some("ipc"),
        "kernel.sem" => Some("ipc"),
        name if name.starts_with("net.") => Some("net"),
        _ => None,
    }
}
