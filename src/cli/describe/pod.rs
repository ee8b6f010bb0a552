//! A Pod in words.

use super::page::{Page, time};
use super::{container, template, volume};
use cronlet_api::columns::human_duration;
use cronlet_api::time::{Clock, SystemClock};
use k8s_openapi::api::core::v1::{Pod, PodStatus};

pub(super) fn describe(page: &mut Page, pod: &Pod) {
    let spec = pod.spec.clone().unwrap_or_default();
    let status = pod.status.clone().unwrap_or_default();
    page.names(&pod.metadata);
    page.field_if(0, "Priority", spec.priority);
    page.field_if(0, "Priority Class Name", spec.priority_class_name.as_ref());
    let account = spec.service_account_name.as_ref().filter(|name| !name.is_empty());
    page.field_if(0, "Service Account", account);
    let host = status.host_ip.as_deref().unwrap_or_default();
    let node = spec.node_name.as_deref().filter(|name| !name.is_empty());
    let node = node.map_or_else(|| "<none>".to_owned(), |name| format!("{name}/{host}"));
    page.field(0, "Node", node);
    page.field_if(0, "Start Time", status.start_time.as_ref().map(time));
    page.labels(0, "Labels", pod.metadata.labels.as_ref());
    page.annotations(0, &pod.metadata);
    describe_phase(page, pod, &status);
    page.controller(&pod.metadata);
    let inits = spec.init_containers.as_deref().unwrap_or_default();
    if !inits.is_empty() {
        let statuses = status.init_container_statuses.as_deref();
        container::describe_all(page, "Init Containers", inits, statuses, false);
    }
    let statuses = status.container_statuses.as_deref();
    container::describe_all(page, "Containers", &spec.containers, statuses, false);
    let conditions = status.conditions.as_deref().unwrap_or_default();
    if !conditions.is_empty() {
        page.line(0, "Conditions:");
        page.line(1, "Type\tStatus");
    }
    for condition in conditions {
        page.line(1, format_args!("{} \t{} ", condition.type_, condition.status));
    }
    volume::describe_all(page, spec.volumes.as_deref().unwrap_or_default(), false);
    page.field_if(0, "QoS Class", status.qos_class.as_ref());
    template::describe_placement(page, 0, &spec);
}

fn describe_phase(page: &mut Page, pod: &Pod, status: &PodStatus) {
    if let Some(deleted) = &pod.metadata.deletion_timestamp {
        let since = human_duration(SystemClock.now().duration_since(deleted.0));
        page.field(0, "Status", format_args!("Terminating (lasts {since})"));
        let grace = pod.metadata.deletion_grace_period_seconds.unwrap_or_default();
        page.field(0, "Termination Grace Period", format_args!("{grace}s"));
    } else {
        page.field(0, "Status", status.phase.as_deref().unwrap_or_default());
    }
    page.field_if(0, "Reason", status.reason.as_ref().filter(|reason| !reason.is_empty()));
    page.field_if(0, "Message", status.message.as_ref().filter(|message| !message.is_empty()));
    page.field(0, "IP", status.pod_ip.as_deref().unwrap_or_default());
    match status.pod_ips.as_deref() {
        None | Some([]) => page.field(0, "IPs", "<none>"),
        Some(addresses) => {
            page.line(0, "IPs:");
            addresses.iter().for_each(|address| page.field(1, "IP", &address.ip));
        }
    }
}
