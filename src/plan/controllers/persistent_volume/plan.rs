//! A volume is available until a claim is bound to it, which the claim's plan does in one commit
//! for both. When the claim is deleted, the volume is released and keeps what it holds.
//!
//! The policies `Delete` and `Recycle` remove files in a cluster. Here a path of the host is never
//! emptied: it may be anything, and there is no other copy. Such a volume is Failed and says so.

use super::binding::{self, BY_CONTROLLER, set_phase};
use crate::plan::{Action, Plan, Severity, View};
use cronlet_api::kind::Object;
use cronlet_api::persistent_volume::defaults::PROTECTION;
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use std::sync::Arc;

const KEPT: &str = "cronlet removes no files of a hostPath or local volume: empty the folder by \
                    hand, then delete the PersistentVolume, or take spec.claimRef from it";

/// Decides what a volume needs now.
pub fn plan(volume: &PersistentVolume, view: &View) -> Plan {
    let mut plan = Plan::default();
    let mut next = volume.clone();
    match standing(volume, view) {
        Standing::Free => set_phase(&mut next, "Available", None, view.now),
        Standing::Bound => set_phase(&mut next, "Bound", None, view.now),
        Standing::Settling => {}
        Standing::Elsewhere => {
            unbind(&mut next);
            set_phase(&mut next, "Available", None, view.now);
        }
        Standing::Released => release(&mut next, view, &mut plan),
    }
    let is_bound = phase(&next) == Some("Bound");
    if volume.metadata.deletion_timestamp.is_some() && !is_bound {
        let finalizers = next.metadata.finalizers.get_or_insert_default();
        finalizers.retain(|finalizer| finalizer != PROTECTION);
        next.metadata.finalizers.take_if(|finalizers| finalizers.is_empty());
    }
    if next != *volume {
        plan.push(Action::Put(next.into()));
    }
    plan
}

/// How a volume stands to its claim.
enum Standing {
    /// For no claim, or for one that is not bound to it yet.
    Free,
    Bound,
    /// Its claim is about to be bound to it.
    Settling,
    /// Its claim is bound to another volume.
    Elsewhere,
    /// Its claim was deleted.
    Released,
}

fn standing(volume: &PersistentVolume, view: &View) -> Standing {
    let reference = volume.spec.as_ref().and_then(|spec| spec.claim_ref.as_ref());
    let Some(reference) = reference else { return Standing::Free };
    let uid = reference.uid.as_deref().unwrap_or_default();
    if uid.is_empty() {
        return Standing::Free;
    }
    let claim = claim(volume, view).filter(|claim| claim.metadata.uid.as_deref() == Some(uid));
    let Some(claim) = claim else { return Standing::Released };
    match claim.spec.as_ref().and_then(|spec| spec.volume_name.as_deref()) {
        None | Some("") => Standing::Settling,
        name if name == volume.metadata.name.as_deref() => Standing::Bound,
        Some(_) => Standing::Elsewhere,
    }
}

fn claim(volume: &PersistentVolume, view: &View) -> Option<Arc<PersistentVolumeClaim>> {
    match view.lookup.get(&binding::claim_key(volume)?) {
        Some(Object::PersistentVolumeClaim(claim)) => Some(claim),
        _ => None,
    }
}

fn phase(volume: &PersistentVolume) -> Option<&str> {
    volume.status.as_ref()?.phase.as_deref()
}

/// Unbinds the volume; the claim that its author named stays.
fn unbind(volume: &mut PersistentVolume) {
    let spec = volume.spec.get_or_insert_default();
    let annotations = volume.metadata.annotations.as_mut();
    if annotations.is_some_and(|all| all.remove(BY_CONTROLLER).is_some()) {
        spec.claim_ref = None;
        volume.metadata.annotations.take_if(|all| all.is_empty());
    } else if let Some(claim) = &mut spec.claim_ref {
        claim.uid = None;
        claim.resource_version = None;
    }
}

fn release(volume: &mut PersistentVolume, view: &View, plan: &mut Plan) {
    let spec = volume.spec.as_ref();
    let policy = spec.and_then(|spec| spec.persistent_volume_reclaim_policy.as_deref());
    let reason = match policy {
        Some("Delete") => "VolumeFailedDelete",
        Some("Recycle") => "VolumeFailedRecycle",
        _ => return set_phase(volume, "Released", None, view.now),
    };
    if phase(volume) != Some("Failed") {
        plan.event(Severity::Warning, reason, KEPT);
    }
    set_phase(volume, "Failed", Some(KEPT), view.now);
}
