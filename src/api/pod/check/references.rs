//! The rules of references to fields and keys: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`,
//! `secretKeyRef`.

use super::required;
use crate::check::{Causes, Path};
use crate::names;
use crate::omitempty::text;
use crate::quantity::Quantity;
use k8s_openapi::api::core::v1::{ObjectFieldSelector, ResourceFieldSelector};

/// Every field of a pod that has a name for `fieldRef`; each place allows some of them.
const FIELD_LABELS: [&str; 15] = [
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.host",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.phase",
    "status.podIP",
    "status.podIPs",
];

const RESOURCES: [&str; 6] = [
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];

const SIZE_DIVISORS: [&str; 13] =
    ["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];

/// Checks a `fieldRef` that may name one of `fields`.
pub(super) fn check_field(
    selector: &ObjectFieldSelector,
    fields: &[&str],
    at: &Path<'_>,
    causes: &mut Causes,
) {
    let version = text(&selector.api_version);
    let path = selector.field_path.as_str();
    let path_at = at.child("fieldPath");
    if version.is_empty() {
        return causes.required(&at.child("apiVersion"), "");
    }
    if path.is_empty() {
        return causes.required(&path_at, "");
    }
    if version != "v1" {
        let why = format!("error converting fieldPath: unsupported pod version: {version}");
        return causes.invalid(&path_at, path, why);
    }
    match split_subscript(path) {
        Some(("metadata.labels", key)) => {
            causes.invalid_each(at, key, names::qualified_name(key));
        }
        Some(("metadata.annotations", key)) => {
            let key = key.to_lowercase();
            causes.invalid_each(at, &key, names::qualified_name(&key));
        }
        Some(_) => {
            let why = format!(
                "error converting fieldPath: field label does not support subscript: {path}"
            );
            causes.invalid(&path_at, path, why);
        }
        None if !FIELD_LABELS.contains(&path) => {
            let why = format!("error converting fieldPath: field label not supported: {path}");
            causes.invalid(&path_at, path, why);
        }
        // An old name of spec.nodeName.
        None if path == "spec.host" && fields.contains(&"spec.nodeName") => {}
        None => super::supported(path, fields, &path_at, causes),
    }
}

/// Splits `metadata.labels['app']` into `metadata.labels` and `app`.
fn split_subscript(path: &str) -> Option<(&str, &str)> {
    let (field, key) = path.strip_suffix("']")?.split_once("['")?;
    (!field.is_empty()).then_some((field, key))
}

/// Checks a `resourceFieldRef`; in a volume the container must be named.
pub(super) fn check_resource(
    selector: &ResourceFieldSelector,
    is_in_volume: bool,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    let resource = selector.resource.as_str();
    let is_huge_page =
        resource.starts_with("limits.hugepages-") || resource.starts_with("requests.hugepages-");
    if is_in_volume && text(&selector.container_name).is_empty() {
        causes.required(&at.child("containerName"), "");
    } else if resource.is_empty() {
        causes.required(&at.child("resource"), "");
    } else if !is_huge_page {
        super::supported(resource, &RESOURCES, &at.child("resource"), causes);
    }
    let divisor = selector.divisor.as_ref().and_then(|divisor| divisor.0.parse().ok());
    check_divisor(resource, is_huge_page, divisor.unwrap_or(Quantity::ZERO), at, causes);
}

fn check_divisor(
    resource: &str,
    is_huge_page: bool,
    divisor: Quantity,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    let (known, named): (&[&str], _) = match resource.split_once('.').map(|(_, name)| name) {
        Some("cpu") => (&["1m", "1"], "cpu"),
        Some("memory") => (&SIZE_DIVISORS, "memory"),
        Some("ephemeral-storage") => (&SIZE_DIVISORS, "local ephemeral storage"),
        _ if is_huge_page => (&SIZE_DIVISORS, "hugepages"),
        _ => return,
    };
    if !divisor.is_zero() && !known.contains(&divisor.to_string().as_str()) {
        let values = known.join(", ");
        let why = format!("only divisor's values {values} are supported with the {named} resource");
        causes.invalid(&at.child("divisor"), resource, why);
    }
}

/// Checks a key of a ConfigMap or Secret.
pub(super) fn check_key(name: &str, key: &str, at: &Path<'_>, causes: &mut Causes) {
    causes.invalid_each(&at.child("name"), name, names::dns_subdomain(name));
    let key_at = at.child("key");
    required(key, &key_at, causes);
    if !key.is_empty() {
        causes.invalid_each(&key_at, key, names::config_map_key(key));
    }
}
