//! A PersistentVolume in words.

use super::page::Page;
use super::volume;
use cronlet_api::columns::human_duration;
use cronlet_api::persistent_volume::columns::{claim, class};
use cronlet_api::persistent_volume_claim::columns::{abbreviated, storage};
use cronlet_api::time::{Clock, SystemClock};
use k8s_openapi::api::core::v1::{NodeSelectorRequirement, PersistentVolume, VolumeNodeAffinity};

pub(super) fn describe(page: &mut Page, volume: &PersistentVolume) {
    let meta = &volume.metadata;
    let spec = volume.spec.clone().unwrap_or_default();
    let status = volume.status.clone().unwrap_or_default();
    page.field(0, "Name", meta.name.as_deref().unwrap_or_default());
    page.labels(0, "Labels", meta.labels.as_ref());
    page.annotations(0, meta);
    let finalizers = meta.finalizers.as_deref().unwrap_or_default().join(" ");
    page.field(0, "Finalizers", format_args!("[{finalizers}]"));
    page.field(0, "StorageClass", class(volume));
    match &meta.deletion_timestamp {
        Some(deleted) => {
            let since = human_duration(SystemClock.now().duration_since(deleted.0));
            page.field(0, "Status", format_args!("Terminating (lasts {since})"));
        }
        None => page.field(0, "Status", status.phase.as_deref().unwrap_or_default()),
    }
    page.field(0, "Claim", claim(volume));
    let policy = spec.persistent_volume_reclaim_policy.as_deref();
    page.field(0, "Reclaim Policy", policy.unwrap_or_default());
    page.field(0, "Access Modes", abbreviated(spec.access_modes.as_deref().unwrap_or_default()));
    page.field_if(0, "VolumeMode", spec.volume_mode.as_ref());
    page.field(0, "Capacity", storage(spec.capacity.as_ref()));
    describe_affinity(page, spec.node_affinity.as_ref());
    page.field(0, "Message", status.message.as_deref().unwrap_or_default());
    page.line(0, "Source:");
    if let Some(host) = &spec.host_path {
        volume::describe_host_path(page, host);
    } else if let Some(local) = &spec.local {
        let kind = "LocalVolume (a persistent volume backed by local storage on a node)";
        page.field(2, "Type", kind);
        page.field(2, "Path", &local.path);
    } else {
        page.line(2, "<unknown>");
    }
}

fn describe_affinity(page: &mut Page, affinity: Option<&VolumeNodeAffinity>) {
    let Some(required) = affinity.and_then(|affinity| affinity.required.as_ref()) else {
        return page.field(0, "Node Affinity", "<none>");
    };
    page.field(0, "Node Affinity", "");
    page.field(1, "Required Terms", "");
    for (i, term) in required.node_selector_terms.iter().enumerate() {
        let expressions = term.match_expressions.iter().flatten().map(requirement_text);
        page.many(2, &format!("Term {i}"), expressions);
    }
}

fn requirement_text(requirement: &NodeSelectorRequirement) -> String {
    let NodeSelectorRequirement { key, operator, values } = requirement;
    let operator = operator.to_lowercase();
    match values.as_deref().unwrap_or_default() {
        [] => format!("{key} {operator}"),
        values => format!("{key} {operator} [{}]", values.join(", ")),
    }
}
