//! Which pods the journal still has to know, so which of its segments may go.
//!
//! A pod's records matter until the engine has committed what they told; those of one that was
//! started again matter until it is removed, for how often it was counts. Segments go from the
//! oldest on. What holds the oldest one back is written again at the journal's end, by the pod's
//! shim or, where it has none, here: so the journal stays short whatever lives long.

use super::journal::{self, Segment};
use super::paths::Place;
use super::records::PodHistory;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub(super) struct JournalRetention {
    state_dir: PathBuf,
    journal: PathBuf,
    /// All segments, by how many pods have their first line in them; the last is the current one.
    segments: BTreeMap<Segment, usize>,
    held: HashMap<String, Held>,
    /// Whose reports are not committed yet, in the order in which they were made.
    uncommitted: VecDeque<String>,
    /// Found by a new daemon: the first commit holds what they told.
    recovered: Vec<String>,
    /// There was a commit: all that is in the journal was read, and pods are held that need it.
    settled: bool,
}

struct Held {
    /// The first segment with lines that matter.
    first: Segment,
    has_shim: bool,
    reports: usize,
    restarted: bool,
}

/// A segment with more than this is followed by another one.
const SEGMENT_BYTES_MAX: u64 = 64 << 10;
/// So many segments may lie before the current one until pods are moved, and one more for each
/// [`PODS_PER_SEGMENT`] that are held.
const SEGMENTS_MAX: usize = 16;
const PODS_PER_SEGMENT: usize = 50;

impl JournalRetention {
    /// Begins a new segment.
    pub(super) fn new(state_dir: &Path) -> io::Result<JournalRetention> {
        let journal = super::paths::journal(state_dir);
        let segments = journal::segments(&journal)?;
        let mut segments: BTreeMap<Segment, usize> = segments.into_iter().map(|s| (s, 0)).collect();
        let next = segments.last_key_value().map_or(1, |(last, _)| last + 1);
        journal::open(&journal, next)?;
        segments.insert(next, 0);
        Ok(JournalRetention {
            state_dir: state_dir.to_owned(),
            journal,
            segments,
            held: HashMap::new(),
            uncommitted: VecDeque::new(),
            recovered: Vec::new(),
            settled: false,
        })
    }

    /// Where what is to be said now goes.
    pub(super) fn current(&self) -> Segment {
        *self.segments.last_key_value().expect("there is always one").0
    }

    /// A pod that was found, with lines from this segment on.
    pub(super) fn recover(&mut self, uid: &str, first: Segment, restarted: bool) {
        self.hold(uid, first).restarted = restarted;
        self.recovered.push(uid.to_owned());
    }

    fn hold(&mut self, uid: &str, first: Segment) -> &mut Held {
        self.held.entry(uid.to_owned()).or_insert_with(|| {
            *self.segments.entry(first).or_default() += 1;
            Held { first, has_shim: false, reports: 0, restarted: false }
        })
    }

    /// Something of it is on record, and matters.
    pub(super) fn knows(&self, uid: &str) -> bool {
        self.held.contains_key(uid)
    }

    /// A shim takes the pod. True: nothing is on record of it.
    pub(super) fn taken(&mut self, uid: &str) -> bool {
        let fresh = !self.held.contains_key(uid);
        self.hold(uid, self.current()).has_shim = true;
        fresh
    }

    /// The pod has no shim any more.
    pub(super) fn left(&mut self, uid: &str) {
        if let Some(held) = self.held.get_mut(uid) {
            held.has_shim = false;
        }
        self.release(uid);
    }

    pub(super) fn reported(&mut self, uid: &str) {
        if let Some(held) = self.held.get_mut(uid) {
            held.reports += 1;
        }
        self.uncommitted.push_back(uid.to_owned());
    }

    pub(super) fn restarted(&mut self, uid: &str) {
        if let Some(held) = self.held.get_mut(uid) {
            held.restarted = true;
        }
    }

    pub(super) fn cleaned(&mut self, uid: &str) {
        if let Some(held) = self.held.get_mut(uid) {
            held.restarted = false;
        }
        self.release(uid);
    }

    /// So many more of the reports are committed.
    pub(super) fn committed(&mut self, reports: usize) {
        self.settled = true;
        for uid in std::mem::take(&mut self.recovered) {
            self.release(&uid);
        }
        for _ in 0..reports {
            let Some(uid) = self.uncommitted.pop_front() else { return };
            if let Some(held) = self.held.get_mut(&uid) {
                held.reports -= 1;
            }
            self.release(&uid);
        }
    }

    fn release(&mut self, uid: &str) {
        let Some(held) = self.held.get(uid) else { return };
        let waits = held.has_shim || held.reports > 0 || held.restarted;
        if !waits && !self.recovered.iter().any(|recovered| recovered == uid) {
            let first = held.first;
            self.held.remove(uid);
            self.unpin(first);
        }
    }

    fn unpin(&mut self, segment: Segment) {
        *self.segments.get_mut(&segment).expect("a pinned segment is known") -= 1;
    }

    /// A shim has written again what matters of its pod, from this segment on.
    pub(super) fn moved(&mut self, uid: &str, to: Segment) {
        if let Some(held) = self.held.get_mut(uid) {
            let from = std::mem::replace(&mut held.first, to);
            *self.segments.entry(to).or_default() += 1;
            self.unpin(from);
        }
    }

