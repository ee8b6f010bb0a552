//! The state folder at the start: taken for this daemon alone, and its file opened or refused with
//! words that say what to do.

use super::run_log;
use cronlet_engine::store::{DiskError, FORMAT, Fault, FileDisk, Store};
use rustix::fd::OwnedFd;
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// What a new state file lacks, and what it does not.
const LOST: &str = "Lost with it are the run history, the status of objects, and objects that no \
    manifest holds. Manifests are read again, containers that still run are ended by their grace \
    periods before anything starts, and the folders of claims are kept under claims/released";

/// Why the state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("the state in {0} cannot be used: another cronlet runs on it")]
    Taken(PathBuf),
    #[error(
        "the state file {file} has format {format}, and this is cronlet {}, which reads formats \
         up to {FORMAT}. Install cronlet {writer}, which wrote it, or a newer one",
        env!("CARGO_PKG_VERSION")
    )]
    Newer { file: PathBuf, format: u32, writer: String },
    #[error(
        "the state file {file} is damaged ({why}). Move it away with `mv {file} {file}.bad`, and \
         start cronlet again. {LOST}"
    )]
    Damaged { file: PathBuf, why: String },
    #[error(
        "the state file {file} cannot be opened ({why}). Make it a file that the user of the \
         daemon may read and write, or move it away. {LOST}"
    )]
    Refused { file: PathBuf, why: String },
    #[error("the state file {file} cannot be read or written now")]
    Disk {
        file: PathBuf,
        #[source]
        source: DiskError,
    },
}

impl StateError {
    pub fn new(file: &Path, error: DiskError) -> StateError {
        let (file, why) = (file.to_owned(), run_log::chain(&error));
        match (error.fault(), error) {
            (_, DiskError::Newer { format, writer }) => StateError::Newer { file, format, writer },
            (Fault::Taken, _) => StateError::Taken(file),
            (Fault::Damaged, _) => StateError::Damaged { file, why },
            (Fault::Refused, _) => StateError::Refused { file, why },
            (_, source) => StateError::Disk { file, source },
        }
    }

    /// True if a new start meets the same again, until someone has done something.
    pub fn is_lasting(&self) -> bool {
        match self {
            StateError::Newer { .. } | StateError::Damaged { .. } | StateError::Refused { .. } => {
                true
            }
            StateError::Taken(_) | StateError::Disk { .. } => false,
        }
    }
}

pub(crate) fn file(folder: &Path) -> PathBuf {
    folder.join("state.redb")
}

/// Takes the state folder for this process, as long as the descriptor is open. The lock on the file
/// does not do: someone may move the file away.
pub(crate) fn take(folder: &Path) -> Result<Option<OwnedFd>, StateError> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    let Ok(opened) = rustix::fs::open(folder, flags, Mode::empty()) else { return Ok(None) };
    match rustix::fs::flock(&opened, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => Err(StateError::Taken(folder.to_owned())),
        // A file system without locks of folders has the file's own lock.
        _ => Ok(Some(opened)),
    }
}

/// Opens the store. A panic over a damaged file is an error as any other: so this is to be called
/// before a panic ends the process.
pub(crate) fn open(folder: &Path) -> Result<Store, StateError> {
    let file = file(folder);
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let opened = catch_unwind(AssertUnwindSafe(|| Store::open(FileDisk::new(&file))));
    std::panic::set_hook(before);
    match opened {
        Ok(opened) => opened.map_err(|error| StateError::new(&file, error)),
        Err(panic) => {
            let why = panic.downcast_ref::<String>().map(String::as_str);
            let why = why.or(panic.downcast_ref::<&str>().copied());
            let why = why.unwrap_or("it cannot be read").to_owned();
            Err(StateError::Damaged { file, why })
        }
    }
}
