//! The jobs folder: what changed since it was last read, as changes for the engine.
//!
//! ```text
//!  listing ──> files that changed ──> reading ──> claims: which file has which object
//!                                                   │                │
//!                                     what is new of an object    what no file has (absence)
//!                                                   └──> changes ──> one turn of the engine
//! ```
//! A file is read again when its inode, size or times differ from the last look, and at a start and
//! a reload. What it says of an object takes effect when that is something new: a touched file, an
//! edited comment and a restart change nothing, nor do they undo what a command did. A file comes
//! true as a whole or not at all: one that is broken or refused is reported, once, and its last
//! good version stays. A folder that cannot be listed loses nothing.

use super::inbox::{Inbox, Message};
use super::watch::Watch;
use crate::manifests::absence::{Absences, Look, Verdict};
use crate::manifests::claims::Records;
use crate::manifests::listing::Listing;
use crate::manifests::plan::{Fresh, Plan};
use crate::manifests::reading::{Read, Reading, Wanted};
use cronlet_api::job::conditions;
use cronlet_api::kind::{Key, Object};
use cronlet_engine::FileOutcome;
use cronlet_engine::store::{Reader, SourceRecord};
use cronlet_server::Sources;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

mod absence;

mod claims;

mod differences;

mod listing;

mod plan;

mod reading;

mod running;

mod words;

pub(crate) use crate::manifests::listing::is_manifest;

/// When to read the jobs folder again whose changes could not be recorded.
const RETRY: Duration = Duration::from_secs(1);

/// Metadata that tells one state of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    size: u64,
    /// In nanoseconds, as the next.
    modified: i64,
    /// Change time of the inode: programs can set the time of modification, but not this one.
    changed: i64,
    inode: u64,
}

pub(crate) struct Folder {
    root: PathBuf,
    inbox: Arc<Inbox>,
    reader: Reader,
    known: Sources,
    /// State of each file when it was read.
    stamps: BTreeMap<String, Stamp>,
    /// Files that could not be used as they are now: not reported again until they change.
    broken: BTreeMap<String, Broken>,
    /// What was wrong with paths at the last look: not reported again until it changes.
    faults: BTreeMap<PathBuf, String>,
    absences: Absences,
    /// Device and inode of the folder at the last look.
    identity: Option<(u64, u64)>,
    is_first: bool,
    /// True if what comes true is not logged one by one.
    is_silent: bool,
    /// What changed last could not be committed: to be read again soon, though no file changes.
    unsettled: bool,
    /// When to look again though nothing changes, in time since the thread began.
    again_at: Option<Duration>,
}

/// Why the folder is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// The daemon starts: everything is read.
    Start,
    /// Something changed, or may have: what has another stamp is read.
    Change,
    /// Someone asked: everything is read, and what is still broken is reported once more.
    Reload {
        /// True if absent objects are deleted now, however many they are.
        prune: bool,
    },
}

/// What one scan found; also the answer to a reload.
#[derive(Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Scan {
    pub files: usize,
    pub changed: usize,
    pub removed: usize,
    pub errors: Vec<String>,
    /// Objects that a command changed or deleted since their file was read.
    pub differences: Vec<String>,
}

/// A file that was read, and what it says now.
struct News {
    file: String,
    stamp: Stamp,
    content: u64,
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
    /// Running Jobs whose spec it changes: it is read again when one has ended.
    awaited: Vec<Key>,
    /// Kind and name of documents in it that cannot be used: such an object is not absent.
    names: Vec<(String, String)>,
}

/// Record of a file while the engine decides on it.
struct Pending {
    stamp: Stamp,
    /// Lines of the objects of the change.
    lines: Vec<u32>,
    warnings: Vec<String>,
    names: Vec<(String, String)>,
}

impl News {
    fn keys(&self) -> Vec<Key> {
        self.read.iter().flat_map(|reading| &reading.objects).map(Object::key).collect()
    }

    /// Another file has what it wants.
    fn refuse(&mut self, why: Vec<String>) {
        self.waits = true;
        self.read = Err(reading::Broken { why, names: self.read.iter().flat_map(names).collect() });
    }
}

