//! Volumes on disk: one file for each type. What is made here is shown in a container by its
//! runtime.

pub mod claim;

pub mod empty_dir;

pub mod files;

pub mod fs_group;

pub mod host_path;

pub mod sub_path;

use std::io;
use std::path::{Path, PathBuf};

/// What went wrong with a volume, as the pod's message shall say it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{doing} {path}: {source}")]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    /// As the kubelet words it.
    #[error("hostPath type check failed: {path} is not {wanted}")]
    HostPathType { path: PathBuf, wanted: &'static str },
    #[error("path {0:?} leaves the volume")]
    Path(PathBuf),
}

impl Error {
    /// Returns the reason alone, for paths that nobody may read.
    pub fn without_path(&self) -> String {
        match self {
            Error::Io { doing, source, .. } => format!("{doing} it: {source}"),
            Error::HostPathType { wanted, .. } => {
                format!("hostPath type check failed: it is not {wanted}")
            }
            Error::Path(_) => "it leaves the volume".into(),
        }
    }

    fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::Io { doing, path, source }
    }
}

/// Opens a volume that was made in the state folder.
pub fn open(folder: &Path) -> Result<rustix::fd::OwnedFd, Error> {
    cronlet_host::paths::open(folder).map_err(|e| Error::io("opening", folder)(e.into()))
}

/// Sets permission bits whatever the umask, and gives the group where there is one.
fn set_access(path: &Path, mode: u32, group: Option<u32>) -> Result<(), Error> {
    use std::os::unix::fs::{PermissionsExt, chown};
    if group.is_some() {
        chown(path, None, group).map_err(Error::io("giving its group", path))?;
    }
    let permissions = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(path, permissions).map_err(Error::io("setting the mode of", path))
}
