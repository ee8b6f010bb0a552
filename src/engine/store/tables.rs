//! What is durable: redb tables, and the journal of what they do not say yet.

use super::change::Changes;
use super::disk::{Disk, DiskError};
use super::encoded::Packed;
use super::journal::{Entry, Journal, Kept, Pending, Row};
use super::{RunKey, Staged, format};
use cronlet_api::kind::{Key, Kind};
use cronlet_api::run::Run;
use redb::{CompactionError, Database, ReadableDatabase, ReadableTable, TableDefinition};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};
use std::ops::{Range, RangeInclusive};
use std::sync::{Arc, RwLock, RwLockReadGuard};

/// `Kind/namespace/name` to (resourceVersion, owners' uids separated by spaces, JSON).
pub(super) const OBJECTS: TableDefinition<&str, (u64, &str, &[u8])> =
    TableDefinition::new("objects");
/// (namespace, CronJob, slot in milliseconds since 1970) to JSON.
const RUNS: TableDefinition<(&str, &str, i64), &[u8]> = TableDefinition::new("runs");
/// Manifest file to JSON.
const SOURCES: TableDefinition<&str, &[u8]> = TableDefinition::new("sources");
pub(super) const FACTS: TableDefinition<&str, &[u8]> = TableDefinition::new("facts");
/// What was committed since the others were last brought up to date, by number: the version after
/// the commit, and what each object became.
const JOURNAL: TableDefinition<u64, (u64, Vec<ObjectRow<'static>>)> =
    TableDefinition::new("journal");
/// The same of runs, apart because the history is read from it.
const RUNS_JOURNAL: TableDefinition<u64, Vec<RunRow<'static>>> =
    TableDefinition::new("runs-journal");
/// The fact that counts versions, so that a deletion's is never used again.
const VERSION: &str = "version";

/// Kind, namespace, name, resourceVersion, owners' uids separated by spaces; unless the object is
/// deleted, the parts of its JSON: the head, unless the row before it has the same, and the status.
type ObjectRow<'a> = (&'a str, &'a str, &'a str, u64, &'a str, Option<(Json<'a>, Json<'a>)>);
/// A key of `RUNS`; JSON unless the run is forgotten.
type RunRow<'a> = ((&'a str, &'a str, i64), Json<'a>);
type Json<'a> = Option<&'a [u8]>;

/// State of a manifest file when it was last read, and the objects that it made. Fields that the
/// first versions did not write are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SourceRecord {
    /// Size and modification time in nanoseconds.
    pub stamp: (u64, i64),
    /// Hash of its bytes; 0 if unknown.
    #[serde(default)]
    pub content: u64,
    pub keys: Vec<Key>,
    /// Hashes of the objects of `keys`, in their order.
    #[serde(default)]
    pub said: Vec<ManifestHashes>,
    /// Objects that it had, and that no file has now: they are deleted unless one has them again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaving: Vec<(Key, ManifestHashes)>,
}

/// Hashes of what a manifest says of an object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ManifestHashes {
    pub whole: u64,
    /// Hash of a Job's spec; 0 for other kinds.
    pub spec: u64,
}

impl SourceRecord {
    /// The objects that it has or had, each with what was last said of it.
    pub fn all(&self) -> impl Iterator<Item = (&Key, ManifestHashes)> {
        let said = self.said.iter().copied().chain(std::iter::repeat(ManifestHashes::default()));
        let leaving = self.leaving.iter().map(|(key, said)| (key, *said));
        self.keys.iter().zip(said).chain(leaving)
    }
}

/// All that was on disk.
pub(super) struct Loading {
    pub objects: Vec<(Key, Kept)>,
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
    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, DiskError>,
    ) -> Result<T, DiskError> {
        self.read().as_ref().ok_or(DiskError::Closed).and_then(work)
    }
}

pub(super) struct Tables {
    disk: Box<dyn Disk>,
    handle: Handle,
    journal: Journal,
    /// True if nothing was in the file when it was first opened.
    pub is_new: bool,
    /// The file's size after it was last made smaller; 0 before that.
    size_shrunk: u64,
}

