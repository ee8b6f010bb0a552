//! Notices that something in the jobs folder changed (inotify), or that someone wants it read
//! again.
//!
//! Each folder of manifests is watched for what happens in it. Every step on the way to the folder,
//! and to what links in it lead to, is watched for its own end: a link that flips, a folder that is
//! moved away. Such a watch is silent until then, so that a busy `/tmp` above wakes nobody. Only
//! where a step is missing its parent is watched for the name. Mounts are noticed by the kernel's
//! table of them.

use crate::watch::writing::Writing;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

mod writing;

#[cfg(test)]
mod tests;

/// After a change, wait for this much quiet: a `git pull` writes many files.
const QUIET: Duration = Duration::from_millis(100);

/// At most this long: a folder that changes without end is read, too.
const QUIET_MAX: Duration = Duration::from_secs(2);

/// At most this many links are followed on one way, as the kernel does.
const LINKS_MAX: usize = 40;

/// Reason why the watcher woke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Woken {
    Changed,
    Asked,
    /// The time is over.
    Later,
}

pub(crate) struct Watch {
    inotify: OwnedFd,
    asked: Arc<OwnedFd>,
    /// `None` where the host hides it.
    mounts: Option<File>,
    watched: BTreeMap<i32, Watched>,
    /// Watches of the look that is under way.
    coming: BTreeMap<i32, Watched>,
    writing: Writing,
    is_limited: bool,
}

/// Why an inode is watched.
#[derive(Debug, Default)]
struct Watched {
    /// The folder of manifests that it is.
    folder: Option<PathBuf>,
    /// The manifest that is a link to it.
    file: Option<PathBuf>,
    /// Missing names in it.
    awaited: BTreeSet<OsString>,
}

/// Wakes a [`Watch`] from another thread.
#[derive(Clone)]
pub(crate) struct Asker(Arc<OwnedFd>);

/// Value that a reload adds to the eventfd; smaller sums are looks.
const RELOAD: u64 = 1 << 32;

impl Asker {
    /// Asks for a reload.
    pub(crate) fn ask(&self) {
        self.add(RELOAD);
    }

    /// Asks for a look, as after a change.
    pub(crate) fn look(&self) {
        self.add(1);
    }

    fn add(&self, count: u64) {
        rustix::io::write(&*self.0, &count.to_ne_bytes()).expect("an eventfd takes a number");
    }
}

const ENDS: WatchFlags = WatchFlags::DELETE_SELF.union(WatchFlags::MOVE_SELF);
const ARRIVES: WatchFlags = WatchFlags::CREATE.union(WatchFlags::MOVED_TO);
const WRITTEN: WatchFlags =
    WatchFlags::CLOSE_WRITE.union(WatchFlags::MODIFY).union(WatchFlags::ATTRIB);
const IN_FOLDER: WatchFlags =
    ENDS.union(ARRIVES).union(WRITTEN).union(WatchFlags::DELETE).union(WatchFlags::MOVED_FROM);

impl Watch {
    pub(crate) fn new() -> rustix::io::Result<(Watch, Asker)> {
        let asked = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let watch = Watch {
            inotify,
            asked: asked.clone(),
            mounts: File::open("/proc/self/mountinfo").ok(),
            watched: BTreeMap::new(),
            coming: BTreeMap::new(),
            writing: Writing::default(),
            is_limited: false,
        };
        Ok((watch, Asker(asked)))
    }

    /// Begins a look at the folder: what it does not watch again is watched no longer.
    pub(crate) fn begin(&mut self) {
        self.coming.clear();
    }

    /// Ends the look.
    pub(crate) fn finish(&mut self) {
        let before = std::mem::replace(&mut self.watched, std::mem::take(&mut self.coming));
        for stale in before.keys().filter(|wd| !self.watched.contains_key(wd)) {
            // The kernel has removed the watch of an inode that is no more.
            let _ = inotify::remove_watch(&self.inotify, *stale);
        }
    }

    /// Watches a folder of manifests; links to it are followed.
    pub(crate) fn folder(&mut self, folder: &Path) {
        if let Some(watched) = self.add(folder, IN_FOLDER) {
            watched.folder.get_or_insert_with(|| folder.to_owned());
        }
    }

    /// Watches every step on the way to `path`, and where links lead.
    pub(crate) fn way_to(&mut self, path: &Path) {
        let Ok(absolute) = std::path::absolute(path) else { return };
        let steps =
            |path: &Path| -> Vec<OsString> { path.iter().rev().map(OsStr::to_owned).collect() };
        let (mut at, mut rest, mut links) = (PathBuf::from("/"), steps(&absolute), 0);
        while let Some(name) = rest.pop() {
            if name == ".." {
                at.pop();
                continue;
            }
            let step = at.join(&name);
            let Ok(meta) = step.symlink_metadata() else {
                if self.await_in(&at, &name) && step.symlink_metadata().is_ok() {
                    // It came just now.
                    rest.push(name);
                    continue;
                }
                return;
            };
            if meta.is_symlink() && links < LINKS_MAX {
                self.add(&step, ENDS | WatchFlags::DONT_FOLLOW);
                let Ok(target) = step.read_link() else { return };
                rest.extend(steps(&target));
                links += 1;
            } else if meta.is_file() {
                if let Some(watched) = self.add(&step, ENDS | WRITTEN) {
                    watched.file.get_or_insert_with(|| path.to_owned());
                }
                return;
            } else {
                self.add(&step, ENDS | WatchFlags::DONT_FOLLOW);
                at = step;
            }
        }
    }

