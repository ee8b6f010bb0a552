//! The finalizer by which a Job holds its pods back until it has counted them, and when a pod is
//! rid of it: once its Job is no more, nobody would count it, and it could never be deleted.

use crate::plan::View;
use cronlet_api::kind::{Key, Kind};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

pub const FINALIZER: &str = "batch.kubernetes.io/job-tracking";

/// True if a Job has yet to count the pod.
pub fn is_tracked(pod: &Pod) -> bool {
    pod.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == FINALIZER)
}

pub fn add(meta: &mut ObjectMeta) {
    let finalizers = meta.finalizers.get_or_insert_default();
    if !finalizers.iter().any(|finalizer| finalizer == FINALIZER) {
        finalizers.push(FINALIZER.to_owned());
    }
}

pub fn remove(meta: &mut ObjectMeta) {
    let finalizers = &mut meta.finalizers;
    finalizers.iter_mut().for_each(|all| all.retain(|finalizer| finalizer != FINALIZER));
    finalizers.take_if(|all| all.is_empty());
}

/// A copy without the finalizer.
pub fn removed(pod: &Pod) -> Pod {
    let mut pod = pod.clone();
    remove(&mut pod.metadata);
    pod
}

/// True if no Job will count the pod (`syncOrphanPod`): no controller owns it, or a Job that is
/// gone. What the controller of another kind does with the finalizer is its own affair.
pub fn is_left(pod: &Pod, view: &View) -> bool {
    if !is_tracked(pod) {
        return false;
    }
    let mut owners = pod.metadata.owner_references.iter().flatten();
    let Some(owner) = owners.find(|owner| owner.controller == Some(true)) else { return true };
    is_job(owner) && {
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        let job = view.lookup.get(&Key::new(Kind::Job, namespace, &owner.name));
        job.is_none_or(|job| job.uid() != owner.uid)
    }
}

fn is_job(owner: &OwnerReference) -> bool {
    owner.kind == "Job" && owner.api_version == "batch/v1"
}
