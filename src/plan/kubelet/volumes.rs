//! The mounts of a container: its `volumeMounts` and what each volume holds.

use super::containers::{Containers, State};
use super::downward_api;
use super::env::Resolved;
use super::expand::{expand, unknown};
use super::launch::{Problem, Sources};
use crate::order::{File, GroupChange, Mount, MountSource, PodObserved, VolumeFiles, hash_of};
use crate::plan::{Lookup, View};
use crate::scheduler::fit;
use cronlet_api::kind::{Key, Kind, Object};
use cronlet_api::quantity::Quantity;
use cronlet_api::{persistent_volume, persistent_volume_claim};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{
    Container, DownwardAPIVolumeFile, EmptyDirVolumeSource, HostPathVolumeSource, KeyToPath, Node,
    PersistentVolume, PersistentVolumeClaim, PersistentVolumeSpec, Pod, ProjectedVolumeSource,
    Volume, VolumeMount, VolumeProjection,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Permission bits of files where the volume does not say.
const MODE: i32 = 0o644;

/// All mounts of the container, in its order.
pub fn mounts(
    container: &Container,
    sources: &Sources,
    resolved: &Resolved,
) -> Result<Vec<Mount>, Problem> {
    if let Some(device) = container.volume_devices.iter().flatten().next() {
        return Err(not_supported(&device.name, "block device"));
    }
    let mounts = container.volume_mounts.iter().flatten();
    mounts.map(|mount| one(mount, container, sources, resolved)).collect()
}

/// The files of volumes that running containers see and that differ from what was last ordered. A
/// volume whose sources are missing keeps what it has; a mount of a part of one never changes.
pub fn changed_files(
    containers: &Containers,
    observed: &PodObserved,
    view: &View,
) -> Vec<VolumeFiles> {
    let sources = Sources { pod: containers.pod, spec: containers.spec, view };
    let mut changed: Vec<VolumeFiles> = Vec::new();
    for member in containers.members.iter().filter(|one| matches!(one.state, State::Running { .. }))
    {
        for mount in member.container.volume_mounts.iter().flatten().filter(|one| is_whole(one)) {
            let volumes = containers.spec.volumes.iter().flatten();
            let Some(volume) = volumes.into_iter().find(|volume| volume.name == mount.name) else {
                continue;
            };
            if !has_files(volume) || changed.iter().any(|one| one.volume == volume.name) {
                continue;
            }
            let Ok(MountSource::Files { files, secret }) =
                source(volume, member.container, &sources)
            else {
                continue;
            };
            if observed.files.get(&volume.name) != Some(&hash_of(&files)) {
                changed.push(VolumeFiles { volume: volume.name.clone(), files, secret });
            }
        }
    }
    changed
}

/// True if the mount shows the whole volume, and so the link by which its files are replaced.
fn is_whole(mount: &VolumeMount) -> bool {
    let is_empty = |path: &Option<String>| path.as_ref().is_none_or(String::is_empty);
    is_empty(&mount.sub_path) && is_empty(&mount.sub_path_expr)
}

fn has_files(volume: &Volume) -> bool {
    volume.config_map.is_some()
        || volume.secret.is_some()
        || volume.downward_api.is_some()
        || volume.projected.is_some()
}

/// The ConfigMaps, Secrets and claims among the volumes of a pod.
pub fn mounted(pod: &Pod) -> impl Iterator<Item = Key> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    let named = volumes.flat_map(|volume| {
        let projected = volume.projected.iter().flat_map(|all| all.sources.iter().flatten());
        let projected = projected.flat_map(|source| {
            let map = source.config_map.as_ref().map(|map| (Kind::ConfigMap, &map.name));
            let secret = source.secret.as_ref().map(|secret| (Kind::Secret, &secret.name));
            map.into_iter().chain(secret)
        });
        let map = volume.config_map.as_ref().map(|map| (Kind::ConfigMap, &map.name));
        let secret = volume.secret.as_ref().and_then(|secret| secret.secret_name.as_ref());
        let claim = volume.persistent_volume_claim.as_ref().map(|claim| &claim.claim_name);
        map.into_iter()
            .chain(secret.map(|name| (Kind::Secret, name)))
            .chain(claim.map(|name| (Kind::PersistentVolumeClaim, name)))
            .chain(projected)
    });
    named.map(move |(kind, name)| Key::new(kind, namespace, name))
}

