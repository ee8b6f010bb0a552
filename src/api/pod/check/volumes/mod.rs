//! The rules of `volumes`: their names, and exactly one type each.

pub(super) mod claim;

pub(super) mod disks;

mod files;

mod projected;

use super::one_of::OneOf;
use super::{Scope, containers, required, required_and_supported, supported};
use crate::check::{Causes, Path};
use crate::names;
use crate::omitempty::{items, text};
use crate::quantity::Quantity;
use k8s_openapi::api::core::v1::{
    CSIVolumeSource, EmptyDirVolumeSource, EphemeralVolumeSource, HostPathVolumeSource,
    ImageVolumeSource, Volume,
};
use std::collections::{BTreeMap, BTreeSet};

const HOST_PATH_TYPES: [&str; 8] = [
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
];
const DRIVER_LENGTH_MAX: usize = 63;

pub(super) fn check(scope: &Scope<'_>, at: &Path<'_>, causes: &mut Causes) {
    let volumes = items(&scope.spec.volumes);
    let made = claims_made(volumes, scope);
    let mut seen = BTreeSet::new();
    for (i, volume) in volumes.iter().enumerate() {
        let at = at.index(i);
        let before = causes.found.len();
        check_volume(volume, scope, &at, causes);
        if seen.contains(&volume.name) {
            causes.duplicate(&at.child("name"), &volume.name);
        }
        if causes.found.len() == before {
            seen.insert(&volume.name);
        }
        let claim = volume.persistent_volume_claim.as_ref().map(|claim| &claim.claim_name);
        if let Some(claim) = claim.filter(|claim| made.contains(*claim)) {
            let at = at.child("persistentVolumeClaim");
            let why = "must not reference a PVC that gets created for an ephemeral volume";
            causes.invalid(&at.child("claimName"), claim, why);
        }
    }
}

/// The volumes that break no rule, by name: the first of each name.
pub(super) fn sound<'a>(scope: &Scope<'a>) -> BTreeMap<&'a str, &'a Volume> {
    let mut sound = BTreeMap::new();
    for volume in items(&scope.spec.volumes) {
        let mut causes = Causes::default();
        check_volume(volume, scope, &Path::root("volumes"), &mut causes);
        if causes.found.is_empty() {
            sound.entry(volume.name.as_str()).or_insert(volume);
        }
    }
    sound
}

fn check_volume(volume: &Volume, scope: &Scope<'_>, at: &Path<'_>, causes: &mut Causes) {
    check_source(volume, scope, at, causes);
    let name_at = at.child("name");
    match volume.name.as_str() {
        "" => causes.required(&name_at, ""),
        name => causes.invalid_each(&name_at, name, names::dns_label(name)),
    }
}

/// Exactly one type, in the order in which Kubernetes looks for them.
fn check_source(volume: &Volume, scope: &Scope<'_>, at: &Path<'_>, causes: &mut Causes) {
    let mut one = OneOf::new("volume type");
    if let Some(source) = one.first(&volume.empty_dir, at, "emptyDir", causes) {
        check_empty_dir(source, &at.child("emptyDir"), causes);
    }
    if let Some(source) = one.first(&volume.host_path, at, "hostPath", causes) {
        check_host_path(source, &at.child("hostPath"), causes);
    }
    disks::check_first(volume, &mut one, at, causes);
    if let Some(source) = one.first(&volume.secret, at, "secret", causes) {
        files::check_secret(source, &at.child("secret"), causes);
    }
    disks::check_exports(volume, &mut one, at, causes);
    if let Some(source) =
        one.first(&volume.persistent_volume_claim, at, "persistentVolumeClaim", causes)
    {
        let at = at.child("persistentVolumeClaim");
        required(&source.claim_name, &at.child("claimName"), causes);
    }
    disks::check_clusters(volume, &mut one, at, causes);
    // The field is misspelt in Kubernetes.
    if let Some(source) = one.first(&volume.downward_api, at, "downwarAPI", causes) {
        files::check_downward(source, &at.child("downwardAPI"), causes);
    }
    disks::check_attached(volume, &mut one, at, causes);
    if let Some(source) = one.first(&volume.config_map, at, "configMap", causes) {
        files::check_config_map(source, &at.child("configMap"), causes);
    }
    disks::check_of_clouds(volume, &mut one, at, causes);
    if let Some(source) = one.first(&volume.projected, at, "projected", causes) {
        projected::check(source, &at.child("projected"), causes);
    }
    disks::check_scale_io(volume, &mut one, at, causes);
    if let Some(source) = one.first(&volume.csi, at, "csi", causes) {
        check_csi(source, &at.child("csi"), causes);
    }
    if let Some(source) = one.first(&volume.ephemeral, at, "ephemeral", causes) {
        check_ephemeral(source, volume, scope, at, causes);
    }
    if let Some(source) = one.first(&volume.image, at, "image", causes) {
        check_image(source, scope, &at.child("image"), causes);
    }
    one.finish(at, causes);
}

