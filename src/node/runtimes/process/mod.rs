//! Host programs as containers: `ProcessRuntime`, the daemon's door to its shims.
//!
//! ```text
//! engine --order--> ShimManager, a thread --NewShim, socket--> zygote --fork--> shim --fork-->
//! exec
//!        <-report--            ^------------- records of what happened ----------'
//! ```
//! - **ShimManager**: one thread of the daemon with the sockets of all shims. It never blocks the
//!   engine.
//! - **Zygote**: forks shims without exec. Its pages are shared by all of them, and a start costs a
//!   fork.
//! - **Shim**: one for each pod that has something alive. It is the parent of the containers,
//!   writes logs and records, and stays when the daemon goes. A new daemon finds it by its socket.
//!   One whose pod has ended is given the next pod; a spare one waits for it.
//!
//! What was begun, started and ended is in the journal (journal.rs). A pod's folder is
//! `<state>/pods/<uid>/`, if it needs one:
//! ```text
//!   <container>.<attempt>.log      the output, in the CRI format; older pieces .log.1 ... .log.4
//!   volumes/    emptyDir and files
//! ```
//! An attempt that is in the records is never begun again, only reported again: orders may be
//! repeated at will.

mod exec;

mod journal;

mod shim_manager;

mod journal_retention;

mod paths;

mod records;

mod recover_orphan;

mod shim;

mod shims;

pub mod strangers;

mod usage;

mod wire;

mod zygote;

pub use crate::runtimes::process::exec::ExecDoor;
pub use crate::runtimes::process::paths::{log_files, log_path};
pub use crate::runtimes::process::usage::of_pods as usage_of_pods;
pub use crate::runtimes::process::zygote::{COMMAND as ZYGOTE_COMMAND, zygote_main};

use crate::runtimes::process::journal::{Between, Segment};
use crate::runtimes::process::journal_retention::JournalRetention;
use crate::runtimes::process::paths::Place;
use crate::runtimes::process::records::{PodHistory, Record};
use crate::runtimes::process::shim_manager::{Inbox, Message, ShimManager};
use crate::runtimes::process::shims::Shims;
use crate::runtimes::process::zygote::Birthright;
use cronlet_api::time::Timestamp;
use cronlet_host::cgroups::Layout;
use cronlet_plan::order::{ContainerState, Order, PodObserved, Report};
use cronlet_plan::runtime::Runtime;
use rustix::fd::OwnedFd;
use std::collections::{BTreeMap, BTreeSet};
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
    Pod { uid: String, source: recover_orphan::Error },
}

/// Runs containers as host programs.
pub struct ProcessRuntime {
    state_dir: PathBuf,
    /// Of the journal, for what a recovery adds.
    segment: Segment,
    inbox: Arc<Inbox>,
    keeper: Option<JoinHandle<()>>,
    cannot: Vec<String>,
}

impl ProcessRuntime {
    /// Starts the zygote and the shim manager's thread. `reports` is called on that thread, and
    /// must not wait. `state_dir` is the daemon's alone.
    pub fn new(
        state_dir: &Path,
        reports: impl Fn(Report) + Send + 'static,
        options: Options,
    ) -> Result<ProcessRuntime, Error> {
        let pods = paths::pods(state_dir);
        let state = |source| Error::State { path: state_dir.to_owned(), source };
        paths::make_private(&pods).map_err(state)?;
        paths::make_private(&paths::journal(state_dir)).map_err(state)?;
        wait_for_shims(&paths::journal(state_dir)).map_err(state)?;
        let state_dir = state_dir.canonicalize().map_err(state)?;
        let layout = if options.cgroups { Layout::prepare() } else { Layout::default() };
        let mut cannot = layout.cannot();
        if !rustix::process::geteuid().is_root() {
            cannot.push("pods without volumes see this host's name: the daemon is not root".into());
        }
        let inbox = Arc::new(Inbox::new().map_err(|e| Error::Zygote(e.into()))?);
        let (copy, reports) = (inbox.clone(), Box::new(reports));
        let retention = JournalRetention::new(&state_dir).map_err(state)?;
        let segment = retention.current();
        let birthright = Birthright { descriptors_max: raise_descriptor_limit() };
        let shims = Shims::new(state_dir.clone(), options.program, birthright);
        let shims = shims.map_err(Error::Zygote)?;
        let keeper = ShimManager::new(copy, state_dir.clone(), shims, layout, retention, reports)
            .map_err(Error::Zygote)?;
        let keeper = std::thread::Builder::new()
            .name("shims".into())
            .spawn(|| keeper.run())
            .map_err(Error::Zygote)?;
        Ok(ProcessRuntime { state_dir, segment, inbox, keeper: Some(keeper), cannot })
    }

    /// What this host does not let us do, one sentence each, for the daemon to log.
    pub fn cannot(&self) -> &[String] {
        &self.cannot
    }

    /// How probes run programs in containers.
    pub fn exec_door(&self) -> ExecDoor {
        ExecDoor { inbox: self.inbox.clone() }
    }

