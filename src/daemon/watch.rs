//! Notices that something in the jobs folder changed (inotify), or that someone wants it read
//! again.

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

/// After a change, wait for this much quiet: a `git pull` writes many files.
const QUIET_MILLISECONDS: i64 = 20;

/// But not for more rounds of it than this.
const ROUNDS_MAX: usize = 10;

/// What woke the watcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    Changed,
    Asked,
}

pub struct Watch {
    inotify: OwnedFd,
    asked: Arc<OwnedFd>,
}

/// Wakes a [`Watch`] from another thread.
#[derive(Clone)]
pub struct Asker(Arc<OwnedFd>);

impl Asker {
    pub fn ask(&self) {
        rustix::io::write(&*self.0, &1u64.to_ne_bytes()).expect("an eventfd takes a one");
    }
}

impl Watch {
    pub fn new() -> rustix::io::Result<(Watch, Asker)> {
        let asked = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        Ok((Watch { inotify, asked: asked.clone() }, Asker(asked)))
    }

    /// Watches these folders; one that is watched already stays so.
    pub fn add(&self, folders: &[PathBuf]) {
        let flags = WatchFlags::CLOSE_WRITE
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::ATTRIB;
        for folder in folders {
            if let Err(error) = inotify::add_watch(&self.inotify, folder, flags) {
                let folder = folder.display();
                tracing::error!(%error, "changes in {folder} go unnoticed: send SIGHUP after them");
            }
        }
    }

    /// Sleeps until there is something to read again, or for so long.
    pub fn wait(&self, milliseconds: Option<i64>) -> rustix::io::Result<Woken> {
        let mut woken = self.poll(milliseconds)?.unwrap_or(Woken::Changed);
        for _ in 0..ROUNDS_MAX {
            match self.poll(Some(QUIET_MILLISECONDS))? {
                None => break,
                Some(Woken::Asked) => woken = Woken::Asked,
                Some(Woken::Changed) => {}
            }
        }
        Ok(woken)
    }

    fn poll(&self, milliseconds: Option<i64>) -> rustix::io::Result<Option<Woken>> {
        let patience = milliseconds.map(|count| rustix::time::Timespec {
            tv_sec: count / 1000,
            tv_nsec: count % 1000 * 1_000_000,
        });
        let mut descriptors =
            [PollFd::new(&self.inotify, PollFlags::IN), PollFd::new(&*self.asked, PollFlags::IN)];
        match poll(&mut descriptors, patience.as_ref()) {
            Ok(0) => return Ok(None),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error),
        }
        let asked = !descriptors[1].revents().is_empty();
        self.drain();
        Ok(Some(if asked { Woken::Asked } else { Woken::Changed }))
    }

    /// What changed is found by looking, not by what inotify says: it may drop news, a scan does
    /// not.
    fn drain(&self) {
        let mut buffer = [0u8; 4096];
        while rustix::io::read(&self.inotify, &mut buffer).is_ok_and(|count| count > 0) {}
        let _ = rustix::io::read(&*self.asked, &mut buffer[..8]);
    }
}
