//! The rules of projected volumes: files from several sources in one folder.

use super::super::required;
use super::files;
use crate::check::{Causes, Path};
use crate::omitempty::items;
use crate::{names, selector};
use k8s_openapi::api::core::v1::{
    ClusterTrustBundleProjection, ProjectedVolumeSource, ServiceAccountTokenProjection,
    VolumeProjection,
};
use std::collections::BTreeSet;

const TOKEN_SECONDS_MIN: i64 = 600;
const TOKEN_SECONDS_MAX: i64 = 1 << 32;

pub(super) fn check(projected: &ProjectedVolumeSource, at: &Path<'_>, causes: &mut Causes) {
    files::check_mode(projected.default_mode, &at.child("defaultMode"), causes);
    let mut paths = Paths { at: *at, seen: BTreeSet::new() };
    let sources_at = at.child("sources");
    for (i, source) in items(&projected.sources).iter().enumerate() {
        let at = sources_at.index(i);
        check_source(source, &at, &mut paths, causes);
        let kinds = [
            source.secret.is_some(),
            source.config_map.is_some(),
            source.downward_api.is_some(),
            source.service_account_token.is_some(),
            source.cluster_trust_bundle.is_some(),
            source.pod_certificate.is_some(),
        ];
        if kinds.iter().filter(|is_set| **is_set).count() > 1 {
            causes.forbidden(&at, "may not specify more than 1 volume type per source");
        }
    }
}

/// The paths of all files, none of which may be there twice. Faults are the whole volume's.
struct Paths<'a> {
    at: Path<'a>,
    seen: BTreeSet<&'a str>,
}

impl<'a> Paths<'a> {
    fn take(&mut self, path: &'a str, causes: &mut Causes) {
        if !path.is_empty() && !self.seen.insert(path) {
            causes.invalid(&self.at, path, "conflicting duplicate paths");
        }
    }
}

fn check_source<'a>(
    source: &'a VolumeProjection,
    at: &Path<'_>,
    paths: &mut Paths<'a>,
    causes: &mut Causes,
) {
    let named = [
        ("secret", source.secret.as_ref().map(|secret| (&secret.name, &secret.items))),
        ("configMap", source.config_map.as_ref().map(|map| (&map.name, &map.items))),
    ];
    for (field, object) in named {
        let Some((name, keys)) = object else { continue };
        let at = at.child(field);
        required(name, &at.child("name"), causes);
        files::check_items(items(keys), &at.child("items"), causes);
        items(keys).iter().for_each(|item| paths.take(&item.path, causes));
    }
    if let Some(downward) = &source.downward_api {
        let at = at.child("downwardAPI");
        for file in items(&downward.items) {
            files::check_downward_file(file, &at, causes);
            paths.take(&file.path, causes);
        }
    }
    if let Some(token) = &source.service_account_token {
        check_token(token, paths.at, &at.child("serviceAccountToken"), causes);
    }
    if let Some(bundle) = &source.cluster_trust_bundle {
        check_bundle(bundle, &at.child("clusterTrustBundle"), causes);
        paths.take(&bundle.path, causes);
    }
}

fn check_token(
    token: &ServiceAccountTokenProjection,
    volume_at: Path<'_>,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    let seconds = token.expiration_seconds.unwrap_or_default();
    let seconds_at = at.child("expirationSeconds");
    if seconds < TOKEN_SECONDS_MIN {
        causes.invalid(&seconds_at, seconds, "may not specify a duration less than 10 minutes");
    }
    if seconds > TOKEN_SECONDS_MAX {
        let why = "may not specify a duration larger than 2^32 seconds";
        causes.invalid(&seconds_at, seconds, why);
    }
    files::check_path(&token.path, &volume_at.child("path"), causes);
}

fn check_bundle(bundle: &ClusterTrustBundleProjection, at: &Path<'_>, causes: &mut Causes) {
    match (&bundle.name, &bundle.signer_name) {
        (Some(name), Some(_)) => {
            causes.invalid(at, name, "only one of name and signerName may be used");
        }
        (Some(name), None) => {
            let name_at = at.child("name");
            if name.is_empty() {
                causes.required(&name_at, "must be a valid object name");
            }
            let local = name.rsplit(':').next().unwrap_or_default();
            causes.invalid_each(&name_at, name, names::dns_subdomain(local));
            if bundle.label_selector.is_some() {
                let why = "labelSelector must be unset if name is specified";
                causes.invalid(&at.child("labelSelector"), "labelSelector", why);
            }
        }
        (None, Some(signer)) => {
            if signer.is_empty() {
                causes.required(&at.child("signerName"), "must be a valid signer name");
            }
            if let Some(selector) = &bundle.label_selector {
                selector::check(selector, &at.child("labelSelector"), causes);
            }
        }
        (None, None) => causes.required(at, "either name or signerName must be specified"),
    }
    files::check_path(&bundle.path, &at.child("path"), causes);
}