fn one(
    mount: &VolumeMount,
    container: &Container,
    sources: &Sources,
    resolved: &Resolved,
) -> Result<Mount, Problem> {
    let volumes = sources.spec.volumes.iter().flatten();
    let Some(volume) = volumes.into_iter().find(|volume| volume.name == mount.name) else {
        return Err(Problem::config(format!("volume {:?} not found", mount.name)));
    };
    Ok(Mount {
        at: mount.mount_path.clone(),
        read_only: mount.read_only == Some(true) || is_read_only(volume),
        sub_path: sub_path(mount, resolved)?,
        sub_path_called: mount.sub_path_expr.clone().filter(|expression| !expression.is_empty()),
        volume: volume.name.clone(),
        source: source(volume, container, sources)?,
    })
}

fn sub_path(mount: &VolumeMount, resolved: &Resolved) -> Result<Option<String>, Problem> {
    let lookup = |name: &str| resolved.get(name);
    let path = match (&mount.sub_path, &mount.sub_path_expr) {
        (_, Some(expression)) if !expression.is_empty() => {
            if let Some(name) = unknown(expression, lookup) {
                let message = format!("missing value for {name:?}");
                return Err(Problem::config(format!("failed to expand subPathExpr: {message}")));
            }
            expand(expression, lookup)
        }
        (Some(path), _) if !path.is_empty() => path.clone(),
        _ => return Ok(None),
    };
    if path.starts_with('/') {
        return Err(Problem::config("subPath must not be an absolute path".into()));
    }
    if path.split('/').any(|step| step == "..") {
        return Err(Problem::config("subPath must not contain \"..\"".into()));
    }
    Ok(Some(path))
}

fn source(
    volume: &Volume,
    container: &Container,
    sources: &Sources,
) -> Result<MountSource, Problem> {
    if let Some(empty_dir) = &volume.empty_dir {
        return self::empty_dir(empty_dir, &volume.name);
    }
    if let Some(host_path) = &volume.host_path {
        return Ok(of_host(host_path));
    }
    if let Some(claim) = &volume.persistent_volume_claim {
        let group_change = (claim.read_only != Some(true)).then(|| group_change(sources));
        return self::claim(&claim.claim_name, &volume.name, group_change, sources);
    }
    let mut files = Files { volume: &volume.name, files: Vec::new(), secret: false };
    if let Some(map) = &volume.config_map {
        let mode = map.default_mode.unwrap_or(MODE);
        files.config_map(&map.name, map.optional, map.items.as_deref(), mode, sources)?;
    } else if let Some(secret) = &volume.secret {
        let name = secret.secret_name.as_deref().unwrap_or_default();
        let mode = secret.default_mode.unwrap_or(MODE);
        files.secret(name, secret.optional, secret.items.as_deref(), mode, sources)?;
    } else if let Some(downward) = &volume.downward_api {
        let mode = downward.default_mode.unwrap_or(MODE);
        files.downward(downward.items.as_deref(), mode, container, sources)?;
    } else if let Some(projected) = &volume.projected {
        files.projected(projected, container, sources)?;
    } else {
        return Err(unsupported(volume));
    }
    Ok(files.finish())
}

fn is_read_only(volume: &Volume) -> bool {
    volume.persistent_volume_claim.as_ref().and_then(|claim| claim.read_only) == Some(true)
}

fn of_host(source: &HostPathVolumeSource) -> MountSource {
    let kind = source.type_.clone().unwrap_or_default();
    MountSource::HostPath { path: source.path.clone(), kind, group_change: None }
}

