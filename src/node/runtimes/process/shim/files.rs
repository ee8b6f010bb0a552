//! A container's files: its volumes made ready by the shim, its view of them entered by the child.
//!
//! The shim itself stays in the host's mount namespace until the pod needs a mount of its own:
//! memory (a tmpfs that all its containers share and that goes with the shim), or any volume at all
//! where an ordinary user runs it, who may mount in a user namespace alone. Plain containers of an
//! ordinary user are left out of that: in a user namespace `sudo` and other set-user-id programs do
//! not work. They have no termination message then.
//!
//! As root each container has a mount namespace, if only for its termination message: it costs some
//! 100 µs.

use super::hosts::{self, Hosts};
use super::message::Message;
use super::spawn::{Refusal, words};
use super::view::{self, Show};
use super::working_dir::{self, WorkingDir};
use crate::runtimes::process::paths::{self, Place};
use crate::volumes::{self, claim, empty_dir, fs_group, host_path, sub_path};
use cronlet_host::mounts;
use cronlet_plan::order::{GroupChange, Launch, Mount, MountSource, VolumeFiles};
use rustix::fd::{AsFd, OwnedFd};
use rustix::process::Pid;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Kubernetes' default of `terminationMessagePath`.
const MESSAGE_PATH: &str = "/dev/termination-log";

/// The shim's own namespaces, and what it has mounted there.
#[derive(Default)]
pub(super) struct Space {
    private: bool,
    /// Volumes on a tmpfs, by name.
    tmpfs: BTreeSet<String>,
    /// One of them is an emptyDir, whose content exists nowhere else.
    has_memory: bool,
    /// Volumes that have the pod's group, by name.
    given: BTreeSet<String>,
}

/// What was made ready for one launch.
pub(super) struct Files {
    mounts: Vec<Ready>,
    message: Option<Message>,
    hosts: Hosts,
    working_dir: Option<WorkingDir>,
    read_only_root: bool,
    /// Where a root is built.
    scratch: PathBuf,
    /// Only for the default termination message: a host that refuses leaves the container without.
    optional: bool,
}

struct Ready {
    mount: Mount,
    source: PathBuf,
    /// The container's workingDir in it.
    working_part: Option<String>,
}

impl Space {
    /// It has namespaces that are no other pod's.
    pub(super) fn is_private(&self) -> bool {
        self.private
    }

    /// The shim must stay for what it holds.
    pub(super) fn has_memory(&self) -> bool {
        self.has_memory
    }

    /// In the shim, before the fork.
    pub(super) fn prepare(&mut self, place: &Place, launch: &Launch) -> Result<Files, Refusal> {
        let is_root = rustix::process::geteuid().is_root();
        let at = match launch.termination_message_path.as_str() {
            "" => MESSAGE_PATH,
            path => path,
        };
        let working_dir = WorkingDir::missing(launch, place);
        let plain = launch.mounts.is_empty()
            && !launch.read_only_root
            && at == MESSAGE_PATH
            && working_dir.is_none();
        if !plain {
            let made = paths::make_private(&place.folder);
            made.map_err(|e| Refusal::run(format!("making the pod's folder: {}", words(e))))?;
        }
        if !is_root && !plain {
            self.enter()?;
        }
        let mut mounts = Vec::new();
        for mount in &launch.mounts {
            let source = self.materialise(place, mount, launch.fs_group)?;
            let working_part = working_dir::part_of(launch, mount).map(str::to_owned);
            mounts.push(Ready { mount: without_content(mount), source, working_part });
        }
        working_dir.iter().try_for_each(WorkingDir::make)?;
        let message = match is_root || !plain {
            true => Some(Message::make(place, launch, at)?),
            false => None,
        };
        let hosts = match message {
            Some(_) => Hosts::make(launch),
            None => Hosts::default(),
        };
        Ok(Files {
            mounts,
            message,
            hosts,
            working_dir,
            read_only_root: launch.read_only_root,
            scratch: place.folder.join("root"),
            optional: plain,
        })
    }

    /// Namespaces for the shim itself, once.
    fn enter(&mut self) -> Result<(), Refusal> {
        if self.private {
            return Ok(());
        }
        let entered = match rustix::process::geteuid().is_root() {
            true => mounts::unshare().map_err(io::Error::from),
            false => mounts::unshare_as_user(),
        };
        entered.map_err(no_namespace)?;
        self.private = true;
        Ok(())
    }

