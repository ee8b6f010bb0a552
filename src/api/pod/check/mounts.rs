//! The rules of `volumeMounts` and `volumeDevices`.

use super::{Scope, required, supported};
use crate::check::{Causes, Path};
use crate::names;
use crate::omitempty::{flag, items, text};
use k8s_openapi::api::core::v1::{Container, VolumeDevice, VolumeMount};
use std::collections::BTreeSet;

const PROPAGATIONS: [&str; 3] = ["Bidirectional", "HostToContainer", "None"];
const RECURSIVE_READ_ONLY: [&str; 3] = ["Disabled", "Enabled", "IfPossible"];

/// Names and paths of one list, which the other may not use.
struct Taken<'a> {
    names: BTreeSet<&'a str>,
    paths: BTreeSet<&'a str>,
}

impl<'a> FromIterator<(&'a String, &'a String)> for Taken<'a> {
    fn from_iter<I: IntoIterator<Item = (&'a String, &'a String)>>(pairs: I) -> Taken<'a> {
        let (names, paths) = pairs.into_iter().map(|(n, p)| (n.as_str(), p.as_str())).unzip();
        Taken { names, paths }
    }
}

pub(super) fn check(container: &Container, scope: &Scope<'_>, at: &Path<'_>, causes: &mut Causes) {
    let mounts_at = at.child("volumeMounts");
    let devices = items(&container.volume_devices).iter();
    let devices = devices.map(|device| (&device.name, &device.device_path)).collect();
    let mut seen = BTreeSet::new();
    for (i, mount) in items(&container.volume_mounts).iter().enumerate() {
        let at = mounts_at.index(i);
        check_place(mount, &devices, scope, &at, causes);
        if !seen.insert(&mount.mount_path) {
            causes.invalid(&at.child("mountPath"), &mount.mount_path, "must be unique");
        }
        check_sub_path(mount, &mounts_at, &at, causes);
        check_propagation(mount, container, &mounts_at.child("mountPropagation"), causes);
        check_read_only(mount, &mounts_at.child("recursiveReadOnly"), causes);
    }
    check_devices(container, scope, &at.child("volumeDevices"), causes);
}

/// Checks the name of a mounted volume, and the path of its mount.
fn check_place(
    mount: &VolumeMount,
    devices: &Taken<'_>,
    scope: &Scope<'_>,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    let (name, path) = (&mount.name, &mount.mount_path);
    required(name, &at.child("name"), causes);
    if !scope.volumes.contains_key(name.as_str()) {
        causes.not_found(&at.child("name"), name);
    }
    required(path, &at.child("mountPath"), causes);
    if devices.names.contains(name.as_str()) {
        causes.invalid(&at.child("name"), name, "must not already exist in volumeDevices");
    }
    if devices.paths.contains(path.as_str()) {
        let why = "must not already exist as a path in volumeDevices";
        causes.invalid(&at.child("mountPath"), path, why);
    }
}

/// Checks `subPath` and `subPathExpr`. Faults of a path are reported for the whole list, as in
/// Kubernetes.
fn check_sub_path(mount: &VolumeMount, list_at: &Path<'_>, at: &Path<'_>, causes: &mut Causes) {
    let (path, expression) = (text(&mount.sub_path), text(&mount.sub_path_expr));
    causes.invalid_each(&list_at.child("subPath"), path, names::local_path(path));
    if !expression.is_empty() && !path.is_empty() {
        let why = "subPathExpr and subPath are mutually exclusive";
        causes.invalid(&at.child("subPathExpr"), expression, why);
    }
    let faults = names::local_path(expression);
    causes.invalid_each(&list_at.child("subPathExpr"), expression, faults);
}

fn check_propagation(
    mount: &VolumeMount,
    container: &Container,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    let Some(propagation) = &mount.mount_propagation else { return };
    supported(propagation, &PROPAGATIONS, at, causes);
    let is_privileged = container.security_context.as_ref().is_some_and(|c| flag(c.privileged));
    if propagation == "Bidirectional" && !is_privileged {
        let why = "Bidirectional mount propagation is available only to privileged containers";
        causes.forbidden(at, why);
    }
}

fn check_read_only(mount: &VolumeMount, at: &Path<'_>, causes: &mut Causes) {
    let Some(recursive) = &mount.recursive_read_only else { return };
    supported(recursive, &RECURSIVE_READ_ONLY, at, causes);
    if !["Enabled", "IfPossible"].contains(&recursive.as_str()) {
        return;
    }
    if !flag(mount.read_only) {
        causes.forbidden(at, "may only be specified when readOnly is true");
    }
    if mount.mount_propagation.as_ref().is_some_and(|propagation| propagation != "None") {
        let why = "may only be specified when mountPropagation is None or not specified";
        causes.forbidden(at, why);
    }
}

fn check_devices(container: &Container, scope: &Scope<'_>, at: &Path<'_>, causes: &mut Causes) {
    let mounts = items(&container.volume_mounts).iter();
    let mounts = mounts.map(|mount| (&mount.name, &mount.mount_path)).collect();
    let (mut names_seen, mut paths_seen) = (BTreeSet::new(), BTreeSet::new());
    for (i, device) in items(&container.volume_devices).iter().enumerate() {
        let at = at.index(i);
        check_device(device, &mounts, scope, &at, causes);
        if !device.name.is_empty() && !names_seen.insert(&device.name) {
            causes.invalid(&at.child("name"), &device.name, "must be unique");
        }
        let path = &device.device_path;
        if paths_seen.contains(path) {
            causes.invalid(&at.child("devicePath"), path, "must be unique");
        }
        if names::no_backsteps(path).is_empty() {
            paths_seen.insert(path);
        } else {
            causes.invalid(&at.child("devicePath"), path, "can not contain backsteps ('..')");
        }
    }
}

fn check_device(
    device: &VolumeDevice,
    mounts: &Taken<'_>,
    scope: &Scope<'_>,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    let (name, path) = (&device.name, &device.device_path);
    required(name, &at.child("name"), causes);
    match scope.volumes.get(name.as_str()) {
        None => causes.not_found(&at.child("name"), name),
        Some(volume) if volume.persistent_volume_claim.is_none() && volume.ephemeral.is_none() => {
            let why = "can only use volume source type of PersistentVolumeClaim or Ephemeral \
                       for block mode";
            causes.invalid(&at.child("name"), name, why);
        }
        Some(_) => {}
    }
    required(path, &at.child("devicePath"), causes);
    if mounts.names.contains(name.as_str()) {
        causes.invalid(&at.child("name"), name, "must not already exist in volumeMounts");
    }
    if mounts.paths.contains(path.as_str()) {
        let why = "must not already exist as a path in volumeMounts";
        causes.invalid(&at.child("devicePath"), path, why);
    }
}
