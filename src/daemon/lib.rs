//! Pumps real events into the engine: signals, files, requests, reports, the clock.
//!
//! ```text
//!  signals ──────────────┐                      ┌──> shims (runtime): orders
//!  folder ── manifests ──┤                      ├──> probes: whom to ask, made on demand
//!  api ───── requests ───┼──> inbox ──> main ───┤
//!  shims ─── reports ────┤    (bounded)  engine ├──> api, folder: answers
//!  probes ── verdicts ───┘                      └──> systemd: ready, watchdog
//! ```
//! The main thread alone owns the engine and waits for the disk; the others wait for it only where
//! they asked it something. None of them dies alone ([`threads`]): a panic, or the end of a thread
//! that runs for as long as the daemon, ends the process, and the shims keep the pods.

use crate::api::{Api, Reloads};
use crate::config::Config;
use crate::inbox::{Inbox, Message};
use crate::state::StateError;
use cronlet_api::kind::{Kind, Object};
use cronlet_api::seed::Seed;
use cronlet_api::settings::Settings;
use cronlet_api::startup::Startup;
use cronlet_api::time::Timestamp;
use cronlet_engine::store::{Reader, Store};
use cronlet_engine::{Engine, Event};
use cronlet_node::probes::ProbeThread;
use cronlet_node::runtimes::process::{self, ProcessRuntime};
use cronlet_node::volumes::claim;
use cronlet_plan::runtime::Runtime;
use cronlet_server::{Health, Metrics};
use rustix::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod timer;

mod api;

mod boot;

pub mod config;

mod manifests;

mod inbox;

mod logging;

mod event_loop;

mod reload;

mod run_log;

mod state;

mod storage;

mod strangers;

mod systemd;

mod threads;

mod wake;

mod watch;

