//! The rules of volumes that hold files from the cluster: secret, configMap, downwardAPI.

use super::super::{references, required};
use crate::check::{Causes, Path};
use crate::names;
use crate::omitempty::{items, text};
use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, DownwardAPIVolumeFile, DownwardAPIVolumeSource, KeyToPath,
    SecretVolumeSource,
};

const MODE_MAX: i32 = 0o777;

/// Fields that a file may hold by `fieldRef`, also all labels or annotations together.
const FIELDS: [&str; 5] = [
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
];

pub(super) fn check_secret(source: &SecretVolumeSource, at: &Path<'_>, causes: &mut Causes) {
    required(text(&source.secret_name), &at.child("secretName"), causes);
    check_mode(source.default_mode, &at.child("defaultMode"), causes);
    check_items(items(&source.items), &at.child("items"), causes);
}

pub(super) fn check_config_map(source: &ConfigMapVolumeSource, at: &Path<'_>, causes: &mut Causes) {
    required(&source.name, &at.child("name"), causes);
    check_mode(source.default_mode, &at.child("defaultMode"), causes);
    check_items(items(&source.items), &at.child("items"), causes);
}

/// Checks a downwardAPI volume. Faults of a file are reported for the volume, as in Kubernetes.
pub(super) fn check_downward(source: &DownwardAPIVolumeSource, at: &Path<'_>, causes: &mut Causes) {
    check_mode(source.default_mode, &at.child("defaultMode"), causes);
    for file in items(&source.items) {
        check_downward_file(file, at, causes);
    }
}

pub(super) fn check_downward_file(
    file: &DownwardAPIVolumeFile,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    check_path(&file.path, &at.child("path"), causes);
    match (&file.field_ref, &file.resource_field_ref) {
        (Some(field), other) => {
            references::check_field(field, &FIELDS, &at.child("fieldRef"), causes);
            if other.is_some() {
                let why = "fieldRef and resourceFieldRef can not be specified simultaneously";
                causes.invalid(at, "resource", why);
            }
        }
        (None, Some(resource)) => {
            references::check_resource(resource, true, &at.child("resourceFieldRef"), causes);
        }
        (None, None) => causes.required(at, "one of fieldRef and resourceFieldRef is required"),
    }
    check_mode(file.mode, &at.child("mode"), causes);
}

pub(super) fn check_items(items: &[KeyToPath], at: &Path<'_>, causes: &mut Causes) {
    for (i, item) in items.iter().enumerate() {
        let at = at.index(i);
        required(&item.key, &at.child("key"), causes);
        check_path(&item.path, &at.child("path"), causes);
        check_mode(item.mode, &at.child("mode"), causes);
    }
}

pub(super) fn check_path(path: &str, at: &Path<'_>, causes: &mut Causes) {
    required(path, at, causes);
    causes.invalid_each(at, path, names::local_unreserved_path(path));
}

pub(super) fn check_mode(mode: Option<i32>, at: &Path<'_>, causes: &mut Causes) {
    if let Some(mode) = mode.filter(|mode| !(0..=MODE_MAX).contains(mode)) {
        let why = "must be a number between 0 and 0777 (octal), both inclusive";
        causes.invalid(at, mode, why);
    }
}
