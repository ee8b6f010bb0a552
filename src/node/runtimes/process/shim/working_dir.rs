//! A `workingDir` that is not there is made, as runc does: in the volume that it lies in, else in
//! the container's view alone, never on the host.

use super::spawn::{Refusal, words};
use super::view::Show;
use crate::runtimes::process::paths::Place;
use cronlet_host::paths;
use cronlet_plan::order::{Launch, Mount};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Mode of the folder, as runc makes it.
const MODE: u32 = 0o755;

/// A folder of the pod that stands for a missing `workingDir`.
pub(super) struct WorkingDir {
    at: PathBuf,
    folder: PathBuf,
}

impl WorkingDir {
    /// Finds one that neither the host nor a volume has a place for.
    pub(super) fn missing(launch: &Launch, place: &Place) -> Option<WorkingDir> {
        let at = launch.working_dir.as_deref().map(Path::new).filter(|at| at.is_absolute())?;
        let is_missing =
            || fs::metadata(at).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        if launch.mounts.iter().any(|mount| at.starts_with(&mount.at)) || !is_missing() {
            return None;
        }
        let folder = place.folder.join("working").join(&launch.container);
        Some(WorkingDir { at: at.to_owned(), folder })
    }

    /// Makes the folder.
    pub(super) fn make(&self) -> Result<(), Refusal> {
        let made = fs::DirBuilder::new().recursive(true).mode(MODE).create(&self.folder);
        made.map_err(|e| Refusal::run(format!("making the workingDir: {}", words(e))))
    }

    pub(super) fn show(&self) -> Result<Show, Refusal> {
        let folder = paths::open(&self.folder)
            .map_err(|e| Refusal::run(format!("opening the workingDir: {}", words(e))))?;
        Show::new(&self.at, folder, false)
    }
}

/// The part of a mount that a `workingDir` is, if no mount below has it.
pub(super) fn part_of<'a>(launch: &'a Launch, mount: &Mount) -> Option<&'a str> {
    let at = Path::new(launch.working_dir.as_deref()?);
    let holders = launch.mounts.iter().filter(|mount| at.starts_with(&mount.at));
    let deepest = holders.max_by_key(|mount| Path::new(&mount.at).components().count())?;
    let is_it = deepest.at == mount.at && !mount.read_only;
    at.strip_prefix(&mount.at).ok().filter(|_| is_it)?.to_str()
}
