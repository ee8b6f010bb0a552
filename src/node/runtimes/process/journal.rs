//! The journal: what shims did, in a few files that all of them append to.
//!
//! A file for each pod would cost more than the run of a short one: making a file takes a disk's
//! file system up to a millisecond, appending to one some microseconds. So the pods that begin
//! share a segment, until it is full and the next one takes its place:
//! ```text
//!   <state>/journal/17       "\n<pod uid> <record as JSON>\n", again and again
//!                  /18
//!                  /lock     a byte for each pod that a shim has, and one for shims between pods
//!                  /<uid>.sock   where a shim listens while no daemon is connected
//! ```
//! Segments are removed from the oldest on alone ([`super::journal_retention`]), so what is left of
//! a pod is always the last that was said of it.
//!
//! The page cache keeps a line through the death of shim and daemon. A power cut is covered by the
//! engine, whose commit on disk precedes each order and follows each report; a line is synced only
//! where no daemon listens. A line that was torn is passed over.

use super::paths::Place;
use super::records::Record;
use cronlet_host::locks::{self, Hold};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A segment's number: its file name.
pub(super) type Segment = u64;

/// All segments that there are, the oldest first.
pub(super) fn segments(journal: &Path) -> io::Result<Vec<Segment>> {
    let names = std::fs::read_dir(journal)?.map(|entry| entry.map(|entry| entry.file_name()));
    let names: Vec<_> = names.collect::<io::Result<_>>()?;
    let mut found: Vec<Segment> =
        names.iter().filter_map(|name| name.to_str()?.parse().ok()).collect();
    found.sort_unstable();
    Ok(found)
}

/// Opens a segment for appending, made if it is missing.
pub(super) fn open(journal: &Path, segment: Segment) -> io::Result<File> {
    let mut options = File::options();
    options.append(true).create(true).mode(0o600).open(journal.join(segment.to_string()))
}

pub(super) fn remove(journal: &Path, segment: Segment) -> io::Result<()> {
    std::fs::remove_file(journal.join(segment.to_string()))
}

/// Calls with each record of the journal, oldest first: its segment, the pod's uid, its JSON.
pub(super) fn read(journal: &Path, mut each: impl FnMut(Segment, &str, &[u8])) -> io::Result<()> {
    for segment in segments(journal)? {
        let bytes = match std::fs::read(journal.join(segment.to_string())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        for line in bytes.split(|byte| *byte == b'\n') {
            let Some(space) = line.iter().position(|byte| *byte == b' ') else { continue };
            if let Ok(uid) = str::from_utf8(&line[..space]) {
                each(segment, uid, &line[space + 1..]);
            }
        }
    }
    Ok(())
}

/// A record as it is appended, in one write. The newline before it ends what another writer may
/// have left torn.
pub(super) fn line(uid: &str, record: &Record) -> Vec<u8> {
    let mut line = format!("\n{uid} ").into_bytes();
    serde_json::to_writer(&mut line, record).expect("records are plain data");
    line.push(b'\n');
    line
}

/// The file of locks, which must be open once for each holder.
fn open_locks(journal: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
    Ok(rustix::fs::open(journal.join("lock"), flags, Mode::from_raw_mode(0o600))?)
}

/// Takes the pod for this process as long as the descriptor is open; `None`: a shim has it.
pub(super) fn lock(place: &Place) -> io::Result<Option<OwnedFd>> {
    let locks = open_locks(&place.journal)?;
    let taken = locks::try_lock(locks.as_fd(), byte_of(&place.uid), Hold::Exclusive)?;
    Ok(taken.then_some(locks))
}

/// The byte that stands for a pod: 62 bits of a hash (FNV-1a), so none clash, and never 0.
fn byte_of(uid: &str) -> u64 {
    let hash = uid.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    (hash >> 2) | 1
}

/// The byte that a shim holds while it has no pod, or has one of which nothing is on record yet.
const BETWEEN_PODS: u64 = 0;

/// The lock of a shim between pods. Whoever holds it has still to see that its daemon lives: then
/// the next daemon waits for it.
pub(super) struct Between(OwnedFd);

impl Between {
    pub(super) fn open(journal: &Path) -> io::Result<Between> {
        open_locks(journal).map(Between)
    }

    /// False: a new daemon reads the journal just now.
    pub(super) fn hold(&self) -> bool {
        locks::try_lock(self.0.as_fd(), BETWEEN_PODS, Hold::Shared).unwrap_or(false)
    }

    pub(super) fn let_go(&self) {
        let _ = locks::try_lock(self.0.as_fd(), BETWEEN_PODS, Hold::None);
    }

    /// For a new daemon: no shim of an earlier one is between pods.
    pub(super) fn is_over(&self) -> io::Result<bool> {
        let free = locks::try_lock(self.0.as_fd(), BETWEEN_PODS, Hold::Exclusive)?;
        self.let_go();
        Ok(free)
    }
}
