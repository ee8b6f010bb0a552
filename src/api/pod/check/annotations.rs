//! The rules of the annotations that have a meaning for pods: mirror pods, deletion cost, and the
//! older way to name seccomp and AppArmor profiles, which must not contradict the fields.

use super::{containers, scheduling};
use crate::check::{Causes, Path};
use crate::names;
use crate::omitempty::text;
use k8s_openapi::api::core::v1::{AppArmorProfile, PodSpec, SeccompProfile, Toleration};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

const MIRROR: &str = "kubernetes.io/config.mirror";
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
const TOLERATIONS: &str = "scheduler.alpha.kubernetes.io/tolerations";
const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";
/// Prefix of a container's name in the annotation of its AppArmor profile.
pub const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
const TOTAL_LENGTH_MAX: usize = 256 * 1024;

/// Checks the keys and the total size of any `annotations`. Keys are checked in lower case.
pub(super) fn check_map(metadata: &ObjectMeta, at: &Path<'_>, causes: &mut Causes) {
    let annotations = of(metadata);
    for key in annotations.keys() {
        causes.invalid_each(at, key, names::qualified_name(&key.to_lowercase()));
    }
    let length: usize = annotations.iter().map(|(key, value)| key.len() + value.len()).sum();
    if length > TOTAL_LENGTH_MAX {
        causes.too_long(at, TOTAL_LENGTH_MAX);
    }
}

/// Checks the value of each annotation that has a meaning for pods.
pub(super) fn check(metadata: &ObjectMeta, spec: &PodSpec, at: &Path<'_>, causes: &mut Causes) {
    for (key, value) in &of(metadata) {
        match key.as_str() {
            MIRROR if text(&spec.node_name).is_empty() => {
                let why = "must set spec.nodeName if mirror pod annotation is set";
                causes.invalid(&at.key(key), value, why);
            }
            DELETION_COST if !is_cost(value) => {
                causes.invalid(&at.key(key), value, "must be a 32bit integer");
            }
            TOLERATIONS if !value.is_empty() => check_tolerations(value, at, causes),
            SECCOMP_POD => check_seccomp(value, &at.child(key), causes),
            _ if key.starts_with(SECCOMP_CONTAINER) => {
                check_seccomp(value, &at.child(key), causes);
            }
            _ => {}
        }
        if let Some(container) = key.strip_prefix(APP_ARMOR) {
            check_app_armor(container, value, spec, &at.key(key), causes);
        }
    }
}

/// Checks tolerations as JSON, from before there was a field.
fn check_tolerations(value: &str, at: &Path<'_>, causes: &mut Causes) {
    match serde_json::from_str::<Option<Vec<Toleration>>>(value) {
        Ok(tolerations) => {
            let tolerations = tolerations.unwrap_or_default();
            scheduling::check_tolerations(&tolerations, &at.child(TOLERATIONS), causes);
        }
        Err(error) => causes.invalid(at, TOLERATIONS, error),
    }
}

/// Checks that seccomp fields and their older annotations match.
pub(super) fn match_seccomp(
    metadata: &ObjectMeta,
    spec: &PodSpec,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    let annotations = of(metadata);
    let of_pod = spec.security_context.as_ref().and_then(|c| c.seccomp_profile.as_ref());
    if let (Some(profile), Some(value)) = (of_pod, annotations.get(SECCOMP_POD)) {
        let at = at.child("securityContext");
        match_seccomp_profile(profile, value, &at.child("seccompProfile"), causes);
    }
    containers::each(spec, at, |container, at| {
        let context = container.security_context.as_ref();
        let value = annotations.get(&format!("{SECCOMP_CONTAINER}{}", container.name));
        if let (Some(profile), Some(value)) =
            (context.and_then(|context| context.seccomp_profile.as_ref()), value)
        {
            let at = at.child("securityContext");
            match_seccomp_profile(profile, value, &at.child("seccompProfile"), causes);
        }
    });
}

