//! Objects, resource versions, owners, watch: staged in memory, committed to disk, then published
//! to readers.
//!
//! One thread owns the [`Store`] and stages writes; [`Store::commit`] makes them durable in one
//! redb transaction and only then lets [`Reader`]s see them. A commit that fails leaves the
//! published state as it was.

use cronlet_api::kind::{Key, Kind, Map, Object};
use cronlet_api::run::Run;
use cronlet_plan::controllers::controller;
use cronlet_plan::events::EventRecord;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

mod change;

mod disk;

mod format;

mod in_order;

mod index;

mod journal;

mod encoded;

mod reader;

mod tables;

#[cfg(test)]
mod damage;

#[cfg(test)]
mod tests;

pub use crate::store::change::{Change, ChangeVerb};
pub use crate::store::disk::{Disk, DiskError, Fault, FileDisk, JOURNAL_BYTES_MAX, builder};
pub use crate::store::format::FORMAT;
pub use crate::store::reader::{Gone, Reader};
pub use crate::store::tables::{ManifestHashes, SourceRecord};

use crate::store::change::Changes;
use crate::store::in_order::InOrder;
use crate::store::reader::Published;
use crate::store::tables::Tables;

/// The writer's side. See the module's words.
pub struct Store {
    tables: Tables,
    published: Arc<Published>,
    staged: Staged,
    /// How many runs of each CronJob are recorded, staged ones included, where they were counted.
    run_counts: Map<(String, String), usize>,
}

/// What the next commit will make true.
#[derive(Default)]
struct Staged {
    /// `None`: to be removed.
    objects: InOrder<Key, Option<Object>>,
    /// Events that are notes, by their number. `None`: to be removed.
    notes: InOrder<u64, Option<Arc<EventRecord>>>,
    /// Are there Events among the objects?
    has_events: bool,
    /// Those of `objects` that were staged with an owner, by its uid: a Job may have 10,000 pods,
    /// and each of them may own something.
    owned: Map<String, BTreeSet<Key>>,
    runs: BTreeMap<RunKey, Option<Run>>,
    sources: BTreeMap<String, Option<SourceRecord>>,
    /// Other durable facts, by name.
    facts: BTreeMap<&'static str, Vec<u8>>,
}

impl Staged {
    fn is_empty(&self) -> bool {
        self.objects.is_empty()
            && self.notes.is_empty()
            && self.runs.is_empty()
            && self.sources.is_empty()
            && self.facts.is_empty()
    }
}

/// A run is known by its CronJob and its slot in milliseconds since 1970.
type RunKey = (String, String, i64);

fn run_key(run: &Run) -> RunKey {
    (run.namespace.clone(), run.cron_job.clone(), run.scheduled.as_millisecond())
}

impl Store {
    /// Opens the store on a disk and reads all of it.
    pub fn open(disk: impl Disk) -> Result<Store, DiskError> {
        let mut tables = Tables::open(disk)?;
        let published = Arc::new(Published::new(tables.load()?, tables.handle()));
        Ok(Store { tables, published, staged: Staged::default(), run_counts: Map::default() })
    }

    /// True if it was made by this opening: nothing is known of what ran before.
    pub fn is_new(&self) -> bool {
        self.tables.is_new
    }

    /// A handle for other threads; sees what is committed.
    pub fn reader(&self) -> Reader {
        Reader::new(self.published.clone())
    }

    /// The object as it will be after the next commit.
    pub fn get(&self, key: &Key) -> Option<Object> {
        match self.staged.objects.get(key) {
            Some(staged) => staged.clone(),
            None if key.kind == Kind::Event => self.get_event(key),
            None => self.published.get(key),
        }
    }

    /// True if the object was put or removed since the last commit.
    pub fn is_staged(&self, key: &Key) -> bool {
        let number = Some(key).filter(|key| key.kind == Kind::Event);
        let number = number.and_then(|key| EventRecord::number_in(&key.name));
        self.staged.objects.get(key).is_some()
            || number.is_some_and(|number| self.staged.notes.get(&number).is_some())
    }

