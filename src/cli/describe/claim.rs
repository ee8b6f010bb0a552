//! A PersistentVolumeClaim in words.

use super::page::{Page, time};
use super::related;
use crate::kinds::Object;
use crate::kinds::columns::human_duration;
use crate::kinds::persistent_volume_claim::columns::{abbreviated, class, storage};
use crate::time::{Clock, SystemClock};
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimCondition, PersistentVolumeClaimStatus, Pod,
};

/// `pods`: those among which are the ones that use it.
pub fn describe(page: &mut Page, claim: &PersistentVolumeClaim, pods: &[Object]) {
    let meta = &claim.metadata;
    let spec = claim.spec.clone().unwrap_or_default();
    let status = claim.status.clone().unwrap_or_default();
    page.names(meta);
    page.field(0, "StorageClass", class(claim));
    describe_phase(page, claim, &status);
    let volume = spec.volume_name.unwrap_or_default();
    page.field(0, "Volume", &volume);
    page.labels(0, "Labels", meta.labels.as_ref());
    page.annotations(0, meta);
    let finalizers = meta.finalizers.as_deref().unwrap_or_default().join(" ");
    page.field(0, "Finalizers", format_args!("[{finalizers}]"));
    // What it has, and not what it asks for.
    let is_bound = !volume.is_empty();
    let capacity = if is_bound { storage(status.capacity.as_ref()) } else { String::new() };
    let modes = status.access_modes.as_deref().filter(|_| is_bound).unwrap_or_default();
    page.field(0, "Capacity", capacity);
    page.field(0, "Access Modes", abbreviated(modes));
    page.field_if(0, "VolumeMode", spec.volume_mode);
    let name = meta.name.as_deref().unwrap_or_default();
    let mut users: Vec<String> = related::pods(pods)
        .filter(|pod| uses(pod, name))
        .filter_map(|pod| pod.metadata.name.clone())
        .collect();
    users.sort();
    page.many(0, "Used By", users.into_iter());
    describe_conditions(page, status.conditions.as_deref().unwrap_or_default());
}

fn describe_phase(
    page: &mut Page,
    claim: &PersistentVolumeClaim,
    status: &PersistentVolumeClaimStatus,
) {
    match &claim.metadata.deletion_timestamp {
        Some(deleted) => {
            let since = human_duration(SystemClock.now().duration_since(deleted.0));
            page.field(0, "Status", format_args!("Terminating (lasts {since})"));
        }
        None => page.field(0, "Status", status.phase.as_deref().unwrap_or_default()),
    }
}

fn uses(pod: &Pod, claim: &str) -> bool {
    let mut volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    let pod_name = pod.metadata.name.as_deref().unwrap_or_default();
    volumes.any(|volume| match &volume.persistent_volume_claim {
        Some(source) => source.claim_name == claim,
        // The claim of an ephemeral volume is named for the pod.
        None => volume.ephemeral.is_some() && format!("{pod_name}-{}", volume.name) == claim,
    })
}

fn describe_conditions(page: &mut Page, conditions: &[PersistentVolumeClaimCondition]) {
    if conditions.is_empty() {
        return;
    }
    page.line(0, "Conditions:");
    page.line(1, "Type\tStatus\tLastProbeTime\tLastTransitionTime\tReason\tMessage");
    page.line(1, "----\t------\t-----------------\t------------------\t------\t-------");
    for one in conditions {
        let at = |at: &Option<_>| at.as_ref().map_or_else(String::new, time);
        let (probed, changed) = (at(&one.last_probe_time), at(&one.last_transition_time));
        let reason = one.reason.as_deref().unwrap_or_default();
        let message = one.message.as_deref().unwrap_or_default();
        let (kind, status) = (&one.type_, &one.status);
        page.line(
            1,
            format_args!("{kind} \t{status} \t{probed} \t{changed} \t{reason} \t{message}"),
        );
    }
}
