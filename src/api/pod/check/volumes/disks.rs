//! The rules of volumes on other machines and in clouds. No runtime here mounts them, yet manifests
//! are accepted and refused as by Kubernetes.

use super::super::one_of::OneOf;
use super::super::{required, supported};
use crate::check::{Causes, Path};
use crate::names;
use crate::omitempty::{flag, items, text};
use k8s_openapi::api::core::v1::{
    AzureDiskVolumeSource, FCVolumeSource, FlexVolumeSource, FlockerVolumeSource,
    ISCSIVolumeSource, LocalObjectReference, NFSVolumeSource, QuobyteVolumeSource,
    StorageOSVolumeSource, Volume,
};

const PORTAL_LENGTH_MAX: usize = 64;
const TENANT_LENGTH_MAX: usize = 64;
const CACHING_MODES: [&str; 3] = ["None", "ReadOnly", "ReadWrite"];
const AZURE_KINDS: [&str; 3] = ["Dedicated", "Managed", "Shared"];

/// Checks a repository, and the first clouds' disks.
pub(crate) fn check_first(volume: &Volume, one: &mut OneOf, at: &Path<'_>, causes: &mut Causes) {
    if let Some(source) = one.first(&volume.git_repo, at, "gitRepo", causes) {
        let at = at.child("gitRepo");
        required(&source.repository, &at.child("repository"), causes);
        let directory = text(&source.directory);
        causes.invalid_each(&at.child("directory"), directory, names::local_path(directory));
    }
    if let Some(source) = one.first(&volume.gce_persistent_disk, at, "gcePersistentDisk", causes) {
        let at = at.child("persistentDisk");
        required(&source.pd_name, &at.child("pdName"), causes);
        check_partition(source.partition, &at.child("partition"), causes);
    }
    if let Some(source) =
        one.first(&volume.aws_elastic_block_store, at, "awsElasticBlockStore", causes)
    {
        let at = at.child("awsElasticBlockStore");
        required(&source.volume_id, &at.child("volumeID"), causes);
        check_partition(source.partition, &at.child("partition"), causes);
    }
}

/// Checks volumes that a server exports.
pub(crate) fn check_exports(volume: &Volume, one: &mut OneOf, at: &Path<'_>, causes: &mut Causes) {
    if let Some(source) = one.first(&volume.nfs, at, "nfs", causes) {
        check_nfs(source, &at.child("nfs"), causes);
    }
    if let Some(source) = one.first(&volume.iscsi, at, "iscsi", causes) {
        check_iscsi(source, &at.child("iscsi"), causes);
        let length = volume.name.len() + 1 + source.target_portal.len();
        if source.initiator_name.is_some() && length > PORTAL_LENGTH_MAX {
            let why = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 \
                       characters if iscsi.initiatorName is specified.";
            causes.invalid(&at.child("name"), &volume.name, why);
        }
    }
    if let Some(source) = one.first(&volume.glusterfs, at, "glusterfs", causes) {
        let fields = [("endpoints", source.endpoints.as_str()), ("path", &source.path)];
        check_required(&fields, &at.child("glusterfs"), causes);
    }
    if let Some(source) = one.first(&volume.flocker, at, "flocker", causes) {
        check_flocker(source, &at.child("flocker"), causes);
    }
}

/// Checks volumes of a storage cluster.
pub(crate) fn check_clusters(volume: &Volume, one: &mut OneOf, at: &Path<'_>, causes: &mut Causes) {
    if let Some(source) = one.first(&volume.rbd, at, "rbd", causes) {
        let at = at.child("rbd");
        check_monitors(&source.monitors, &at, causes);
        required(&source.image, &at.child("image"), causes);
    }
    if let Some(source) = one.first(&volume.cinder, at, "cinder", causes) {
        let at = at.child("cinder");
        required(&source.volume_id, &at.child("volumeID"), causes);
        check_secret(&source.secret_ref, &at, causes);
    }
    // Kubernetes writes the field in two ways.
    if let Some(source) = one.first(&volume.cephfs, at, "cephFS", causes) {
        check_monitors(&source.monitors, &at.child("cephfs"), causes);
    }
    if let Some(source) = one.first(&volume.quobyte, at, "quobyte", causes) {
        check_quobyte(source, &at.child("quobyte"), causes);
    }
}

/// Checks volumes that the host attaches.
pub(crate) fn check_attached(volume: &Volume, one: &mut OneOf, at: &Path<'_>, causes: &mut Causes) {
    if let Some(source) = one.first(&volume.fc, at, "fc", causes) {
        check_fc(source, &at.child("fc"), causes);
    }
    if let Some(source) = one.first(&volume.flex_volume, at, "flexVolume", causes) {
        check_flex(source, &at.child("flexVolume"), causes);
    }
}