/// `fsGroupChangePolicy`
fn group_change(sources: &Sources) -> GroupChange {
    let context = sources.spec.security_context.as_ref();
    match context.and_then(|context| context.fs_group_change_policy.as_deref()) {
        Some("OnRootMismatch") => GroupChange::OnRootMismatch,
        _ => GroupChange::Always,
    }
}

fn claim(
    name: &str,
    volume: &str,
    group_change: Option<GroupChange>,
    sources: &Sources,
) -> Result<MountSource, Problem> {
    let key = Key::new(Kind::PersistentVolumeClaim, sources.namespace(), name);
    let Some(Object::PersistentVolumeClaim(claim)) = sources.view.lookup.get(&key) else {
        let why = format!("persistentvolumeclaim {name:?} not found");
        return Err(Problem::mount(volume, &why));
    };
    let spec = claim.spec.as_ref();
    let named = spec.and_then(|spec| spec.volume_name.clone()).filter(|_| is_bound(&claim));
    let Some(named) = named else {
        let why = format!("persistentvolumeclaim {name:?} is not bound");
        return Err(Problem::mount(volume, &why));
    };
    if spec.and_then(|spec| spec.volume_mode.as_deref()) == Some("Block") {
        let why = format!("volume {named} has volumeMode Block, but is specified in volumeMounts");
        return Err(Problem::mount(volume, &why));
    }
    if let Some(found) = volume_of(&claim, sources.view.lookup) {
        return of_volume(&found, volume, group_change);
    }
    let size = spec.and_then(persistent_volume_claim::check::size);
    let bytes = size.filter(|size| !size.is_zero()).map(|size| size.value());
    let size_bytes_max = bytes.and_then(|bytes| u64::try_from(bytes).ok());
    Ok(MountSource::Claim { volume: named, size_bytes_max })
}

/// Returns the path of a PersistentVolume's data on this host.
fn of_volume(
    found: &PersistentVolume,
    volume: &str,
    group_change: Option<GroupChange>,
) -> Result<MountSource, Problem> {
    let nothing = PersistentVolumeSpec::default();
    let spec = found.spec.as_ref().unwrap_or(&nothing);
    if let Some(host_path) = &spec.host_path {
        return Ok(of_host(host_path));
    }
    if let Some(local) = &spec.local {
        let (path, kind) = (local.path.clone(), "Directory".to_owned());
        return Ok(MountSource::HostPath { path, kind, group_change });
    }
    Err(not_supported(volume, &persistent_volume::check::source_name(spec)))
}

fn is_bound(claim: &PersistentVolumeClaim) -> bool {
    claim.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Bound")
}

/// Why a pod waits for the claim, as the scheduler says it; `None` if it is bound.
pub fn unbound(claim: &PersistentVolumeClaim) -> Option<String> {
    let named = claim.spec.as_ref().and_then(|spec| spec.volume_name.as_deref());
    let name = claim.metadata.name.as_deref().unwrap_or_default();
    match claim.status.as_ref().and_then(|status| status.phase.as_deref()) {
        Some("Bound") => None,
        Some("Lost") => {
            let named = named.unwrap_or_default();
            let what = "bound to non-existent persistentvolume";
            Some(format!("persistentvolumeclaim {name:?} {what} {named:?}"))
        }
        _ => Some("pod has unbound immediate PersistentVolumeClaims".to_owned()),
    }
}

/// True if no second pod may use the claim.
pub fn is_for_one_pod(claim: &PersistentVolumeClaim) -> bool {
    let mut modes = claim.spec.iter().flat_map(|spec| spec.access_modes.iter().flatten());
    modes.any(|mode| mode == "ReadWriteOncePod")
}

