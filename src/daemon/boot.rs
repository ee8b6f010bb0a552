//! When the host's present boot began, which is the slot of `@reboot`: told once for each boot,
//! since what the kernel says of it moves when the clock is set. And how the clock stands to it.

use cronlet_api::time::{BootClock, SignedDuration, Timestamp};
use cronlet_engine::store::{DiskError, Store};
use cronlet_host::process::boot_id;

const FACT: &str = "boot";

/// A boot by its id, and when it began as first seen.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
struct Boot {
    id: String,
    began_at: Timestamp,
}

/// The same for every start of the daemon until the host's next boot; on disk when this returns.
pub(crate) fn began_at(store: &mut Store) -> Result<Option<Timestamp>, DiskError> {
    match (boot_id(), kernels_word()) {
        // A container may hide it.
        ("", began_at) => Ok(began_at),
        (id, Some(began_at)) => settle(store, Boot { id: id.to_owned(), began_at }).map(Some),
        (_, None) => Ok(None),
    }
}

/// `None` where a container hides the boot's id.
pub(crate) fn clock() -> Option<BootClock> {
    let id = Some(boot_id()).filter(|id| !id.is_empty())?.to_owned();
    let since_boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let since_boot = since_boot.tv_sec * 1000 + since_boot.tv_nsec / 1_000_000;
    let wall_minus_boot_milliseconds = Timestamp::now().as_millisecond() - since_boot;
    Some(BootClock { id, wall_minus_boot_milliseconds })
}

fn settle(store: &mut Store, now: Boot) -> Result<Timestamp, DiskError> {
    let known = store.fact(FACT)?.and_then(|json| serde_json::from_slice::<Boot>(&json).ok());
    let boot = match known {
        Some(known) if known.id == now.id => return Ok(known.began_at),
        // A clock that lost its time does not make this boot older than the one before.
        Some(known) => {
            let after = known.began_at.checked_add(SignedDuration::from_secs(1));
            Boot { began_at: now.began_at.max(after.unwrap_or(known.began_at)), ..now }
        }
        None => now,
    };
    store.put_fact(FACT, serde_json::to_vec(&boot).expect("plain data always serializes"));
    store.commit()?;
    Ok(boot.began_at)
}

/// `btime` of `/proc/stat`.
fn kernels_word() -> Option<Timestamp> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    let seconds = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    Timestamp::from_second(seconds.trim().parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cronlet_engine::store::FileDisk;

    #[test]
    fn a_boot_begins_once_whatever_the_clock_does() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("state.redb");
        let check = |id: &str, word: i64, want: i64| {
            // Each is another start of the daemon.
            let mut store = Store::open(FileDisk::new(&path)).expect("it opens");
            let at = |second| Timestamp::from_second(second).expect("in range");
            let found = settle(&mut store, Boot { id: id.into(), began_at: at(word) });
            assert_eq!(found.expect("it is written"), at(want), "{id} {word}");
        };
        check("a", 1000, 1000);
        check("a", 1000, 1000);
        check("a", 5000, 1000);
        check("a", 10, 1000);
        check("b", 6000, 6000);
        check("b", 1000, 6000);
        check("c", 1000, 6001);
        check("c", 9000, 6001);
    }

    #[test]
    fn this_host_has_a_boot() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let disk = FileDisk::new(&folder.path().join("state.redb"));
        let mut store = Store::open(disk).expect("it opens");
        let first = began_at(&mut store).expect("it is written");
        assert!(first.is_some_and(|at| at < Timestamp::now()));
    }
}
