//! The jobs folder: what changed since it was last read, as changes for the engine.
//!
//! A file is read again when its size or modification time differ from what the store remembers of
//! it. What a file says comes true as a whole or not at all: one that is broken or refused is
//! reported, once, and its last good version stays. A folder that cannot be listed loses nothing.

use super::inbox::{Inbox, Message};
use crate::engine::{FileChange, FileOutcome, Manifest};
use crate::kinds::{Key, Object};
use crate::store::SourceRecord;
use listing::Listing;
use reading::{Read, Reading};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

mod listing;
mod reading;

/// Size and modification time in nanoseconds.
type Stamp = (u64, i64);

pub struct Folder {
    root: PathBuf,
    inbox: Arc<Inbox>,
    known: BTreeMap<String, SourceRecord>,
    /// Files that could not be used as they are now: not reported again until they change.
    broken: BTreeMap<String, Broken>,
    /// What was wrong with paths at the last look: not reported again until it changes.
    faults: BTreeMap<PathBuf, String>,
    /// What changed last could not be committed: to be read again soon, though no file changes.
    pub unsettled: bool,
}

/// What one scan found; also the answer to a reload.
#[derive(Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Scan {
    pub files: usize,
    pub changed: usize,
    pub removed: usize,
    pub errors: Vec<String>,
}

/// A file as it is now.
struct News {
    file: String,
    stamp: Stamp,
    read: Read,
    /// Another file has what it wants.
    waits: bool,
}

/// Why a file could not be used as it is.
#[derive(PartialEq)]
struct Broken {
    stamp: Stamp,
    why: Vec<String>,
    /// Another file has what it wants: it is read again when that may have changed.
    waits: bool,
}

/// What is remembered of a change while the engine decides on it.
struct Pending {
    file: String,
    record: Option<SourceRecord>,
    lines: Vec<u32>,
    warnings: Vec<String>,
}

impl News {
    fn keys(&self) -> Vec<Key> {
        self.read.iter().flat_map(|reading| &reading.objects).map(Object::key).collect()
    }
}

impl Folder {
    pub fn new(root: &Path, inbox: Arc<Inbox>, known: BTreeMap<String, SourceRecord>) -> Folder {
        let (broken, faults) = Default::default();
        Folder { root: root.to_owned(), inbox, known, broken, faults, unsettled: false }
    }

    /// Brings the engine up to what the folder says; `again` also reports once more what is still
    /// broken. Returns the folders to watch.
    pub fn scan(&mut self, again: bool) -> (Scan, Vec<PathBuf>) {
        if again {
            self.broken.clear();
            self.faults.clear();
        }
        let mut listing = Listing::of(&self.root);
        let mut scan = Scan { files: listing.files.len(), ..Scan::default() };
        scan.errors = self.note_faults(std::mem::take(&mut listing.faults));
        self.broken.retain(|file, _| listing.files.contains_key(file));
        let gone = self.gone(&listing);
        let news = self.news(&listing, !gone.is_empty());
        if gone.is_empty() && news.is_empty() {
            self.unsettled = false;
        } else {
            scan.removed = gone.len();
            let (changes, pending) = self.changes(gone, news, &mut scan.errors);
            scan.changed = changes.len() - scan.removed;
            scan.errors.extend(self.commit(changes, pending));
        }
        scan.errors.iter().for_each(|error| tracing::error!("{error}"));
        (scan, listing.folders)
    }

    /// Those that were not there, or not so, at the last look.
    fn note_faults(&mut self, faults: BTreeMap<PathBuf, String>) -> Vec<String> {
        let before = std::mem::replace(&mut self.faults, faults);
        for path in before.keys().filter(|path| path.is_dir() && !self.faults.contains_key(*path)) {
            tracing::info!("{}: can be listed again", path.display());
        }
        let is_new = |(path, why): &(&PathBuf, &String)| before.get(*path) != Some(why);
        let new = self.faults.iter().filter(is_new);
        new.map(|(path, why)| format!("{}: {why}", path.display())).collect()
    }

    /// Files that are no more.
    fn gone(&self, listing: &Listing) -> Vec<String> {
        let is_gone = |file: &&String| !listing.files.contains_key(*file) && !listing.hides(file);
        self.known.keys().filter(is_gone).cloned().collect()
    }

    /// Files that changed, read; and with them those that wait for a change of another.
    fn news(&self, listing: &Listing, something_is_gone: bool) -> Vec<News> {
        let is_news = |(file, stamp): &(&String, &Stamp)| {
            self.known.get(*file).is_none_or(|record| record.stamp != **stamp)
                && self.broken.get(*file).is_none_or(|broken| broken.stamp != **stamp)
        };
        let waits = |(file, _): &(&String, &Stamp)| self.broken.get(*file).is_some_and(|b| b.waits);
        let any = something_is_gone || listing.files.iter().any(|one| is_news(&one));
        let news = listing.files.iter().filter(|one| any && (is_news(one) || waits(one)));
        let news: Vec<(&String, &Stamp)> = news.collect();
        let files: Vec<&str> = news.iter().map(|(file, _)| file.as_str()).collect();
        let reads = reading::read_all(&files).into_iter();
        let news = news.into_iter().zip(reads).map(|((file, stamp), read)| {
            let read = read.and_then(|reading| self.doubt_emptiness(file, *stamp, reading));
            News { file: file.clone(), stamp: *stamp, read, waits: false }
        });
        news.collect()
    }

