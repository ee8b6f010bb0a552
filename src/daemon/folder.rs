//! The jobs folder: what changed since it was last read, as requests to the engine.
//!
//! A file is read again when its size or modification time differ from what the store remembers of
//! it. A broken file is reported and its last good version stays; a folder that cannot be listed
//! loses nothing.

use super::inbox::{Committed, Inbox, Message};
use crate::engine::{DeleteOptions, Event, Request};
use crate::kinds::{Key, Object, admission};
use crate::manifest;
use crate::store::SourceRecord;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

/// Deeper folders are not looked into.
const DEPTH_MAX: usize = 8;

/// More files than this are refused: a folder named by mistake should not be read for hours.
const FILES_MAX: usize = 200_000;

/// Size and modification time in nanoseconds.
type Stamp = (u64, i64);

pub struct Folder {
    root: PathBuf,
    inbox: Arc<Inbox>,
    known: BTreeMap<String, SourceRecord>,
    /// Files that could not be used as they are now: not reported again until they change.
    broken: BTreeMap<String, Stamp>,
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

/// What is in the folder now.
#[derive(Default)]
struct Listing {
    files: BTreeMap<String, Stamp>,
    folders: Vec<PathBuf>,
    /// Folders that could not be listed: files under them are taken to be as they were.
    unreadable: Vec<PathBuf>,
    errors: Vec<String>,
}

/// One file's part of the next turn.
struct FileChange {
    file: String,
    events: Vec<Event>,
    record: Option<SourceRecord>,
}

impl Folder {
    pub fn new(root: &Path, inbox: Arc<Inbox>, known: BTreeMap<String, SourceRecord>) -> Folder {
        Folder { root: root.to_owned(), inbox, known, broken: BTreeMap::new(), unsettled: false }
    }

    /// Brings the engine up to what the folder says; `again` also reports once more what is still
    /// broken. Returns the folders to watch.
    pub fn scan(&mut self, again: bool) -> (Scan, Vec<PathBuf>) {
        if again {
            self.broken.clear();
        }
        let mut listing = Listing::default();
        listing.visit(&self.root, 0, &mut BTreeSet::new());
        let mut scan = Scan { files: listing.files.len(), ..Scan::default() };
        scan.errors.append(&mut listing.errors);
        let mut changes = self.removed(&listing);
        scan.removed = changes.len();
        for (file, stamp) in &listing.files {
            if self.is_news(file, *stamp) {
                match self.changed(file, *stamp, &changes) {
                    Ok(change) => changes.push(change),
                    Err(errors) => {
                        self.broken.insert(file.clone(), *stamp);
                        scan.errors.extend(errors);
                    }
                }
            }
        }
        scan.changed = changes.len() - scan.removed;
        scan.errors.extend(self.commit(changes));
        for error in &scan.errors {
            tracing::error!("{error}");
        }
        (scan, listing.folders)
    }

    fn is_news(&self, file: &str, stamp: Stamp) -> bool {
        self.known.get(file).is_none_or(|record| record.stamp != stamp)
            && self.broken.get(file) != Some(&stamp)
    }

    /// Files that are gone, and with them what they made.
    fn removed(&self, listing: &Listing) -> Vec<FileChange> {
        let hidden =
            |file: &str| listing.unreadable.iter().any(|dir| Path::new(file).starts_with(dir));
        let gone =
            self.known.keys().filter(|file| !listing.files.contains_key(*file) && !hidden(file));
        gone.map(|file| {
            let events = self.known[file].keys.iter().map(delete).collect();
            FileChange { file: file.clone(), events, record: None }
        })
        .collect()
    }

    fn changed(
        &self,
        file: &str,
        stamp: Stamp,
        before: &[FileChange],
    ) -> Result<FileChange, Vec<String>> {
        if stamp.0 == 0 && self.known.get(file).is_some_and(|record| !record.keys.is_empty()) {
            // An editor or a copy that empties the file first must not end a running backup.
            return Err(vec![format!(
                "{file}: is empty: what it last said stays until it is removed"
            )]);
        }
        let objects = read(file)?;
        let keys: Vec<Key> = objects.iter().map(Object::key).collect();
        let twice = self.made_elsewhere(file, &keys, before);
        if !twice.is_empty() {
            return Err(twice);
        }
        let old = self.known.get(file).map_or(&[][..], |record| &record.keys);
        let dropped = old.iter().filter(|key| !keys.contains(key)).map(delete);
        let apply = |object| request(Request::Apply { object, dry_run: false });
        let events = dropped.chain(objects.into_iter().map(apply)).collect();
        Ok(FileChange { file: file.to_owned(), events, record: Some(SourceRecord { stamp, keys }) })
    }

    /// The same object in two files would flip between them.
    fn made_elsewhere(&self, file: &str, keys: &[Key], before: &[FileChange]) -> Vec<String> {
        let replaced = |other: &str| before.iter().any(|change| change.file == other);
        let old = self.known.iter().filter(|(other, _)| *other != file && !replaced(other));
        let new = before.iter().filter_map(|change| Some((&change.file, change.record.as_ref()?)));
        let others: BTreeMap<&Key, &String> = old
            .chain(new)
            .flat_map(|(other, record)| record.keys.iter().map(move |key| (key, other)))
            .collect();
        let twice = |key| {
            others.get(key).map(|other| format!("{file}: {key} is already defined in {other}"))
        };
        keys.iter().filter_map(twice).collect()
    }

