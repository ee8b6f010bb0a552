//! The rules of a PersistentVolume.

use crate::check::{Causes, Path};
use crate::meta::immutable;
use crate::names;
use crate::omitempty::text;
use crate::pod::check::{
    OneOf, check_access_modes, check_class, check_host_path, check_nfs, check_node_selector,
    required, supported,
};
use crate::quantity::Quantity;
use k8s_openapi::api::core::v1::{
    PersistentVolume, PersistentVolumeSpec, PersistentVolumeStatus, VolumeNodeAffinity,
};

const POLICIES: [&str; 3] = ["Delete", "Recycle", "Retain"];
const MODES: [&str; 2] = ["Block", "Filesystem"];
const STORAGE: &str = "storage";

/// The rules of a new volume, after its defaults; those of `metadata` are checked elsewhere.
pub fn create(volume: &PersistentVolume, causes: &mut Causes) {
    let Some(spec) = &volume.spec else { return };
    let at = Path::root("spec");
    check_access_modes(
        spec.access_modes.as_deref().unwrap_or_default(),
        &at.child("accessModes"),
        causes,
    );
    check_capacity(spec, &at.child("capacity"), causes);
    let policy = text(&spec.persistent_volume_reclaim_policy);
    let policy_at = at.child("persistentVolumeReclaimPolicy");
    if !policy.is_empty() {
        supported(policy, &POLICIES, &policy_at, causes);
    }
    if let Some(affinity) = &spec.node_affinity {
        check_affinity(affinity, &at.child("nodeAffinity"), causes);
    }
    check_source(spec, &at, causes);
    let is_root = |path: &str| !path.is_empty() && path.trim_matches('/').is_empty();
    if policy == "Recycle" && spec.host_path.as_ref().is_some_and(|host| is_root(&host.path)) {
        causes.forbidden(&policy_at, "may not be 'recycle' for a hostPath mount of '/'");
    }
    check_class(&spec.storage_class_name, &at.child("storageClassName"), causes);
    let attributes = &spec.volume_attributes_class_name;
    check_class(attributes, &at.child("volumeAttributesClassName"), causes);
    if let Some(mode) = &spec.volume_mode {
        supported(mode, &MODES, &at.child("volumeMode"), causes);
    }
}

/// The rules of a change: where the data lies stays.
pub fn update(old: &PersistentVolume, new: &PersistentVolume, causes: &mut Causes) {
    create(new, causes);
    let (Some(had), Some(spec)) = (&old.spec, &new.spec) else { return };
    if source_of(had) != source_of(spec) {
        let at = Path::root("spec");
        let why = "spec.persistentvolumesource is immutable after creation";
        causes.forbidden(&at.child("persistentvolumesource"), why);
    }
    immutable(&had.volume_mode, &spec.volume_mode, &Path::root("volumeMode"), causes);
    if had.node_affinity.is_some() {
        let at = Path::root("nodeAffinity");
        immutable(&had.node_affinity, &spec.node_affinity, &at, causes);
    }
}

/// The spec with nothing but where the data lies.
fn source_of(spec: &PersistentVolumeSpec) -> PersistentVolumeSpec {
    PersistentVolumeSpec {
        access_modes: None,
        capacity: None,
        claim_ref: None,
        mount_options: None,
        node_affinity: None,
        persistent_volume_reclaim_policy: None,
        storage_class_name: None,
        volume_attributes_class_name: None,
        volume_mode: None,
        ..spec.clone()
    }
}

/// The type of the source as the field is called, such as `hostPath`.
pub fn source_name(spec: &PersistentVolumeSpec) -> String {
    let json = serde_json::to_value(source_of(spec)).expect("Kubernetes' types always serialize");
    let first = json.as_object().into_iter().flatten().next();
    first.map_or_else(|| "unknown".to_owned(), |(name, _)| name.clone())
}

