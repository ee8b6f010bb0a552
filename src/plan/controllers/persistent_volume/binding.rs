//! Which volume a claim is bound to: the rules of Kubernetes' controller of both
//! (`FindMatchingVolume`, `checkVolumeSatisfyClaim`).

use crate::plan::View;
use cronlet_api::kind::{Key, Kind, Object};
use cronlet_api::persistent_volume::columns::class;
use cronlet_api::persistent_volume_claim::check::{BIND_COMPLETED, size};
use cronlet_api::persistent_volume_claim::columns::class as class_of_claim;
use cronlet_api::quantity::Quantity;
use cronlet_api::selector;
use cronlet_api::time::Timestamp;
use k8s_openapi::api::core::v1::{
    ObjectReference, PersistentVolume, PersistentVolumeClaim, PersistentVolumeStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::sync::Arc;

/// The binding was made by this controller, and not by whoever wrote the object.
pub const BY_CONTROLLER: &str = "pv.kubernetes.io/bound-by-controller";

/// The key of the claim that the volume is for.
pub fn claim_key(volume: &PersistentVolume) -> Option<Key> {
    let claim = volume.spec.as_ref()?.claim_ref.as_ref()?;
    let namespace = claim.namespace.as_deref().unwrap_or_default();
    Some(Key::new(Kind::PersistentVolumeClaim, namespace, claim.name.as_deref()?))
}

/// Returns the volume of that name.
pub fn volume(name: &str, view: &View) -> Option<Arc<PersistentVolume>> {
    match view.lookup.get(&Key::new(Kind::PersistentVolume, "", name)) {
        Some(Object::PersistentVolume(volume)) => Some(volume),
        _ => None,
    }
}

/// True if the volume is bound to this claim, or its author wants it to be.
pub fn is_for(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> bool {
    let Some(wanted) = volume.spec.as_ref().and_then(|spec| spec.claim_ref.as_ref()) else {
        return false;
    };
    let uid = wanted.uid.as_deref().unwrap_or_default();
    let meta = &claim.metadata;
    wanted.name == meta.name
        && wanted.namespace == meta.namespace
        && (uid.is_empty() || Some(uid) == meta.uid.as_deref())
}

/// True if a claim that waits may be bound to the volume, as it is now or later.
pub fn may_concern(claim: &PersistentVolumeClaim, volume: &PersistentVolume) -> bool {
    let named = claim.spec.as_ref().and_then(|spec| spec.volume_name.as_deref());
    match named.filter(|name| !name.is_empty()) {
        Some(name) => volume.metadata.name.as_deref() == Some(name),
        None => is_for(volume, claim) || class_of_claim(claim) == class(volume),
    }
}

/// Why a claim cannot have the volume that it names.
pub fn misfit(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> Option<&'static str> {
    if is_too_small(volume, claim) {
        Some("requested PV is too small")
    } else if class(volume) != class_of_claim(claim) {
        Some("storageClassName does not match")
    } else if !has_mode(volume, claim) {
        Some("incompatible volumeMode")
    } else if !has_access_modes(volume, claim) {
        Some("incompatible accessMode")
    } else {
        None
    }
}

/// The volume that is for the claim, or else, where `any` is, the smallest of those that fit and
/// offer the fewest access modes.
pub fn best(
    claim: &PersistentVolumeClaim,
    any: bool,
    view: &View,
) -> Option<Arc<PersistentVolume>> {
    let all = view.lookup.list(Kind::PersistentVolume, "").into_iter();
    let volumes = all.filter_map(|object| match object {
        Object::PersistentVolume(volume) => Some(volume),
        _ => None,
    });
    let mut found: Option<((usize, Quantity), Arc<PersistentVolume>)> = None;
    for volume in volumes.filter(|volume| volume.metadata.deletion_timestamp.is_none()) {
        let fits = has_mode(&volume, claim)
            && has_access_modes(&volume, claim)
            && !is_too_small(&volume, claim);
        if !fits {
            continue;
        }
        if is_for(&volume, claim) {
            return Some(volume);
        }
        let rank = (modes(&volume).len(), capacity(&volume));
        let is_better = found.as_ref().is_none_or(|(best, _)| rank < *best);
        if any && is_better && is_free(&volume) && is_wanted(&volume, claim) {
            found = Some((rank, volume));
        }
    }
    found.map(|(_, volume)| volume)
}

fn is_free(volume: &PersistentVolume) -> bool {
    let phase = volume.status.as_ref().and_then(|status| status.phase.as_deref());
    let claim = volume.spec.as_ref().and_then(|spec| spec.claim_ref.as_ref());
    phase == Some("Available") && claim.is_none()
}

/// By its class and the claim's selector.
fn is_wanted(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> bool {
    let labels = volume.metadata.labels.clone().unwrap_or_default();
    let selector = claim.spec.as_ref().and_then(|spec| spec.selector.as_ref());
    class(volume) == class_of_claim(claim)
        && selector.is_none_or(|selector| selector::matches(selector, &labels))
}

fn capacity(volume: &PersistentVolume) -> Quantity {
    let capacity = volume.spec.as_ref().and_then(|spec| spec.capacity.as_ref());
    let storage = capacity.and_then(|capacity| capacity.get("storage")?.0.parse().ok());
    storage.unwrap_or(Quantity::ZERO)
}

fn is_too_small(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> bool {
    claim.spec.as_ref().and_then(size).is_some_and(|wants| capacity(volume) < wants)
}

fn modes(volume: &PersistentVolume) -> &[String] {
    volume.spec.as_ref().and_then(|spec| spec.access_modes.as_deref()).unwrap_or_default()
}

fn has_access_modes(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> bool {
    let wanted = claim.spec.iter().flat_map(|spec| spec.access_modes.iter().flatten());
    wanted.into_iter().all(|mode| modes(volume).contains(mode))
}

fn has_mode(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> bool {
    let mode = |mode: Option<&String>| mode.map_or("Filesystem", String::as_str).to_owned();
    let has = volume.spec.as_ref().and_then(|spec| spec.volume_mode.as_ref());
    mode(has) == mode(claim.spec.as_ref().and_then(|spec| spec.volume_mode.as_ref()))
}

/// The volume, bound to the claim.
pub fn bound_volume(
    volume: &PersistentVolume,
    claim: &PersistentVolumeClaim,
    now: Timestamp,
) -> PersistentVolume {
    let mut next = volume.clone();
    let spec = next.spec.get_or_insert_default();
    let meta = &claim.metadata;
    let is_ours = spec.claim_ref.as_ref().is_some_and(|had| had.uid == meta.uid);
    if !is_ours {
        if spec.claim_ref.is_none() {
            annotate(&mut next.metadata.annotations, BY_CONTROLLER);
        }
        spec.claim_ref = Some(ObjectReference {
            api_version: Some("v1".into()),
            kind: Some("PersistentVolumeClaim".into()),
            name: meta.name.clone(),
            namespace: meta.namespace.clone(),
            resource_version: meta.resource_version.clone(),
            uid: meta.uid.clone(),
            field_path: None,
        });
    }
    set_phase(&mut next, "Bound", None, now);
    next
}

/// The claim, bound to the volume.
pub fn bound_claim(
    claim: &PersistentVolumeClaim,
    volume: &PersistentVolume,
) -> PersistentVolumeClaim {
    let mut next = claim.clone();
    let spec = next.spec.get_or_insert_default();
    if spec.volume_name.as_ref().is_none_or(String::is_empty) {
        spec.volume_name.clone_from(&volume.metadata.name);
        annotate(&mut next.metadata.annotations, BY_CONTROLLER);
    }
    annotate(&mut next.metadata.annotations, BIND_COMPLETED);
    let status = next.status.get_or_insert_default();
    status.phase = Some("Bound".into());
    let has = volume.spec.as_ref();
    status.access_modes = has.and_then(|spec| spec.access_modes.clone());
    status.capacity = has.and_then(|spec| spec.capacity.clone());
    next
}

fn annotate(annotations: &mut Option<std::collections::BTreeMap<String, String>>, name: &str) {
    annotations.get_or_insert_default().insert(name.to_owned(), "yes".to_owned());
}

/// Sets the phase with what is to be said of it.
pub fn set_phase(volume: &mut PersistentVolume, phase: &str, why: Option<&str>, now: Timestamp) {
    let old = volume.status.take().unwrap_or_default();
    let is_same = old.phase.as_deref() == Some(phase);
    let since = Timestamp::from_second(now.as_second()).expect("whole seconds are in range");
    let last_phase_transition_time = match is_same {
        true => old.last_phase_transition_time,
        false => Some(Time(since)),
    };
    let message = why.map(str::to_owned);
    volume.status = Some(PersistentVolumeStatus {
        phase: Some(phase.to_owned()),
        message,
        reason: None,
        last_phase_transition_time,
    });
}
