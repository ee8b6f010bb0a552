//! A PersistentVolumeClaim in words.

use super::page::{Page, time};
use super::related;
use crate::client::{self, Client};
use cronlet_api::columns::human_duration;
use cronlet_api::kind::Object;
use cronlet_api::persistent_volume_claim::columns::{abbreviated, class, storage};
use cronlet_api::persistent_volume_claim::usage::ClaimUsage;
use cronlet_api::time::{Clock, SystemClock};
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimCondition, PersistentVolumeClaimStatus, Pod,
};

/// What its folder holds; `None` where it was never mounted, or a daemon of before does not know.
pub(super) fn usage(client: &Client, object: &Object) -> Option<ClaimUsage> {
    let (namespace, name) = (client::escaped(object.namespace()), client::escaped(object.name()));
    let path =
        format!("/apis/cronlet.dev/v1/namespaces/{namespace}/persistentvolumeclaims/{name}/usage");
    serde_json::from_value(client.value(&path).ok()?).ok()?
}

/// `pods`: those among which are the ones that use it.
pub(super) fn describe(
    page: &mut Page,
    claim: &PersistentVolumeClaim,
    pods: &[Object],
    usage: Option<ClaimUsage>,
) {
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
    if let Some(usage) = usage {
        describe_usage(page, usage);
    }
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

/// What kubectl cannot know.
fn describe_usage(page: &mut Page, usage: ClaimUsage) {
    page.field(0, "Used", binary(usage.used_bytes));
    match usage.limit_bytes {
        Some(limit) => page.field(0, "Limit", binary(limit)),
        None => page.field(0, "Limit", "<none> (the file system has no project quotas)"),
    }
}

/// `1.5Gi`
fn binary(bytes: u64) -> String {
    let units = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40)];
    let unit = units.iter().rev().find(|(_, bits)| bytes >> bits > 0);
    let Some((unit, bits)) = unit else { return bytes.to_string() };
    let tenths = (u128::from(bytes) * 10).div_ceil(1 << bits);
    match tenths % 10 {
        0 => format!("{}{unit}", tenths / 10),
        rest => format!("{}.{rest}{unit}", tenths / 10),
    }
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
