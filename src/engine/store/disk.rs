//! The door to what is durable: one file, on a disk that the simulator can break.

use redb::backends::FileBackend;
use redb::{Database, DatabaseError, StorageError};
use std::fs::{OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The door to the disk: opens the one file that holds everything durable, as often as it is asked
/// to.
pub trait Disk: Send + 'static {
    fn open(&self) -> Result<Database, DatabaseError>;

    /// True if there is something to open.
    fn exists(&self) -> bool {
        true
    }

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
    fn exists(&self) -> bool {
        self.path.exists()
    }

    fn size(&self) -> Option<u64> {
        std::fs::metadata(&self.path).ok().map(|file| file.len())
    }

    /// Verifies the checksum of every page: what was changed since is found here, not when it is
    /// read and may do harm.
    fn open(&self) -> Result<Database, DatabaseError> {
        let mut builder = builder();
        builder.set_check_integrity_on_open(true);
        if !self.path.exists() {
            return self.make(&builder);
        }
        let file = options().open(&self.path)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        if file.metadata()?.len() == 0 {
            let why = "the file is empty".to_owned();
            return Err(StorageError::Corrupted(why).into());
        }
        builder.create_with_backend(FileBackend::new(file)?)
    }
}

impl FileDisk {
    /// Makes the file whole before it gets its name: an empty one of that name is a damaged one.
    fn make(&self, builder: &redb::Builder) -> Result<Database, DatabaseError> {
        let aside = self.path.with_extension("new");
        let file = options().create(true).truncate(true).open(&aside)?;
        let database = builder.create_with_backend(FileBackend::new(file)?)?;
        std::fs::rename(&aside, &self.path)?;
        Ok(database)
    }
}

/// What it holds, Secrets among it, is for the daemon's user alone.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
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
    Open(#[from] DatabaseError),
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
    #[error("the state file is not there any more")]
    Missing,
    #[error("it is of another program")]
    Foreign,
    #[error("it has format {format}, written by cronlet {writer}")]
    Newer { format: u32, writer: String },
    #[error("the state file holds a key of an unknown form: {0:?}")]
    UnknownKey(String),
    #[error("the state file's journal lacks the beginning of {0}")]
    NoHead(String),
}

/// What has to be done about a store that cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Another process has it.
    Taken,
    /// Only a newer version reads it.
    Newer,
    /// Its bytes are not what was written.
    Damaged,
    /// The system does not let this user open it as a file.
    Refused,
    /// The disk may work again.
    Disk,
}

impl DiskError {
    pub fn fault(&self) -> Fault {
        match self {
            DiskError::Newer { .. } => Fault::Newer,
            DiskError::Damaged { .. }
            | DiskError::UnknownKey(_)
            | DiskError::NoHead(_)
            | DiskError::Foreign => Fault::Damaged,
            DiskError::Closed | DiskError::Missing => Fault::Disk,
            DiskError::Open(error) => match error {
                DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
                    Fault::Taken
                }
                DatabaseError::Storage(StorageError::Io(error)) => fault_of_io(error),
                DatabaseError::Storage(StorageError::Corrupted(_))
                | DatabaseError::UpgradeRequired(_) => Fault::Damaged,
                _ => Fault::Disk,
            },
            DiskError::Io(error) => match error {
                redb::Error::Io(error) => fault_of_io(error),
                redb::Error::PreviousIo => Fault::Disk,
                // Tables of another form, and whatever redb finds wrong in them.
                _ => Fault::Damaged,
            },
        }
    }
}

fn fault_of_io(error: &io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => Fault::Damaged,
        io::ErrorKind::PermissionDenied | io::ErrorKind::IsADirectory => Fault::Refused,
        _ => Fault::Disk,
    }
}

macro_rules! io_error {
    ($($error:ty),*) => { $(impl From<$error> for DiskError {
        fn from(error: $error) -> DiskError { DiskError::Io(error.into()) }
    })* };
}
io_error!(redb::StorageError, redb::TableError, redb::TransactionError, redb::CommitError);