    /// Makes the volume; gives where it is on the host.
    fn materialise(
        &mut self,
        place: &Place,
        mount: &Mount,
        fs_group: Option<u32>,
    ) -> Result<PathBuf, Refusal> {
        if !paths::is_plain(&mount.volume) {
            return Err(Refusal::config(format!("volume {:?} has no plain name", mount.volume)));
        }
        let folder = place.folder.join("volumes").join(&mount.volume);
        match &mount.source {
            MountSource::HostPath { path, group_change, .. } => {
                self.give_group(mount, path, fs_group.zip(*group_change))?;
                return Ok(path.into());
            }
            MountSource::Claim { volume, size_bytes_max } if paths::is_plain(volume) => {
                let folder = place.claim(volume);
                claim::make(&folder, fs_group, *size_bytes_max).map_err(|e| about(mount, &e))?;
                return Ok(folder);
            }
            MountSource::Claim { volume, .. } => {
                return Err(Refusal::config(format!("claim {volume:?} has no plain name")));
            }
            MountSource::EmptyDir { memory: false, .. } => {
                empty_dir::make(&folder, fs_group).map_err(|e| about(mount, &e))?;
            }
            MountSource::EmptyDir { memory: true, size_bytes_max } => {
                let options = empty_dir::memory_options(*size_bytes_max);
                if self.mount_memory(mount, &folder, &options)? {
                    empty_dir::own(&folder, fs_group).map_err(|e| about(mount, &e))?;
                }
                self.has_memory = true;
            }
            MountSource::Files { files, secret } => {
                if *secret {
                    self.mount_memory(mount, &folder, "mode=0755")?;
                }
                volumes::files::write(&folder, files, fs_group).map_err(|e| about(mount, &e))?;
            }
        }
        Ok(folder)
    }

    /// Gives a volume that others filled to the pod's group, once for all of its containers.
    fn give_group(
        &mut self,
        mount: &Mount,
        path: &str,
        change: Option<(u32, GroupChange)>,
    ) -> Result<(), Refusal> {
        let is_root = rustix::process::geteuid().is_root();
        let Some((group, change)) = change.filter(|_| is_root) else { return Ok(()) };
        if !self.given.contains(&mount.volume) && Path::new(path).is_dir() {
            fs_group::apply(path.as_ref(), group, change).map_err(|e| about(mount, &e))?;
            self.given.insert(mount.volume.clone());
        }
        Ok(())
    }

    /// Brings the files of a volume up to date, if it was made for a container that may run.
    pub(super) fn refresh(
        &self,
        place: &Place,
        volume: &VolumeFiles,
        fs_group: Option<u32>,
    ) -> Result<(), volumes::Error> {
        let folder = place.folder.join("volumes").join(&volume.volume);
        let is_made = match volume.secret {
            true => self.tmpfs.contains(&volume.volume),
            false => paths::is_plain(&volume.volume) && folder.is_dir(),
        };
        if is_made { volumes::files::write(&folder, &volume.files, fs_group) } else { Ok(()) }
    }

    /// True: it was not mounted before.
    fn mount_memory(
        &mut self,
        mount: &Mount,
        folder: &Path,
        options: &str,
    ) -> Result<bool, Refusal> {
        if self.tmpfs.contains(&mount.volume) {
            return Ok(false);
        }
        self.enter()?;
        let made = fs::create_dir_all(folder)
            .and_then(|()| mounts::tmpfs(folder, options).map_err(io::Error::from));
        made.map_err(|e| {
            Refusal::config(format!("volume {:?}: mounting a tmpfs: {}", mount.volume, words(e)))
        })?;
        self.tmpfs.insert(mount.volume.clone());
        Ok(true)
    }

