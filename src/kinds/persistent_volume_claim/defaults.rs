//! What the API server makes of a PersistentVolumeClaim before it checks it.

use crate::kinds::pod;
use crate::kinds::pod::zero::omit_zeros;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimStatus};

/// Holds a claim that is deleted until no pod uses it.
pub const PROTECTION: &str = "kubernetes.io/pvc-protection";

/// The defaults of `core/v1`.
pub fn set(claim: &mut PersistentVolumeClaim) {
    let spec = claim.spec.get_or_insert_default();
    omit_zeros!(spec; access_modes, volume_name);
    pod::defaults::claim(spec);
    let status = claim.status.get_or_insert_default();
    status.phase.take_if(|phase| phase.is_empty());
    status.phase.get_or_insert_with(|| "Pending".into());
}

/// A new claim is bound to nothing, and protected.
pub fn prepare_create(claim: &mut PersistentVolumeClaim) {
    let pending = || Some("Pending".into());
    claim.status = Some(PersistentVolumeClaimStatus { phase: pending(), ..Default::default() });
    let finalizers = claim.metadata.finalizers.get_or_insert_default();
    if !finalizers.iter().any(|finalizer| finalizer == PROTECTION) {
        finalizers.push(PROTECTION.to_owned());
    }
}

/// The status stays.
pub fn prepare_update(old: &PersistentVolumeClaim, new: &mut PersistentVolumeClaim) {
    new.status = old.status.clone();
}