/// Kind and name of what a file says.
fn names(reading: &Reading) -> Vec<(String, String)> {
    let name =
        |object: &Object| (object.kind().info().singular.to_owned(), object.name().to_owned());
    reading.objects.iter().map(name).collect()
}

impl Stamp {
    fn of(meta: &std::fs::Metadata) -> Stamp {
        let nanoseconds = |seconds: i64, rest: i64| seconds.wrapping_mul(1_000_000_000) + rest;
        Stamp {
            size: meta.size(),
            modified: nanoseconds(meta.mtime(), meta.mtime_nsec()),
            changed: nanoseconds(meta.ctime(), meta.ctime_nsec()),
            inode: meta.ino(),
        }
    }
}

impl Folder {
    pub(crate) fn new(root: &Path, inbox: Arc<Inbox>, reader: Reader, known: Sources) -> Folder {
        Folder {
            root: root.to_owned(),
            inbox,
            reader,
            known,
            stamps: BTreeMap::new(),
            broken: BTreeMap::new(),
            faults: BTreeMap::new(),
            absences: Absences::default(),
            identity: None,
            is_first: true,
            is_silent: false,
            unsettled: false,
            again_at: None,
        }
    }

    /// When to look again though nothing changes, in time since the thread began.
    pub(crate) fn again_at(&self) -> Option<Duration> {
        self.again_at
    }

