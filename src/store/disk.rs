//! The door to what is durable: one file, on a disk that the simulator can break.

use redb::Database;
use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The door to the disk: opens the one file that holds everything durable, as often as it is asked
/// to.
pub trait Disk: Send + 'static {
    fn open(&self) -> Result<Database, redb::DatabaseError>;

    /// The file's size in bytes; `None` if it is not to be made smaller.
    fn size(&self) -> Option<u64> {
        None
    }

    /// So much of the journal may be in the file before it is folded into the tables.
    fn journal_bytes_max(&self) -> usize {
        JOURNAL_BYTES_MAX
    }
}

/// A thousand runs, about. A host that rests after each slot is never that far.
pub const JOURNAL_BYTES_MAX: usize = 8 << 20;

/// A file on the host.
pub struct FileDisk {
    path: PathBuf,
}

impl FileDisk {
    pub fn new(path: &Path) -> FileDisk {
        FileDisk { path: path.to_owned() }
    }
}

impl Disk for FileDisk {
    fn size(&self) -> Option<u64> {
        std::fs::metadata(&self.path).ok().map(|file| file.len())
    }

    fn open(&self) -> Result<Database, redb::DatabaseError> {
        // What it holds, Secrets among it, is for the daemon's user alone.
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).mode(0o600).open(&self.path)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        builder().create(&self.path)
    }
}

/// redb's settings, the same on every disk. All objects are in memory anyway: the page cache is
/// small.
pub fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(512 << 10);
    builder
}

/// The disk failed, or holds what this program did not write.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    #[error("the state file cannot be opened")]
    Open(#[from] redb::DatabaseError),
    #[error("the state file cannot be read or written")]
    Io(#[source] redb::Error),
    #[error("the state file holds {what} that cannot be read")]
    Damaged {
        what: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("the state file is closed after an error")]
    Closed,
    #[error("the state file holds a key of an unknown form: {0:?}")]
    UnknownKey(String),
    #[error("the state file's journal lacks the beginning of {0}")]
    NoHead(String),
}

macro_rules! io_error {
    ($($error:ty),*) => { $(impl From<$error> for DiskError {
        fn from(error: $error) -> DiskError { DiskError::Io(error.into()) }
    })* };
}
io_error!(redb::StorageError, redb::TableError, redb::TransactionError, redb::CommitError);