fn check_empty_dir(source: &EmptyDirVolumeSource, at: &Path<'_>, causes: &mut Causes) {
    let size = source.size_limit.as_ref().and_then(|size| size.0.parse::<Quantity>().ok());
    if size.is_some_and(|size| size.is_negative()) {
        let why = "SizeLimit field must be a valid resource quantity";
        causes.forbidden(&at.child("sizeLimit"), why);
    }
}

pub fn check_host_path(source: &HostPathVolumeSource, at: &Path<'_>, causes: &mut Causes) {
    let path = source.path.as_str();
    if path.is_empty() {
        return causes.required(&at.child("path"), "");
    }
    causes.invalid_each(&at.child("path"), path, names::no_backsteps(path));
    supported(text(&source.type_), &HOST_PATH_TYPES, &at.child("type"), causes);
}

fn check_csi(source: &CSIVolumeSource, at: &Path<'_>, causes: &mut Causes) {
    let driver = source.driver.as_str();
    let driver_at = at.child("driver");
    if driver.is_empty() {
        causes.required(&driver_at, "");
    } else {
        if driver.len() > DRIVER_LENGTH_MAX {
            causes.too_long(&driver_at, DRIVER_LENGTH_MAX);
        }
        causes.invalid_each(&driver_at, driver, names::dns_subdomain(&driver.to_lowercase()));
    }
    match source.node_publish_secret_ref.as_ref().map(|secret| secret.name.as_str()) {
        None => {}
        Some("") => causes.required(&at.child("nodePublishSecretRef").child("name"), ""),
        Some(name) => causes.invalid_each(&at.child("name"), name, names::dns_subdomain(name)),
    }
}

fn check_ephemeral(
    source: &EphemeralVolumeSource,
    volume: &Volume,
    scope: &Scope<'_>,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    let ephemeral_at = at.child("ephemeral");
    let template_at = ephemeral_at.child("volumeClaimTemplate");
    match &source.volume_claim_template {
        None => causes.required(&template_at, ""),
        Some(template) => claim::check_template(template, &template_at, causes),
    }
    if !scope.pod_name.is_empty() && !volume.name.is_empty() {
        let claim = claim_name(volume, scope);
        let faults = names::dns_subdomain(&claim);
        let faults = faults.iter().map(|fault| format!("PVC name {claim:?}: {fault}")).collect();
        causes.invalid_each(&at.child("name"), &volume.name, faults);
    }
}

fn check_image(source: &ImageVolumeSource, scope: &Scope<'_>, at: &Path<'_>, causes: &mut Causes) {
    if scope.is_pod {
        required(text(&source.reference), &at.child("reference"), causes);
    }
    let policy = text(&source.pull_policy);
    required_and_supported(policy, &containers::PULL_POLICIES, &at.child("pullPolicy"), causes);
}

/// The claim that is made for an ephemeral volume.
fn claim_name(volume: &Volume, scope: &Scope<'_>) -> String {
    format!("{}-{}", scope.pod_name, volume.name)
}

/// The claims that are made for this pod's ephemeral volumes; unknown while the pod has no name.
fn claims_made(volumes: &[Volume], scope: &Scope<'_>) -> BTreeSet<String> {
    let named = volumes.iter().filter(|_| !scope.pod_name.is_empty());
    let ephemeral = named.filter(|volume| volume.ephemeral.is_some());
    ephemeral.map(|volume| claim_name(volume, scope)).collect()
}
