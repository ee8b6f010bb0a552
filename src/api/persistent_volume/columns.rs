//! The table of PersistentVolumes.

use crate::columns::{Cell, Column, age, name};
use crate::persistent_volume_claim::columns::{abbreviated, storage};
use crate::time::Timestamp;
use k8s_openapi::api::core::v1::PersistentVolume;

pub const COLUMNS: &[Column] = &[
    Column::name(),
    Column::text("Capacity"),
    Column::text("Access Modes"),
    Column::text("Reclaim Policy"),
    Column::text("Status"),
    Column::text("Claim"),
    Column::text("StorageClass"),
    Column::text("VolumeAttributesClass"),
    Column::text("Reason"),
    Column::text("Age"),
    Column::wide("VolumeMode"),
];

pub fn cells(volume: &PersistentVolume, now: Timestamp) -> Vec<Cell> {
    let meta = &volume.metadata;
    let spec = volume.spec.clone().unwrap_or_default();
    let status = volume.status.clone().unwrap_or_default();
    let is_going = meta.deletion_timestamp.is_some();
    let phase = if is_going { "Terminating".to_owned() } else { status.phase.unwrap_or_default() };
    let unset = || "<unset>".to_owned();
    vec![
        name(meta),
        storage(spec.capacity.as_ref()).into(),
        abbreviated(spec.access_modes.as_deref().unwrap_or_default()).into(),
        spec.persistent_volume_reclaim_policy.clone().unwrap_or_default().into(),
        phase.into(),
        claim(volume).into(),
        class(volume).into(),
        spec.volume_attributes_class_name.unwrap_or_else(unset).into(),
        status.reason.unwrap_or_default().into(),
        age(meta, now),
        spec.volume_mode.unwrap_or_else(unset).into(),
    ]
}

/// `namespace/name` of the claim that the volume is for; empty if none.
pub fn claim(volume: &PersistentVolume) -> String {
    let claim = volume.spec.as_ref().and_then(|spec| spec.claim_ref.as_ref());
    claim.map_or_else(String::new, |claim| {
        let (namespace, name) = (claim.namespace.as_deref(), claim.name.as_deref());
        format!("{}/{}", namespace.unwrap_or_default(), name.unwrap_or_default())
    })
}

const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";

/// The name of the volume's storage class; an old annotation comes before the field.
pub fn class(volume: &PersistentVolume) -> &str {
    let annotations = volume.metadata.annotations.as_ref();
    let annotated = annotations.and_then(|all| all.get(CLASS_ANNOTATION));
    let named = volume.spec.as_ref().and_then(|spec| spec.storage_class_name.as_ref());
    annotated.or(named).map_or("", String::as_str)
}