/// Why the daemon could not start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    #[error(transparent)]
    Config(#[from] config::ConfigError),
    #[error("{path} cannot be used")]
    Folder {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    State(#[from] state::StateError),
    #[error("pods cannot be run here")]
    Runtime(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error(transparent)]
    Socket(#[from] cronlet_server::BindError),
    #[error("the metrics address {0} cannot be listened on")]
    Metrics(std::net::SocketAddr, #[source] std::io::Error),
    #[error("the host refused {0}")]
    Host(&'static str, #[source] std::io::Error),
}

impl DaemonError {
    /// True if someone has to mend the state first: a new start alone fails as this one did.
    pub fn is_of_the_state(&self) -> bool {
        matches!(self, DaemonError::State(error) if error.is_lasting())
    }
}

pub use crate::strangers::drain;

/// Runs until SIGTERM or SIGINT.
pub fn run(startup: Startup) -> Result<(), DaemonError> {
    let configured = Config::read(&startup.config, startup.config_required)?;
    let config = configured.clone().overridden_by(&startup);
    let log = logging::install(&config.log);
    let (_alone, store, booted_at) = open_state(&startup.state)?;
    let state_file = state::file(&startup.state);
    let state_error = |error| StateError::new(&state_file, error);
    let inbox =
        Arc::new(Inbox::new().map_err(|error| DaemonError::Host("an eventfd", error.into()))?);
    let notifier = Arc::new(systemd::Notifier::from_environment());
    let mut runtime = start_runtime(&startup.state, inbox.clone())?;
    let prober = start_prober(&runtime, inbox.clone());
    strangers::end_unknown(&startup.state, &store.reader(), &notifier);
    let recovered = runtime.recover().map_err(|error| DaemonError::Runtime(error.into()))?;
    let claims_are_limited = claim::is_limited(&startup.state);
    let boot_clock = boot::clock();
    let settings = Settings { booted_at, boot_clock, claims_are_limited, ..config.settings() };
    let engine =
        Engine::new(store, settings.clone(), Seed::from_host(), recovered).map_err(state_error)?;
    put_strangers_aside(&startup.state, &engine.reader());
    let sources = cronlet_server::Sources::new(engine.sources().map_err(state_error)?);
    let metrics = Arc::new(Metrics::default());
    let health = Arc::new(Health::default());
    metrics.obey(settings);
    let (watch, asker) =
        watch::Watch::new().map_err(|error| DaemonError::Host("inotify", error.into()))?;
    let reloads = Reloads::default();
    let api = Api { inbox: inbox.clone(), asker: asker.clone(), reloads: reloads.clone() };
    let (committed, noted) = (engine.reader(), metrics.clone());
    let mut scraped = api.serve(&startup, committed, noted, sources.clone(), health.clone())?;
    let at = config.metrics.listen;
    scraped.move_to(at).map_err(|(at, error)| DaemonError::Metrics(at, error))?;
    handle_signals(inbox.clone(), asker.clone())?;
    let files = reload::Files {
        folder: manifests::Folder::new(&startup.jobs, inbox.clone(), engine.reader(), sources),
        watch,
        startup: startup.clone(),
        configured,
        booted_at,
        log,
        scraped,
        metrics: metrics.clone(),
        reloads,
        inbox: inbox.clone(),
        begun: std::time::Instant::now(),
        health: health.clone(),
        notifier: notifier.clone(),
    };
    threads::spawn("folder", move || files.run())?;
    let event_loop = event_loop::EventLoop {
        engine,
        runtime,
        prober,
        inbox,
        folder: asker,
        metrics,
        at_shutdown: config.shutdown.pods,
        dump_path: startup.state.join("dump.json"),
        storage: storage::Storage::new(health.clone(), notifier.clone()),
        held: Vec::new(),
        notifier,
        health,
        watchdog: systemd::watchdog_period(),
        reports: 0,
        requests: event_loop::Requests::default(),
    };
    let ended = event_loop.run().map_err(|error| DaemonError::Host("to wait", error.into()));
    let _ = std::fs::remove_file(&startup.socket);
    ended
}

/// Opens the state folder: taken for this daemon as long as the descriptor is open, its store, and
/// when this boot of the host began.
fn open_state(folder: &Path) -> Result<(Option<OwnedFd>, Store, Option<Timestamp>), DaemonError> {
    make_folder(folder)?;
    let alone = state::take(folder)?;
    let mut store = state::open(folder)?;
    threads::end_on_panic();
    let booted_at =
        boot::began_at(&mut store).map_err(|error| StateError::new(&state::file(folder), error))?;
    Ok((alone, store, booted_at))
}

/// Folders of claims that a crash kept from being reclaimed. They are removed in no case: it may be
/// the state that was lost.
fn put_strangers_aside(state: &Path, reader: &Reader) {
    let claims = reader.list(Kind::PersistentVolumeClaim, None).0;
    let volumes = claims.iter().filter_map(|claim| match claim {
        Object::PersistentVolumeClaim(claim) => claim.spec.as_ref()?.volume_name.clone(),
        _ => None,
    });
    for volume in claim::strangers(state, &volumes.collect()) {
        match claim::reclaim(state, &volume, Some(&volume)) {
            Ok(()) => tracing::warn!(volume, "no claim has this folder: it is put aside"),
            Err(error) => tracing::warn!(volume, %error, "no claim has this folder"),
        }
    }
}

fn make_folder(path: &Path) -> Result<(), DaemonError> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| DaemonError::Folder { path: path.to_owned(), source })
}

fn start_runtime(state: &Path, inbox: Arc<Inbox>) -> Result<ProcessRuntime, DaemonError> {
    let report = move |report| inbox.send_event(Event::Report(report));
    let runtime = ProcessRuntime::new(state, report, process::Options::default())
        .map_err(|error| DaemonError::Runtime(error.into()))?;
    runtime.cannot().iter().for_each(|what| tracing::warn!("{what}"));
    Ok(runtime)
}

fn start_prober(runtime: &ProcessRuntime, inbox: Arc<Inbox>) -> ProbeThread {
    let report = move |report| inbox.send_event(Event::Report(report));
    ProbeThread::new(Arc::new(runtime.exec_door()), report)
}

/// SIGTERM and SIGINT leave, SIGHUP reads everything again, SIGUSR1 dumps the state.
fn handle_signals(inbox: Arc<Inbox>, asker: watch::Asker) -> Result<(), DaemonError> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
    let signals = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM, SIGUSR1]);
    let mut signals = signals.map_err(|error| DaemonError::Host("to handle signals", error))?;
    threads::spawn("signals", move || {
        for signal in signals.forever() {
            match signal {
                SIGHUP => asker.ask(),
                SIGUSR1 => inbox.send(Message::Dump),
                _ => inbox.send(Message::Shutdown),
            }
        }
    })
}
