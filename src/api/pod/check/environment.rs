//! The rules of `env` and `envFrom`.

use super::{Scope, references, required};
use crate::check::{Causes, Path};
use crate::names;
use crate::omitempty::{items, text};
use k8s_openapi::api::core::v1::{EnvFromSource, EnvVar, EnvVarSource, FileKeySelector};

/// Fields that `fieldRef` of a variable may name; labels and annotations only one by one.
const FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

pub(super) fn check(variables: &[EnvVar], scope: &Scope<'_>, at: &Path<'_>, causes: &mut Causes) {
    for (i, variable) in variables.iter().enumerate() {
        let at = at.index(i);
        match variable.name.as_str() {
            "" => causes.required(&at.child("name"), ""),
            name => {
                causes.invalid_each(&at.child("name"), name, names::environment_variable(name));
            }
        }
        if let Some(source) = &variable.value_from {
            let at = at.child("valueFrom");
            let count = check_source(source, scope, &at, causes);
            check_count(count, text(&variable.value), &at, causes);
        }
    }
}

/// Checks `envFrom`. A missing or second source is reported for the whole list, as in Kubernetes.
pub(super) fn check_from(sources: &[EnvFromSource], list_at: &Path<'_>, causes: &mut Causes) {
    for (i, source) in sources.iter().enumerate() {
        let at = list_at.index(i);
        let prefix = text(&source.prefix);
        if !prefix.is_empty() {
            causes.invalid_each(&at.child("prefix"), prefix, names::environment_variable(prefix));
        }
        let named = [
            ("configMapRef", source.config_map_ref.as_ref().map(|source| &source.name)),
            ("secretRef", source.secret_ref.as_ref().map(|source| &source.name)),
        ];
        for (field, name) in named {
            if let Some(name) = name {
                check_name(name, &at.child(field).child("name"), causes);
            }
        }
        match named.iter().filter(|(_, name)| name.is_some()).count() {
            0 => causes.invalid(list_at, "", "must specify one of: `configMapRef` or `secretRef`"),
            1 => {}
            _ => {
                causes.invalid(list_at, "", "may not have more than one field specified at a time")
            }
        }
    }
}

/// Checks a name that may still get a suffix, by an oddity of the API server.
fn check_name(name: &str, at: &Path<'_>, causes: &mut Causes) {
    match name {
        "" => causes.required(at, ""),
        name => {
            let masked = names::mask_trailing_dash(name);
            causes.invalid_each(at, name, names::dns_subdomain(&masked));
        }
    }
}

/// Checks each source and counts them.
fn check_source(
    source: &EnvVarSource,
    scope: &Scope<'_>,
    at: &Path<'_>,
    causes: &mut Causes,
) -> usize {
    let mut count = 0;
    if let Some(field) = &source.field_ref {
        count += 1;
        references::check_field(field, &FIELDS, &at.child("fieldRef"), causes);
    }
    if let Some(field) = &source.resource_field_ref {
        count += 1;
        references::check_resource(field, false, &at.child("resourceFieldRef"), causes);
    }
    if let Some(key) = &source.config_map_key_ref {
        count += 1;
        references::check_key(&key.name, &key.key, &at.child("configMapKeyRef"), causes);
    }
    if let Some(key) = &source.secret_key_ref {
        count += 1;
        references::check_key(&key.name, &key.key, &at.child("secretKeyRef"), causes);
    }
    if let Some(key) = &source.file_key_ref {
        count += 1;
        check_file_key(key, scope, &at.child("fileKeyRef"), causes);
    }
    count
}

fn check_count(count: usize, value: &str, at: &Path<'_>, causes: &mut Causes) {
    let why = match count {
        0 => {
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, \
             `secretKeyRef` or `fileKeyRef`"
        }
        _ if !value.is_empty() => "may not be specified when `value` is not empty",
        1 => return,
        _ => "may not have more than one field specified at a time",
    };
    causes.invalid(at, "", why);
}

/// Checks a key of a file that an init container left in an emptyDir.
fn check_file_key(
    selector: &FileKeySelector,
    scope: &Scope<'_>,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    let volume = selector.volume_name.as_str();
    let volume_at = at.child("volumeName");
    match volume {
        "" => causes.required(&volume_at, ""),
        name => causes.invalid_each(&volume_at, name, names::dns_label(name)),
    }
    // Among all volumes, also those that break rules of their own.
    match items(&scope.spec.volumes).iter().rfind(|one| one.name == volume) {
        None => causes.not_found(&volume_at, volume),
        Some(found) if found.empty_dir.is_none() => {
            causes.invalid(&volume_at, volume, "referenced volume must be of type emptyDir");
        }
        Some(_) => {}
    }
    required(&selector.path, &at.child("path"), causes);
    causes.invalid_each(&at.child("path"), &selector.path, names::no_backsteps(&selector.path));
    match selector.key.as_str() {
        "" => causes.required(&at.child("key"), ""),
        key => causes.invalid_each(&at.child("key"), key, names::environment_variable(key)),
    }
}