/// Checks that AppArmor fields and their older annotations match.
pub(super) fn match_app_armor(
    metadata: &ObjectMeta,
    spec: &PodSpec,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    if spec.os.as_ref().is_some_and(|os| os.name == "windows") {
        return;
    }
    let annotations = of(metadata);
    let of_pod = spec.security_context.as_ref().and_then(|c| c.app_armor_profile.as_ref());
    containers::each(spec, at, |container, at| {
        let context = container.security_context.as_ref();
        let own = context.and_then(|context| context.app_armor_profile.as_ref());
        let value = annotations.get(&format!("{APP_ARMOR}{}", container.name));
        if let (Some(profile), Some(value)) = (own.or(of_pod), value) {
            let at = at.child("securityContext");
            match_app_armor_profile(profile, value, &at.child("appArmorProfile"), causes);
        }
    });
}

/// Checks that annotations of AppArmor profiles and of mirror pods do not change.
pub(super) fn check_update(old: &ObjectMeta, new: &ObjectMeta, at: &Path<'_>, causes: &mut Causes) {
    let (old, new) = (of(old), of(new));
    let keys = old.keys().chain(new.keys().filter(|key| !old.contains_key(*key)));
    for key in keys.filter(|key| old.get(*key) != new.get(*key)) {
        let what = match key.as_str() {
            MIRROR => "mirror pod",
            key if key.starts_with(APP_ARMOR) => "AppArmor",
            _ => continue,
        };
        let why = format!("may not add, remove or update {what} annotations");
        causes.forbidden(&at.key(key), why);
    }
}

fn of(metadata: &ObjectMeta) -> BTreeMap<String, String> {
    metadata.annotations.clone().unwrap_or_default()
}

/// True for a 32-bit number without leading zeros or plus.
fn is_cost(value: &str) -> bool {
    let is_plain = value == "0" || !value.starts_with(['0', '+']) && !value.starts_with("-0");
    is_plain && value.parse::<i32>().is_ok()
}

fn check_seccomp(value: &str, at: &Path<'_>, causes: &mut Causes) {
    if let Some(path) = value.strip_prefix("localhost/") {
        causes.invalid_each(at, path, names::local_path(path));
    } else if !["runtime/default", "docker/default", "unconfined"].contains(&value) {
        causes.invalid(at, value, "must be a valid seccomp profile");
    }
}

fn check_app_armor(
    container: &str,
    value: &str,
    spec: &PodSpec,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    let mut is_there = false;
    containers::each(spec, at, |one, _| is_there |= one.name == container);
    if !is_there {
        causes.invalid(at, container, "container not found");
    }
    let is_known = ["", "runtime/default", "unconfined"].contains(&value);
    if !is_known && !value.starts_with("localhost/") {
        causes.invalid(at, value, format!("invalid AppArmor profile name: {value:?}"));
    }
}

fn match_seccomp_profile(
    profile: &SeccompProfile,
    value: &str,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    let type_matches = match profile.type_.as_str() {
        "Unconfined" => value == "unconfined",
        "RuntimeDefault" => value == "runtime/default" || value == "docker/default",
        "Localhost" => value.starts_with("localhost/"),
        _ => true,
    };
    if !type_matches {
        let why = "seccomp type in annotation and field must match";
        causes.forbidden(&at.child("type"), why);
    } else if profile.type_ == "Localhost"
        && value.strip_prefix("localhost/") != profile.localhost_profile.as_deref()
    {
        let why = "seccomp profile in annotation and field must match";
        causes.forbidden(&at.child("localhostProfile"), why);
    }
}

fn match_app_armor_profile(
    profile: &AppArmorProfile,
    value: &str,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    let type_matches = match profile.type_.as_str() {
        "Unconfined" => value == "unconfined",
        "RuntimeDefault" => value == "runtime/default",
        "Localhost" => value.starts_with("localhost/"),
        _ => true,
    };
    if !type_matches {
        let why = "apparmor type in annotation and field must match";
        causes.forbidden(&at.child("type"), why);
    } else if profile.type_ == "Localhost"
        && value.strip_prefix("localhost/") != profile.localhost_profile.as_deref()
    {
        let why = "apparmor profile in annotation and field must match";
        causes.forbidden(&at.child("localhostProfile"), why);
    }
}
