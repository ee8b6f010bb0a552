//! What is done for a pod whose shim is gone: no exit code can be learnt any more, and nothing may
//! live on unseen.
//!
//! A container dies with its shim (parent death signal): no one takes its output or can learn how
//! it ends. What it left behind is killed, and its end is told as Kubernetes does for a container
//! that got lost: `ContainerStatusUnknown`, exit code 137.

use super::journal::{self, Segment};
use super::paths::Place;
use super::records::{PodHistory, Record, Records, Unsettled};
use cronlet_api::time::Timestamp;
use cronlet_host::cgroups::Cgroup;
use cronlet_host::{process, sockets};
use cronlet_plan::order::Exit;
use rustix::fd::OwnedFd;
use rustix::process::Pid;
use std::io;
use std::time::Duration;

/// A shim has the pod after all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("a shim holds the pod")]
    Held,
    #[error("the pod's records cannot be read or written")]
    Records(#[from] io::Error),
}

/// Removes the shim's socket, ends what the pod's records leave open, in that segment, and gives
/// all that they say.
pub(super) fn settle(place: &Place, segment: Segment) -> Result<PodHistory, Error> {
    let _lock = journal::lock(place)?.ok_or(Error::Held)?;
    let _ = std::fs::remove_file(place.journal.join(place.socket()));
    let past = PodHistory::read(place)?;
    let open = past.unsettled();
    if open.is_empty() {
        return Ok(past);
    }
    let same_boot = past.boot == process::boot_id();
    let mut records = Records::open(place, segment, false)?;
    for lost in open {
        if same_boot {
            end(&lost);
        }
        let why = match same_boot {
            true => "The container's shim ended unexpectedly; its exit code is not known",
            false => "The host was restarted while the container ran",
        };
        let Unsettled { container, attempt, id, at, .. } = lost;
        let exit = Exit {
            id,
            code: 137,
            signal: None,
            left: 0,
            reason: "ContainerStatusUnknown".into(),
            message: why.into(),
            started_at: at,
            finished_at: Timestamp::now(),
        };
        records.append(Record::Exited { container, attempt, exit }, true)?;
    }
    Ok(records.past)
}

/// Connects to the pod's shim, or settles the pod if it has none: what the records say, and the way
/// to the shim.
pub(super) fn join(
    place: &Place,
    segment: Segment,
) -> Result<(PodHistory, Option<OwnedFd>), Error> {
    for _ in 0..JOIN_TRIES_MAX {
        // Connected first: what happens after this is told to us, what happened before is in the
        // file.
        if let Ok(socket) = sockets::connect_in(&place.journal, &place.socket()) {
            return Ok((PodHistory::read(place)?, Some(socket)));
        }
        match settle(place, segment) {
            // It is about to listen, or about to end.
            Err(Error::Held) => std::thread::sleep(JOIN_EVERY),
            settled => return Ok((settled?, None)),
        }
    }
    Err(Error::Held)
}

const JOIN_TRIES_MAX: u32 = 200;
const JOIN_EVERY: Duration = Duration::from_millis(10);

const TRIES_MAX: u32 = 500;
const TRY_EVERY: Duration = Duration::from_millis(2);

/// Kills all of a container, and waits for it to be gone as long as that is a matter of moments.
fn end(lost: &Unsettled) {
    let cgroup = Cgroup::of(lost.cgroups.clone());
    for _ in 0..TRIES_MAX {
        let alive = living(lost);
        alive.iter().copied().for_each(process::kill);
        cgroup.kill();
        if cgroup.remove() && alive.is_empty() {
            return;
        }
        std::thread::sleep(TRY_EVERY);
    }
}

/// The main process, if its number is still its own, and those of its session.
fn living(lost: &Unsettled) -> Vec<Pid> {
    let Some((pid, ticks)) = lost.process else { return Vec::new() };
    let Some(main) = Pid::from_raw(pid) else { return Vec::new() };
    // A session's number is not given to a new process while one of its members lives.
    match process::started_ticks(main) {
        Some(now) if now != ticks => Vec::new(),
        _ => process::session_members(pid),
    }
}
