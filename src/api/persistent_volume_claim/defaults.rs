//! Defaults that the API server sets on a PersistentVolumeClaim before it checks it.

use crate::omitempty::omit_zeros;
use crate::pod;
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, PersistentVolumeClaimStatus,
    TypedLocalObjectReference, TypedObjectReference,
};

/// Finalizer that holds a terminating claim until no pod uses it.
pub const PROTECTION: &str = "kubernetes.io/pvc-protection";

/// The groups and kinds that `dataSource` may name if `dataSourceRef` is not set.
const SOURCES: &[(&str, &str)] =
    &[("", "PersistentVolumeClaim"), ("snapshot.storage.k8s.io", "VolumeSnapshot")];

/// Sets the defaults of `core/v1`.
pub fn set(claim: &mut PersistentVolumeClaim) {
    let spec = claim.spec.get_or_insert_default();
    omit_zeros!(spec; access_modes, volume_name);
    pod::defaults::claim(spec);
    let status = claim.status.get_or_insert_default();
    status.phase.take_if(|phase| phase.is_empty());
    status.phase.get_or_insert_with(|| "Pending".into());
}

/// Makes a new claim pending, and adds the finalizer that protects it.
pub fn prepare_create(claim: &mut PersistentVolumeClaim) {
    settle_sources(None, claim.spec.get_or_insert_default());
    let pending = || Some("Pending".into());
    claim.status = Some(PersistentVolumeClaimStatus { phase: pending(), ..Default::default() });
    let finalizers = claim.metadata.finalizers.get_or_insert_default();
    if !finalizers.iter().any(|finalizer| finalizer == PROTECTION) {
        finalizers.push(PROTECTION.to_owned());
    }
}

/// Settles the sources of a changed claim.
pub fn prepare_update(old: &PersistentVolumeClaim, new: &mut PersistentVolumeClaim) {
    settle_sources(old.spec.as_ref(), new.spec.get_or_insert_default());
}

/// Makes `dataSource` and `dataSourceRef` equal if one of them is set. Without the latter, only
/// claims and snapshots are accepted as a source, and any other is silently dropped. Sources in
/// other namespaces are a feature that Kubernetes disables.
fn settle_sources(old: Option<&PersistentVolumeClaimSpec>, spec: &mut PersistentVolumeClaimSpec) {
    let namespace = |reference: &TypedObjectReference| {
        reference.namespace.as_deref().unwrap_or_default().to_owned()
    };
    if old.is_none_or(|old| old.data_source_ref.is_none()) {
        spec.data_source_ref.take_if(|reference| !namespace(reference).is_empty());
    }
    let had_any = old.is_some_and(|old| old.data_source.is_some() || old.data_source_ref.is_some());
    if !had_any && spec.data_source_ref.is_none() {
        spec.data_source.take_if(|source| {
            let group = source.api_group.as_deref().unwrap_or_default();
            !SOURCES.contains(&(group, source.kind.as_str()))
        });
    }
    match (&spec.data_source, &spec.data_source_ref) {
        (Some(source), None) => {
            let TypedLocalObjectReference { api_group, kind, name } = source.clone();
            let namespace = None;
            spec.data_source_ref = Some(TypedObjectReference { api_group, kind, name, namespace });
        }
        (None, Some(reference)) if namespace(reference).is_empty() => {
            let TypedObjectReference { api_group, kind, name, .. } = reference.clone();
            spec.data_source = Some(TypedLocalObjectReference { api_group, kind, name });
        }
        _ => {}
    }
}
