//! The file for a container's termination message (`terminationMessagePath`).
//!
//! It lies in memory: making a file on a disk may take as long as all else of a start. What is
//! mounted must have a name, which goes as soon as the container has the file.

use super::spawn::{Refusal, words};
use crate::runtimes::process::paths::{self, Place};
use cronlet_host::mounts;
use cronlet_plan::order::Launch;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::io;
use std::path::{Path, PathBuf};

/// Where files can be made in memory, on every Linux.
const MEMORY: &str = "/dev/shm";

/// Kubernetes' bound of a termination message.
pub(super) const BYTES_MAX: usize = 4096;

pub(crate) struct Message {
    file: OwnedFd,
    /// What it is called until the container has it; `None`: it stays in the pod's folder.
    name: Option<PathBuf>,
    /// Where the container sees it.
    at: PathBuf,
}

impl Message {
    pub(crate) fn make(place: &Place, launch: &Launch, at: &str) -> Result<Message, Refusal> {
        let made = in_memory(launch).map(|(file, name)| (file, Some(name))).or_else(|_| {
            let file = in_folder(place, launch)?;
            Ok((file, None))
        });
        let (file, name) = made.map_err(|e: io::Error| {
            Refusal::run(format!("making the termination message: {}", words(e)))
        })?;
        Ok(Message { file, name, at: at.into() })
    }

    pub(crate) fn at(&self) -> &Path {
        &self.at
    }

    /// A mount of it, attached nowhere yet.
    pub(crate) fn copy(&self) -> Result<OwnedFd, Errno> {
        mounts::copy_tree(self.file.as_fd())
    }

    /// In the child, which has it mounted: its user, whoever that is, may write to it. Nobody else
    /// may reach it by its name.
    pub(crate) fn open_to_all(&self) {
        self.drop_name();
        let _ = rustix::fs::fchmod(&self.file, Mode::from_raw_mode(0o666));
    }

    /// The child has it mounted or never will.
    pub(crate) fn drop_name(&self) {
        if let Some(name) = &self.name {
            let _ = rustix::fs::unlink(name);
        }
    }

    /// What the program wrote.
    pub(crate) fn read(&self) -> Vec<u8> {
        let mut bytes = vec![0; BYTES_MAX];
        let length = rustix::io::pread(&self.file, &mut bytes, 0).unwrap_or(0);
        bytes.truncate(length);
        bytes
    }
}

fn in_memory(launch: &Launch) -> Result<(OwnedFd, PathBuf), Errno> {
    memory_file(launch, "")
}

/// Makes a file of a container's start in memory; gives its name too.
pub(super) fn memory_file(launch: &Launch, ending: &str) -> Result<(OwnedFd, PathBuf), Errno> {
    let Launch { pod_uid, container, attempt, .. } = launch;
    let name = format!("cronlet-{pod_uid}.{container}.{attempt}{ending}");
    let name = Path::new(MEMORY).join(name);
    // One that is there is another's, or that of a start that was cut short.
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let open = || rustix::fs::open(&name, flags, Mode::from_raw_mode(0o600));
    let file = open().or_else(|error| {
        if error == Errno::EXIST {
            rustix::fs::unlink(&name)?;
        }
        open()
    })?;
    Ok((file, name))
}

fn in_folder(place: &Place, launch: &Launch) -> io::Result<OwnedFd> {
    paths::make_private(&place.folder)?;
    let path = place.message(&launch.container, launch.attempt);
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::from_raw_mode(0o600))?)
}