    /// Removes the pod's folder.
    pub(super) fn remove(&mut self, place: &Place) -> io::Result<()> {
        for volume in &self.tmpfs {
            mounts::detach(&place.folder.join("volumes").join(volume))?;
        }
        self.tmpfs.clear();
        match fs::remove_dir_all(&place.folder) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                open_folders(&place.folder);
                fs::remove_dir_all(&place.folder)
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// An ordinary user may have closed folders to itself.
fn open_folders(folder: &Path) {
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let _ = fs::set_permissions(&folder, fs::Permissions::from_mode(0o700));
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        let folders = entries.flatten().filter(|e| e.file_type().is_ok_and(|kind| kind.is_dir()));
        open.extend(folders.map(|entry| entry.path()));
    }
}

fn about(mount: &Mount, error: &volumes::Error) -> Refusal {
    if let Some(called) = &mount.sub_path_called {
        // The path itself may hold a secret.
        let why = error.without_path();
        return Refusal::config(format!(
            "volume {:?}: subPathExpr {called:?}: {why}",
            mount.volume
        ));
    }
    Refusal::config(format!("volume {:?}: {error}", mount.volume))
}

fn no_namespace(error: impl Into<io::Error>) -> Refusal {
    Refusal::config(format!(
        "volumes, read-only roots and termination messages need a private mount namespace, which \
         this host refuses ({}): run the daemon as root, or allow user namespaces to \
         ordinary users",
        words(error)
    ))
}

impl Files {
    /// In the child: makes the view and moves into it.
    pub(super) fn enter(&self) -> Result<(), Refusal> {
        if self.mounts.is_empty() && self.message.is_none() && !self.read_only_root {
            return Ok(());
        }
        if let Some(at) = self.message.as_ref().map(Message::at)
            && at == Path::new(MESSAGE_PATH)
            && !at.exists()
        {
            // One empty file on the host's devtmpfs, to mount over: cheaper than a /dev of each
            // container's own.
            let _ = fs::OpenOptions::new().write(true).create_new(true).open(at);
            if self.optional && !at.exists() {
                return Ok(());
            }
        }
        // While the file is still in a mount of this namespace.
        let hosts = self.hosts.copies();
        let message = match self.message.as_ref().map(Message::copy) {
            Some(Err(_)) if self.optional => return Ok(()),
            other => other.transpose().map_err(no_namespace)?,
        };
        match mounts::unshare() {
            Ok(()) => {}
            Err(_) if self.optional => return Ok(()),
            Err(error) => return Err(no_namespace(error)),
        }
        let mut shows = self.shows(message)?;
        for copy in hosts {
            shows.push(hosts::show(copy)?);
        }
        match view::make(shows, self.read_only_root, &self.scratch) {
            Err(_) if self.optional => return Ok(()),
            made => made?,
        }
        if let Some(message) = &self.message {
            message.open_to_all();
        }
        Ok(())
    }

    /// What the container wrote as its last words is read from here.
    pub(super) fn into_message(self) -> Option<Message> {
        self.hosts.drop_names();
        self.message
    }

    fn shows(&self, message: Option<OwnedFd>) -> Result<Vec<Show>, Refusal> {
        let mut shows = Vec::new();
        for ready in &self.mounts {
            let mount = &ready.mount;
            let files = matches!(mount.source, MountSource::Files { .. });
            let volume = match &mount.source {
                MountSource::HostPath { kind, .. } => host_path::open(&ready.source, kind),
                _ => volumes::open(&ready.source),
            };
            let part = mount.sub_path.as_deref();
            let source = volume
                .and_then(|volume| sub_path::open(volume.as_fd(), &ready.source, part))
                .map_err(|e| about(mount, &e))?;
            if let Some(part) = ready.working_part.as_deref().filter(|_| !files) {
                // Where that fails, entering it says why.
                let _ = sub_path::open(source.as_fd(), &ready.source, Some(part));
            }
            // The kubelet mounts volumes of files read-only always.
            shows.push(Show::new(mount.at.as_ref(), source, mount.read_only || files)?);
        }
        if let Some(working_dir) = &self.working_dir {
            shows.push(working_dir.show()?);
        }
        if let (Some(tree), Some(message)) = (message, &self.message) {
            shows.push(Show::of_tree(message.at(), tree)?);
        }
        Ok(shows)
    }
}

/// Enters the view of a running container, for a hook.
pub(super) fn join(container: Pid) -> Result<(), Refusal> {
    mounts::join(container)
        .map_err(|e| Refusal::run(format!("entering the container's mounts: {}", words(e))))
}

fn without_content(mount: &Mount) -> Mount {
    let mut mount = mount.clone();
    if let MountSource::Files { files, .. } = &mut mount.source {
        *files = Vec::new();
    }
    mount
}

/// The launch as it is kept while the container runs: the files' contents are on disk by now.
pub(super) fn without_contents(mut launch: Launch) -> Launch {
    launch.mounts = launch.mounts.iter().map(without_content).collect();
    launch
}
