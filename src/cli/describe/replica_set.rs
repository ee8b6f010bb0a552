//! A ReplicaSet in words.

use super::page::Page;
use super::{related, template};
use cronlet_api::columns::selector;
use cronlet_api::kind::Object;
use k8s_openapi::api::apps::v1::ReplicaSet;

/// `pods`: those among which its own are.
pub(super) fn describe(page: &mut Page, set: &ReplicaSet, pods: &[Object]) {
    let meta = &set.metadata;
    let spec = set.spec.clone().unwrap_or_default();
    let status = set.status.clone().unwrap_or_default();
    page.names(meta);
    page.field(0, "Selector", selector(Some(&spec.selector)));
    page.labels(0, "Labels", meta.labels.as_ref());
    page.annotations(0, meta);
    page.controller(meta);
    let wanted = spec.replicas.unwrap_or(1);
    page.field(0, "Replicas", format_args!("{} current / {wanted} desired", status.replicas));
    related::pods_status(page, meta.uid.as_deref(), pods);
    template::describe(page, &spec.template.unwrap_or_default());
    let conditions = status.conditions.into_iter().flatten();
    page.conditions(conditions.map(|one| (one.type_, one.status, one.reason)));
}
