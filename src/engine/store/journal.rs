//! What was committed since the tables were last brought up to date.
//!
//! A commit appends what it changes as one row. Most of what a run was is soon otherwise, or gone:
//! when the journal is folded, only what is still so is written to the tables, each in its place.

use super::change::{ChangeVerb, Changes, PendingChange};
use super::encoded::Packed;
use super::tables::to_json;
use super::{RunKey, Staged};
use cronlet_api::kind::{Key, Map};
use std::collections::BTreeMap;
use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::sync::Arc;

/// What the tables do not say yet.
#[derive(Default)]
pub(super) struct Journal {
    /// What its rows hold, in bytes.
    pub size: usize,
    /// The number of the next row.
    pub next: u64,
    pub objects: Map<Key, Pending>,
    /// In order: a CronJob's own are next to each other.
    pub runs: BTreeMap<RunKey, Option<Vec<u8>>>,
}

/// What is to become of the row of an object.
pub(super) struct Pending {
    /// `None`: it goes.
    pub now: Option<Kept>,
    /// The tables have a row of it.
    pub is_in_tables: bool,
}

/// An object as the disk keeps it.
#[derive(Clone)]
pub(super) struct Kept {
    pub version: u64,
    /// Their uids, separated by spaces.
    pub owners: Box<str>,
    pub packed: Packed,
}

/// What one commit changes on disk.
pub(super) struct Entry {
    pub version: u64,
    pub objects: Vec<Row>,
    /// JSON; `None` for what is forgotten.
    pub runs: Vec<(RunKey, Option<Vec<u8>>)>,
}

/// What one commit made of an object.
pub(super) struct Row {
    pub key: Key,
    pub is_new: bool,
    /// `None`: it is deleted.
    pub now: Option<Kept>,
    /// An earlier row of the journal has the same.
    pub head_is_known: bool,
}

/// What each row and each entry takes beside its JSON, about.
const ROW_BYTES: usize = 64;

impl Row {
    /// In bytes.
    fn size(&self) -> usize {
        let json = self.now.as_ref().map_or(0, |kept| kept.packed.size());
        let known = self.now.as_ref().filter(|_| self.head_is_known);
        ROW_BYTES + json - known.map_or(0, |kept| kept.packed.head.len())
    }
}

impl Entry {
    fn size(&self) -> usize {
        let runs = self.runs.iter().map(|(_, json)| json.as_ref().map_or(0, Vec::len) + ROW_BYTES);
        ROW_BYTES + self.objects.iter().map(Row::size).chain(runs).sum::<usize>()
    }
}

impl Journal {
    pub(super) fn entry(&self, changes: &Changes, staged: &Staged) -> Entry {
        let durable = changes.list.iter().filter(|change| change.is_durable());
        let objects = durable.map(|change| Row {
            key: change.key.clone(),
            is_new: change.verb == ChangeVerb::Added,
            now: change.packed.clone().map(|packed| Kept {
                version: change.version,
                owners: change.owner_uids().collect::<Vec<_>>().join(" ").into(),
                packed,
            }),
            head_is_known: self.knows_head(change),
        });
        let runs = staged.runs.iter().map(|(key, run)| (key.clone(), run.as_ref().map(to_json)));
        Entry { version: changes.version, objects: objects.collect(), runs: runs.collect() }
    }

    /// Is an entry better written to the tables at once, with all that waits for it? It is where
    /// the journal would be longer than `bytes_max`, and where much comes at once, as when a folder
    /// is read: that stays.
    pub(super) fn is_to_be_folded(&self, entry: &Entry, bytes_max: usize) -> bool {
        let size = entry.size();
        size > bytes_max / 8 || self.size + size > bytes_max
    }

    pub(super) fn take_in(&mut self, entry: Entry) {
        self.next += 1;
        self.size += entry.size();
        for Row { key, is_new, now, .. } in entry.objects {
            match self.objects.entry(key) {
                Occupied(pending) if now.is_none() && !pending.get().is_in_tables => {
                    pending.remove();
                }
                Occupied(mut pending) => pending.get_mut().now = now,
                Vacant(room) => drop(room.insert(Pending { now, is_in_tables: !is_new })),
            }
        }
        self.runs.extend(entry.runs);
    }

    fn knows_head(&self, change: &PendingChange) -> bool {
        let known = self.head(&change.key);
        let now = change.packed.as_ref().map(|packed| &packed.head);
        known.zip(now).is_some_and(|(known, now)| Arc::ptr_eq(&known, now))
    }

    /// The head of an object that a row left.
    pub(super) fn head(&self, key: &Key) -> Option<Arc<[u8]>> {
        Some(self.objects.get(key)?.now.as_ref()?.packed.head.clone())
    }

    /// After its rows were folded.
    pub(super) fn clear(&mut self) {
        *self = Journal { next: self.next, ..Journal::default() };
    }
}