    /// Turns the page where the current segment is full, and removes what is not needed. Gives the
    /// pods whose shims shall move to the current segment for that. For a moment with time.
    pub(super) fn tidy(&mut self) -> Vec<String> {
        if let Err(error) = self.turn_page() {
            tracing::warn!(%error, "the journal cannot be continued in a new segment");
        }
        if !self.settled {
            return Vec::new();
        }
        let last = self.current();
        while let Some((&first, 0)) = self.segments.first_key_value() {
            if first == last || journal::remove(&self.journal, first).is_err() {
                break;
            }
            self.segments.remove(&first);
        }
        if self.segments.len() <= SEGMENTS_MAX + self.held.len() / PODS_PER_SEGMENT {
            return Vec::new();
        }
        let (&oldest, _) = self.segments.first_key_value().expect("there is always one");
        let in_it = self.held.iter().filter(|(_, held)| held.first == oldest);
        let (live, rest): (Vec<_>, Vec<_>) = in_it.partition(|(_, held)| held.has_shim);
        let live = live.into_iter().map(|(uid, _)| uid.clone()).collect();
        let rest: Vec<String> = rest.into_iter().map(|(uid, _)| uid.clone()).collect();
        if let Err(error) = self.write_again(&rest, last) {
            tracing::warn!(%error, "the journal cannot be shortened");
        }
        live
    }

    fn turn_page(&mut self) -> io::Result<()> {
        let current = self.current();
        let path = self.journal.join(current.to_string());
        if std::fs::metadata(path)?.len() > SEGMENT_BYTES_MAX {
            journal::open(&self.journal, current + 1)?;
            self.segments.insert(current + 1, 0);
        }
        Ok(())
    }

    /// What matters of pods without a shim.
    fn write_again(&mut self, uids: &[String], to: Segment) -> io::Result<()> {
        let mut file = journal::open(&self.journal, to)?;
        for uid in uids {
            let past = PodHistory::read(&Place::new(&self.state_dir, uid))?;
            file.write_all(&past.told_again(uid))?;
            self.moved(uid, to);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retention() -> (tempfile::TempDir, JournalRetention) {
        let folder = tempfile::tempdir().expect("tempdir");
        std::fs::create_dir(super::super::paths::journal(folder.path())).expect("a folder");
        let retention = JournalRetention::new(folder.path()).expect("a retention");
        (folder, retention)
    }

    fn fill(retention: &JournalRetention) {
        let mut file = journal::open(&retention.journal, retention.current()).expect("open");
        file.write_all(&vec![b'\n'; SEGMENT_BYTES_MAX as usize + 1]).expect("write");
    }

    #[test]
    fn segments_go_when_all_that_they_told_is_committed() {
        let (_folder, mut retention) = retention();
        assert!(retention.taken("a") && retention.taken("b"));
        assert!(!retention.taken("a"));
        fill(&retention);
        retention.tidy();
        assert_eq!(retention.current(), 2);
        for uid in ["a", "b", "a"] {
            retention.reported(uid);
        }
        let check = |retention: &mut JournalRetention, want: &[Segment]| {
            assert_eq!(retention.tidy(), Vec::<String>::new());
            assert_eq!(journal::segments(&retention.journal).expect("segments"), want);
        };
        retention.committed(2);
        retention.left("a");
        retention.left("b");
        check(&mut retention, &[1, 2]);
        retention.committed(1);
        check(&mut retention, &[2]);
        assert!(retention.taken("b"), "nothing is on record of it any more");
    }

    #[test]
    fn who_was_started_again_is_held_until_it_is_cleaned() {
        let (_folder, mut retention) = retention();
        retention.taken("a");
        retention.restarted("a");
        retention.left("a");
        retention.committed(0);
        assert!(!retention.taken("a"));
        retention.left("a");
        retention.cleaned("a");
        assert!(retention.taken("a"));
    }

    #[test]
    fn who_lives_long_is_asked_to_move() {
        let (_folder, mut retention) = retention();
        retention.committed(0);
        retention.taken("long");
        retention.taken("again");
        retention.restarted("again");
        retention.left("again");
        let mut moved = Vec::new();
        for _ in 0..SEGMENTS_MAX + 1 {
            fill(&retention);
            moved = retention.tidy();
        }
        assert_eq!(moved, ["long"]);
        retention.moved("long", retention.current());
        retention.tidy();
        assert_eq!(journal::segments(&retention.journal).expect("segments").len(), 2);
    }

    #[test]
    fn what_was_found_is_held_until_the_first_commit() {
        let (folder, mut retention) = retention();
        fill(&retention);
        retention = JournalRetention::new(folder.path()).expect("a retention");
        retention.tidy();
        retention.recover("a", 1, false);
        retention.tidy();
        assert_eq!(journal::segments(&retention.journal).expect("segments"), [1, 2]);
        retention.left("a");
        assert!(!retention.taken("a"));
        retention.left("a");
        retention.committed(0);
        assert!(retention.taken("a"));
        retention.tidy();
        assert_eq!(journal::segments(&retention.journal).expect("segments"), [2]);
    }
}
