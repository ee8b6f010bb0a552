//! A StatefulSet in words.

use super::page::{Page, int_or_string};
use super::{related, template};
use cronlet_api::columns::selector;
use cronlet_api::kind::Object;
use cronlet_api::persistent_volume_claim::columns::class;
use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetUpdateStrategy};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;

/// `pods`: those among which its own are.
pub(super) fn describe(page: &mut Page, set: &StatefulSet, pods: &[Object]) {
    let meta = &set.metadata;
    let spec = set.spec.clone().unwrap_or_default();
    let total = set.status.as_ref().map_or(0, |status| status.replicas);
    page.names(meta);
    page.created(meta);
    page.field(0, "Selector", selector(Some(&spec.selector)));
    page.labels(0, "Labels", meta.labels.as_ref());
    page.annotations(0, meta);
    let wanted = spec.replicas.unwrap_or(1);
    page.field(0, "Replicas", format_args!("{wanted} desired | {total} total"));
    describe_strategy(page, &spec.update_strategy.unwrap_or_default());
    related::pods_status(page, meta.uid.as_deref(), pods);
    template::describe(page, &spec.template);
    describe_claims(page, spec.volume_claim_templates.as_deref().unwrap_or_default());
}

fn describe_strategy(page: &mut Page, strategy: &StatefulSetUpdateStrategy) {
    page.field(0, "Update Strategy", strategy.type_.as_deref().unwrap_or_default());
    let rolling = strategy.rolling_update.as_ref();
    let Some(partition) = rolling.and_then(|rolling| rolling.partition) else { return };
    page.field(1, "Partition", partition);
    let unavailable = rolling.and_then(|rolling| rolling.max_unavailable.as_ref());
    page.field_if(1, "MaxUnavailable", unavailable.map(|count| int_or_string(Some(count))));
}

fn describe_claims(page: &mut Page, templates: &[PersistentVolumeClaim]) {
    if templates.is_empty() {
        return page.field(0, "Volume Claims", "<none>");
    }
    page.line(0, "Volume Claims:");
    for claim in templates {
        let meta = &claim.metadata;
        let spec = claim.spec.clone().unwrap_or_default();
        page.field(1, "Name", meta.name.as_deref().unwrap_or_default());
        page.field(1, "StorageClass", class(claim));
        page.labels(1, "Labels", meta.labels.as_ref());
        // As labels are shown, and not as annotations elsewhere.
        page.labels(1, "Annotations", meta.annotations.as_ref());
        let requests = spec.resources.and_then(|resources| resources.requests).unwrap_or_default();
        let capacity = requests.get("storage").map_or("<default>", |storage| storage.0.as_str());
        page.field(1, "Capacity", capacity);
        let modes = spec.access_modes.unwrap_or_default().join(" ");
        page.field(1, "Access Modes", format_args!("[{modes}]"));
    }
}
