//! How a container is confined: `securityContext`, resolved as container runtimes resolve it.

use super::launch::Problem;
use crate::order::{Confinement, Filter};
use cronlet_api::omitempty::{flag, items};
use k8s_openapi::api::core::v1::{Capabilities, Container, PodSpec, SeccompProfile};

/// Linux's capabilities by number.
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// Capabilities that containerd and Docker give a container that asks for none.
const USUAL: [&str; 14] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
];

const ALL: u64 = (1 << NAMES.len()) - 1;

/// Resolves what the container and its pod say. A container that says nothing is a program of the
/// host like any other.
pub fn confinement(spec: &PodSpec, container: &Container) -> Result<Confinement, Problem> {
    let shared = spec.security_context.as_ref();
    let strict = shared.and_then(|shared| shared.supplemental_groups_policy.as_deref());
    let confinement =
        Confinement { own_groups: strict == Some("Strict"), ..Confinement::default() };
    let own = container.security_context.as_ref();
    if own.is_some_and(|own| flag(own.privileged)) {
        return Ok(confinement);
    }
    let capabilities = own.and_then(|own| own.capabilities.as_ref());
    let capabilities = capabilities.map(set).transpose().map(Option::flatten);
    let capabilities = capabilities.map_err(|name| {
        Problem::config(format!("securityContext.capabilities: unknown capability {name:?}"))
    })?;
    let profile = own.and_then(|own| own.seccomp_profile.as_ref());
    let profile = profile.or_else(|| shared.and_then(|shared| shared.seccomp_profile.as_ref()));
    Ok(Confinement {
        no_new_privileges: own.and_then(|own| own.allow_privilege_escalation) == Some(false),
        capabilities,
        filter: profile.and_then(|profile| filter(profile, capabilities)),
        ..confinement
    })
}

/// The set that `add` and `drop` leave of the usual one; `None` where they say nothing. As in
/// containerd, `ALL` is looked at first, then `add`, then `drop`.
fn set(capabilities: &Capabilities) -> Result<Option<u64>, String> {
    let (add, drop) = (items(&capabilities.add), items(&capabilities.drop));
    if add.is_empty() && drop.is_empty() {
        return Ok(None);
    }
    let is_all = |name: &String| name.eq_ignore_ascii_case("ALL");
    let mut set = if add.iter().any(is_all) { ALL } else { usual() };
    if drop.iter().any(is_all) {
        set = 0;
    }
    for name in add.iter().filter(|name| !is_all(name)) {
        set |= bit(name).ok_or(name)?;
    }
    for name in drop.iter().filter(|name| !is_all(name)) {
        set &= !bit(name).ok_or(name)?;
    }
    Ok(Some(set))
}

fn usual() -> u64 {
    USUAL.iter().filter_map(|name| bit(name)).sum()
}

/// `None`: Linux has no such capability.
fn bit(name: &str) -> Option<u64> {
    let name = name.to_ascii_uppercase();
    let name = name.strip_prefix("CAP_").unwrap_or(&name);
    NAMES.iter().position(|known| *known == name).map(|number| 1 << number)
}

/// A program that keeps all capabilities has the filter of one with the usual ones.
fn filter(profile: &SeccompProfile, capabilities: Option<u64>) -> Option<Filter> {
    // Profiles in files are not read: the default is the closest that there is.
    (profile.type_ != "Unconfined")
        .then(|| Filter { capabilities: capabilities.unwrap_or(usual()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn resolve(pod: Value, own: Value) -> Result<Confinement, Problem> {
        let container = json!({"name": "a", "securityContext": own});
        let spec = json!({"containers": [container], "securityContext": pod});
        let spec: PodSpec = serde_json::from_value(spec).expect("a pod's spec");
        confinement(&spec, &spec.containers[0])
    }

    /// The sets are those that `/proc/self/status` shows in containers of containerd.
    #[test]
    fn capabilities_are_those_of_containerd() {
        let check = |capabilities: Value, want: Option<u64>| {
            let found = resolve(json!({}), json!({"capabilities": capabilities}));
            assert_eq!(found.expect("known names").capabilities, want, "{capabilities}");
        };
        check(json!({}), None);
        check(json!({"add": [], "drop": []}), None);
        check(json!({"drop": ["ALL"]}), Some(0));
        check(json!({"drop": ["all"]}), Some(0));
        check(json!({"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}), Some(0x400));
        check(json!({"drop": ["NET_RAW"]}), Some(0xa804_05fb));
        check(json!({"drop": ["CAP_NET_RAW"]}), Some(0xa804_05fb));
        check(json!({"add": ["SYS_TIME"]}), Some(0xaa04_25fb));
        check(json!({"add": ["ALL"]}), Some(0x1ff_ffff_ffff));
        check(json!({"add": ["ALL"], "drop": ["CHOWN"]}), Some(0x1ff_ffff_fffe));
        check(json!({"add": ["ALL", "CHOWN"], "drop": ["ALL"]}), Some(1));
        let unknown = resolve(json!({}), json!({"capabilities": {"add": ["FLY"]}}));
        let message = unknown.expect_err("nobody can").message;
        assert_eq!(message, "securityContext.capabilities: unknown capability \"FLY\"");
    }

    #[test]
    fn the_container_decides_over_its_pod() {
        let check = |pod: Value, own: Value, want: Option<u64>| {
            let found = resolve(pod.clone(), own.clone()).expect("known names").filter;
            assert_eq!(found.map(|filter| filter.capabilities), want, "{pod} {own}");
        };
        let profile = |kind: &str| json!({"seccompProfile": {"type": kind}});
        let usual = Some(0xa804_25fb);
        check(json!({}), json!({}), None);
        check(profile("RuntimeDefault"), json!({}), usual);
        check(profile("RuntimeDefault"), profile("Unconfined"), None);
        check(profile("Unconfined"), profile("RuntimeDefault"), usual);
        check(json!({}), profile("Localhost"), usual);
        check(profile("RuntimeDefault"), json!({"privileged": true}), None);
        check(profile("RuntimeDefault"), json!({"capabilities": {"drop": ["ALL"]}}), Some(0));
    }

    #[test]
    fn privileges_are_given_up_where_it_is_said() {
        let check = |own: Value, want: bool| {
            let found = resolve(json!({}), own.clone()).expect("known names");
            assert_eq!(found.no_new_privileges, want, "{own}");
        };
        check(json!({}), false);
        check(json!({"allowPrivilegeEscalation": true}), false);
        check(json!({"allowPrivilegeEscalation": false}), true);
        let strict = resolve(json!({"supplementalGroupsPolicy": "Strict"}), json!({}));
        assert!(strict.expect("known names").own_groups);
    }
}
