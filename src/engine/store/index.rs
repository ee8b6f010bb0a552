//! The objects in memory, by key and by owner, and the latest changes for those who watch.
//!
//! Ten thousand idle CronJobs as Rust structures would take 60 MB: what nobody touched lately is
//! kept as JSON.

use super::change::{Body, Change, ChangeRecord, ChangeVerb, Changes, PendingChange, Trace};
use super::encoded::Packed;
use super::journal::Kept;
use super::owner_uids;
use cronlet_api::kind::{Key, Kind, Map, Object};
use cronlet_plan::events::EventRecord;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// So many of the objects written or used last stay ready to use; older ones are packed, and all of
/// them when the store idles.
const HOT_MAX: usize = 8192;

/// A watcher that is further behind has to list again (410 Gone).
const CHANGES_MAX: usize = 2048;

/// An object: its JSON, and while it is hot the structure too.
struct Entry {
    version: u64,
    live: Option<Object>,
    packed: Packed,
}

#[derive(Default)]
pub(super) struct Index {
    /// One for each kind; asked by key, and sorted when someone lists.
    by_kind: Vec<Map<Key, Entry>>,
    notes: Map<u64, (u64, Arc<EventRecord>)>,
    owners: Map<Box<str>, BTreeSet<Key>>,
    version: u64,
    /// Versions at or below are no longer in `recent`.
    forgotten: u64,
    recent: VecDeque<ChangeRecord>,
    /// Those that are ready to use, in the order in which they were written or used, among others
    /// that were and are no more.
    hot: VecDeque<(Key, u64)>,
    /// How many are ready to use.
    live_len: usize,
}

