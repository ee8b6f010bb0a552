//! What is durable: redb tables, on a disk that the simulator can break.

use super::change::Changes;
use super::index::Loaded;
use super::{RunKey, Staged};
use crate::kinds::action::Run;
use crate::kinds::{Key, Kind};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use std::collections::BTreeMap;
use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock, RwLockReadGuard};

/// The door to the disk: opens the one file that holds everything durable, as often as it is asked
/// to.
pub trait Disk: Send + 'static {
    fn open(&self) -> Result<Database, redb::DatabaseError>;
}

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
}

macro_rules! io_error {
    ($($error:ty),*) => { $(impl From<$error> for DiskError {
        fn from(error: $error) -> DiskError { DiskError::Io(error.into()) }
    })* };
}
io_error!(redb::StorageError, redb::TableError, redb::TransactionError, redb::CommitError);

/// `Kind/namespace/name` to (resourceVersion, owners' uids separated by spaces, JSON).
const OBJECTS: TableDefinition<&str, (u64, &str, &[u8])> = TableDefinition::new("objects");
/// (namespace, CronJob, slot in milliseconds since 1970) to JSON.
const RUNS: TableDefinition<(&str, &str, i64), &[u8]> = TableDefinition::new("runs");
/// Manifest file to JSON.
const SOURCES: TableDefinition<&str, &[u8]> = TableDefinition::new("sources");
const FACTS: TableDefinition<&str, &[u8]> = TableDefinition::new("facts");
/// The fact that counts versions, so that a deletion's is never used again. Where the last version
/// is an object's, that object's row tells it.
const VERSION: &str = "version";

/// What a manifest file was when it was last read, and what it made.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SourceRecord {
    /// Size and modification time in nanoseconds: unchanged means not read again.
    pub stamp: (u64, i64),
    pub keys: Vec<Key>,
}

/// All that was on disk.
pub(super) struct Loading {
    pub objects: Vec<Loaded>,
    pub version: u64,
}

/// The open database, shared with readers; closed between an error and a successful reopening.
#[derive(Clone)]
pub(super) struct Handle(Arc<RwLock<Option<Database>>>);

impl Handle {
    fn read(&self) -> RwLockReadGuard<'_, Option<Database>> {
        self.0.read().expect("no panic while it was held")
    }

    /// Runs `work` on the open database.
    pub fn with<T>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, DiskError>,
    ) -> Result<T, DiskError> {
        self.read().as_ref().ok_or(DiskError::Closed).and_then(work)
    }
}

pub(super) struct Tables {
    disk: Box<dyn Disk>,
    handle: Handle,
}

impl Tables {
    pub fn open(disk: impl Disk) -> Result<Tables, DiskError> {
        let handle = Handle(Arc::new(RwLock::new(Some(open_database(&disk)?))));
        Ok(Tables { disk: Box::new(disk), handle })
    }

    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Closes the disk and opens it anew, after an error.
    pub fn reopen(&self) -> Result<(), DiskError> {
        let mut open = self.handle.0.write().expect("no panic while it was held");
        *open = None;
        *open = Some(open_database(&*self.disk)?);
        Ok(())
    }

    pub fn load(&self) -> Result<Loading, DiskError> {
        let objects = self.handle.with(load_objects)?;
        let counted = match self.fact(VERSION)? {
            Some(bytes) => bytes.try_into().map(u64::from_le_bytes).unwrap_or_default(),
            None => 0,
        };
        let version = objects.iter().map(|one| one.version).fold(counted, u64::max);
        Ok(Loading { objects, version })
    }

    pub fn fact(&self, name: &str) -> Result<Option<Vec<u8>>, DiskError> {
        self.handle.with(|database| {
            let table = database.begin_read()?.open_table(FACTS)?;
            Ok(table.get(name)?.map(|value| value.value().to_vec()))
        })
    }

    pub fn sources(&self) -> Result<BTreeMap<String, SourceRecord>, DiskError> {
        self.handle.with(|database| {
            let table = database.begin_read()?.open_table(SOURCES)?;
            let mut sources = BTreeMap::new();
            for row in table.iter()? {
                let (file, json) = row?;
                sources.insert(file.value().to_owned(), read_json(json.value(), "a source")?);
            }
            Ok(sources)
        })
    }

    /// One transaction, durable when this returns.
    pub fn write(&self, changes: &Changes, staged: &Staged) -> Result<(), DiskError> {
        self.handle.with(|database| {
            let transaction = database.begin_write()?;
            write_objects(&transaction, changes)?;
            write_runs(&transaction, &staged.runs)?;
            write_sources(&transaction, &staged.sources)?;
            write_facts(&transaction, changes, staged)?;
            transaction.commit()?;
            Ok(())
        })
    }
}

