//! The rules of `spec.os`, and what may not be set for the one it names.

use super::containers;
use crate::check::{Causes, Path};
use crate::omitempty::{flag, items};
use k8s_openapi::api::core::v1::{PodSecurityContext, PodSpec, SecurityContext};

pub(super) fn check(spec: &PodSpec, at: &Path<'_>, causes: &mut Causes) {
    let Some(os) = &spec.os else { return };
    let os_at = at.child("os");
    match os.name.as_str() {
        "" => causes.required(&os_at.child("name"), "cannot be empty"),
        "linux" => forbid_on_linux(spec, at, causes),
        "windows" => forbid_on_windows(spec, at, causes),
        other => causes.unsupported(&os_at, other, &["linux", "windows"]),
    }
}

fn forbid_on_linux(spec: &PodSpec, at: &Path<'_>, causes: &mut Causes) {
    let why = "windows options cannot be set for a linux pod";
    if spec.security_context.as_ref().is_some_and(|context| context.windows_options.is_some()) {
        causes.forbidden(&at.child("securityContext").child("windowsOptions"), why);
    }
    containers::each(spec, at, |container, at| {
        let context = container.security_context.as_ref();
        if context.is_some_and(|context| context.windows_options.is_some()) {
            causes.forbidden(&at.child("securityContext").child("windowsOptions"), why);
        }
    });
}

fn forbid_on_windows(spec: &PodSpec, at: &Path<'_>, causes: &mut Causes) {
    let of_spec = [
        ("hostUsers", spec.host_users.is_some()),
        ("hostPID", flag(spec.host_pid)),
        ("hostIPC", flag(spec.host_ipc)),
        ("shareProcessNamespace", spec.share_process_namespace.is_some()),
    ];
    forbid(&of_spec, at, causes);
    if let Some(context) = &spec.security_context {
        forbid(&linux_fields_of_pod(context), &at.child("securityContext"), causes);
    }
    containers::each(spec, at, |container, at| {
        if let Some(context) = &container.security_context {
            forbid(&linux_fields(context), &at.child("securityContext"), causes);
        }
    });
}

fn forbid(fields: &[(&str, bool)], at: &Path<'_>, causes: &mut Causes) {
    for (field, _) in fields.iter().filter(|(_, is_set)| *is_set) {
        causes.forbidden(&at.child(field), "cannot be set for a windows pod");
    }
}

/// The fields that mean something on Linux alone, and whether they are set.
fn linux_fields_of_pod(context: &PodSecurityContext) -> [(&'static str, bool); 11] {
    [
        ("appArmorProfile", context.app_armor_profile.is_some()),
        ("seLinuxOptions", context.se_linux_options.is_some()),
        ("seccompProfile", context.seccomp_profile.is_some()),
        ("fsGroup", context.fs_group.is_some()),
        ("fsGroupChangePolicy", context.fs_group_change_policy.is_some()),
        ("sysctls", !items(&context.sysctls).is_empty()),
        ("runAsUser", context.run_as_user.is_some()),
        ("runAsGroup", context.run_as_group.is_some()),
        ("supplementalGroups", context.supplemental_groups.is_some()),
        ("supplementalGroupsPolicy", context.supplemental_groups_policy.is_some()),
        ("seLinuxChangePolicy", context.se_linux_change_policy.is_some()),
    ]
}

fn linux_fields(context: &SecurityContext) -> [(&'static str, bool); 10] {
    [
        ("appArmorProfile", context.app_armor_profile.is_some()),
        ("seLinuxOptions", context.se_linux_options.is_some()),
        ("seccompProfile", context.seccomp_profile.is_some()),
        ("capabilities", context.capabilities.is_some()),
        ("readOnlyRootFilesystem", context.read_only_root_filesystem.is_some()),
        ("privileged", context.privileged.is_some()),
        ("allowPrivilegeEscalation", context.allow_privilege_escalation.is_some()),
        ("procMount", context.proc_mount.is_some()),
        ("runAsUser", context.run_as_user.is_some()),
        ("runAsGroup", context.run_as_group.is_some()),
    ]
}
