//! Volumes in words.

use super::page::Page;
use k8s_openapi::api::core::v1::{
    DownwardAPIVolumeFile, HostPathVolumeSource, Volume, VolumeProjection,
};

pub(super) fn describe_all(page: &mut Page, volumes: &[Volume], in_template: bool) {
    let level = usize::from(in_template);
    if volumes.is_empty() {
        return page.field(level, "Volumes", "<none>");
    }
    page.line(level, "Volumes:");
    for volume in volumes {
        let blank = if in_template { " " } else { "" };
        page.line(1, format_args!("{blank}{}:", volume.name));
        describe(page, volume);
    }
}

fn describe(page: &mut Page, volume: &Volume) {
    let or_unset = |text: Option<&String>| match text.filter(|text| !text.is_empty()) {
        Some(text) => text.clone(),
        None => "<unset>".to_owned(),
    };
    if let Some(empty) = &volume.empty_dir {
        let kind = "EmptyDir (a temporary directory that shares a pod's lifetime)";
        page.field(2, "Type", kind);
        page.field(2, "Medium", empty.medium.as_deref().unwrap_or_default());
        page.field(2, "SizeLimit", or_unset(empty.size_limit.as_ref().map(|size| &size.0)));
    } else if let Some(host) = &volume.host_path {
        describe_host_path(page, host);
    } else if let Some(secret) = &volume.secret {
        page.field(2, "Type", "Secret (a volume populated by a Secret)");
        page.field(2, "SecretName", secret.secret_name.as_deref().unwrap_or_default());
        page.field(2, "Optional", secret.optional.unwrap_or(false));
    } else if let Some(map) = &volume.config_map {
        page.field(2, "Type", "ConfigMap (a volume populated by a ConfigMap)");
        page.field(2, "Name", &map.name);
        page.field(2, "Optional", map.optional.unwrap_or(false));
    } else if let Some(claim) = &volume.persistent_volume_claim {
        let kind = "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same \
                    namespace)";
        page.field(2, "Type", kind);
        page.field(2, "ClaimName", &claim.claim_name);
        page.field(2, "ReadOnly", claim.read_only.unwrap_or(false));
    } else if let Some(downward) = &volume.downward_api {
        page.field(2, "Type", "DownwardAPI (a volume populated by information about the pod)");
        page.line(2, "Items:");
        downward.items.iter().flatten().for_each(|item| page.line(3, item_text(item)));
    } else if let Some(projected) = &volume.projected {
        let kind = "Projected (a volume that contains injected data from multiple sources)";
        page.field(2, "Type", kind);
        projected.sources.iter().flatten().for_each(|source| describe_source(page, source));
    } else {
        page.line(2, "<unknown>");
    }
}

pub(super) fn describe_host_path(page: &mut Page, host: &HostPathVolumeSource) {
    page.field(2, "Type", "HostPath (bare host directory volume)");
    page.field(2, "Path", &host.path);
    page.field(2, "HostPathType", host.type_.as_deref().unwrap_or_default());
}

fn describe_source(page: &mut Page, source: &VolumeProjection) {
    if let Some(secret) = &source.secret {
        page.field(2, "SecretName", &secret.name);
        page.field(2, "Optional", secret.optional.unwrap_or(false));
    } else if source.downward_api.is_some() {
        page.field(2, "DownwardAPI", true);
    } else if let Some(map) = &source.config_map {
        page.field(2, "ConfigMapName", &map.name);
        page.field(2, "Optional", map.optional.unwrap_or(false));
    } else if let Some(token) = &source.service_account_token {
        page.field(2, "TokenExpirationSeconds", token.expiration_seconds.unwrap_or_default());
    }
}

fn item_text(item: &DownwardAPIVolumeFile) -> String {
    let from = match (&item.field_ref, &item.resource_field_ref) {
        (Some(field), _) => field.field_path.as_str(),
        (None, Some(resource)) => resource.resource.as_str(),
        (None, None) => "",
    };
    format!("{from} -> {}", item.path)
}