impl Tables {
    pub(super) fn open(disk: impl Disk) -> Result<Tables, DiskError> {
        let (database, is_new) = open_database(&disk)?;
        let handle = Handle(Arc::new(RwLock::new(Some(database))));
        let journal = Journal::default();
        Ok(Tables { disk: Box::new(disk), handle, journal, is_new, size_shrunk: 0 })
    }

    pub(super) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Closes the disk and opens it anew, after an error.
    pub(super) fn reopen(&self) -> Result<(), DiskError> {
        let mut open = self.handle.0.write().expect("no panic while it was held");
        *open = None;
        // One made anew would pass for a state in which nothing ever ran.
        if !self.disk.exists() {
            return Err(DiskError::Missing);
        }
        *open = Some(open_database(&*self.disk)?.0);
        Ok(())
    }

    /// Reads all of it, and what of the journal is not folded yet.
    pub(super) fn load(&mut self) -> Result<Loading, DiskError> {
        let counted = match self.fact(VERSION)? {
            Some(bytes) => bytes.try_into().map(u64::from_le_bytes).unwrap_or_default(),
            None => 0,
        };
        let mut objects = self.handle.with(load_objects)?;
        let (journal, version) = self.handle.with(load_journal)?;
        objects.retain(|(key, _)| !journal.objects.contains_key(key));
        let pending = journal.objects.iter();
        objects.extend(pending.filter_map(|(key, one)| Some((key.clone(), one.now.clone()?))));
        self.journal = journal;
        let versions = objects.iter().map(|(_, kept)| kept.version);
        let version = versions.fold(counted.max(version), u64::max);
        Ok(Loading { objects, version })
    }

    pub(super) fn fact(&self, name: &str) -> Result<Option<Vec<u8>>, DiskError> {
        self.handle.with(|database| {
            let table = database.begin_read()?.open_table(FACTS)?;
            Ok(table.get(name)?.map(|value| value.value().to_vec()))
        })
    }