fn open_database(disk: &dyn Disk) -> Result<Database, DiskError> {
    let database = disk.open()?;
    let transaction = database.begin_write()?;
    transaction.open_table(OBJECTS)?;
    transaction.open_table(RUNS)?;
    transaction.open_table(SOURCES)?;
    transaction.open_table(FACTS)?;
    transaction.commit()?;
    Ok(database)
}

fn write_objects(transaction: &redb::WriteTransaction, changes: &Changes) -> Result<(), DiskError> {
    let mut durable = changes.list.iter().filter(|change| change.is_durable()).peekable();
    if durable.peek().is_none() {
        return Ok(());
    }
    let mut table = transaction.open_table(OBJECTS)?;
    for change in durable {
        let key = key_text(&change.key);
        let Some(json) = &change.json else {
            table.remove(key.as_str())?;
            continue;
        };
        let owners: Vec<&str> = change.owner_uids().collect();
        table.insert(key.as_str(), (change.version, owners.join(" ").as_str(), &**json))?;
    }
    Ok(())
}

fn write_facts(
    transaction: &redb::WriteTransaction,
    changes: &Changes,
    staged: &Staged,
) -> Result<(), DiskError> {
    if staged.facts.is_empty() && changes.tells_version() {
        return Ok(());
    }
    let mut table = transaction.open_table(FACTS)?;
    for (name, value) in &staged.facts {
        table.insert(*name, value.as_slice())?;
    }
    table.insert(VERSION, changes.version.to_le_bytes().as_slice())?;
    Ok(())
}

fn write_runs(
    transaction: &redb::WriteTransaction,
    runs: &BTreeMap<RunKey, Option<Run>>,
) -> Result<(), DiskError> {
    if runs.is_empty() {
        return Ok(());
    }
    let mut table = transaction.open_table(RUNS)?;
    for ((namespace, cron_job, slot), run) in runs {
        let key = (namespace.as_str(), cron_job.as_str(), *slot);
        match run {
            Some(run) => drop(table.insert(key, to_json(run).as_slice())?),
            None => drop(table.remove(key)?),
        }
    }
    Ok(())
}

fn write_sources(
    transaction: &redb::WriteTransaction,
    sources: &BTreeMap<String, Option<SourceRecord>>,
) -> Result<(), DiskError> {
    if sources.is_empty() {
        return Ok(());
    }
    let mut table = transaction.open_table(SOURCES)?;
    for (file, record) in sources {
        match record {
            Some(record) => drop(table.insert(file.as_str(), to_json(record).as_slice())?),
            None => drop(table.remove(file.as_str())?),
        }
    }
    Ok(())
}

fn load_objects(database: &Database) -> Result<Vec<Loaded>, DiskError> {
    let table = database.begin_read()?.open_table(OBJECTS)?;
    let mut objects = Vec::new();
    for row in table.iter()? {
        let (key, value) = row?;
        let (version, owners, json) = value.value();
        let key = read_key(key.value())?;
        let owners = owners.split_whitespace().map(str::to_owned).collect();
        objects.push(Loaded { key, version, owners, json: json.into() });
    }
    Ok(objects)
}

/// The runs of all CronJobs, of a namespace's, or of one, oldest first within each.
pub(super) fn runs(
    database: &Database,
    namespace: Option<&str>,
    cron_job: Option<&str>,
) -> Result<Vec<Run>, DiskError> {
    let table = database.begin_read()?.open_table(RUNS)?;
    let first = (
        namespace.unwrap_or_default(),
        cron_job.filter(|_| namespace.is_some()).unwrap_or_default(),
    );
    let mut found = Vec::new();
    for row in table.range((first.0, first.1, i64::MIN)..)? {
        let (key, json) = row?;
        let (in_namespace, of, _) = key.value();
        if namespace.is_some_and(|n| n != in_namespace) {
            break;
        }
        if cron_job.is_none_or(|name| name == of) {
            found.push(read_json(json.value(), "a run")?);
        } else if namespace.is_some() {
            break;
        }
    }
    Ok(found)
}

fn key_text(key: &Key) -> String {
    format!("{}/{}/{}", key.kind.info().kind, key.namespace, key.name)
}

fn read_key(text: &str) -> Result<Key, DiskError> {
    let mut parts = text.splitn(3, '/');
    let (kind, namespace, name) = (parts.next(), parts.next(), parts.next());
    let kind = Kind::ALL.iter().find(|k| Some(k.info().kind) == kind);
    match (kind, namespace, name) {
        (Some(kind), Some(namespace), Some(name)) => Ok(Key::new(*kind, namespace, name)),
        _ => Err(DiskError::UnknownKey(text.to_owned())),
    }
}

fn to_json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("plain data always serializes")
}

fn read_json<T: serde::de::DeserializeOwned>(json: &[u8], what: &str) -> Result<T, DiskError> {
    serde_json::from_slice(json)
        .map_err(|source| DiskError::Damaged { what: what.to_owned(), source })
}
