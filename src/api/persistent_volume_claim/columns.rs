//! The table of PersistentVolumeClaims.

use crate::columns::{Cell, Column, age, name};
use crate::time::Timestamp;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;

pub const COLUMNS: &[Column] = &[
    Column::name(),
    Column::text("Status"),
    Column::text("Volume"),
    Column::text("Capacity"),
    Column::text("Access Modes"),
    Column::text("StorageClass"),
    Column::text("VolumeAttributesClass"),
    Column::text("Age"),
    Column::wide("VolumeMode"),
];

/// Abbreviations of access modes in kubectl, in its order.
const MODES: &[(&str, &str)] = &[
    ("ReadWriteOnce", "RWO"),
    ("ReadOnlyMany", "ROX"),
    ("ReadWriteMany", "RWX"),
    ("ReadWriteOncePod", "RWOP"),
];

const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";

pub fn cells(claim: &PersistentVolumeClaim, now: Timestamp) -> Vec<Cell> {
    let meta = &claim.metadata;
    let spec = claim.spec.clone().unwrap_or_default();
    let status = claim.status.clone().unwrap_or_default();
    let volume = spec.volume_name.unwrap_or_default();
    let (mut capacity, mut modes) = (String::new(), String::new());
    if !volume.is_empty() {
        capacity = storage(status.capacity.as_ref());
        modes = abbreviated(status.access_modes.as_deref().unwrap_or_default());
    }
    let is_going = meta.deletion_timestamp.is_some();
    let phase = if is_going { "Terminating".to_owned() } else { status.phase.unwrap_or_default() };
    let unset = || "<unset>".to_owned();
    vec![
        name(meta),
        phase.into(),
        volume.into(),
        capacity.into(),
        modes.into(),
        class(claim).into(),
        spec.volume_attributes_class_name.unwrap_or_else(unset).into(),
        age(meta, now),
        spec.volume_mode.unwrap_or_else(unset).into(),
    ]
}

/// Returns the name of its storage class; an old annotation overrides the field.
pub fn class(claim: &PersistentVolumeClaim) -> &str {
    let annotations = claim.metadata.annotations.as_ref();
    let annotated = annotations.and_then(|all| all.get(CLASS_ANNOTATION));
    let named = claim.spec.as_ref().and_then(|spec| spec.storage_class_name.as_ref());
    annotated.or(named).map_or("", String::as_str)
}

type Quantities =
    std::collections::BTreeMap<String, k8s_openapi::apimachinery::pkg::api::resource::Quantity>;

pub fn storage(capacity: Option<&Quantities>) -> String {
    let storage = capacity.and_then(|capacity| capacity.get("storage"));
    storage.map_or_else(|| "0".to_owned(), |storage| storage.0.clone())
}

pub fn abbreviated(modes: &[String]) -> String {
    let has = |mode: &str| modes.iter().any(|one| one == mode);
    let short: Vec<&str> =
        MODES.iter().filter(|(mode, _)| has(mode)).map(|(_, short)| *short).collect();
    short.join(",")
}
