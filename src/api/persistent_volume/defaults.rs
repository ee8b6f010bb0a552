//! Defaults that the API server gives a PersistentVolume before it checks it.

use crate::omitempty::omit_zeros;
use crate::pod::defaults::round;
use k8s_openapi::api::core::v1::{ObjectReference, PersistentVolume, PersistentVolumeStatus};

/// Holds a volume that is deleted until no claim is bound to it.
pub const PROTECTION: &str = "kubernetes.io/pv-protection";

/// The defaults of `core/v1`.
pub fn set(volume: &mut PersistentVolume) {
    let spec = volume.spec.get_or_insert_default();
    omit_zeros!(spec; access_modes, storage_class_name, mount_options);
    spec.persistent_volume_reclaim_policy.get_or_insert_with(|| "Retain".into());
    spec.volume_mode.get_or_insert_with(|| "Filesystem".into());
    spec.capacity.as_mut().map(round);
    if let Some(host_path) = &mut spec.host_path {
        host_path.type_.get_or_insert_default();
    }
}

/// A new volume is offered to no claim yet, and protected.
pub fn prepare_create(volume: &mut PersistentVolume) {
    let pending = || Some("Pending".into());
    volume.status = Some(PersistentVolumeStatus { phase: pending(), ..Default::default() });
    let finalizers = volume.metadata.finalizers.get_or_insert_default();
    if !finalizers.iter().any(|finalizer| finalizer == PROTECTION) {
        finalizers.push(PROTECTION.to_owned());
    }
}

/// A manifest that is applied again says nothing of the claim that the volume was bound to since,
/// or names it without its uid.
pub fn carry_over(old: &PersistentVolume, new: &mut PersistentVolume) {
    let (Some(had), Some(spec)) = (&old.spec, &mut new.spec) else { return };
    let name = |claim: &ObjectReference| (claim.namespace.clone(), claim.name.clone());
    let is_same = match (&had.claim_ref, &spec.claim_ref) {
        (Some(had), Some(says)) => says.uid.is_none() && name(had) == name(says),
        (_, None) => true,
        (None, Some(_)) => false,
    };
    if is_same {
        spec.claim_ref.clone_from(&had.claim_ref);
    }
}