/// Checks volumes of a vendor's cloud or cluster.
pub(crate) fn check_of_clouds(
    volume: &Volume,
    one: &mut OneOf,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    if let Some(source) = one.first(&volume.azure_file, at, "azureFile", causes) {
        let fields =
            [("secretName", source.secret_name.as_str()), ("shareName", &source.share_name)];
        check_required(&fields, &at.child("azureFile"), causes);
    }
    if let Some(source) = one.first(&volume.vsphere_volume, at, "vsphereVolume", causes) {
        let fields = [("volumePath", source.volume_path.as_str())];
        check_required(&fields, &at.child("vsphereVolume"), causes);
    }
    let photon = &volume.photon_persistent_disk;
    if let Some(source) = one.first(photon, at, "photonPersistentDisk", causes) {
        let fields = [("pdID", source.pd_id.as_str())];
        check_required(&fields, &at.child("photonPersistentDisk"), causes);
    }
    if let Some(source) = one.first(&volume.portworx_volume, at, "portworxVolume", causes) {
        let fields = [("volumeID", source.volume_id.as_str())];
        check_required(&fields, &at.child("portworxVolume"), causes);
    }
    if let Some(source) = one.first(&volume.azure_disk, at, "azureDisk", causes) {
        check_azure_disk(source, &at.child("azureDisk"), causes);
    }
    if let Some(source) = one.first(&volume.storageos, at, "storageos", causes) {
        check_storage_os(source, &at.child("storageos"), causes);
    }
}

/// Checks a ScaleIO volume, which Kubernetes checks after the projected ones.
pub(crate) fn check_scale_io(volume: &Volume, one: &mut OneOf, at: &Path<'_>, causes: &mut Causes) {
    if let Some(source) = one.first(&volume.scale_io, at, "scaleIO", causes) {
        let fields = [
            ("gateway", source.gateway.as_str()),
            ("system", &source.system),
            ("volumeName", text(&source.volume_name)),
        ];
        check_required(&fields, &at.child("scaleIO"), causes);
    }
}

fn check_required(fields: &[(&str, &str)], at: &Path<'_>, causes: &mut Causes) {
    for (field, value) in fields {
        required(value, &at.child(field), causes);
    }
}

fn check_monitors(monitors: &[String], at: &Path<'_>, causes: &mut Causes) {
    if monitors.is_empty() {
        causes.required(&at.child("monitors"), "");
    }
}

fn check_partition(partition: Option<i32>, at: &Path<'_>, causes: &mut Causes) {
    let partition = partition.unwrap_or_default();
    if !(0..=255).contains(&partition) {
        causes.invalid(at, partition, "must be between 1 and 255, inclusive");
    }
}

fn check_secret(secret: &Option<LocalObjectReference>, at: &Path<'_>, causes: &mut Causes) {
    if let Some(secret) = secret {
        required(&secret.name, &at.child("secretRef").child("name"), causes);
    }
}

pub fn check_nfs(source: &NFSVolumeSource, at: &Path<'_>, causes: &mut Causes) {
    check_required(&[("server", source.server.as_str()), ("path", &source.path)], at, causes);
    if !source.path.starts_with('/') {
        causes.invalid(&at.child("path"), &source.path, "must be an absolute path");
    }
}

fn check_iscsi(source: &ISCSIVolumeSource, at: &Path<'_>, causes: &mut Causes) {
    required(&source.target_portal, &at.child("targetPortal"), causes);
    match source.iqn.as_str() {
        "" => causes.required(&at.child("iqn"), ""),
        name => causes.invalid_each(&at.child("iqn"), name, initiator_faults(name)),
    }
    causes.invalid_each(&at.child("lun"), source.lun, names::within(0, 255, source.lun.into()));
    let authenticates = flag(source.chap_auth_discovery) || flag(source.chap_auth_session);
    if authenticates && source.secret_ref.is_none() {
        causes.required(&at.child("secretRef"), "");
    }
    if let Some(name) = &source.initiator_name {
        causes.invalid_each(&at.child("initiatorname"), name, initiator_faults(name));
    }
}