    /// An editor or a copy that empties the file first must not end a running backup.
    fn doubt_emptiness(&self, file: &str, stamp: Stamp, reading: Reading) -> Read {
        if stamp.0 == 0 && !self.made_by(file).is_empty() {
            return Err(vec![format!(
                "{file}: is empty: what it last said stays until it is removed"
            )]);
        }
        Ok(reading)
    }

    fn made_by(&self, file: &str) -> &[Key] {
        self.known.get(file).map_or(&[], |record| &record.keys)
    }

    /// What the engine is to do: removals first, then the files in order. Notes what is broken.
    fn changes(
        &mut self,
        gone: Vec<String>,
        mut news: Vec<News>,
        errors: &mut Vec<String>,
    ) -> (Vec<FileChange>, Vec<Pending>) {
        let keys: Vec<Vec<Key>> = news.iter().map(News::keys).collect();
        let claims = self.claims(&gone, &mut news, &keys);
        let dropped = |file: &str| {
            let made = self.made_by(file).iter();
            made.filter(|key| !claims.contains_key(key)).cloned().collect::<Vec<Key>>()
        };
        let (mut changes, mut pending, mut broken) = (Vec::new(), Vec::new(), Vec::new());
        for file in gone {
            let (lines, warnings) = Default::default();
            let dropped = dropped(&file);
            changes.push(FileChange { file: file.clone(), manifest: None, dropped });
            pending.push(Pending { file, record: None, lines, warnings });
        }
        for (News { file, stamp, read, waits }, keys) in news.into_iter().zip(&keys) {
            match read {
                Ok(Reading { objects, lines, warnings }) => {
                    let manifest = Some(Manifest { stamp, objects });
                    let dropped = dropped(&file);
                    changes.push(FileChange { file: file.clone(), manifest, dropped });
                    let record = Some(SourceRecord { stamp, keys: keys.clone() });
                    pending.push(Pending { file, record, lines, warnings });
                }
                Err(why) => broken.push((file, Broken { stamp, why, waits })),
            }
        }
        for (file, broken) in broken {
            errors.extend(self.note_broken(file, broken));
        }
        (changes, pending)
    }

    /// What is new of what is wrong with the file.
    fn note_broken(&mut self, file: String, broken: Broken) -> Vec<String> {
        let new =
            if self.broken.get(&file) == Some(&broken) { Vec::new() } else { broken.why.clone() };
        self.broken.insert(file, broken);
        new
    }

    /// Which file makes which object when all is read: each has one file, or it would flip between
    /// them. A file that wants what another has is refused, and keeps what it had.
    fn claims<'k>(
        &'k self,
        gone: &[String],
        news: &mut [News],
        keys: &'k [Vec<Key>],
    ) -> HashMap<&'k Key, String> {
        let fresh = news.iter().filter(|one| one.read.is_ok()).map(|one| &one.file);
        let moving: HashSet<&String> = fresh.chain(gone).collect();
        let mut claims: HashMap<&Key, String> = HashMap::new();
        for (file, record) in self.known.iter().filter(|(file, _)| !moving.contains(file)) {
            claims.extend(record.keys.iter().map(|key| (key, file.clone())));
        }
        for (one, keys) in news.iter_mut().zip(keys).filter(|(one, _)| one.read.is_ok()) {
            let file = &one.file;
            let mut twice = Vec::new();
            let mut own = HashSet::new();
            for key in keys {
                let other = claims.get(key).or_else(|| (!own.insert(key)).then_some(file));
                if let Some(other) = other {
                    twice.push(format!("{file}: {key} is already defined in {other}"));
                }
            }
            let keeps = if twice.is_empty() { keys } else { self.made_by(file) };
            for key in keeps {
                claims.entry(key).or_insert_with(|| file.clone());
            }
            if !twice.is_empty() {
                (one.read, one.waits) = (Err(twice), true);
            }
        }
        claims
    }

    /// Sends everything as one turn, and remembers what became true. Returns what was refused.
    fn commit(&mut self, changes: Vec<FileChange>, pending: Vec<Pending>) -> Vec<String> {
        if changes.is_empty() {
            self.unsettled = false;
            return Vec::new();
        }
        let (done, committed) = sync_channel(1);
        self.inbox.send(Message::Files { changes, done });
        let Ok(outcomes) = committed.recv() else { return self.try_again() };
        self.unsettled = false;
        let settled = pending.into_iter().zip(outcomes);
        settled.flat_map(|(one, outcome)| self.settle(one, outcome)).collect()
    }

    /// What became of one file; what was refused, with its line.
    fn settle(&mut self, pending: Pending, outcome: FileOutcome) -> Vec<String> {
        let Pending { file, record, lines, warnings } = pending;
        let line = |at: usize| lines.get(at).copied().unwrap_or_default();
        match record {
            None => drop(self.known.remove(&file)),
            Some(record) if !outcome.refused.is_empty() => {
                let refused = outcome.refused.into_iter();
                let why = refused.map(|(at, why)| format!("{file}:{}: {why}", line(at))).collect();
                let broken = Broken { stamp: record.stamp, why, waits: false };
                return self.note_broken(file, broken);
            }
            Some(record) => {
                self.broken.remove(&file);
                warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
                for (at, warning) in outcome.warnings {
                    tracing::warn!("{file}:{}: {warning}", line(at));
                }
                self.known.insert(file, record);
            }
        }
        Vec::new()
    }

    /// Said once, not at every try.
    fn try_again(&mut self) -> Vec<String> {
        if std::mem::replace(&mut self.unsettled, true) {
            return Vec::new();
        }
        let root = self.root.display();
        vec![format!("{root}: what changed cannot be recorded now, and is read again until it is")]
    }
}
