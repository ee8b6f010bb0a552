//! Which manifests are being written in place: those are read when their writer is through.
//!
//! A program that opens a file, empties it and writes it again leaves half of it for a moment. The
//! file counts as being written from its first change until it is closed, or until nothing came for
//! a while: a writer may keep it open for ever.

use rustix::fs::inotify::ReadFlags;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a file that is open is awaited after its last change.
const SILENCE: Duration = Duration::from_secs(1);

/// At most this long after its first change: a file that is written without end is read, too.
const SPELL_MAX: Duration = Duration::from_secs(10);

/// At most this many files at once are awaited; a folder has no more writers.
const FILES_MAX: usize = 1000;

#[derive(Default)]
pub(super) struct Writing {
    files: BTreeMap<PathBuf, Spell>,
}

struct Spell {
    first: Instant,
    last: Instant,
}

impl Writing {
    /// Takes in an event about a manifest.
    pub(super) fn heed(&mut self, file: &Path, what: ReadFlags, now: Instant) {
        let begins =
            what.contains(ReadFlags::MODIFY) || what.contains(ReadFlags::CREATE) && is_plain(file);
        let ends = ReadFlags::CLOSE_WRITE
            | ReadFlags::MOVED_TO
            | ReadFlags::MOVED_FROM
            | ReadFlags::DELETE
            | ReadFlags::DELETE_SELF
            | ReadFlags::MOVE_SELF;
        if what.intersects(ends) {
            self.files.remove(file);
        } else if begins && self.files.len() < FILES_MAX {
            let spell = self.files.entry(file.to_owned());
            spell.or_insert(Spell { first: now, last: now }).last = now;
        }
    }

    /// The files that are being written, and how long until one of them counts as written.
    pub(super) fn now(&mut self, now: Instant) -> (BTreeSet<PathBuf>, Option<Duration>) {
        let until = |spell: &Spell| (spell.last + SILENCE).min(spell.first + SPELL_MAX);
        self.files.retain(|_, spell| until(spell) > now);
        let next = self.files.values().map(until).min();
        let files = self.files.keys().cloned().collect();
        (files, next.map(|at| at.duration_since(now)))
    }
}

/// True if the file is one that its maker still has open: a link is whole when it is made.
fn is_plain(file: &Path) -> bool {
    file.symlink_metadata().is_ok_and(|meta| meta.is_file() && meta.nlink() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_until_it_is_closed_or_silent() {
        let begun = Instant::now();
        // Milliseconds and the event; then the milliseconds until the file counts as written.
        let check = |events: &[(u64, ReadFlags)], at: u64, want: Option<u64>| {
            let mut writing = Writing::default();
            for (millis, event) in events {
                let now = begun + Duration::from_millis(*millis);
                writing.heed(Path::new("/x/a.yaml"), *event, now);
            }
            let (files, left) = writing.now(begun + Duration::from_millis(at));
            assert_eq!(left.map(|left| left.as_millis()), want.map(u128::from), "{events:?}");
            assert_eq!(files.len(), usize::from(want.is_some()), "{events:?}");
        };
        let (modify, close) = (ReadFlags::MODIFY, ReadFlags::CLOSE_WRITE);
        check(&[(0, modify)], 300, Some(700));
        check(&[(0, modify), (300, close)], 300, None);
        check(&[(0, modify), (300, close), (400, modify)], 500, Some(900));
        check(&[(0, modify), (900, modify)], 1000, Some(900));
        check(&[(0, modify)], 1000, None);
        check(&[(0, modify), (0, ReadFlags::DELETE)], 0, None);
        check(&[(0, ReadFlags::MOVED_TO), (0, ReadFlags::ATTRIB)], 0, None);
        let endless: Vec<(u64, ReadFlags)> = (0..100).map(|at| (at * 100, modify)).collect();
        check(&endless, 9_950, Some(50));
        check(&endless, 10_000, None);
    }
}
