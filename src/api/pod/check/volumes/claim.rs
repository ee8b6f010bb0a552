//! The rules of a claim for storage, on its own or as the template of one.

use super::super::{required, supported};
use crate::check::{Causes, Path};
use crate::omitempty::{items, text};
use crate::quantity::Quantity;
use crate::{names, selector};
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaimSpec, PersistentVolumeClaimTemplate, TypedLocalObjectReference,
    TypedObjectReference,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

const ACCESS_MODES: [&str; 4] =
    ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];

/// The template of a claim, in an ephemeral volume.
pub(crate) fn check_template(
    template: &PersistentVolumeClaimTemplate,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    if let Some(metadata) = &template.metadata {
        check_metadata(metadata, &at.child("metadata"), causes);
    }
    check(&template.spec, &at.child("spec"), causes);
}

/// `PersistentVolumeClaimSpec`
pub fn check(spec: &PersistentVolumeClaimSpec, at: &Path<'_>, causes: &mut Causes) {
    check_access_modes(items(&spec.access_modes), &at.child("accessModes"), causes);
    if let Some(selector) = &spec.selector {
        selector::check(selector, &at.child("selector"), causes);
    }
    check_size(spec, &at.child("resources").key("storage"), causes);
    check_class(&spec.storage_class_name, &at.child("storageClassName"), causes);
    let attributes = &spec.volume_attributes_class_name;
    check_class(attributes, &at.child("volumeAttributesClassName"), causes);
    if let Some(mode) = &spec.volume_mode {
        supported(mode, &["Block", "Filesystem"], &at.child("volumeMode"), causes);
    }
    check_sources(spec, at, causes);
}

/// The name of a class, if there is one.
pub fn check_class(class: &Option<String>, at: &Path<'_>, causes: &mut Causes) {
    let class = text(class);
    if !class.is_empty() {
        causes.invalid_each(at, class, names::dns_subdomain(class));
    }
}

/// A template's claim is named after the pod: it brings labels and annotations, nothing else.
fn check_metadata(metadata: &ObjectMeta, at: &Path<'_>, causes: &mut Causes) {
    super::super::annotations::check_map(metadata, &at.child("annotations"), causes);
    if let Some(labels) = &metadata.labels {
        selector::check_labels(labels, &at.child("labels"), causes);
    }
    let others = [
        ("name", metadata.name.is_some()),
        ("generateName", metadata.generate_name.is_some()),
        ("namespace", metadata.namespace.is_some()),
        ("selfLink", metadata.self_link.is_some()),
        ("uID", metadata.uid.is_some()),
        ("resourceVersion", metadata.resource_version.is_some()),
        ("generation", metadata.generation.is_some()),
        ("creationTimestamp", metadata.creation_timestamp.is_some()),
        ("deletionTimestamp", metadata.deletion_timestamp.is_some()),
        ("deletionGracePeriodSeconds", metadata.deletion_grace_period_seconds.is_some()),
        ("ownerReferences", metadata.owner_references.is_some()),
        ("finalizers", metadata.finalizers.is_some()),
        ("managedFields", metadata.managed_fields.is_some()),
    ];
    for (field, _) in others.iter().filter(|(_, is_set)| *is_set) {
        causes.forbidden(&at.child(field), "cannot be set");
    }
}

pub fn check_access_modes(modes: &[String], at: &Path<'_>, causes: &mut Causes) {
    if modes.is_empty() {
        causes.required(at, "at least 1 access mode is required");
    }
    modes.iter().for_each(|mode| supported(mode, &ACCESS_MODES, at, causes));
    let mut known = modes.iter().filter(|mode| ACCESS_MODES.contains(&mode.as_str()));
    let is_exclusive = |mode: &&String| mode.as_str() == "ReadWriteOncePod";
    if known.clone().any(|mode| is_exclusive(&mode)) && !known.all(|mode| is_exclusive(&mode)) {
        causes.forbidden(at, "may not use ReadWriteOncePod with other access modes");
    }
}

fn check_size(spec: &PersistentVolumeClaimSpec, at: &Path<'_>, causes: &mut Causes) {
    let requests = spec.resources.as_ref().and_then(|resources| resources.requests.as_ref());
    let Some(size) = requests.and_then(|requests| requests.get("storage")) else {
        return causes.required(at, "");
    };
    if size.0.parse::<Quantity>().is_ok_and(|size| size <= Quantity::ZERO) {
        causes.invalid(at, &size.0, "must be greater than zero");
    }
}

fn check_sources(spec: &PersistentVolumeClaimSpec, at: &Path<'_>, causes: &mut Causes) {
    if let Some(source) = &spec.data_source {
        let TypedLocalObjectReference { api_group, kind, name } = source;
        check_source([text(api_group), kind, name], &at.child("dataSource"), causes);
    }
    let Some(reference) = &spec.data_source_ref else { return };
    let TypedObjectReference { api_group, kind, name, namespace } = reference;
    let at_reference = at.child("dataSourceRef");
    check_source([text(api_group), kind, name], &at_reference, causes);
    let namespace = text(namespace);
    if !namespace.is_empty() {
        let faults = names::dns_label(namespace);
        causes.invalid_each(&at_reference.child("namespace"), namespace, faults);
    }
    let Some(source) = &spec.data_source else { return };
    if !namespace.is_empty() {
        let why = "may not be specified when dataSourceRef.namespace is specified";
        causes.invalid(at, "dataSource", why);
    } else if (&source.api_group, &source.kind, &source.name) != (api_group, kind, name) {
        causes.invalid(at, "dataSource", "must match dataSourceRef");
    }
}

fn check_source([group, kind, name]: [&str; 3], at: &Path<'_>, causes: &mut Causes) {
    required(name, &at.child("name"), causes);
    required(kind, &at.child("kind"), causes);
    if group.is_empty() && kind != "PersistentVolumeClaim" {
        let why = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
        causes.invalid(at, kind, why);
    }
    if !group.is_empty() {
        causes.invalid_each(&at.child("apiGroup"), group, names::dns_subdomain(group));
    }
}
