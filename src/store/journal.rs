//! What was committed since the tables were last brought up to date.
//!
//! A commit appends what it changes as one row. Most of what a run was is soon otherwise, or gone:
//! when the journal is folded, only what is still so is written to the tables, each in its place.

use super::RunKey;
use super::Staged;
use super::change::{Changes, ChangeVerb};
use crate::kinds::Key;
use std::collections::HashMap;
use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::sync::Arc;

/// What the tables do not say yet.
#[derive(Default)]
pub(super) struct Journal {
    /// What its rows hold, in bytes.
    pub size: usize,
    /// The number of the next row.
    pub next: u64,
    pub objects: HashMap<Key, Pending>,
    pub runs: HashMap<RunKey, Option<Vec<u8>>>,
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
    pub json: Arc<[u8]>,
}

/// What one commit changes on disk.
pub(super) struct Entry {
    pub version: u64,
    pub objects: Vec<(ChangeVerb, Key, Option<Kept>)>,
    /// JSON; `None` for what is forgotten.
    pub runs: Vec<(RunKey, Option<Vec<u8>>)>,
}

impl Entry {
    pub fn new(changes: &Changes, staged: &Staged) -> Entry {
        let durable = changes.list.iter().filter(|change| change.is_durable());
        let objects = durable.map(|change| {
            let owners: Vec<&str> = change.owner_uids().collect();
            let kept = change.json.as_ref().map(|json| Kept {
                version: change.version,
                owners: owners.join(" ").into(),
                json: json.clone(),
            });
            (change.verb, change.key.clone(), kept)
        });
        let json = |run| serde_json::to_vec(run).expect("plain data always serializes");
        let runs = staged.runs.iter().map(|(key, run)| (key.clone(), run.as_ref().map(json)));
        Entry { version: changes.version, objects: objects.collect(), runs: runs.collect() }
    }

    pub fn size(&self) -> usize {
        let objects = self.objects.iter().filter_map(|(_, _, kept)| kept.as_ref());
        let runs = self.runs.iter().filter_map(|(_, json)| json.as_ref());
        objects.map(|kept| kept.json.len()).chain(runs.map(Vec::len)).sum()
    }
}

impl Journal {
    pub fn take_in(&mut self, entry: Entry) {
        self.next += 1;
        self.size += entry.size();
        for (verb, key, now) in entry.objects {
            match self.objects.entry(key) {
                Occupied(pending) if now.is_none() && !pending.get().is_in_tables => {
                    pending.remove();
                }
                Occupied(mut pending) => pending.get_mut().now = now,
                Vacant(room) => {
                    room.insert(Pending { now, is_in_tables: verb != ChangeVerb::Added });
                }
            }
        }
        self.runs.extend(entry.runs);
    }

    /// After its rows were folded.
    pub fn clear(&mut self) {
        *self = Journal { next: self.next, ..Journal::default() };
    }
}
