//! The rules of a PersistentVolumeClaim (Kubernetes' `ValidatePersistentVolumeClaim` and
//! `ValidatePersistentVolumeClaimUpdate`).

use crate::check::{Causes, Path};
use crate::meta::immutable;
use crate::pod;
use crate::quantity::Quantity;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec};

/// Checks a new claim, after its defaults; `metadata` is checked elsewhere.
pub fn create(claim: &PersistentVolumeClaim, causes: &mut Causes) {
    if let Some(spec) = &claim.spec {
        pod::check::claim(spec, &Path::root("spec"), causes);
    }
}

/// Checks a change: a bound claim may request more, or another `volumeAttributesClassName`.
pub fn update(old: &PersistentVolumeClaim, new: &PersistentVolumeClaim, causes: &mut Causes) {
    create(new, causes);
    let (Some(had), Some(spec)) = (&old.spec, &new.spec) else { return };
    let at = Path::root("spec");
    let phase = old.status.as_ref().and_then(|status| status.phase.as_deref());
    let mut same = spec.clone();
    if had.volume_name.is_none() {
        same.volume_name = None;
    }
    if phase == Some("Bound") {
        same.volume_attributes_class_name.clone_from(&had.volume_attributes_class_name);
        keep_size(had, &mut same);
    }
    if same != *had {
        let why = "spec is immutable after creation except resources.requests and \
                   volumeAttributesClassName for bound claims";
        causes.forbidden(&at, why);
    }
    let capacity = old.status.as_ref().and_then(|status| status.capacity.as_ref());
    let capacity = capacity.and_then(|capacity| capacity.get("storage")?.0.parse().ok());
    let capacity: Quantity = capacity.unwrap_or(Quantity::ZERO);
    if let (Some(was), Some(wants)) = (size(had), size(spec))
        && wants < was
        && wants <= capacity
    {
        let at = at.child("resources");
        let at = at.child("requests");
        causes.forbidden(&at.child("storage"), "field can not be less than status.capacity");
    }
    immutable(&had.volume_mode, &spec.volume_mode, &Path::root("volumeMode"), causes);
}

/// Returns why a claim cannot have another size; `None` if it can (the admission plugin
/// `PersistentVolumeClaimResize`). A PersistentVolume is as large as its author made it; a folder
/// of the claim's own grows with it.
pub fn refuses_size(
    old: &PersistentVolumeClaim,
    new: &PersistentVolumeClaim,
) -> Option<&'static str> {
    let (had, wants) = (size(old.spec.as_ref()?), size(new.spec.as_ref()?));
    let is_fixed = wants > had && is_completed(old) && !has_own_volume(old);
    is_fixed.then_some(
        "only dynamically provisioned pvc can be resized and the storageclass that provisions the \
         pvc must support resize",
    )
}

/// Returns the size that a claim requests.
pub fn size(spec: &PersistentVolumeClaimSpec) -> Option<Quantity> {
    let requests = spec.resources.as_ref()?.requests.as_ref()?;
    requests.get("storage")?.0.parse().ok()
}

fn keep_size(had: &PersistentVolumeClaimSpec, same: &mut PersistentVolumeClaimSpec) {
    let requests = had.resources.as_ref().and_then(|resources| resources.requests.as_ref());
    let Some(size) = requests.and_then(|requests| requests.get("storage")) else { return };
    if let Some(resources) = &mut same.resources {
        let requests = resources.requests.get_or_insert_default();
        requests.insert("storage".to_owned(), size.clone());
    }
}

/// Annotation of a claim that was bound once, and is lost if its volume is.
pub const BIND_COMPLETED: &str = "pv.kubernetes.io/bind-completed";

/// True if the claim was bound to a PersistentVolume.
pub fn is_completed(claim: &PersistentVolumeClaim) -> bool {
    let annotations = claim.metadata.annotations.as_ref();
    annotations.is_some_and(|all| all.contains_key(BIND_COMPLETED))
}

/// True if the claim has a folder of its own.
pub fn has_own_volume(claim: &PersistentVolumeClaim) -> bool {
    let named = claim.spec.as_ref().and_then(|spec| spec.volume_name.as_ref());
    named == Some(&own_volume(claim))
}

/// Returns the name of the volume that no other claim has.
pub fn own_volume(claim: &PersistentVolumeClaim) -> String {
    format!("pvc-{}", claim.metadata.uid.as_deref().unwrap_or_default())
}