/// The PersistentVolume of a claim; a folder of its own is none.
pub fn volume_of(
    claim: &PersistentVolumeClaim,
    lookup: &dyn Lookup,
) -> Option<Arc<PersistentVolume>> {
    let name = claim.spec.as_ref()?.volume_name.as_deref()?;
    let found = lookup.get(&Key::new(Kind::PersistentVolume, "", name))?;
    let Object::PersistentVolume(volume) = found else { return None };
    let bound = volume.spec.as_ref()?.claim_ref.as_ref()?.uid.as_ref()?;
    (Some(bound) == claim.metadata.uid.as_ref()).then_some(volume)
}

/// True if the node is one that the volume can be reached from.
pub fn is_reached(volume: &PersistentVolume, node: &Node) -> bool {
    let affinity = volume.spec.as_ref().and_then(|spec| spec.node_affinity.as_ref());
    let required = affinity.and_then(|affinity| affinity.required.as_ref());
    let nothing = BTreeMap::new();
    let labels = node.metadata.labels.as_ref().unwrap_or(&nothing);
    let name = node.metadata.name.as_deref().unwrap_or_default();
    required.is_none_or(|required| fit::selects(required, name, labels))
}

fn empty_dir(source: &EmptyDirVolumeSource, volume: &str) -> Result<MountSource, Problem> {
    let limit = source.size_limit.as_ref().map(|limit| limit.0.parse::<Quantity>()).transpose();
    let limit = limit.map_err(|why| Problem::mount(volume, &why.to_string()))?;
    let bytes = limit.filter(|limit| !limit.is_zero()).map(|limit| limit.value());
    Ok(MountSource::EmptyDir {
        memory: source.medium.as_deref() == Some("Memory"),
        size_bytes_max: bytes.and_then(|bytes| u64::try_from(bytes).ok()),
    })
}

/// A volume of a type that this runtime cannot mount: the message names the type.
fn unsupported(volume: &Volume) -> Problem {
    let json = serde_json::to_value(volume).expect("Kubernetes' types always serialize");
    let kind =
        json.as_object().into_iter().flatten().map(|(key, _)| key).find(|key| *key != "name");
    let kind = kind.map_or("unknown", String::as_str);
    not_supported(&volume.name, kind)
}

fn not_supported(volume: &str, kind: &str) -> Problem {
    let why = format!("volumes of type {kind} are not supported by this runtime");
    Problem { reason: "VolumeNotSupported", ..Problem::mount(volume, &why) }
}

/// The files of one volume, gathered from its sources. A later file takes the place of an earlier
/// one.
struct Files<'v> {
    volume: &'v str,
    files: Vec<File>,
    secret: bool,
}