    /// Brings the engine up to what the folder says. `now` is the time since the thread began.
    pub(crate) fn scan(&mut self, why: Why, now: Duration, watch: &mut Watch) -> Scan {
        if why != Why::Change {
            self.stamps.clear();
            self.broken.clear();
            self.faults.clear();
        }
        let mut listing = Listing::of(&self.root, watch);
        let (writing, written_in) = watch.being_written();
        let mut scan = Scan { files: listing.files.len(), ..Scan::default() };
        scan.errors = self.note_faults(std::mem::take(&mut listing.faults));
        self.broken.retain(|file, _| listing.files.contains_key(file));
        self.stamps.retain(|file, _| listing.files.contains_key(file));
        let known = self.known.clone();
        let before = known.read();
        // What a first start finds is told by its number alone.
        self.is_silent = self.is_first && before.is_empty();
        let gone = gone(&before, &listing);
        let is_confirmed = why == Why::Reload { prune: true };
        let mut news = self.news(&before, &listing, &writing, !gone.is_empty(), is_confirmed);
        let claimed = claims::settle(&before, &gone, &mut news);
        let (fresh, pending) = self.sort_out(news, &mut scan);
        let look = self.look(&before, &claimed, &listing, &gone, is_confirmed);
        let reader = self.reader.clone();
        let verdict = self.absences.look(&look, now, |key| running::runs(&reader, key));
        scan.errors.extend(self.doubt(&verdict, why));
        words::say_absences(&verdict, &before);
        let plan = plan::plan(&before, &gone, fresh, &verdict.expired);
        drop(before);
        let written_at = written_in.map(|wait| now + wait);
        let moved_at = plan.moves.then_some(now);
        let times = [verdict.again_at, written_at, moved_at];
        self.again_at = times.into_iter().flatten().min();
        let refused = self.commit(plan, pending, &mut scan);
        scan.errors.extend(refused);
        if self.unsettled {
            self.again_at = Some(now + RETRY);
        }
        if matches!(why, Why::Reload { .. }) {
            scan.differences = differences::all(&self.reader, &self.known.read());
        }
        (self.is_first, self.identity) = (false, listing.identity.or(self.identity));
        scan.errors.iter().for_each(|error| tracing::error!("{error}"));
        scan
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

    /// Files that changed, read; and with them those that wait for a change of another.
    fn news(
        &mut self,
        before: &Records,
        listing: &Listing,
        writing: &BTreeSet<PathBuf>,
        something_is_gone: bool,
        is_confirmed: bool,
    ) -> Vec<News> {
        let is_news = |(file, stamp): &(&String, &Stamp)| {
            self.stamps.get(*file) != Some(*stamp)
                && self.broken.get(*file).is_none_or(|broken| broken.stamp != **stamp)
                && !writing.contains(Path::new(file))
        };
        let waits = |(file, _): &(&String, &Stamp)| self.broken.get(*file).is_some_and(|b| b.waits);
        let is_news = |one: &(&String, &Stamp)| is_news(one) || self.is_awaited_over(one.0);
        let any = something_is_gone || listing.files.iter().any(|one| is_news(&one));
        let news = listing.files.iter().filter(|one| any && (is_news(one) || waits(one)));
        let news: Vec<(&String, Stamp)> = news.map(|(file, stamp)| (file, *stamp)).collect();
        let content = |file: &str| before.get(file).map(|record| record.content);
        let wanted = news.iter().map(|(file, _)| Wanted { file, known: content(file) });
        let found = reading::read_all(&wanted.collect::<Vec<_>>());
        let mut read = Vec::new();
        for ((file, stamp), found) in news.into_iter().zip(found) {
            let Some(one) = found.read else {
                self.broken.remove(file);
                self.stamps.insert(file.clone(), stamp);
                continue;
            };
            if one.is_err() && !Path::new(file).exists() {
                // Gone since it was listed: the next look finds it so.
                continue;
            }
            let had = before.get(file).is_some_and(|record| !record.keys.is_empty());
            let one = one.and_then(|reading| doubt_emptiness(file, had && !is_confirmed, reading));
            let (file, content) = (file.clone(), found.content);
            read.push(News { file, stamp, content, read: one, waits: false });
        }
        read
    }

    /// True if a Job that the file waits for has ended or is deleted.
    fn is_awaited_over(&self, file: &str) -> bool {
        let mut awaited = self.broken.get(file).into_iter().flat_map(|broken| &broken.awaited);
        awaited.any(|key| match self.reader.get(key) {
            Some(Object::Job(job)) => conditions::end(&job).is_some(),
            _ => true,
        })
    }

    /// Splits the files that are read well, with their records, from those that are reported.
    fn sort_out(
        &mut self,
        news: Vec<News>,
        scan: &mut Scan,
    ) -> (Vec<Fresh>, BTreeMap<String, Pending>) {
        let (mut fresh, mut pending) = (Vec::new(), BTreeMap::new());
        for News { file, stamp, content, read, waits } in news {
            match read {
                Ok(reading) => {
                    let names = names(&reading);
                    let Reading { objects, lines, said, warnings } = reading;
                    let keys = objects.iter().map(Object::key).collect();
                    let recorded = (stamp.size, stamp.modified);
                    let leaving = Vec::new();
                    let record = SourceRecord { stamp: recorded, content, keys, said, leaving };
                    pending.insert(file.clone(), Pending { stamp, lines, warnings, names });
                    fresh.push(Fresh { file, record, objects });
                }
                Err(reading::Broken { why, names }) => {
                    let broken = Broken { stamp, why, waits, awaited: Vec::new(), names };
                    scan.errors.extend(self.note_broken(&file, broken));
                }
            }
        }
        (fresh, pending)
    }

    /// What is new of what is wrong with the file.
    fn note_broken(&mut self, file: &str, broken: Broken) -> Vec<String> {
        let is_told = self.broken.get(file) == Some(&broken);
        let new = if is_told { Vec::new() } else { broken.why.clone() };
        self.broken.insert(file.to_owned(), broken);
        new
    }

    /// Looks for absent objects, and for their share of the folder.
    fn look(
        &self,
        before: &Records,
        claimed: &HashSet<Key>,
        listing: &Listing,
        gone: &BTreeSet<String>,
        is_confirmed: bool,
    ) -> Look {
        let mut look = Look {
            files_there: listing.files.len(),
            is_first: self.is_first,
            is_replaced: self.identity.is_some() && listing.identity != self.identity,
            is_confirmed,
            ..Look::default()
        };
        for (file, record) in before {
            look.files_known += usize::from(!record.keys.is_empty());
            if listing.hides(file) {
                continue;
            }
            let is_absent = |key: &&Key| !claimed.contains(*key) && !self.is_in_broken_file(key);
            let absent = record.all().map(|(key, _)| key).filter(is_absent);
            let absent: Vec<Key> = absent.cloned().collect();
            if gone.contains(file) && !absent.is_empty() {
                look.files_gone += 1;
                look.of_gone_files.extend(absent.iter().cloned());
            }
            look.absent.extend(absent);
        }
        look
    }

    /// An object may have moved into a file that is not right yet.
    fn is_in_broken_file(&self, key: &Key) -> bool {
        let mut names = self.broken.values().flat_map(|broken| &broken.names);
        names.any(|(kind, name)| **name == *key.name && key.kind.info().singular == kind)
    }

    /// Reports that much is gone, when it is new or someone asked.
    fn doubt(&self, verdict: &Verdict, why: Why) -> Option<String> {
        let held = self.absences.held_len();
        let is_told = verdict.is_doubted || held > 0 && why != Why::Change;
        let root = self.root.display();
        is_told.then(|| {
            format!(
                "{root}: much of what was in this folder is gone at once. {held} objects that no \
                 file has any more are kept. If that is right, delete them with `cronlet reload \
                 --prune`; else bring the files back"
            )
        })
    }

    /// Sends everything as one turn, and remembers what became true. Returns what was refused.
    fn commit(
        &mut self,
        plan: Plan,
        mut pending: BTreeMap<String, Pending>,
        scan: &mut Scan,
    ) -> Vec<String> {
        let Plan { changes, places, .. } = plan;
        self.unsettled &= !changes.is_empty();
        if changes.is_empty() {
            return Vec::new();
        }
        let (done, committed) = sync_channel(1);
        let records: Vec<(String, Option<SourceRecord>)> =
            changes.iter().map(|change| (change.file.clone(), change.record.clone())).collect();
        self.inbox.send(Message::Files { changes, done });
        let Ok(outcomes) = committed.recv() else { return self.try_again() };
        self.unsettled = false;
        let (mut refused, mut effects) = (Vec::new(), Vec::new());
        for (((file, record), places), outcome) in records.into_iter().zip(places).zip(outcomes) {
            let told = outcome.effects.iter().cloned();
            effects.extend(told.map(|(key, effect)| (file.clone(), key, effect)));
            scan.changed += usize::from(pending.contains_key(&file) && outcome.refused.is_empty());
            scan.removed += usize::from(record.is_none());
            let pending = pending.remove(&file);
            refused.extend(self.settle(&file, record, pending, &places, outcome));
        }
        if !self.is_silent {
            words::say_effects(&effects);
        }
        refused
    }

    /// What became of one file; what was refused, with its line.
    fn settle(
        &mut self,
        file: &str,
        record: Option<SourceRecord>,
        pending: Option<Pending>,
        places: &[usize],
        outcome: FileOutcome,
    ) -> Vec<String> {
        if let Some(Pending { stamp, lines, warnings, names }) = pending {
            let line = |at: usize| places.get(at).and_then(|at| lines.get(*at)).copied();
            let line = |at: usize| line(at).unwrap_or_default();
            if !outcome.refused.is_empty() {
                let (places, awaited): (Vec<_>, _) = outcome.awaited.into_iter().unzip();
                let refused = outcome.refused.into_iter().map(|(at, why)| {
                    let what = if places.contains(&at) { words::AWAITED } else { "" };
                    format!("{file}:{}: {why}{what}", line(at))
                });
                let why = refused.collect();
                let broken = Broken { stamp, why, waits: false, awaited, names };
                return self.note_broken(file, broken);
            }
            self.broken.remove(file);
            self.stamps.insert(file.to_owned(), stamp);
            warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
            for (at, warning) in outcome.warnings {
                tracing::warn!("{file}:{}: {warning}", line(at));
            }
        }
        match record {
            None => drop(self.known.write().remove(file)),
            Some(record) => drop(self.known.write().insert(file.to_owned(), record)),
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

/// Files that are no more.
fn gone(before: &Records, listing: &Listing) -> BTreeSet<String> {
    let is_gone = |file: &&String| !listing.files.contains_key(*file) && !listing.hides(file);
    before.keys().filter(is_gone).cloned().collect()
}

/// An editor or a copy that empties the file first must not end what it made.
fn doubt_emptiness(file: &str, is_doubted: bool, reading: Reading) -> Read {
    if !is_doubted || !reading.objects.is_empty() {
        return Ok(reading);
    }
    let why = format!(
        "{file}: is empty now: what it last said stays until the file is removed, or until \
         `cronlet reload --prune`"
    );
    Err(reading::Broken { why: vec![why], names: Vec::new() })
}
