//! A claim is bound at once: it is a directory of this host, which is made when a container first
//! mounts it, and stays when the pods go. A claim that is deleted waits for the pods that use it;
//! then its folder is put aside, or removed where the configuration says so.

use super::defaults::PROTECTION;
use crate::kinds::action::{Action, Plan, Reclaim, Severity, View};
use crate::kinds::pod::observed::Order;
use crate::kinds::{Kind, Object};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use std::collections::BTreeMap;

const BLOCK: &str = "Block";
const STORAGE: &str = "storage";

/// Decides what a claim needs now.
pub fn plan(claim: &PersistentVolumeClaim, view: &View) -> Plan {
    let mut plan = Plan::default();
    let next = match claim.metadata.deletion_timestamp.is_some() {
        true => released(claim, view, &mut plan),
        false => bound(claim, view, &mut plan),
    };
    if let Some(next) = next.filter(|next| next != claim) {
        plan.push(Action::Put(next.into()));
    }
    plan
}

/// Whether the pod has the claim among its volumes.
pub fn uses(pod: &Pod, claim: &str) -> bool {
    claims_of(pod).any(|name| name == claim)
}

/// The claims among a pod's volumes.
pub fn claims_of(pod: &Pod) -> impl Iterator<Item = &str> {
    let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    volumes.filter_map(|volume| Some(volume.persistent_volume_claim.as_ref()?.claim_name.as_str()))
}

/// As much as it asks for is what it has: a directory has no size of its own.
fn bound(
    claim: &PersistentVolumeClaim,
    view: &View,
    plan: &mut Plan,
) -> Option<PersistentVolumeClaim> {
    let mut next = claim.clone();
    let (spec, status) = (next.spec.as_mut()?, next.status.get_or_insert_default());
    if spec.volume_mode.as_deref() == Some(BLOCK) {
        let why = "volumeMode Block: this host has directories to give, and no block devices";
        plan.event(Severity::Warning, "ProvisioningFailed", why);
        return None;
    }
    if spec.volume_name.is_none() {
        spec.volume_name = Some(own_volume(claim));
        if !view.settings.claims_are_limited {
            let why = "the file system of the state folder has no project quotas: the size of \
                       this claim is reported, and nothing holds its files to it";
            plan.event(Severity::Warning, "SizeNotLimited", why);
        }
    }
    status.phase = Some("Bound".to_owned());
    status.access_modes.clone_from(&spec.access_modes);
    let requests = spec.resources.as_ref().and_then(|resources| resources.requests.as_ref());
    let size = requests.and_then(|requests| requests.get(STORAGE)).cloned();
    status.capacity = size.map(|size| BTreeMap::from([(STORAGE.to_owned(), size)]));
    Some(next)
}

/// The name of a volume that no other claim has.
fn own_volume(claim: &PersistentVolumeClaim) -> String {
    format!("pvc-{}", claim.metadata.uid.as_deref().unwrap_or_default())
}

/// Without its finalizer, once no pod uses it.
fn released(
    claim: &PersistentVolumeClaim,
    view: &View,
    plan: &mut Plan,
) -> Option<PersistentVolumeClaim> {
    let name = claim.metadata.name.as_deref().unwrap_or_default();
    let namespace = claim.metadata.namespace.as_deref().unwrap_or_default();
    let holds = |pod: &Pod| uses(pod, name) && !is_through_with_its_own(pod, claim);
    let is_user = |object: &Object| matches!(object, Object::Pod(pod) if holds(pod));
    if view.others.list(Kind::Pod, namespace).iter().any(is_user) {
        return None;
    }
    let mut next = claim.clone();
    let finalizers = next.metadata.finalizers.get_or_insert_default();
    let before = finalizers.len();
    finalizers.retain(|finalizer| finalizer != PROTECTION);
    if finalizers.len() < before {
        reclaim(claim, view, plan);
    }
    next.metadata.finalizers.take_if(|finalizers| finalizers.is_empty());
    Some(next)
}

/// A pod that has only its finalizers left may wait for its own claim (`foregroundDeletion`): each
/// would wait for the other, as in Kubernetes, which knows that of ephemeral volumes alone
/// (`podIsShutDown`).
fn is_through_with_its_own(pod: &Pod, claim: &PersistentVolumeClaim) -> bool {
    let meta = &pod.metadata;
    let is_through =
        meta.deletion_timestamp.is_some() && meta.deletion_grace_period_seconds == Some(0);
    let mut owners = claim.metadata.owner_references.iter().flatten();
    is_through && owners.any(|owner| Some(&owner.uid) == meta.uid.as_ref())
}

/// A volume that the claim named itself may be another claim's too, and stays.
fn reclaim(claim: &PersistentVolumeClaim, view: &View, plan: &mut Plan) {
    let volume = own_volume(claim);
    if claim.spec.as_ref().and_then(|spec| spec.volume_name.as_ref()) != Some(&volume) {
        return;
    }
    let kept_as = match view.settings.volumes.reclaim {
        Reclaim::Delete => None,
        Reclaim::Retain => {
            let name = claim.metadata.name.as_deref().unwrap_or_default();
            let namespace = claim.metadata.namespace.as_deref().unwrap_or_default();
            let kept_as = format!("{namespace}.{name}.{volume}");
            let what = format!(
                "What the claim holds is kept in the state folder, as claims/released/{kept_as}"
            );
            plan.event(Severity::Normal, "VolumeRetained", what);
            Some(kept_as)
        }
    };
    plan.push(Action::Order(Order::Reclaim { volume, kept_as }));
}
