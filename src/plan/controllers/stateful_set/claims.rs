//! The claims of a StatefulSet's pods: one of each template for each number, made before the pod,
//! and kept when it goes unless `persistentVolumeClaimRetentionPolicy` says otherwise.

use crate::controllers::controller::Controller;
use crate::plan::View;
use cronlet_api::kind::{Key, Kind, Object};
use k8s_openapi::api::apps::v1::StatefulSetSpec;
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimVolumeSource, Pod, PodSpec, Volume,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use std::sync::Arc;

/// `data-web-0`
fn name(template: &PersistentVolumeClaim, set: &str, ordinal: i64) -> String {
    format!("{}-{set}-{ordinal}", template.metadata.name.as_deref().unwrap_or_default())
}

/// Puts the claims of a number in front of the pod's volumes, in place of those of their names.
pub fn mount(pod: &mut PodSpec, set: &str, spec: &StatefulSetSpec, ordinal: i64) {
    let templates = spec.volume_claim_templates.as_deref().unwrap_or_default();
    let claimed = templates.iter().map(|template| Volume {
        name: template.metadata.name.clone().unwrap_or_default(),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: name(template, set, ordinal),
            read_only: None,
        }),
        ..Volume::default()
    });
    let mut volumes: Vec<Volume> = claimed.collect();
    for volume in pod.volumes.take().into_iter().flatten() {
        if volumes.iter().all(|claimed| claimed.name != volume.name) {
            volumes.push(volume);
        }
    }
    pod.volumes = Some(volumes).filter(|volumes| !volumes.is_empty());
}

/// The claims that a number needs, whether they are there or not.
pub fn wanted(
    controller: &Controller,
    spec: &StatefulSetSpec,
    ordinal: i64,
) -> Vec<PersistentVolumeClaim> {
    let set = controller.meta.name.as_deref().unwrap_or_default();
    let templates = spec.volume_claim_templates.iter().flatten();
    let claim = |template: &PersistentVolumeClaim| {
        let mut claim = template.clone();
        claim.metadata.name = Some(name(template, set, ordinal));
        claim.metadata.namespace = controller.meta.namespace.clone();
        let labels = claim.metadata.labels.get_or_insert_default();
        labels.extend(spec.selector.match_labels.clone().unwrap_or_default());
        claim
    };
    templates.map(claim).collect()
}

/// The present claim of this name.
pub fn present(claim: &PersistentVolumeClaim, view: &View) -> Option<Arc<PersistentVolumeClaim>> {
    let (name, namespace) = (claim.metadata.name.as_deref(), claim.metadata.namespace.as_deref());
    let key = Key::new(
        Kind::PersistentVolumeClaim,
        namespace.unwrap_or_default(),
        name.unwrap_or_default(),
    );
    match view.lookup.get(&key) {
        Some(Object::PersistentVolumeClaim(claim)) => Some(claim),
        _ => None,
    }
}

/// The claim with the owners that the retention policy gives it; `None` where it has them. What is
/// owned goes with its owner: with the set, or with a pod that is one too many.
pub fn retained(
    claim: &PersistentVolumeClaim,
    pod: Option<&Pod>,
    is_condemned: bool,
    controller: &Controller,
    spec: &StatefulSetSpec,
) -> Option<PersistentVolumeClaim> {
    let policy = spec.persistent_volume_claim_retention_policy.clone().unwrap_or_default();
    let is_delete = |when: &Option<String>| when.as_deref() == Some("Delete");
    let (when_deleted, when_scaled) =
        (is_delete(&policy.when_deleted), is_delete(&policy.when_scaled));
    let set = controller.reference();
    let pod = pod.and_then(pod_reference);
    let is_ours = |owner: &OwnerReference| {
        owner.uid == set.uid
            || owner.kind == "Pod" && Some(&owner.uid) == pod.as_ref().map(|p| &p.uid)
    };
    let had = claim.metadata.owner_references.clone().unwrap_or_default();
    let mut owners: Vec<OwnerReference> =
        had.iter().filter(|owner| !is_ours(owner)).cloned().collect();
    if owners.iter().any(|owner| owner.controller == Some(true)) {
        // Someone else's: it stays as it is.
        return None;
    }
    match pod.clone().filter(|_| is_condemned && when_scaled) {
        Some(pod) => owners.push(pod),
        None if when_deleted => owners.push(set.clone()),
        None => {}
    }
    if owners == had {
        return None;
    }
    let mut claim = claim.clone();
    claim.metadata.owner_references = Some(owners).filter(|owners| !owners.is_empty());
    Some(claim)
}

fn pod_reference(pod: &Pod) -> Option<OwnerReference> {
    Some(OwnerReference {
        api_version: "v1".to_owned(),
        kind: "Pod".to_owned(),
        name: pod.metadata.name.clone()?,
        uid: pod.metadata.uid.clone()?,
        controller: Some(true),
        block_owner_deletion: Some(true),
    })
}
