//! Host programs as containers: `ProcessRuntime`, the daemon's door to its shims.
//!
//! ```text
//!   engine --order--> Keeper (a thread) --NewShim, socket--> zygote --fork--> shim --fork--> exec
//!          <-report--        ^------------- records of what happened ----------'
//! ```
//! - **Keeper**: one thread of the daemon with the sockets of all shims. It never blocks the
//!   engine.
//! - **Zygote**: forks shims without exec. Its pages are shared by all of them, and a start costs a
//!   fork.
//! - **Shim**: one for each pod that has something alive. It is the parent of the containers,
//!   writes logs and records, and stays when the daemon goes. A new daemon finds it by the socket
//!   in the pod's folder.
//!
//! A pod's folder is `<state>/pods/<uid>/`:
//! ```text
//!   records     what was begun, started and ended (records.rs)
//!   <container>.<attempt>.log      the output, in the CRI format; older pieces .log.1 ... .log.4
//!   <container>.<attempt>.message  the termination message
//!   shim.sock   where a living shim listens while no daemon is connected
//!   volumes/    emptyDir and files
//! ```
//! An attempt that is in the records is never begun again, only told again: orders may be repeated
//! at will.

mod exec;
mod keeper;
mod place;
mod records;
mod settle;
mod shim;
mod usage;
mod wire;
mod zygote;

pub use exec::ExecDoor;
pub use place::{log_files, log_path};
pub use usage::of_pod as usage_of_pod;
pub use zygote::{COMMAND as ZYGOTE_COMMAND, zygote_main};

use super::Runtime;
use crate::host::cgroups::Layout;
use crate::host::sockets;
use crate::kinds::pod::observed::{ContainerState, Order, PodObserved, Report};
use keeper::{Inbox, Keeper, Told};
use place::Place;
use records::Past;
use rustix::fd::OwnedFd;
use settle::settle;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// What may be set otherwise than usual.
#[derive(Debug, Clone)]
pub struct Options {
    /// The program that becomes the zygote by `shim-zygote` as its first argument.
    pub program: PathBuf,
    /// Make cgroups; without them limits cannot be enforced, and containers are tracked by descent.
    pub cgroups: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { program: "/proc/self/exe".into(), cgroups: true }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the state folder {path} cannot be used")]
    State { path: PathBuf, source: io::Error },
    #[error("the shims' zygote cannot be started")]
    Zygote(#[source] io::Error),
    #[error("the pod {uid} cannot be taken back")]
    Pod { uid: String, source: settle::Error },
}

/// Runs containers as host programs.
pub struct ProcessRuntime {
    state_dir: PathBuf,
    inbox: Arc<Inbox>,
    keeper: Option<JoinHandle<()>>,
    cannot: Vec<String>,
}

impl ProcessRuntime {
    /// Starts the zygote and the keeper's thread. `reports` is called on that thread, and must not
    /// wait. `state_dir` is the daemon's alone.
    pub fn new(
        state_dir: &Path,
        reports: impl Fn(Report) + Send + 'static,
        options: Options,
    ) -> Result<ProcessRuntime, Error> {
        let pods = place::pods(state_dir);
        let state = |source| Error::State { path: state_dir.to_owned(), source };
        place::make_private(&pods).map_err(state)?;
        let state_dir = state_dir.canonicalize().map_err(state)?;
        let layout = if options.cgroups { Layout::prepare() } else { Layout::default() };
        let cannot = layout.cannot();
        let inbox = Arc::new(Inbox::new().map_err(|e| Error::Zygote(e.into()))?);
        let (copy, reports) = (inbox.clone(), Box::new(reports));
        let keeper = Keeper::new(copy, state_dir.clone(), options.program, layout, reports)
            .map_err(Error::Zygote)?;
        // After the zygote, whose children shall have the limit that the daemon was given.
        raise_descriptor_limit();
        let keeper = std::thread::Builder::new()
            .name("shims".into())
            .spawn(|| keeper.run())
            .map_err(Error::Zygote)?;
        Ok(ProcessRuntime { state_dir, inbox, keeper: Some(keeper), cannot })
    }

    /// What this host does not let us do, one sentence each, for the daemon to log.
    pub fn cannot(&self) -> &[String] {
        &self.cannot
    }

    /// How probes run programs in containers.
    pub fn exec_door(&self) -> ExecDoor {
        ExecDoor { inbox: self.inbox.clone() }
    }

    fn recover_pod(&self, uid: &str) -> Result<PodObserved, settle::Error> {
        let place = Place::new(&self.state_dir, uid);
        for _ in 0..TRIES_MAX {
            // Connected first: what happens after this is told to us, what happened before is in
            // the file.
            if let Ok(socket) = sockets::connect_in(&place.folder, place::SOCKET) {
                let past = Past::read(&place)?;
                self.adopt(uid, socket, &past);
                return Ok(past.observed);
            }
            match settle(&place) {
                // It is about to listen, or about to end.
                Err(settle::Error::Held) => std::thread::sleep(TRY_EVERY),
                other => return other.map(|past| past.observed),
            }
        }
        Err(settle::Error::Held)
    }

    fn adopt(&self, uid: &str, socket: OwnedFd, past: &Past) {
        let runs = |state: &ContainerState| !matches!(state, ContainerState::Exited(_));
        let live = past.observed.containers.iter().filter(|(_, seen)| runs(&seen.state));
        let live: BTreeSet<String> = live.map(|(name, _)| name.clone()).collect();
        self.inbox.tell(Told::Adopt { pod_uid: uid.to_owned(), socket, live });
    }
}

const TRIES_MAX: u32 = 200;
const TRY_EVERY: Duration = Duration::from_millis(10);

impl Runtime for ProcessRuntime {
    type Error = Error;

    fn recover(&mut self) -> Result<Vec<(String, PodObserved)>, Error> {
        let pods = place::pods(&self.state_dir);
        let state = |source| Error::State { path: pods.clone(), source };
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&pods).map_err(state)? {
            let name = entry.map_err(state)?.file_name();
            let Some(uid) = name.to_str().filter(|name| place::is_plain(name)) else { continue };
            let observed = self
                .recover_pod(uid)
                .map_err(|source| Error::Pod { uid: uid.to_owned(), source })?;
            found.push((uid.to_owned(), observed));
        }
        Ok(found)
    }

    fn order(&mut self, order: Order) {
        self.inbox.tell(Told::Order(order));
    }
}

impl Drop for ProcessRuntime {
    /// Leaves the pods running.
    fn drop(&mut self) {
        self.inbox.tell(Told::Quit);
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
    }
}

/// A socket for each shim: as many as the system lets us have.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
}
