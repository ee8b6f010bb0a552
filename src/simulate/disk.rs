//! A disk in memory that can crash, tear writes and fill up, under the real store.

use cronlet_api::seed::Seed;
use cronlet_engine::store::{self, Disk};
use redb::{Database, StorageBackend};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

/// What reaches a platter in one piece.
const SECTOR_BYTES: usize = 512;
/// Error of a disk that does not answer.
const EIO: i32 = 5;

/// A disk that outlives the programs that open it.
#[derive(Clone, Default, Debug)]
pub(crate) struct SimDisk(Arc<Mutex<Platter>>);

#[derive(Default, Debug)]
struct Platter {
    bytes: Vec<u8>,
    /// The writes since the last sync, oldest first.
    unsynced: Vec<Unsynced>,
    /// What was there before each of them, one after the other.
    before: Vec<u8>,
    /// Length at the last sync.
    synced_length: usize,
    /// Writes until the power fails; `None`: it does not.
    power_left: Option<u64>,
    dead: bool,
    full: bool,
    /// True if no part of it can be read, written or opened.
    is_away: bool,
    /// `Disk::journal_bytes_max`, where it is not as on a host.
    journal_bytes_max: Option<usize>,
}

/// A write that a power cut may undo.
#[derive(Debug)]
struct Unsynced {
    offset: usize,
    /// Where in `Platter::before` it is, and how long.
    before: std::ops::Range<usize>,
}

impl SimDisk {
    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().expect("the simulator has one thread")
    }

    /// Lets the power fail after so many more writes.
    pub(crate) fn fail_after(&self, writes: u64) {
        self.platter().power_left = Some(writes);
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.platter().dead
    }

    /// So much of the journal is kept unfolded.
    pub(crate) fn set_journal_bytes_max(&self, bytes: usize) {
        self.platter().journal_bytes_max = Some(bytes);
    }

    /// While full, no write and no growth succeeds.
    pub(crate) fn set_full(&self, full: bool) {
        self.platter().full = full;
    }

    /// While away, it is as a disk whose cable came off: also opening it fails.
    pub(crate) fn set_away(&self, is_away: bool) {
        self.platter().is_away = is_away;
    }

    /// Whoever has it open is dead, and writes nothing more.
    pub(crate) fn kill(&self) {
        self.platter().dead = true;
    }

    /// The operating system lived on: what was written is there, synced or not.
    pub(crate) fn revive(&self) {
        let mut platter = self.platter();
        platter.dead = false;
        platter.power_left = None;
    }

    /// Cuts the power now: of what was not synced, each sector is there or is not.
    pub(crate) fn crash(&self, seed: &mut Seed) {
        let mut platter = self.platter();
        let unsynced = std::mem::take(&mut platter.unsynced);
        let before = std::mem::take(&mut platter.before);
        for write in unsynced.into_iter().rev() {
            for (n, sector) in before[write.before].chunks(SECTOR_BYTES).enumerate() {
                if seed.below(2) == 0 {
                    let at = write.offset + n * SECTOR_BYTES;
                    platter.bytes[at..at + sector.len()].copy_from_slice(sector);
                }
            }
        }
        let shorter = platter.synced_length.min(platter.bytes.len());
        if seed.below(2) == 0 && platter.bytes[shorter..].iter().all(|byte| *byte == 0) {
            platter.bytes.truncate(shorter);
        }
        platter.power_left = None;
        platter.dead = false;
        platter.synced_length = platter.bytes.len();
    }
}

impl Platter {
    fn check(&mut self) -> io::Result<()> {
        if self.power_left == Some(0) {
            self.dead = true;
        }
        if self.dead {
            return Err(io::Error::other("the power is gone"));
        }
        if self.is_away {
            return Err(io::Error::from_raw_os_error(EIO));
        }
        Ok(())
    }

    fn check_write(&mut self) -> io::Result<()> {
        self.check()?;
        if self.full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.power_left = self.power_left.map(|left| left - 1);
        Ok(())
    }
}

impl Disk for SimDisk {
    fn open(&self) -> Result<Database, redb::DatabaseError> {
        store::builder().create_with_backend(self.clone())
    }

    fn journal_bytes_max(&self) -> usize {
        self.platter().journal_bytes_max.unwrap_or(store::JOURNAL_BYTES_MAX)
    }
}

type BackendResult<T> = Result<T, io::Error>;

impl StorageBackend for SimDisk {
    fn len(&self) -> BackendResult<u64> {
        let mut platter = self.platter();
        platter.check()?;
        Ok(platter.bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> BackendResult<()> {
        let mut platter = self.platter();
        platter.check()?;
        let from = offset as usize;
        let bytes = platter.bytes.get(from..from + out.len()).ok_or(io::ErrorKind::UnexpectedEof);
        out.copy_from_slice(bytes.map_err(io::Error::from)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> BackendResult<()> {
        let mut platter = self.platter();
        platter.check_write()?;
        platter.bytes.resize(length as usize, 0);
        // A shrunk file cannot take back what was cut off: later crashes keep what is left.
        let end = platter.bytes.len();
        platter.unsynced.retain(|write| write.offset + write.before.len() <= end);
        Ok(())
    }

    fn sync_data(&self) -> BackendResult<()> {
        let mut platter = self.platter();
        platter.check()?;
        platter.unsynced.clear();
        platter.before.clear();
        platter.synced_length = platter.bytes.len();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> BackendResult<()> {
        let platter = &mut *self.platter();
        platter.check_write()?;
        let at = offset as usize..offset as usize + data.len();
        let start = platter.before.len();
        platter.before.extend_from_slice(&platter.bytes[at.clone()]);
        let before = start..platter.before.len();
        platter.unsynced.push(Unsynced { offset: at.start, before });
        platter.bytes[at].copy_from_slice(data);
        Ok(())
    }
}
