//! The objects in memory, by key and by owner, and the latest changes for those who watch.
//!
//! Ten thousand idle CronJobs as Rust structures would take 60 MB: what nobody touched lately is
//! kept as JSON.

use super::owner_uids;
use crate::kinds::{Key, Kind, Object};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// So many of the objects written last stay ready to use; older ones are packed, and all of them
/// when the store idles.
const HOT_MAX: usize = 8192;

/// A watcher that is further behind has to list again (410 Gone).
const CHANGES_MAX: usize = 2048;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeVerb {
    Added,
    Modified,
    Deleted,
}

/// One committed change: the object as it is after it, or as it last was.
#[derive(Debug, Clone)]
pub struct Change {
    pub version: u64,
    pub verb: ChangeVerb,
    pub object: Object,
    /// As it was before, so that a watch with a selector can tell what entered and what left it.
    pub before: Option<Object>,
}

/// The changes of one commit, with the bytes that go to disk.
#[derive(Default)]
pub(super) struct Changes {
    pub list: Vec<Change>,
    /// The version after the last of them.
    pub version: u64,
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Gives each change the next version and writes it into the object.
    pub fn number(&mut self, last: u64) {
        self.version = last;
        for change in &mut self.list {
            self.version += 1;
            change.version = self.version;
            change.object.meta_mut().resource_version = Some(self.version.to_string());
        }
    }
}

/// An object at rest: its version, and the object or its JSON.
struct Entry {
    version: u64,
    body: Body,
}

enum Body {
    Live(Object),
    Packed(Box<[u8]>),
}

/// One object as the disk keeps it.
pub(super) struct Loaded {
    pub key: Key,
    pub version: u64,
    pub owners: Vec<String>,
    pub json: Box<[u8]>,
}

#[derive(Default)]
pub(super) struct Index {
    objects: BTreeMap<Key, Entry>,
    owners: HashMap<Box<str>, BTreeSet<Key>>,
    version: u64,
    /// Versions at or below are no longer in `recent`.
    forgotten: u64,
    recent: VecDeque<Change>,
    hot: VecDeque<(Key, u64)>,
}

impl Index {
    pub fn load(loaded: Vec<Loaded>, version: u64) -> Index {
        let mut index = Index { version, forgotten: version, ..Index::default() };
        for Loaded { key, version, owners, json } in loaded {
            for owner in owners {
                index.owners.entry(owner.into()).or_default().insert(key.clone());
            }
            index.objects.insert(key, Entry { version, body: Body::Packed(json) });
        }
        index
    }

    pub fn version(&self) -> u64 {
        self.version
    }

    pub fn get(&self, key: &Key) -> Option<Object> {
        self.objects.get(key).map(|entry| entry.object(key.kind))
    }

    pub fn keys(&self, kind: Kind) -> Vec<Key> {
        self.range(kind, None).map(|(key, _)| key.clone()).collect()
    }

    pub fn list(&self, kind: Kind, namespace: Option<&str>) -> Vec<Object> {
        self.range(kind, namespace).map(|(_, entry)| entry.object(kind)).collect()
    }

    fn range(&self, kind: Kind, namespace: Option<&str>) -> impl Iterator<Item = (&Key, &Entry)> {
        let first = Key::new(kind, namespace.unwrap_or_default(), "");
        let inside =
            move |key: &Key| key.kind == kind && namespace.is_none_or(|n| *key.namespace == *n);
        self.objects.range(first..).take_while(move |(key, _)| inside(key))
    }

    pub fn owned_keys(&self, owner_uid: &str) -> BTreeSet<Key> {
        self.owners.get(owner_uid).cloned().unwrap_or_default()
    }

    /// The changes that the staged objects are against this index; what is equal is left out.
    pub fn changes(&self, staged: BTreeMap<Key, Option<Object>>) -> Changes {
        let mut list = Vec::with_capacity(staged.len());
        for (key, staged) in staged {
            let before = self.get(&key);
            let (verb, object) = match (staged, &before) {
                (Some(object), None) => (ChangeVerb::Added, object),
                (Some(object), Some(old)) if object == *old => continue,
                (Some(object), Some(old)) if object.uid() != old.uid() => {
                    // Another one of the name, made as soon as this one went: whoever waits for
                    // its end hears of it.
                    let (verb, gone) = (ChangeVerb::Deleted, old.clone());
                    list.push(Change { version: 0, verb, object: gone, before });
                    list.push(Change { version: 0, verb: ChangeVerb::Added, object, before: None });
                    continue;
                }
                (Some(object), Some(_)) => (ChangeVerb::Modified, object),
                (None, Some(old)) => (ChangeVerb::Deleted, old.clone()),
                (None, None) => continue,
            };
            list.push(Change { version: 0, verb, object, before });
        }
        Changes { list, version: self.version }
    }

    pub fn apply(&mut self, changes: Changes) {
        self.version = changes.version;
        for change in changes.list {
            let key = change.object.key();
            if let Some(before) = &change.before {
                self.disown(&key, before);
            }
            if change.verb == ChangeVerb::Deleted {
                self.objects.remove(&key);
            } else {
                for uid in owner_uids(&change.object) {
                    self.owners.entry(uid.into()).or_default().insert(key.clone());
                }
                let entry =
                    Entry { version: change.version, body: Body::Live(change.object.clone()) };
                self.hot.push_back((key.clone(), change.version));
                self.objects.insert(key, entry);
            }
            self.recent.push_back(change);
        }
        self.forget_old();
    }

    fn disown(&mut self, key: &Key, before: &Object) {
        for uid in owner_uids(before) {
            if let Some(keys) = self.owners.get_mut(uid) {
                keys.remove(key);
                if keys.is_empty() {
                    self.owners.remove(uid);
                }
            }
        }
    }

    fn forget_old(&mut self) {
        while self.recent.len() > CHANGES_MAX {
            self.forgotten = self.recent.pop_front().expect("not empty").version;
        }
        self.pack_but(HOT_MAX);
    }

    /// Packs all but the `kept` objects that were written last.
    pub fn pack_but(&mut self, kept: usize) {
        while self.hot.len() > kept {
            let (key, version) = self.hot.pop_front().expect("not empty");
            if let Some(entry) = self.objects.get_mut(&key)
                && entry.version == version
            {
                entry.pack();
            }
        }
    }

    /// Changes after `version`; `None` where they are no longer all remembered.
    pub fn changes_since(&self, version: u64) -> Option<impl Iterator<Item = &Change>> {
        let from = self.recent.partition_point(|change| change.version <= version);
        (version >= self.forgotten && version <= self.version).then(|| self.recent.range(from..))
    }
}

impl Entry {
    fn object(&self, kind: Kind) -> Object {
        match &self.body {
            Body::Live(object) => object.clone(),
            Body::Packed(json) => {
                kind.read_json(json).expect("written by this program, checked on load")
            }
        }
    }

    fn pack(&mut self) {
        if let Body::Live(object) = &self.body {
            self.body = Body::Packed(object.to_json().into());
        }
    }
}