impl Index {
    pub(super) fn load(loaded: Vec<(Key, Kept)>, version: u64) -> Index {
        let by_kind = Kind::ALL.iter().map(|_| Map::default()).collect();
        let mut index = Index { version, forgotten: version, by_kind, ..Index::default() };
        for (key, Kept { version, owners, packed }) in loaded {
            for owner in owners.split_whitespace() {
                index.owners.entry(owner.into()).or_default().insert(key.clone());
            }
            index.shelf_mut(key.kind).insert(key, Entry { version, live: None, packed });
        }
        index
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    fn shelf(&self, kind: Kind) -> &Map<Key, Entry> {
        &self.by_kind[kind as usize]
    }

    fn shelf_mut(&mut self, kind: Kind) -> &mut Map<Key, Entry> {
        &mut self.by_kind[kind as usize]
    }

    pub(super) fn get(&self, key: &Key) -> Option<Object> {
        match self.shelf(key.kind).get(key) {
            Some(entry) => Some(entry.object(key.kind)),
            None => self.trace_of_note(self.note_number(key)?).map(|note| note.object(key.kind)),
        }
    }

    /// The object if it is ready to use.
    pub(super) fn live(&self, key: &Key) -> Option<Object> {
        self.shelf(key.kind).get(key)?.live.clone()
    }

    pub(super) fn packed(&self, key: &Key) -> Option<&Packed> {
        self.shelf(key.kind).get(key).map(|entry| &entry.packed)
    }

    pub(super) fn has(&self, key: &Key) -> bool {
        self.shelf(key.kind).contains_key(key)
    }

    /// The object, and makes it ready to use again.
    pub(super) fn warm(&mut self, key: &Key) -> Option<Object> {
        let entry = self.by_kind[key.kind as usize].get_mut(key)?;
        if entry.live.is_none() {
            self.hot.push_back((key.clone(), entry.version));
            self.live_len += 1;
        }
        let object = entry.object(key.kind);
        entry.live = Some(object.clone());
        Some(object)
    }

    /// The number of the note whose Event has this key.
    pub(super) fn note_number(&self, key: &Key) -> Option<u64> {
        let number = Some(key).filter(|key| key.kind == Kind::Event);
        let number = EventRecord::number_in(&number?.name)?;
        self.note(number).filter(|noted| noted.key() == *key).map(|_| number)
    }

    pub(super) fn note(&self, number: u64) -> Option<&Arc<EventRecord>> {
        self.notes.get(&number).map(|(_, noted)| noted)
    }

    fn trace_of_note(&self, number: u64) -> Option<Trace> {
        let (version, noted) = self.notes.get(&number)?;
        Some(Trace::EventDraft { version: *version, noted: noted.clone() })
    }

    pub(super) fn notes_len(&self) -> usize {
        self.notes.len()
    }

    /// Keys of objects, in their order.
    pub(super) fn keys(&self, kind: Kind) -> Vec<Key> {
        let mut keys: Vec<Key> = self.shelf(kind).keys().cloned().collect();
        keys.sort_unstable();
        keys
    }

    /// Objects in the order of their keys, Events that are notes among them.
    pub(super) fn list(&self, kind: Kind, namespace: Option<&str>) -> Vec<Object> {
        let wanted = |key: &Key| namespace.is_none_or(|wanted| *key.namespace == *wanted);
        let of_shelf = self.shelf(kind).iter().filter(|(key, _)| wanted(key));
        let mut found: Vec<(Key, Object)> =
            of_shelf.map(|(key, entry)| (key.clone(), entry.object(kind))).collect();
        if kind == Kind::Event {
            let made = self.notes.iter().filter_map(|(number, (_, noted))| {
                let key = Some(noted.key()).filter(wanted)?;
                Some((key, self.trace_of_note(*number)?.object(kind)))
            });
            found.extend(made);
        }
        found.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        found.into_iter().map(|(_, object)| object).collect()
    }

    pub(super) fn owned_keys(&self, owner_uid: &str) -> Option<&BTreeSet<Key>> {
        self.owners.get(owner_uid)
    }

    /// Each owner's uid with one of the objects that it owns.
    pub(super) fn owners(&self) -> Vec<(String, Key)> {
        let owners = self.owners.iter();
        let first = owners.filter_map(|(uid, keys)| Some((uid, keys.first()?)));
        first.map(|(uid, key)| (uid.to_string(), key.clone())).collect()
    }

    pub(super) fn apply(&mut self, changes: Changes) {
        self.version = changes.version;
        for change in changes.list {
            let changed = match &change.body {
                Body::EventDraft(noted) => self.apply_note(&change, noted),
                Body::Object(object) => self.apply_object(&change, object),
            };
            self.recent.push_back(changed);
        }
        self.forget_old();
    }

    fn apply_note(&mut self, change: &PendingChange, noted: &Arc<EventRecord>) -> ChangeRecord {
        let before = self.trace_of_note(noted.number);
        let trace = Trace::EventDraft { version: change.version, noted: noted.clone() };
        match change.verb {
            ChangeVerb::Deleted => drop(self.notes.remove(&noted.number)),
            _ => drop(self.notes.insert(noted.number, (change.version, noted.clone()))),
        }
        change.done(trace, before)
    }

    fn apply_object(&mut self, change: &PendingChange, object: &Object) -> ChangeRecord {
        let (key, version) = (&change.key, change.version);
        let of_note = self.note_number(key).and_then(|number| {
            let before = self.trace_of_note(number);
            self.notes.remove(&number);
            before
        });
        let Some(packed) = change.packed.clone() else {
            let gone = self.shelf_mut(key.kind).remove(key);
            self.live_len -= usize::from(gone.as_ref().is_some_and(|gone| gone.live.is_some()));
            self.follow_owners(key, Some(object), None);
            let last = gone.map(Entry::into_trace).or(of_note);
            let last = last.expect("what is deleted was there");
            return change.done(last.clone(), Some(last));
        };
        self.hot.push_back((key.clone(), version));
        let entry = Entry { version, live: Some(object.clone()), packed: packed.clone() };
        let before = self.shelf_mut(key.kind).insert(key.clone(), entry);
        self.live_len += usize::from(before.as_ref().is_none_or(|before| before.live.is_none()));
        self.follow_owners(key, change.before.as_ref().map(|before| &before.object), Some(object));
        let before = before.map(Entry::into_trace).or(of_note);
        change.done(Trace::Json { version, packed }, before)
    }

    fn follow_owners(&mut self, key: &Key, before: Option<&Object>, now: Option<&Object>) {
        let same = matches!((before, now), (Some(before), Some(now))
            if owner_uids(before).eq(owner_uids(now)));
        if same {
            return;
        }
        for uid in before.into_iter().flat_map(owner_uids) {
            if let Some(keys) = self.owners.get_mut(uid) {
                keys.remove(key);
                if keys.is_empty() {
                    self.owners.remove(uid);
                }
            }
        }
        for uid in now.into_iter().flat_map(owner_uids) {
            self.owners.entry(uid.into()).or_default().insert(key.clone());
        }
    }

    fn forget_old(&mut self) {
        while self.recent.len() > CHANGES_MAX {
            self.forgotten = self.recent.pop_front().expect("not empty").version;
        }
        self.pack_but(HOT_MAX);
    }

    /// Packs all but the `kept` objects that were written or used last.
    pub(super) fn pack_but(&mut self, kept: usize) {
        while self.live_len > kept || self.hot.len() > 4 * kept {
            let Some((key, version)) = self.hot.pop_front() else { break };
            if let Some(entry) = self.shelf_mut(key.kind).get_mut(&key)
                && entry.version == version
                && entry.live.take().is_some()
            {
                self.live_len -= 1;
            }
        }
        if self.hot.is_empty() {
            self.hot.shrink_to_fit();
        }
    }

    /// Changes after `version`; `None` where they are no longer all remembered.
    pub(super) fn changes_since(
        &self,
        version: u64,
        kind: Kind,
        namespace: Option<&str>,
    ) -> Option<Vec<Change>> {
        if version < self.forgotten || version > self.version {
            return None;
        }
        let from = self.recent.partition_point(|change| change.version <= version);
        let wanted = |change: &&ChangeRecord| {
            change.key.kind == kind && namespace.is_none_or(|n| *change.key.namespace == *n)
        };
        let changes = self.recent.range(from..).filter(wanted);
        Some(changes.map(|change| Change::new(change.clone(), self.still(change))).collect())
    }

    /// The object, if it is ready to use and still as the change left it.
    fn still(&self, change: &ChangeRecord) -> Option<Object> {
        let entry = self.shelf(change.key.kind).get(&change.key)?;
        entry.live.clone().filter(|_| entry.version == change.version)
    }
}

impl PendingChange {
    fn done(&self, trace: Trace, before: Option<Trace>) -> ChangeRecord {
        ChangeRecord {
            version: self.version,
            verb: self.verb,
            key: self.key.clone(),
            trace,
            before,
        }
    }
}

impl Entry {
    fn object(&self, kind: Kind) -> Object {
        self.live.clone().unwrap_or_else(|| self.packed.object(kind, self.version))
    }

    fn into_trace(self) -> Trace {
        Trace::Json { version: self.version, packed: self.packed }
    }
}
