//! A claim is bound to a PersistentVolume that fits, as Kubernetes' controller does it. Where none
//! does, a claim without a class, or of one that the configuration lists, gets a folder of its own,
//! which is made when a container first mounts it, and stays when the pods are deleted. Any other
//! claim waits and says why.
//!
//! A claim that is deleted waits for the pods that use it; then its own folder is put aside, or
//! removed where the configuration says so. What is in a PersistentVolume stays.

use crate::controllers::persistent_volume::binding;
use crate::order::Order;
use crate::plan::{Action, Plan, Severity, View};
use cronlet_api::kind::{Kind, Object};
use cronlet_api::persistent_volume_claim::check::{has_own_volume, is_completed, own_volume};
use cronlet_api::persistent_volume_claim::columns::class;
use cronlet_api::persistent_volume_claim::defaults::PROTECTION;
use cronlet_api::settings::Reclaim;
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod};
use std::collections::BTreeMap;

const BLOCK: &str = "Block";
const STORAGE: &str = "storage";

/// Decides what a claim needs now.
pub fn plan(claim: &PersistentVolumeClaim, view: &View) -> Plan {
    let mut plan = Plan::default();
    let next = match claim.metadata.deletion_timestamp.is_some() {
        true => released(claim, view, &mut plan),
        false => settled(claim, view, &mut plan),
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

fn settled(
    claim: &PersistentVolumeClaim,
    view: &View,
    plan: &mut Plan,
) -> Option<PersistentVolumeClaim> {
    let own = own_volume(claim);
    let named = claim.spec.as_ref()?.volume_name.as_deref().filter(|name| !name.is_empty());
    match named {
        Some(name) if *name == own => Some(granted(claim)),
        named if is_completed(claim) => kept(claim, named, view, plan),
        // Bound before there were PersistentVolumes, to a folder of that name.
        Some(name) if phase(claim) == Some("Bound") => {
            if binding::volume(name, view).is_some() {
                let why = format!(
                    "this claim was bound before PersistentVolumes were served, and keeps what was \
                     written since, in the state folder as claims/{name}: copy that into the \
                     volume, then delete the claim and make it again"
                );
                plan.event(Severity::Warning, "FolderKept", why);
            }
            Some(granted(claim))
        }
        Some(name) => match binding::volume(name, view) {
            Some(volume) => bind_named(claim, &volume, view, plan),
            None => {
                let why = format!("persistentvolume {name:?} not found");
                waits(plan, Severity::Warning, "FailedBinding", why)
            }
        },
        None => find(claim, view, plan),
    }
}

fn phase(claim: &PersistentVolumeClaim) -> Option<&str> {
    claim.status.as_ref()?.phase.as_deref()
}

/// Says why the claim waits.
fn waits(
    plan: &mut Plan,
    severity: Severity,
    reason: &'static str,
    why: impl Into<String>,
) -> Option<PersistentVolumeClaim> {
    plan.event(severity, reason, why);
    None
}

/// Binds both to each other, in one commit.
fn bind(
    claim: &PersistentVolumeClaim,
    volume: &PersistentVolume,
    view: &View,
    plan: &mut Plan,
) -> Option<PersistentVolumeClaim> {
    let next = binding::bound_volume(volume, claim, view.now);
    if next != *volume {
        plan.push(Action::Put(next.into()));
    }
    Some(binding::bound_claim(claim, volume))
}

/// A claim that names its volume (`syncUnboundClaim`).
fn bind_named(
    claim: &PersistentVolumeClaim,
    volume: &PersistentVolume,
    view: &View,
    plan: &mut Plan,
) -> Option<PersistentVolumeClaim> {
    if binding::is_for(volume, claim) {
        return bind(claim, volume, view, plan);
    }
    let name = volume.metadata.name.as_deref().unwrap_or_default();
    if volume.spec.as_ref().is_some_and(|spec| spec.claim_ref.is_some()) {
        let why = format!("volume {name:?} already bound to a different claim.");
        return waits(plan, Severity::Warning, "FailedBinding", why);
    }
    if let Some(why) = binding::misfit(volume, claim) {
        let why = format!("Cannot bind to requested volume {name:?}: {why}");
        return waits(plan, Severity::Warning, "VolumeMismatch", why);
    }
    bind(claim, volume, view, plan)
}

/// A claim that was bound to a PersistentVolume (`syncBoundClaim`).
fn kept(
    claim: &PersistentVolumeClaim,
    named: Option<&str>,
    view: &View,
    plan: &mut Plan,
) -> Option<PersistentVolumeClaim> {
    let volume = named.and_then(|name| binding::volume(name, view));
    let is_free = |volume: &PersistentVolume| {
        volume.spec.as_ref().is_none_or(|spec| spec.claim_ref.is_none())
    };
    let (reason, why) = match &volume {
        Some(volume) if is_free(volume) || binding::is_for(volume, claim) => {
            return bind(claim, volume, view, plan);
        }
        Some(_) => (
            "ClaimMisbound",
            "Two claims are bound to the same volume, this one is bound incorrectly",
        ),
        None if named.is_some() => {
            ("ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!")
        }
        None => (
            "ClaimLost",
            "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!",
        ),
    };
    if phase(claim) != Some("Lost") {
        plan.event(Severity::Warning, reason, why);
    }
    let mut next = claim.clone();
    let status = next.status.get_or_insert_default();
    (status.phase, status.access_modes, status.capacity) = (Some("Lost".into()), None, None);
    Some(next)
}

/// A claim that names no volume: one that fits, or a folder of its own where its class has them.
fn find(
    claim: &PersistentVolumeClaim,
    view: &View,
    plan: &mut Plan,
) -> Option<PersistentVolumeClaim> {
    let spec = claim.spec.as_ref()?;
    let source = spec.data_source_ref.as_ref();
    // What it shall be filled from is in no volume that is merely free.
    if let Some(volume) = binding::best(claim, source.is_none(), view) {
        return bind(claim, &volume, view, plan);
    }
    let classes = &view.settings.volumes.classes;
    let is_named = spec.storage_class_name.is_some() || !class(claim).is_empty();
    let class = class(claim);
    if is_named && class.is_empty() {
        let why = "no persistent volumes available for this claim and no storage class is set";
        return waits(plan, Severity::Normal, "FailedBinding", why);
    }
    let why = if is_named && !classes.iter().any(|one| one == class) {
        format!(
            "storageclass.storage.k8s.io {class:?} not found: folders are made for claims that \
             name no class or one of {} (volumes.classes in the configuration); others wait for a \
             PersistentVolume that fits",
            classes.join(", ")
        )
    } else if let Some(source) = source {
        format!("nothing here fills a claim from a {} ({:?})", source.kind, source.name)
    } else if spec.selector.is_some() {
        "a claim with a selector waits for a PersistentVolume that it selects: no folder is made \
         for it"
            .to_owned()
    } else if spec.volume_mode.as_deref() == Some(BLOCK) {
        "volumeMode Block: this host has directories to give, and no block devices".to_owned()
    } else {
        return Some(provisioned(claim, view, plan));
    };
    waits(plan, Severity::Warning, "ProvisioningFailed", why)
}

/// A claim that gets a folder of its own.
fn provisioned(
    claim: &PersistentVolumeClaim,
    view: &View,
    plan: &mut Plan,
) -> PersistentVolumeClaim {
    if !view.settings.claims_are_limited {
        let why = "the file system of the state folder has no project quotas: the size of this \
                   claim is reported, and nothing holds its files to it";
        plan.event(Severity::Warning, "SizeNotLimited", why);
    }
    let mut next = claim.clone();
    next.spec.get_or_insert_default().volume_name = Some(own_volume(claim));
    granted(&next)
}

/// Returns the claim with the capacity that it asks for: a folder has no size of its own.
fn granted(claim: &PersistentVolumeClaim) -> PersistentVolumeClaim {
    let mut next = claim.clone();
    let (spec, status) = (next.spec.get_or_insert_default(), next.status.get_or_insert_default());
    status.phase = Some("Bound".to_owned());
    status.access_modes.clone_from(&spec.access_modes);
    let requests = spec.resources.as_ref().and_then(|resources| resources.requests.as_ref());
    let size = requests.and_then(|requests| requests.get(STORAGE)).cloned();
    status.capacity = size.map(|size| BTreeMap::from([(STORAGE.to_owned(), size)]));
    next
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
    if view.lookup.list(Kind::Pod, namespace).iter().any(is_user) {
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
    if !has_own_volume(claim) {
        return;
    }
    let kept_as = match view.settings.volumes.reclaim {
        Reclaim::Delete => None,
        Reclaim::Retain => {
            let name = claim.metadata.name.as_deref().unwrap_or_default();
            let namespace = claim.metadata.namespace.as_deref().unwrap_or_default();
            let kept_as = format!("{namespace}.{name}.{}", own_volume(claim));
            let what = format!(
                "What the claim holds is kept in the state folder, as claims/released/{kept_as}"
            );
            plan.event(Severity::Normal, "VolumeRetained", what);
            Some(kept_as)
        }
    };
    plan.push(Action::Order(Order::Reclaim { volume: own_volume(claim), kept_as }));
}
