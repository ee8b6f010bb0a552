//! A container's view of files: made ready before the fork, entered by the child.

use super::spawn::Refusal;
use crate::kinds::pod::observed::{Launch, MountSource};
use crate::runtimes::process::place::Place;
use rustix::process::Pid;
use std::io;

/// What was made ready for one launch.
pub struct Files {}

/// In the shim, before the fork.
pub fn prepare(_place: &Place, launch: &Launch) -> Result<Files, Refusal> {
    match launch.mounts.is_empty() && !launch.read_only_root {
        true => Ok(Files {}),
        false => Err(Refusal::config("volumes are not supported yet")),
    }
}

impl Files {
    /// In the child.
    pub fn enter(&self, _launch: &Launch) -> Result<(), Refusal> {
        Ok(())
    }
}

/// Enters the view of a running container, for a hook.
pub fn join(_container: Pid) -> Result<(), Refusal> {
    Ok(())
}

/// The launch as it is kept while the container runs: the files' contents are on disk by now.
pub fn without_contents(mut launch: Launch) -> Launch {
    for mount in &mut launch.mounts {
        if let MountSource::Files { files, .. } = &mut mount.source {
            *files = Vec::new();
        }
    }
    launch
}

/// Removes the pod's folder.
pub fn remove(place: &Place) -> io::Result<()> {
    rustix::process::chdir("/")?;
    match std::fs::remove_dir_all(&place.folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