    /// Sends everything as one turn, and remembers what became true. Returns what was refused.
    fn commit(&mut self, mut changes: Vec<FileChange>) -> Vec<String> {
        if changes.is_empty() {
            self.unsettled = false;
            return Vec::new();
        }
        let mut events = Vec::new();
        let mut files = Vec::new();
        for change in &mut changes {
            for event in change.events.drain(..) {
                files.push(change.file.clone());
                events.push(event);
            }
        }
        for change in &changes {
            let (file, record) = (change.file.clone(), change.record.clone());
            events.push(Event::Source { file, record });
        }
        let (done, committed) = sync_channel(1);
        self.inbox.send(Message::Events { events, done: Some(done) });
        let Ok(replies) = committed.recv() else { return self.try_again() };
        self.unsettled = false;
        for change in changes {
            match change.record {
                Some(record) => drop(self.known.insert(change.file, record)),
                None => drop(self.known.remove(&change.file)),
            }
        }
        refusals(&files, replies)
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

fn refusals(files: &[String], replies: Committed) -> Vec<String> {
    let refused = |(file, reply): (&String, Result<_, crate::kinds::refused::Refused>)| match reply
    {
        // What a file made may have been deleted by hand since.
        Ok(_) | Err(crate::kinds::refused::Refused::NotFound(_)) => None,
        Err(refused) => Some(format!("{file}: {refused}")),
    };
    files.iter().zip(replies).filter_map(refused).collect()
}

fn request(request: Request) -> Event {
    Event::Request { id: 0, request }
}

fn delete(key: &Key) -> Event {
    request(Request::Delete { key: key.clone(), options: DeleteOptions::default() })
}

/// The file's objects, all of them valid; or every problem with its line.
fn read(file: &str) -> Result<Vec<Object>, Vec<String>> {
    let (mut objects, mut errors) = (Vec::new(), Vec::new());
    for document in manifest::read_file(Path::new(file)) {
        match document {
            Ok(document) => match checked(document.object) {
                Ok((object, warnings)) => {
                    let line = document.line;
                    let warnings = document.warnings.iter().chain(&warnings);
                    warnings.for_each(|warning| tracing::warn!("{file}:{line}: {warning}"));
                    objects.push(object);
                }
                Err(why) => errors.push(format!("{file}:{}: {why}", document.line)),
            },
            Err(error) => errors.push(error.to_string()),
        }
    }
    if errors.is_empty() { Ok(objects) } else { Err(errors) }
}

fn checked(mut object: Object) -> Result<(Object, Vec<String>), String> {
    if object.name().is_empty() {
        return Err(
            "metadata.name: Required value: a manifest in the jobs folder has a fixed name".into(),
        );
    }
    object.default_namespace("default");
    let namespace = object.namespace().to_owned();
    let admitted =
        admission::preview(object.clone(), &namespace).map_err(|refused| refused.to_string())?;
    Ok((object, admitted.warnings))
}

impl Listing {
    fn visit(&mut self, folder: &Path, depth: usize, seen: &mut BTreeSet<(u64, u64)>) {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => return self.give_up(folder, &error),
        };
        if let Ok(meta) = folder.metadata()
            && !seen.insert((meta.dev(), meta.ino()))
        {
            return;
        }
        self.folders.push(folder.to_owned());
        for entry in entries {
            match entry {
                Ok(entry) => self.look_at(&entry.path(), depth, seen),
                Err(error) => return self.give_up(folder, &error),
            }
        }
    }

    fn look_at(&mut self, path: &Path, depth: usize, seen: &mut BTreeSet<(u64, u64)>) {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return };
        if name.starts_with('.') || self.files.len() >= FILES_MAX {
            return;
        }
        let manifest =
            matches!(path.extension().and_then(|e| e.to_str()), Some("yaml" | "yml" | "json"));
        match path.metadata() {
            Ok(meta) if meta.is_dir() && depth < DEPTH_MAX => self.visit(path, depth + 1, seen),
            Ok(meta) if meta.is_file() && manifest => {
                let modified = meta.mtime().wrapping_mul(1_000_000_000) + meta.mtime_nsec();
                self.files.insert(path.to_string_lossy().into_owned(), (meta.size(), modified));
            }
            Ok(meta) if manifest && !meta.is_dir() => {
                self.errors.push(format!("{}: is not a regular file", path.display()));
            }
            Ok(_) => {}
            Err(error) if manifest => self.errors.push(format!("{}: {error}", path.display())),
            Err(_) => {}
        }
    }

    fn give_up(&mut self, folder: &Path, error: &std::io::Error) {
        self.errors.push(format!("{}: {error}", folder.display()));
        self.unreadable.push(folder.to_owned());
    }
}
