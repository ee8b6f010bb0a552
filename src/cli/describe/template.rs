//! A pod template, and what it shares with a pod, in words.

use super::page::Page;
use super::{container, volume};
use k8s_openapi::api::core::v1::{PodSpec, PodTemplateSpec, Toleration};

pub(super) fn describe(page: &mut Page, template: &PodTemplateSpec) {
    page.line(0, "Pod Template:");
    let meta = template.metadata.clone().unwrap_or_default();
    page.labels(1, "Labels", meta.labels.as_ref());
    if meta.annotations.as_ref().is_some_and(|annotations| !annotations.is_empty()) {
        page.annotations(1, &meta);
    }
    let Some(spec) = &template.spec else { return };
    let account = spec.service_account_name.as_ref().filter(|name| !name.is_empty());
    page.field_if(1, "Service Account", account);
    let inits = spec.init_containers.as_deref().unwrap_or_default();
    if !inits.is_empty() {
        container::describe_all(page, "Init Containers", inits, None, true);
    }
    container::describe_all(page, "Containers", &spec.containers, None, true);
    volume::describe_all(page, spec.volumes.as_deref().unwrap_or_default(), true);
    page.field_if(1, "Priority Class Name", spec.priority_class_name.as_ref());
    describe_placement(page, 1, spec);
}

/// Node selectors and tolerations.
pub(super) fn describe_placement(page: &mut Page, level: usize, spec: &PodSpec) {
    page.labels(level, "Node-Selectors", spec.node_selector.as_ref());
    let tolerations = spec.tolerations.as_deref().unwrap_or_default();
    page.many(level, "Tolerations", tolerations.iter().map(toleration_text));
}

fn toleration_text(toleration: &Toleration) -> String {
    let mut text = toleration.key.clone().unwrap_or_default();
    let value = toleration.value.as_deref().unwrap_or_default();
    if !value.is_empty() {
        text += &format!("={value}");
    }
    if let Some(effect) = toleration.effect.as_deref().filter(|effect| !effect.is_empty()) {
        text += &format!(":{effect}");
    }
    if toleration.operator.as_deref() == Some("Exists") && value.is_empty() {
        text += if text.is_empty() { "op=Exists" } else { " op=Exists" };
    }
    if let Some(seconds) = toleration.toleration_seconds {
        text += &format!(" for {seconds}s");
    }
    text
}
