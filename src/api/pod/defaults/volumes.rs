//! The defaults of volumes, one function a type that has any.

use super::image::pull_policy;
use super::{containers, resources};
use crate::omitempty::{default_to, items_mut, text};
use crate::quantity::Quantity;
use k8s_openapi::api::core::v1::{
    AzureDiskVolumeSource, DownwardAPIVolumeFile, EmptyDirVolumeSource, EphemeralVolumeSource,
    ImageVolumeSource, PersistentVolumeClaimSpec, ProjectedVolumeSource, RBDVolumeSource,
    ScaleIOVolumeSource, Volume,
};

const FILE_MODE: i32 = 0o644;
const TOKEN_SECONDS: i64 = 3600;

pub(super) fn default(volume: &mut Volume) {
    if *volume == (Volume { name: volume.name.clone(), ..Default::default() }) {
        volume.empty_dir = Some(EmptyDirVolumeSource::default());
    }
    default_files(volume);
    volume.empty_dir.as_mut().map(default_size);
    if let Some(host_path) = &mut volume.host_path {
        host_path.type_.get_or_insert_default();
    }
    volume.image.as_mut().map(default_image);
    volume.ephemeral.as_mut().map(default_claim_template);
    volume.azure_disk.as_mut().map(default_azure_disk);
    volume.rbd.as_mut().map(default_rbd);
    volume.scale_io.as_mut().map(default_scale_io);
    if let Some(iscsi) = &mut volume.iscsi {
        default_to(&mut iscsi.iscsi_interface, "default");
    }
}

fn default_files(volume: &mut Volume) {
    if let Some(secret) = &mut volume.secret {
        secret.default_mode.get_or_insert(FILE_MODE);
    }
    if let Some(config_map) = &mut volume.config_map {
        config_map.default_mode.get_or_insert(FILE_MODE);
    }
    if let Some(downward) = &mut volume.downward_api {
        downward.default_mode.get_or_insert(FILE_MODE);
        items_mut(&mut downward.items).iter_mut().for_each(default_downward_file);
    }
    volume.projected.as_mut().map(default_projected);
}

fn default_downward_file(file: &mut DownwardAPIVolumeFile) {
    file.field_ref.as_mut().map(containers::default_field);
    file.resource_field_ref.as_mut().map(containers::default_divisor);
}

fn default_projected(projected: &mut ProjectedVolumeSource) {
    projected.default_mode.get_or_insert(FILE_MODE);
    for source in items_mut(&mut projected.sources) {
        if let Some(downward) = &mut source.downward_api {
            items_mut(&mut downward.items).iter_mut().for_each(default_downward_file);
        }
        if let Some(token) = &mut source.service_account_token {
            token.expiration_seconds.get_or_insert(TOKEN_SECONDS);
        }
    }
}

fn default_size(empty_dir: &mut EmptyDirVolumeSource) {
    if let Some(size) = &mut empty_dir.size_limit
        && let Ok(amount) = size.0.parse::<Quantity>()
    {
        size.0 = amount.to_string();
    }
}

fn default_image(image: &mut ImageVolumeSource) {
    let policy = pull_policy(text(&image.reference));
    default_to(&mut image.pull_policy, policy);
}

fn default_claim_template(ephemeral: &mut EphemeralVolumeSource) {
    if let Some(template) = &mut ephemeral.volume_claim_template {
        template.metadata.get_or_insert_default();
        claim(&mut template.spec);
    }
}

/// A claim, on its own or in a template.
pub fn claim(claim: &mut PersistentVolumeClaimSpec) {
    claim.volume_mode.get_or_insert_with(|| "Filesystem".into());
    let wanted = claim.resources.get_or_insert_default();
    wanted.limits.as_mut().map(resources::round);
    wanted.requests.as_mut().map(resources::round);
}

fn default_azure_disk(disk: &mut AzureDiskVolumeSource) {
    disk.caching_mode.get_or_insert_with(|| "ReadWrite".into());
    disk.kind.get_or_insert_with(|| "Shared".into());
    disk.fs_type.get_or_insert_with(|| "ext4".into());
    disk.read_only.get_or_insert(false);
}

fn default_rbd(rbd: &mut RBDVolumeSource) {
    default_to(&mut rbd.pool, "rbd");
    default_to(&mut rbd.user, "admin");
    default_to(&mut rbd.keyring, "/etc/ceph/keyring");
}

fn default_scale_io(scale_io: &mut ScaleIOVolumeSource) {
    default_to(&mut scale_io.storage_mode, "ThinProvisioned");
    default_to(&mut scale_io.fs_type, "xfs");
}