    /// What is known of the pod, and the way to its shim, if one lives.
    fn recover_pod(
        &self,
        uid: &str,
    ) -> Result<(PodHistory, Option<OwnedFd>), recover_orphan::Error> {
        let place = Place::new(&self.state_dir, uid);
        match recover_orphan::join(&place, self.segment) {
            Err(recover_orphan::Error::Held) => {}
            joined => return joined,
        }
        // Its socket was removed, so no daemon will ever hear of it again.
        tracing::warn!(pod_uid = uid, "the pod's shim cannot be reached: the pod is ended");
        let unreachable = strangers::of_pods(&self.state_dir, |pod| pod == Some(uid))?;
        strangers::end(&unreachable, UNREACHABLE_FOR, |_| {});
        recover_orphan::join(&place, self.segment)
    }

    /// Removes the sockets of shims that were killed while they listened.
    fn remove_sockets(&self) -> io::Result<()> {
        for entry in std::fs::read_dir(paths::journal(&self.state_dir))? {
            let name = entry?.file_name();
            let uid = name.to_str().and_then(|name| name.strip_suffix(".sock"));
            let Some(uid) = uid.filter(|uid| paths::is_plain(uid)) else { continue };
            let place = Place::new(&self.state_dir, uid);
            // Who holds the lock listens, or has just been connected to and removes it.
            if journal::lock(&place)?.is_some() {
                let _ = std::fs::remove_file(place.journal.join(name));
            }
        }
        Ok(())
    }

    /// The pods in the journal that were not removed, and where their first line is.
    fn on_record(&self) -> io::Result<BTreeMap<String, Segment>> {
        let mut pods: BTreeMap<String, (Segment, bool)> = BTreeMap::new();
        journal::read(&paths::journal(&self.state_dir), |segment, uid, json| {
            if paths::is_plain(uid) {
                let (_, cleaned) = pods.entry(uid.to_owned()).or_insert((segment, false));
                *cleaned = matches!(serde_json::from_slice(json), Ok(Record::Cleaned));
            }
        })?;
        let live = pods.into_iter().filter(|(_, (_, cleaned))| !cleaned);
        Ok(live.map(|(uid, (first, _))| (uid, first)).collect())
    }

    fn adopt(&self, uid: &str, socket: OwnedFd, past: &PodHistory) {
        let runs = |state: &ContainerState| !matches!(state, ContainerState::Exited(_));
        let live = past.observed.containers.iter().filter(|(_, seen)| runs(&seen.state));
        let live: BTreeSet<String> = live.map(|(name, _)| name.clone()).collect();
        self.inbox.send(Message::Adopt { pod_uid: uid.to_owned(), socket, live });
    }
}

const TRIES_MAX: u32 = 200;
const TRY_EVERY: Duration = Duration::from_millis(10);
/// Grace periods of pods that cannot be reached are cut short then: the start waits for them.
const UNREACHABLE_FOR: Duration = Duration::from_secs(30);

/// Shims that an earlier daemon had just made, or just given a pod, are gone or on record.
fn wait_for_shims(journal: &Path) -> io::Result<()> {
    let between = Between::open(journal)?;
    for _ in 0..TRIES_MAX {
        if between.is_over()? {
            return Ok(());
        }
        std::thread::sleep(TRY_EVERY);
    }
    tracing::warn!("a shim of an earlier daemon neither begins nor ends; it is not waited for");
    Ok(())
}

impl Runtime for ProcessRuntime {
    type Error = Error;

    fn recover(&mut self) -> Result<Vec<(String, PodObserved)>, Error> {
        let state = |source| Error::State { path: self.state_dir.clone(), source };
        let mut found = BTreeMap::new();
        for (uid, first) in self.on_record().map_err(state)? {
            let (past, socket) =
                self.recover_pod(&uid).map_err(|source| Error::Pod { uid: uid.clone(), source })?;
            let restarted = past.restarted();
            self.inbox.send(Message::Recovered { pod_uid: uid.clone(), first, restarted });
            if let Some(socket) = socket {
                self.adopt(&uid, socket, &past);
            }
            found.insert(uid, past.observed);
        }
        self.remove_sockets().map_err(state)?;
        // All that is left of the others is their logs.
        for entry in std::fs::read_dir(paths::pods(&self.state_dir)).map_err(state)? {
            let name = entry.map_err(state)?.file_name();
            if let Some(uid) = name.to_str().filter(|name| paths::is_plain(name)) {
                found.entry(uid.to_owned()).or_default();
            }
        }
        Ok(found.into_iter().collect())
    }

    fn order(&mut self, order: Order) {
        self.inbox.send(Message::Order(order));
    }

    fn committed(&mut self, reports: usize) {
        self.inbox.note_committed(reports);
    }

    fn expect(&mut self, pods: usize) {
        self.inbox.send(Message::Expect(pods));
    }

    fn not_before(&mut self, at: Timestamp) {
        self.inbox.send(Message::NotBefore(at));
    }
}

impl Drop for ProcessRuntime {
    /// Leaves the pods running.
    fn drop(&mut self) {
        self.inbox.send(Message::Quit);
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
    }
}

/// A socket for each shim: as many as the system lets us have. Gives what the limit was.
fn raise_descriptor_limit() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
    current
}
