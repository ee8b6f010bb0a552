//! A DaemonSet in words.

use super::page::Page;
use super::{related, template};
use cronlet_api::columns::selector;
use cronlet_api::kind::Object;
use k8s_openapi::api::apps::v1::{DaemonSet, DaemonSetStatus};
use k8s_openapi::api::core::v1::PodTemplateSpec;

/// `pods`: those among which its own are.
pub(super) fn describe(page: &mut Page, set: &DaemonSet, pods: &[Object]) {
    let meta = &set.metadata;
    let spec = set.spec.clone().unwrap_or_default();
    page.names(meta);
    page.field(0, "Selector", selector(Some(&spec.selector)));
    page.field(0, "Node-Selector", node_selector(&spec.template));
    page.labels(0, "Labels", meta.labels.as_ref());
    page.annotations(0, meta);
    describe_counts(page, &set.status.clone().unwrap_or_default());
    related::pods_status(page, meta.uid.as_deref(), pods);
    template::describe(page, &spec.template);
}

/// kubectl puts no tab there: the counts are no column.
fn describe_counts(page: &mut Page, status: &DaemonSetStatus) {
    for (what, count) in [
        ("Desired Number of Nodes Scheduled", status.desired_number_scheduled),
        ("Current Number of Nodes Scheduled", status.current_number_scheduled),
        (
            "Number of Nodes Scheduled with Up-to-date Pods",
            status.updated_number_scheduled.unwrap_or(0),
        ),
        ("Number of Nodes Scheduled with Available Pods", status.number_available.unwrap_or(0)),
        ("Number of Nodes Misscheduled", status.number_misscheduled),
    ] {
        page.line(0, format_args!("{what}: {count}"));
    }
}

fn node_selector(template: &PodTemplateSpec) -> String {
    let selector = template.spec.iter().flat_map(|spec| spec.node_selector.iter().flatten());
    let labels: Vec<String> = selector.map(|(key, value)| format!("{key}={value}")).collect();
    if labels.is_empty() { "<none>".to_owned() } else { labels.join(",") }
}