    fn get_event(&self, key: &Key) -> Option<Object> {
        let number = EventRecord::number_in(&key.name);
        match number.and_then(|number| self.staged.notes.get(&number)) {
            Some(Some(noted)) if noted.key() == *key => Some(noted.event().into()),
            Some(None) if self.published.index().note_number(key).is_some() => None,
            _ => self.published.index().get(key),
        }
    }

    /// Keys of a kind, as they will be after the next commit, in order. Events that are notes are
    /// left out.
    pub fn keys(&self, kind: Kind) -> Vec<Key> {
        let mut keys = self.published.index().keys(kind);
        for (key, staged) in self.staged.objects.iter().filter(|(key, _)| key.kind == kind) {
            match (keys.binary_search(key), staged) {
                (Ok(at), None) => drop(keys.remove(at)),
                (Err(at), Some(_)) => keys.insert(at, key.clone()),
                _ => {}
            }
        }
        keys
    }

    /// The objects that the owner with this uid controls or co-owns, by key, as they will be.
    pub fn owned(&self, owner_uid: &str) -> Vec<Object> {
        let owns = |o: &Object| owner_uids(o).any(|uid| uid == owner_uid);
        let keys = self.owned_keys(owner_uid);
        keys.iter().filter_map(|key| self.get(key)).filter(owns).collect()
    }

    /// The uids that committed objects name as their owners, each with one of these objects.
    pub fn owners(&self) -> Vec<(String, Key)> {
        self.published.index().owners()
    }

    /// The objects of a kind and a namespace that a controller may adopt.
    pub fn orphans(&self, kind: Kind, namespace: &str) -> Vec<Object> {
        let mut orphans = self.owned(kind.info().plural);
        orphans.retain(|object| object.namespace() == namespace);
        orphans
    }

    /// In order. Some may have another owner by what is staged.
    pub fn owned_keys(&self, owner_uid: &str) -> Vec<Key> {
        let index = self.published.index();
        let (before, staged) = (index.owned_keys(owner_uid), self.staged.owned.get(owner_uid));
        match (before, staged) {
            (Some(before), Some(staged)) => before.union(staged).cloned().collect(),
            (Some(keys), None) | (None, Some(keys)) => keys.iter().cloned().collect(),
            (None, None) => Vec::new(),
        }
    }

    /// Stages the object as it shall be.
    pub fn put(&mut self, object: Object) {
        let key = object.key();
        for uid in owner_uids(&object) {
            self.staged.owned.entry(uid.to_owned()).or_default().insert(key.clone());
        }
        self.staged.has_events |= key.kind == Kind::Event;
        self.staged.objects.insert(key, Some(object));
    }

    pub fn remove(&mut self, key: &Key) {
        let number = self.published.index().note_number(key);
        match number.filter(|_| self.staged.objects.get(key).is_none()) {
            Some(number) => self.remove_note(number),
            None => self.staged.objects.insert(key.clone(), None),
        }
    }

    /// What was said under this number, as it will be after the next commit.
    pub fn note(&self, number: u64) -> Option<Arc<EventRecord>> {
        let noted = match self.staged.notes.get(&number) {
            Some(staged) => staged.clone(),
            None => self.published.index().note(number).cloned(),
        };
        let is_object = |noted: &EventRecord| {
            self.staged.objects.get(&noted.key()).is_some_and(Option::is_some)
        };
        noted.filter(|noted| !self.staged.has_events || !is_object(noted))
    }

    /// Stages an Event that is a note.
    pub fn put_note(&mut self, noted: EventRecord) {
        self.staged.notes.insert(noted.number, Some(Arc::new(noted)));
    }

    pub fn remove_note(&mut self, number: u64) {
        self.staged.notes.insert(number, None);
    }

    /// How many Events are notes, as last committed.
    pub fn notes_len(&self) -> usize {
        self.published.index().notes_len()
    }

    /// Is there something that the next commit would make true?
    pub fn has_staged(&self) -> bool {
        !self.staged.is_empty()
    }

    /// Stages a line of the run history; it replaces the one of the same CronJob and slot. Says
    /// whether there was none.
    pub fn record_run(&mut self, run: Run) -> Result<bool, DiskError> {
        let (key, of) = (run_key(&run), (run.namespace.clone(), run.cron_job.clone()));
        let count = self.count_runs(&of)?;
        let is_new = !self.has_run(&key)?;
        self.run_counts.insert(of, count + usize::from(is_new));
        self.staged.runs.insert(key, Some(run));
        Ok(is_new)
    }