/// The rules of a new status.
pub fn status(volume: &PersistentVolume, causes: &mut Causes) {
    let nothing = PersistentVolumeStatus::default();
    let status = volume.status.as_ref().unwrap_or(&nothing);
    let phases = ["Available", "Bound", "Failed", "Pending", "Released"];
    let at = Path::root("status");
    if let Some(phase) = status.phase.as_deref().filter(|phase| !phase.is_empty()) {
        supported(phase, &phases, &at.child("phase"), causes);
    }
}

fn check_capacity(spec: &PersistentVolumeSpec, at: &Path<'_>, causes: &mut Causes) {
    let nothing = std::collections::BTreeMap::new();
    let capacity = spec.capacity.as_ref().unwrap_or(&nothing);
    if capacity.is_empty() {
        causes.required(at, "");
    }
    if !capacity.contains_key(STORAGE) || capacity.len() > 1 {
        let given: Vec<&str> = capacity.keys().map(String::as_str).collect();
        causes.unsupported(at, &given.join(","), &[STORAGE]);
    }
    for (name, amount) in capacity {
        let Ok(parsed) = amount.0.parse::<Quantity>() else { continue };
        let at = at.key(name);
        if parsed.is_negative() {
            causes.invalid(&at, &amount.0, "must be greater than or equal to 0");
        }
        if parsed <= Quantity::ZERO {
            causes.invalid(&at, &amount.0, "must be greater than zero");
        }
    }
}

fn check_affinity(affinity: &VolumeNodeAffinity, at: &Path<'_>, causes: &mut Causes) {
    let at = at.child("required");
    match &affinity.required {
        Some(required) => check_node_selector(required, &at, causes),
        None => causes.required(&at, "must specify required node constraints"),
    }
}

/// Exactly one type, in the order in which Kubernetes looks for them.
fn check_source(spec: &PersistentVolumeSpec, at: &Path<'_>, causes: &mut Causes) {
    let mut one = OneOf::new("volume type");
    if let Some(source) = one.first(&spec.host_path, at, "hostPath", causes) {
        check_host_path(source, &at.child("hostPath"), causes);
    }
    let types = [
        (spec.gce_persistent_disk.is_some(), "gcePersistentDisk"),
        (spec.aws_elastic_block_store.is_some(), "awsElasticBlockStore"),
        (spec.glusterfs.is_some(), "glusterfs"),
        (spec.flocker.is_some(), "flocker"),
    ];
    one.choose_of(&types, at, causes);
    if let Some(source) = one.first(&spec.nfs, at, "nfs", causes) {
        check_nfs(source, &at.child("nfs"), causes);
    }
    let types = [
        (spec.rbd.is_some(), "rbd"),
        (spec.quobyte.is_some(), "quobyte"),
        (spec.cephfs.is_some(), "cephFS"),
        (spec.iscsi.is_some(), "iscsi"),
        (spec.cinder.is_some(), "cinder"),
        (spec.fc.is_some(), "fc"),
        (spec.flex_volume.is_some(), "flexVolume"),
        (spec.azure_file.is_some(), "azureFile"),
        (spec.vsphere_volume.is_some(), "vsphereVolume"),
        (spec.photon_persistent_disk.is_some(), "photonPersistentDisk"),
        (spec.portworx_volume.is_some(), "portworxVolume"),
        (spec.azure_disk.is_some(), "azureDisk"),
        (spec.scale_io.is_some(), "scaleIO"),
    ];
    one.choose_of(&types, at, causes);
    if let Some(source) = one.first(&spec.local, at, "local", causes) {
        let path_at = at.child("local");
        let path_at = path_at.child("path");
        required(&source.path, &path_at, causes);
        causes.invalid_each(&path_at, &source.path, names::no_backsteps(&source.path));
        if spec.node_affinity.is_none() {
            causes.required(&at.child("nodeAffinity"), "Local volume requires node affinity");
        }
    }
    one.choose_of(&[(spec.storageos.is_some(), "storageos")], at, causes);
    if let Some(source) = one.first(&spec.csi, at, "csi", causes) {
        let at = at.child("csi");
        required(&source.driver, &at.child("driver"), causes);
        required(&source.volume_handle, &at.child("volumeHandle"), causes);
    }
    one.finish(at, causes);
}
