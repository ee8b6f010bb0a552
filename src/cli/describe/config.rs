//! A ConfigMap and a Secret in words; a Secret's values are counted, not shown.

use super::page::Page;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};

pub(super) fn describe_config_map(page: &mut Page, map: &ConfigMap) {
    page.names(&map.metadata);
    page.labels(0, "Labels", map.metadata.labels.as_ref());
    page.annotations(0, &map.metadata);
    page.verbatim("\nData\n====\n");
    for (key, value) in map.data.iter().flatten() {
        page.verbatim(&format!("{key}:\n----\n{value}\n\n"));
    }
    page.verbatim("\nBinaryData\n====\n");
    for (key, value) in map.binary_data.iter().flatten() {
        page.verbatim(&format!("{key}: {} bytes\n", value.0.len()));
    }
    page.verbatim("\n");
}

pub(super) fn describe_secret(page: &mut Page, secret: &Secret) {
    page.names(&secret.metadata);
    page.labels(0, "Labels", secret.metadata.labels.as_ref());
    page.annotations(0, &secret.metadata);
    page.verbatim("\n");
    page.field(0, "Type", secret.type_.as_deref().unwrap_or_default());
    page.verbatim("\nData\n====\n");
    for (key, value) in secret.data.iter().flatten() {
        page.field(0, key, format_args!("{} bytes", value.0.len()));
    }
}