    fn has_run(&self, key: &RunKey) -> Result<bool, DiskError> {
        match self.staged.runs.get(key) {
            Some(staged) => Ok(staged.is_some()),
            None => self.tables.has_run(key),
        }
    }

    /// Forgets the runs of a CronJob, by namespace and name, at these slots, which are recorded.
    pub fn forget_runs(&mut self, cron_job: &(String, String), slots: &[i64]) {
        for slot in slots {
            let (namespace, name) = cron_job.clone();
            self.staged.runs.insert((namespace, name, *slot), None);
        }
        if let Some(count) = self.run_counts.get_mut(cron_job) {
            *count = count.saturating_sub(slots.len());
        }
    }

    /// How many runs of a CronJob, by namespace and name, are recorded. They are counted once.
    pub fn count_runs(&mut self, cron_job: &(String, String)) -> Result<usize, DiskError> {
        if let Some(count) = self.run_counts.get(cron_job) {
            return Ok(*count);
        }
        let count = self.oldest_runs(cron_job, usize::MAX)?.len();
        self.run_counts.insert(cron_job.clone(), count);
        Ok(count)
    }

    /// The slots of the oldest runs of a CronJob, in milliseconds since 1970.
    pub fn oldest_runs(
        &self,
        (namespace, name): &(String, String),
        count: usize,
    ) -> Result<Vec<i64>, DiskError> {
        self.tables.run_slots((namespace, name), &self.staged.runs, count)
    }

    /// The first CronJob after this one that has recorded runs, as last committed.
    pub fn cron_job_with_runs(
        &self,
        (namespace, name): &(String, String),
    ) -> Result<Option<(String, String)>, DiskError> {
        self.tables.cron_job_with_runs((namespace, name))
    }

    /// Which manifest file made which objects; `None` forgets the file.
    pub fn put_source(&mut self, file: &str, record: Option<SourceRecord>) {
        self.staged.sources.insert(file.to_owned(), record);
    }

    pub fn sources(&self) -> Result<BTreeMap<String, SourceRecord>, DiskError> {
        self.tables.sources()
    }

    /// A durable fact that is no object, such as the clock's steps.
    pub fn put_fact(&mut self, name: &'static str, value: Vec<u8>) {
        self.staged.facts.insert(name, value);
    }

    pub fn fact(&self, name: &str) -> Result<Option<Vec<u8>>, DiskError> {
        self.tables.fact(name)
    }

    /// Makes everything staged durable, then visible. Objects get their resourceVersion here; one
    /// that did not change keeps it and is not written. Returns whether anything was.
    pub fn commit(&mut self) -> Result<bool, DiskError> {
        let mut staged = std::mem::take(&mut self.staged);
        let mut changes = Changes::between(&self.published.index(), &mut staged);
        if changes.is_empty() && staged.is_empty() {
            return Ok(false);
        }
        changes.number();
        self.tables.write(&changes, &staged)?;
        self.published.publish(changes);
        Ok(true)
    }

    /// For when nothing is due for a while: gives back the memory that quick access to lately
    /// written objects takes, and brings the file in order, that it stays small.
    pub fn rest(&mut self) -> Result<(), DiskError> {
        self.published.rest();
        self.tables.rest(self.published.index().version())
    }

    /// Forgets everything staged.
    pub fn roll_back(&mut self) {
        self.staged = Staged::default();
        self.run_counts.clear();
    }

    /// After a failed commit the disk is the truth: reads all of it again. Watchers have to list
    /// anew.
    pub fn reload(&mut self) -> Result<(), DiskError> {
        self.roll_back();
        self.tables.reopen()?;
        self.published.replace(self.tables.load()?);
        Ok(())
    }
}

/// The uids of an object's owners; one that a controller may adopt is owned by the word for its
/// like.
fn owner_uids(object: &Object) -> impl Iterator<Item = &str> {
    let owners = object.meta().owner_references.iter().flatten();
    let word = controller::is_orphan(object).then_some(object.kind().info().plural);
    owners.map(|owner| owner.uid.as_str()).chain(word)
}
