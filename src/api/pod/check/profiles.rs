//! The rules of seccomp and AppArmor profiles.

use super::supported;
use crate::check::{Causes, Path};
use crate::names;
use k8s_openapi::api::core::v1::{AppArmorProfile, SeccompProfile};

const TYPES: [&str; 3] = ["Localhost", "RuntimeDefault", "Unconfined"];
const PATH_LENGTH_MAX: usize = 4095;

pub(super) fn check_seccomp(profile: &Option<SeccompProfile>, at: &Path<'_>, causes: &mut Causes) {
    let Some(profile) = profile else { return };
    match profile.type_.as_str() {
        "" => causes.required(&at.child("type"), "type is required when seccompProfile is set"),
        type_ => supported(type_, &TYPES, &at.child("type"), causes),
    }
    let at = at.child("localhostProfile");
    match (&profile.localhost_profile, profile.type_ == "Localhost") {
        (None, true) => causes.required(&at, "must be set when seccomp type is Localhost"),
        (Some(path), true) => causes.invalid_each(&at, path, names::local_path(path)),
        (Some(path), false) => {
            causes.invalid(&at, path, "can only be set when seccomp type is Localhost");
        }
        (None, false) => {}
    }
}

pub(super) fn check_app_armor(
    profile: &Option<AppArmorProfile>,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    let Some(profile) = profile else { return };
    let path_at = at.child("localhostProfile");
    match (profile.type_.as_str(), &profile.localhost_profile) {
        ("Localhost", path) => check_local(path.as_deref().unwrap_or_default(), &path_at, causes),
        ("RuntimeDefault" | "Unconfined", Some(path)) => {
            let why = "can only be set when AppArmor type is Localhost";
            causes.invalid(&path_at, path, why);
        }
        ("RuntimeDefault" | "Unconfined", None) => {}
        ("", _) => {
            causes.required(&at.child("type"), "type is required when appArmorProfile is set");
        }
        (type_, _) => supported(type_, &TYPES, &at.child("type"), causes),
    }
}

fn check_local(name: &str, at: &Path<'_>, causes: &mut Causes) {
    if name.trim() != name {
        causes.invalid(at, name, "must not be padded with whitespace");
    } else if name.is_empty() {
        causes.required(at, "must be set when AppArmor type is Localhost");
    }
    if name.len() > PATH_LENGTH_MAX {
        causes.too_long(at, PATH_LENGTH_MAX);
    }
}