impl Files<'_> {
    fn finish(self) -> MountSource {
        MountSource::Files { files: self.files, secret: self.secret }
    }

    fn add(&mut self, path: &str, content: Vec<u8>, mode: i32) -> Result<(), Problem> {
        if path.is_empty() || path.starts_with('/') || path.split('/').any(|step| step == "..") {
            return Err(Problem::mount(self.volume, &format!("invalid path {path:?}")));
        }
        self.files.retain(|file| file.path != path);
        let mode = u32::try_from(mode).unwrap_or_default() & 0o7777;
        self.files.push(File { path: path.to_owned(), content, mode });
        Ok(())
    }

    fn config_map(
        &mut self,
        name: &str,
        optional: Option<bool>,
        items: Option<&[KeyToPath]>,
        mode: i32,
        sources: &Sources,
    ) -> Result<(), Problem> {
        let optional = optional == Some(true);
        let map = sources.config_map(name, optional);
        let map = map.map_err(|problem| Problem::mount(self.volume, &problem.message))?;
        let Some(map) = map else { return Ok(()) };
        let text = map.data.iter().flatten();
        let binary = map.binary_data.iter().flatten();
        let content: BTreeMap<&str, &[u8]> = text
            .map(|(key, value)| (key.as_str(), value.as_bytes()))
            .chain(binary.map(|(key, ByteString(value))| (key.as_str(), value.as_slice())))
            .collect();
        self.keys(&content, optional, items, mode, "config")
    }

    fn secret(
        &mut self,
        name: &str,
        optional: Option<bool>,
        items: Option<&[KeyToPath]>,
        mode: i32,
        sources: &Sources,
    ) -> Result<(), Problem> {
        self.secret = true;
        let optional = optional == Some(true);
        let secret = sources.secret(name, optional);
        let secret = secret.map_err(|problem| Problem::mount(self.volume, &problem.message))?;
        let Some(secret) = secret else { return Ok(()) };
        let data = secret.data.iter().flatten();
        let content: BTreeMap<&str, &[u8]> =
            data.map(|(key, ByteString(value))| (key.as_str(), value.as_slice())).collect();
        self.keys(&content, optional, items, mode, "secret")
    }

    /// All keys as files of their names, or those that `items` lists, where it says.
    fn keys(
        &mut self,
        content: &BTreeMap<&str, &[u8]>,
        optional: bool,
        items: Option<&[KeyToPath]>,
        mode: i32,
        kind: &str,
    ) -> Result<(), Problem> {
        let items = items.unwrap_or_default();
        if items.is_empty() {
            return content.iter().try_for_each(|(key, value)| self.add(key, value.to_vec(), mode));
        }
        for item in items {
            match content.get(item.key.as_str()) {
                Some(value) => {
                    self.add(&item.path, value.to_vec(), item.mode.unwrap_or(mode))?;
                }
                None if optional => {}
                None => {
                    let why = format!("references non-existent {kind} key: {}", item.key);
                    return Err(Problem::mount(self.volume, &why));
                }
            }
        }
        Ok(())
    }

    fn downward(
        &mut self,
        items: Option<&[DownwardAPIVolumeFile]>,
        mode: i32,
        container: &Container,
        sources: &Sources,
    ) -> Result<(), Problem> {
        for item in items.unwrap_or_default() {
            let settings = sources.view.settings;
            let value = match (&item.field_ref, &item.resource_field_ref) {
                (Some(selector), _) => downward_api::field(sources.pod, settings, selector),
                (None, Some(selector)) => {
                    downward_api::resource(sources.spec, container, settings, selector)
                }
                (None, None) => Ok(String::new()),
            };
            let value = value.map_err(|problem| Problem::mount(self.volume, &problem.message))?;
            self.add(&item.path, value.into_bytes(), item.mode.unwrap_or(mode))?;
        }
        Ok(())
    }

    fn projected(
        &mut self,
        projected: &ProjectedVolumeSource,
        container: &Container,
        sources: &Sources,
    ) -> Result<(), Problem> {
        let mode = projected.default_mode.unwrap_or(MODE);
        for source in projected.sources.iter().flatten() {
            if let Some(map) = &source.config_map {
                let items = map.items.as_deref();
                self.config_map(&map.name, map.optional, items, mode, sources)?;
            } else if let Some(secret) = &source.secret {
                let items = secret.items.as_deref();
                self.secret(&secret.name, secret.optional, items, mode, sources)?;
            } else if let Some(downward) = &source.downward_api {
                self.downward(downward.items.as_deref(), mode, container, sources)?;
            } else {
                self.unavailable(source)?;
            }
        }
        Ok(())
    }

    /// A projection that this host has nothing for. A trust bundle may be optional.
    fn unavailable(&self, source: &VolumeProjection) -> Result<(), Problem> {
        let bundle = source.cluster_trust_bundle.as_ref();
        if bundle.is_some_and(|bundle| bundle.optional == Some(true)) {
            return Ok(());
        }
        let what = if source.service_account_token.is_some() {
            "service account tokens are"
        } else if source.pod_certificate.is_some() {
            "pod certificates are"
        } else if bundle.is_some() {
            "cluster trust bundles are"
        } else {
            return Ok(());
        };
        let why = format!("{what} not available on this host");
        Err(Problem { reason: "VolumeNotSupported", ..Problem::mount(self.volume, &why) })
    }
}