    /// Watches a folder for a name that is not in it.
    fn await_in(&mut self, folder: &Path, name: &OsStr) -> bool {
        let watched = self.add(folder, ENDS | ARRIVES);
        watched.is_some_and(|watched| watched.awaited.insert(name.to_owned()))
    }

    fn add(&mut self, path: &Path, flags: WatchFlags) -> Option<&mut Watched> {
        match inotify::add_watch(&self.inotify, path, flags | WatchFlags::MASK_ADD) {
            Ok(wd) => Some(self.coming.entry(wd).or_default()),
            Err(rustix::io::Errno::NOSPC | rustix::io::Errno::NOMEM) => {
                if !std::mem::replace(&mut self.is_limited, true) {
                    let path = path.display();
                    tracing::error!(
                        "changes in {path} and more go unnoticed: raise the sysctl \
                         fs.inotify.max_user_watches, or send SIGHUP after changes"
                    );
                }
                None
            }
            // It is gone meanwhile, or cannot be read: then listing it says so.
            Err(_) => None,
        }
    }

    /// Manifests that a program writes at this moment, and how long to wait for their end.
    pub(crate) fn being_written(&mut self) -> (BTreeSet<PathBuf>, Option<Duration>) {
        self.writing.now(Instant::now())
    }

    /// Sleeps until there is something to read again, or for so long.
    pub(crate) fn wait(&mut self, patience: Option<Duration>) -> rustix::io::Result<Woken> {
        let begun = Instant::now();
        let mut woken = loop {
            let left = patience.map(|patience| patience.saturating_sub(begun.elapsed()));
            match self.poll(left)? {
                Some(woken) => break woken,
                None if left.is_some_and(|left| left.is_zero()) => return Ok(Woken::Later),
                None => {}
            }
        };
        let changed = Instant::now();
        while changed.elapsed() < QUIET_MAX {
            let quiet = Instant::now();
            match self.poll(Some(QUIET))? {
                None if quiet.elapsed() >= QUIET => break,
                Some(Woken::Asked) => woken = Woken::Asked,
                _ => {}
            }
        }
        Ok(woken)
    }

    /// Waits once. `None` if nothing came that counts.
    fn poll(&mut self, patience: Option<Duration>) -> rustix::io::Result<Option<Woken>> {
        // Rounded up: a wait that ends too early would be a loop without rest.
        let patience = patience.map(|time| rustix::time::Timespec {
            tv_sec: time.as_secs().cast_signed(),
            tv_nsec: i64::from(time.subsec_nanos()),
        });
        let mut descriptors = vec![
            PollFd::new(&self.inotify, PollFlags::IN),
            PollFd::new(&*self.asked, PollFlags::IN),
        ];
        descriptors.extend(self.mounts.as_ref().map(|mounts| PollFd::new(mounts, PollFlags::PRI)));
        match poll(&mut descriptors, patience.as_ref()) {
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(None),
            Ok(_) => {}
            Err(error) => return Err(error),
        }
        let asked = !descriptors[1].revents().is_empty();
        let mounted = descriptors.get(2).is_some_and(|mounts| !mounts.revents().is_empty());
        let changed = self.drain();
        let mut sum = [0u8; 8];
        if asked && rustix::io::read(&*self.asked, &mut sum).is_ok() {
            let is_reload = u64::from_ne_bytes(sum) >= RELOAD;
            return Ok(Some(if is_reload { Woken::Asked } else { Woken::Changed }));
        }
        Ok((changed || mounted).then_some(Woken::Changed))
    }

    /// Takes in all events. True if one of them counts. What changed is found by looking: inotify
    /// may drop events, a look does not.
    fn drain(&mut self) -> bool {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(&self.inotify, &mut buffer);
        let (now, mut counts) = (Instant::now(), false);
        while let Ok(event) = reader.next() {
            let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
            let watched = self.watched.get(&event.wd());
            counts |= heed(watched, event.events(), name, &mut self.writing, now);
        }
        counts
    }
}

/// True if the event is about what is read; notes which manifests are being written.
fn heed(
    watched: Option<&Watched>,
    what: ReadFlags,
    name: Option<&OsStr>,
    writing: &mut Writing,
    now: Instant,
) -> bool {
    if what.intersects(ReadFlags::QUEUE_OVERFLOW | ReadFlags::UNMOUNT) {
        return true;
    }
    // Without an entry its watch has just ended.
    let Some(watched) = watched else { return false };
    let Some(name) = name else {
        if let Some(file) = &watched.file {
            writing.heed(file, what, now);
        }
        return !what.contains(ReadFlags::IGNORED);
    };
    if watched.awaited.contains(name) {
        return true;
    }
    let Some(folder) = &watched.folder else { return false };
    let path = folder.join(name);
    let is_manifest = super::manifests::is_manifest(&path) && !name.as_bytes().starts_with(b".");
    if is_manifest && !what.contains(ReadFlags::ISDIR) {
        writing.heed(&path, what, now);
    }
    // Any name may be that of a folder or of a link on the way to one, but only manifests are read.
    let is_of_content =
        what.intersects(ReadFlags::MODIFY | ReadFlags::CLOSE_WRITE | ReadFlags::ATTRIB);
    is_manifest || !is_of_content || what.contains(ReadFlags::ISDIR)
}