/// Returns the faults of an iSCSI node's name: `iqn.yyyy-mm.domain:name`, `eui.` and 16 or `naa.`
/// and 32 letters or digits.
fn initiator_faults(name: &str) -> names::Faults {
    let of_length = |letters: &str, length| {
        letters.len() == length && letters.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let (form, is_right) = match name.get(..3) {
        Some("iqn") => ("must be valid format", is_iqn(name)),
        Some("eui") => ("must be valid format", of_length(name.get(4..).unwrap_or_default(), 16)),
        Some("naa") => ("must be valid format", of_length(name.get(4..).unwrap_or_default(), 32)),
        _ => ("must be valid format starting with iqn, eui, or naa", false),
    };
    if is_right { names::Faults::new() } else { vec![form.to_owned()] }
}

fn is_iqn(name: &str) -> bool {
    let is_date = |date: &str| {
        date.len() == 7
            && date.bytes().enumerate().all(|(i, byte)| match i {
                4 => byte == b'-',
                _ => byte.is_ascii_digit(),
            })
    };
    let Some((date, rest)) = name.strip_prefix("iqn.").and_then(|rest| rest.split_once('.')) else {
        return false;
    };
    let Some((authority, own)) = rest.split_once(':') else { return false };
    is_date(date)
        && !authority.is_empty()
        && authority.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
        && !own.is_empty()
        && !own.contains(|c: char| ",;*&$|".contains(c) || c.is_whitespace())
}

fn check_flocker(source: &FlockerVolumeSource, at: &Path<'_>, causes: &mut Causes) {
    let (name, uuid) = (text(&source.dataset_name), text(&source.dataset_uuid));
    match (name.is_empty(), uuid.is_empty()) {
        (true, true) => causes.required(at, "one of datasetName and datasetUUID is required"),
        (false, false) => {
            let why = "datasetName and datasetUUID can not be specified simultaneously";
            causes.invalid(at, "resource", why);
        }
        _ => {}
    }
    if name.contains('/') {
        causes.invalid(&at.child("datasetName"), name, "must not contain '/'");
    }
}

fn check_quobyte(source: &QuobyteVolumeSource, at: &Path<'_>, causes: &mut Causes) {
    let registry = source.registry.as_str();
    let why = "must be a host:port pair or multiple pairs separated by commas";
    if registry.is_empty() {
        causes.required(&at.child("registry"), why);
    } else if text(&source.tenant).len() > TENANT_LENGTH_MAX {
        let why = "must be a UUID and may not exceed a length of 64 characters";
        causes.required(&at.child("tenant"), why);
    } else {
        for _ in registry.split(',').filter(|pair| pair.matches(':').count() != 1) {
            causes.invalid(&at.child("registry"), registry, why);
        }
    }
    required(&source.volume, &at.child("volume"), causes);
}

fn check_fc(source: &FCVolumeSource, at: &Path<'_>, causes: &mut Causes) {
    let names_at = at.child("targetWWNs");
    match (items(&source.target_wwns), items(&source.wwids)) {
        ([], []) => {
            causes.required(&names_at, "must specify either targetWWNs or wwids, but not both");
        }
        ([], _) => return,
        (_, []) => {}
        (names, _) => {
            let why = "targetWWNs and wwids can not be specified simultaneously";
            causes.invalid(&names_at, names, why);
        }
    }
    match source.lun {
        _ if items(&source.target_wwns).is_empty() => {}
        None => {
            causes.required(&at.child("lun"), "lun is required if targetWWNs is specified");
        }
        Some(lun) => {
            causes.invalid_each(&at.child("lun"), lun, names::within(0, 255, lun.into()));
        }
    }
}

fn check_flex(source: &FlexVolumeSource, at: &Path<'_>, causes: &mut Causes) {
    required(&source.driver, &at.child("driver"), causes);
    for key in source.options.iter().flatten().map(|(key, _)| key) {
        let namespace = key.split('/').next().unwrap_or_default().to_lowercase();
        let namespace = format!(".{namespace}");
        if namespace.ends_with(".kubernetes.io") || namespace.ends_with(".k8s.io") {
            let why = "kubernetes.io and k8s.io namespaces are reserved";
            causes.invalid(&at.child("options").key(key), key, why);
        }
    }
}

fn check_azure_disk(source: &AzureDiskVolumeSource, at: &Path<'_>, causes: &mut Causes) {
    let uri = source.disk_uri.as_str();
    check_required(&[("diskName", source.disk_name.as_str()), ("diskURI", uri)], at, causes);
    if let Some(mode) = &source.caching_mode {
        supported(mode, &CACHING_MODES, &at.child("cachingMode"), causes);
    }
    let Some(kind) = &source.kind else { return };
    supported(kind, &AZURE_KINDS, &at.child("kind"), causes);
    let (start, form) = match kind.as_str() {
        "Managed" => (
            "/subscriptions/",
            "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/\
             {disk-id}",
        ),
        _ => (
            "https://",
            "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd",
        ),
    };
    if !uri.starts_with(start) {
        causes.unsupported(&at.child("diskURI"), uri, &[form]);
    }
}

fn check_storage_os(source: &StorageOSVolumeSource, at: &Path<'_>, causes: &mut Causes) {
    match text(&source.volume_name) {
        "" => causes.required(&at.child("volumeName"), ""),
        name => causes.invalid_each(&at.child("volumeName"), name, names::dns_label(name)),
    }
    let namespace = text(&source.volume_namespace);
    if !namespace.is_empty() {
        let faults = names::dns_label(namespace);
        causes.invalid_each(&at.child("volumeNamespace"), namespace, faults);
    }
    check_secret(&source.secret_ref, at, causes);
}