    pub(super) fn sources(&self) -> Result<BTreeMap<String, SourceRecord>, DiskError> {
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

    /// One transaction, durable when this returns. After an error, `reopen` and `load`.
    pub(super) fn write(&mut self, changes: &Changes, staged: &Staged) -> Result<(), DiskError> {
        let entry = self.journal.entry(changes, staged);
        let folds = self.journal.is_to_be_folded(&entry, self.disk.journal_bytes_max());
        self.handle.with(|database| {
            let transaction = database.begin_write()?;
            write_sources(&transaction, &staged.sources)?;
            write_facts(&transaction, &staged.facts)?;
            if folds {
                self.journal.take_in(entry);
                fold(&transaction, &self.journal, changes.version)?;
            } else {
                append(&transaction, self.journal.next, &entry)?;
                self.journal.take_in(entry);
            }
            Ok(transaction.commit()?)
        })?;
        if folds {
            self.journal.clear();
        }
        Ok(())
    }

    pub(super) fn has_run(&self, key: &RunKey) -> Result<bool, DiskError> {
        match self.journal.runs.get(key) {
            Some(json) => Ok(json.is_some()),
            None => self.handle.with(|database| {
                Ok(database.begin_read()?.open_table(RUNS)?.get(run_row(key))?.is_some())
            }),
        }
    }

    /// The slots of a CronJob's runs, oldest first, `count` at most.
    pub(super) fn run_slots(
        &self,
        (namespace, cron_job): (&str, &str),
        staged: &BTreeMap<RunKey, Option<Run>>,
        count: usize,
    ) -> Result<Vec<i64>, DiskError> {
        let all = all_runs_of(namespace, cron_job);
        let journal = self.journal.runs.range(all.clone());
        let journal = journal.map(|((_, _, slot), json)| (*slot, json.is_some()));
        let staged = staged.range(all).map(|((_, _, slot), run)| (*slot, run.is_some()));
        // What they forget is in the table still, so as many more are read from it.
        let later: Vec<(i64, bool)> = journal.chain(staged).collect();
        let forgotten = later.iter().filter(|(_, is_there)| !is_there).count();
        let mut slots: BTreeSet<i64> = self.handle.with(|database| {
            let table = database.begin_read()?.open_table(RUNS)?;
            let (first, last) = ((namespace, cron_job, i64::MIN), (namespace, cron_job, i64::MAX));
            let rows = table.range(first..=last)?.take(count.saturating_add(forgotten));
            rows.map(|row| Ok(row?.0.value().2)).collect()
        })?;
        for (slot, is_there) in later {
            if is_there {
                slots.insert(slot)
            } else {
                slots.remove(&slot)
            };
        }
        Ok(slots.into_iter().take(count).collect())
    }

    /// The first CronJob after this one, in the order of their names, that has runs on disk.
    pub(super) fn cron_job_with_runs(
        &self,
        (namespace, cron_job): (&str, &str),
    ) -> Result<Option<(String, String)>, DiskError> {
        let after = (Excluded((namespace.to_owned(), cron_job.to_owned(), i64::MAX)), Unbounded);
        let in_journal = self.journal.runs.range(after).next();
        let in_journal =
            in_journal.map(|((namespace, cron_job, _), _)| (namespace.clone(), cron_job.clone()));
        let in_table = self.handle.with(|database| {
            let table = database.begin_read()?.open_table(RUNS)?;
            let row = table.range((namespace, cron_job, i64::MAX)..)?.next().transpose()?;
            Ok(row.map(|(key, _)| {
                let (namespace, cron_job, _) = key.value();
                (namespace.to_owned(), cron_job.to_owned())
            }))
        })?;
        Ok(in_journal.into_iter().chain(in_table).min())
    }

    #[cfg(test)]
    pub(super) fn unfolded_bytes(&self) -> usize {
        self.journal.size
    }

    /// Brings the tables up to date, where enough was written since, and makes the file smaller,
    /// where it grew much.
    pub(super) fn rest(&mut self, version: u64) -> Result<(), DiskError> {
        let (size, shrinks) = (self.journal.size, self.is_to_shrink());
        if size >= self.disk.journal_bytes_max() / 16 || shrinks && size > 0 {
            self.handle.with(|database| {
                let transaction = database.begin_write()?;
                fold(&transaction, &self.journal, version)?;
                Ok(transaction.commit()?)
            })?;
            self.journal.clear();
        }
        if shrinks { self.shrink() } else { Ok(()) }
    }

    /// True if the file grew to twice what it was when it was last made smaller.
    fn is_to_shrink(&self) -> bool {
        let size = self.disk.size();
        size.is_some_and(|size| SHRUNK_BYTES.contains(&size) && size >= 2 * self.size_shrunk)
    }

    /// Makes the file smaller: else it keeps the room that was needed once. A crash meanwhile
    /// leaves the state as it is.
    fn shrink(&mut self) -> Result<(), DiskError> {
        let mut open = self.handle.0.write().expect("no panic while it was held");
        match open.as_mut().ok_or(DiskError::Closed)?.compact() {
            Ok(_) => self.size_shrunk = self.disk.size().unwrap_or_default(),
            Err(CompactionError::Storage(error)) => return Err(error.into()),
            // Never: no reader and no writer has it now.
            Err(_) => {}
        }
        Ok(())
    }
}

/// A smaller file is not worth it, and a larger one would take more than a second.
const SHRUNK_BYTES: Range<u64> = 4 << 20..128 << 20;

fn all_runs_of(namespace: &str, cron_job: &str) -> RangeInclusive<RunKey> {
    let at = |slot| (namespace.to_owned(), cron_job.to_owned(), slot);
    at(i64::MIN)..=at(i64::MAX)
}

/// True: nothing was in it.
fn open_database(disk: &dyn Disk) -> Result<(Database, bool), DiskError> {
    let database = disk.open()?;
    let is_new = format::check(&database)?;
    let transaction = database.begin_write()?;
    transaction.open_table(OBJECTS)?;
    transaction.open_table(RUNS)?;
    transaction.open_table(SOURCES)?;
    transaction.open_table(FACTS)?;
    transaction.open_table(JOURNAL)?;
    transaction.open_table(RUNS_JOURNAL)?;
    format::mark(&transaction)?;
    transaction.commit()?;
    Ok((database, is_new))
}

/// Writes what one commit changes behind all that is there.
fn append(
    transaction: &redb::WriteTransaction,
    number: u64,
    entry: &Entry,
) -> Result<(), DiskError> {
    let objects = entry.objects.iter().map(|Row { key, now, head_is_known, .. }| {
        let (version, owners) = now.as_ref().map_or((0, ""), |kept| (kept.version, &*kept.owners));
        let parts = now.as_ref().map(|Kept { packed, .. }| {
            let head = (!head_is_known).then_some(&*packed.head);
            (head, packed.status())
        });
        (key.kind.info().kind, &*key.namespace, &*key.name, version, owners, parts)
    });
    let mut table = transaction.open_table(JOURNAL)?;
    table.insert(number, (entry.version, objects.collect()))?;
    if !entry.runs.is_empty() {
        let runs = entry.runs.iter().map(|(key, json)| (run_row(key), json.as_deref()));
        transaction.open_table(RUNS_JOURNAL)?.insert(number, runs.collect::<Vec<_>>())?;
    }
    Ok(())
}

/// Writes what is still so of the journal to the tables, and empties it.
fn fold(
    transaction: &redb::WriteTransaction,
    journal: &Journal,
    version: u64,
) -> Result<(), DiskError> {
    let mut table = transaction.open_table(OBJECTS)?;
    let in_order: BTreeMap<_, _> =
        journal.objects.iter().map(|(key, pending)| (key_text(key), pending)).collect();
    for (key, Pending { now, is_in_tables }) in in_order {
        match now {
            Some(Kept { version, owners, packed }) => {
                drop(table.insert(key.as_str(), (*version, &**owners, &*packed.json()))?);
            }
            None if *is_in_tables => drop(table.remove(key.as_str())?),
            None => {}
        }
    }
    let mut table = transaction.open_table(RUNS)?;
    for (key, json) in &journal.runs {
        match json {
            Some(json) => drop(table.insert(run_row(key), json.as_slice())?),
            None => drop(table.remove(run_row(key))?),
        }
    }
    transaction.open_table(FACTS)?.insert(VERSION, version.to_le_bytes().as_slice())?;
    transaction.open_table(JOURNAL)?.retain(|_, _| false)?;
    transaction.open_table(RUNS_JOURNAL)?.retain(|_, _| false)?;
    Ok(())
}

fn write_facts(
    transaction: &redb::WriteTransaction,
    facts: &BTreeMap<&'static str, Vec<u8>>,
) -> Result<(), DiskError> {
    if facts.is_empty() {
        return Ok(());
    }
    let mut table = transaction.open_table(FACTS)?;
    for (name, value) in facts {
        table.insert(*name, value.as_slice())?;
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

fn load_objects(database: &Database) -> Result<Vec<(Key, Kept)>, DiskError> {
    let table = database.begin_read()?.open_table(OBJECTS)?;
    let mut objects = Vec::new();
    for row in table.iter()? {
        let (key, value) = row?;
        let (version, owners, json) = value.value();
        let key = read_key(key.value())?;
        let kept = Kept { version, owners: owners.into(), packed: Packed::whole(json) };
        objects.push((key, kept));
    }
    Ok(objects)
}

/// The journal, and the version that it reaches.
fn load_journal(database: &Database) -> Result<(Journal, u64), DiskError> {
    let transaction = database.begin_read()?;
    let known = transaction.open_table(OBJECTS)?;
    let (mut journal, mut reached) = (Journal::default(), 0);
    for row in transaction.open_table(JOURNAL)?.iter()? {
        let (number, row) = row?;
        let (version, rows) = row.value();
        let mut objects = Vec::with_capacity(rows.len());
        for row in rows {
            objects.push(read_row(row, &journal, &known)?);
        }
        journal.take_in(Entry { version, objects, runs: Vec::new() });
        (journal.next, reached) = (number.value() + 1, version);
    }
    for row in transaction.open_table(RUNS_JOURNAL)?.iter()? {
        let runs = row?.1;
        let runs = runs.value().into_iter();
        journal.runs.extend(runs.map(|(key, json)| (run_key_of(key), json.map(<[u8]>::to_vec))));
    }
    Ok((journal, reached))
}

fn read_row(
    (kind, namespace, name, version, owners, parts): ObjectRow<'_>,
    journal: &Journal,
    tables: &impl ReadableTable<&'static str, (u64, &'static str, &'static [u8])>,
) -> Result<Row, DiskError> {
    let text = format!("{kind}/{namespace}/{name}");
    let (key, is_new) = (read_key(&text)?, tables.get(text.as_str())?.is_none());
    let Some((head, status)) = parts else {
        return Ok(Row { key, is_new, now: None, head_is_known: false });
    };
    let head_is_known = head.is_none();
    let head = head.map(Arc::from).or_else(|| journal.head(&key));
    let head = head.ok_or_else(|| DiskError::NoHead(key.to_string()))?;
    let now = Kept { version, owners: owners.into(), packed: Packed::parts(head, status) };
    Ok(Row { key, is_new, now: Some(now), head_is_known })
}

/// The runs of all CronJobs, of a namespace's, or of one, oldest first within each.
pub(super) fn runs(
    database: &Database,
    namespace: Option<&str>,
    cron_job: Option<&str>,
) -> Result<Vec<Run>, DiskError> {
    let is_wanted = |(of_namespace, of, _): (&str, &str, i64)| {
        namespace.is_none_or(|name| name == of_namespace) && cron_job.is_none_or(|name| name == of)
    };
    let from = namespace.map_or(("", ""), |namespace| (namespace, cron_job.unwrap_or_default()));
    let transaction = database.begin_read()?;
    let mut found = BTreeMap::new();
    for row in transaction.open_table(RUNS)?.range((from.0, from.1, i64::MIN)..)? {
        let (key, json) = row?;
        if is_wanted(key.value()) {
            found.insert(run_key_of(key.value()), read_json(json.value(), "a run")?);
        } else if namespace.is_some() {
            break;
        }
    }
    for row in transaction.open_table(RUNS_JOURNAL)?.iter()? {
        for (key, json) in row?.1.value().into_iter().filter(|(key, _)| is_wanted(*key)) {
            match json {
                Some(json) => drop(found.insert(run_key_of(key), read_json(json, "a run")?)),
                None => drop(found.remove(&run_key_of(key))),
            }
        }
    }
    Ok(found.into_values().collect())
}

fn run_row((namespace, cron_job, slot): &RunKey) -> (&str, &str, i64) {
    (namespace, cron_job, *slot)
}

fn run_key_of((namespace, cron_job, slot): (&str, &str, i64)) -> RunKey {
    (namespace.to_owned(), cron_job.to_owned(), slot)
}

fn key_text(key: &Key) -> String {
    format!("{}/{}/{}", key.kind.info().kind, key.namespace, key.name)
}

fn read_key(text: &str) -> Result<Key, DiskError> {
    let mut parts = text.splitn(3, '/');
    let (kind, namespace, name) = (parts.next(), parts.next(), parts.next());
    match (kind.and_then(Kind::named), namespace, name) {
        (Some(kind), Some(namespace), Some(name)) => Ok(Key::new(kind, namespace, name)),
        _ => Err(DiskError::UnknownKey(text.to_owned())),
    }
}

pub(super) fn to_json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("plain data always serializes")
}

pub(super) fn read_json<T: serde::de::DeserializeOwned>(
    json: &[u8],
    what: &str,
) -> Result<T, DiskError> {
    serde_json::from_slice(json)
        .map_err(|source| DiskError::Damaged { what: what.to_owned(), source })
}
