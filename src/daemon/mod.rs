//! Pumps real events into the engine: signals, files, requests, reports, the clock.
//!
//! Three threads besides the runtime's: the engine's ([`pump`], this one), the jobs folder's
//! ([`folder`]) and the API's. They meet in the [`inbox`].

use crate::engine::{Engine, Event};
use crate::probes::ProbeThread;
use crate::runtimes::Runtime;
use crate::runtimes::process::{self, ProcessRuntime};
use crate::seed::Seed;
use crate::server::{self, Ask, Gate, Metrics};
use crate::store::{FileDisk, Reader, Store};
use config::Config;
use inbox::{Inbox, Message};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

mod alarm;
pub mod config;
mod folder;
mod inbox;
mod logging;
mod pump;
mod report;
mod systemd;
mod watch;

/// Where everything is, and what the command line says over the configuration (`cronlet run`).
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder of manifests.
    pub jobs: PathBuf,
    pub config: PathBuf,
    /// Without a configuration file the defaults hold, unless it was asked for by name.
    pub config_required: bool,
    pub state: PathBuf,
    pub socket: PathBuf,
    pub metrics: Option<std::net::SocketAddr>,
    pub json_log: bool,
}

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
    #[error("the state in {path} cannot be used{}", hint(.source))]
    State {
        path: PathBuf,
        #[source]
        source: crate::store::DiskError,
    },
    #[error("pods cannot be run here")]
    Runtime(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error(transparent)]
    Socket(#[from] server::BindError),
    #[error("the metrics address {0} cannot be listened on")]
    Metrics(std::net::SocketAddr, #[source] std::io::Error),
    #[error("the host refused {0}")]
    Host(&'static str, #[source] std::io::Error),
}

fn hint(error: &crate::store::DiskError) -> &'static str {
    match error {
        crate::store::DiskError::Open(redb::DatabaseError::DatabaseAlreadyOpen) => {
            ": another cronlet runs on it"
        }
        _ => "",
    }
}

type Reloads = Arc<Mutex<Vec<server::Reply<serde_json::Value>>>>;

/// Runs until SIGTERM or SIGINT.
pub fn run(options: Options) -> Result<(), DaemonError> {
    let mut config = Config::read(&options.config, options.config_required)?;
    config.override_with(&options);
    logging::install(&config.log);
    make_folder(&options.state)?;
    let inbox =
        Arc::new(Inbox::new().map_err(|error| DaemonError::Host("an eventfd", error.into()))?);
    let state_file = options.state.join("state.redb");
    let store = Store::open(FileDisk::new(&state_file))
        .map_err(|source| DaemonError::State { path: state_file.clone(), source })?;
    let mut runtime = start_runtime(&options.state, inbox.clone())?;
    let prober = start_prober(&runtime, inbox.clone());
    let recovered = runtime.recover().map_err(|error| DaemonError::Runtime(error.into()))?;
    let state_error = |source| DaemonError::State { path: state_file.clone(), source };
    let engine =
        Engine::new(store, config.settings(), Seed::from_host(), recovered).map_err(state_error)?;
    let sources = engine.sources().map_err(state_error)?;
    let reader = engine.reader();
    let metrics = Arc::new(Metrics::default());
    metrics.obey(config.settings());
    let (watch, asker) =
        watch::Watch::new().map_err(|error| DaemonError::Host("inotify", error.into()))?;
    let reloads = Reloads::default();
    let gate = Api { inbox: inbox.clone(), asker: asker.clone(), reloads: reloads.clone() };
    gate.serve(&options, config.metrics.listen, reader, metrics.clone())?;
    handle_signals(inbox.clone(), asker)?;
    let files = Files {
        folder: folder::Folder::new(&options.jobs, inbox.clone(), sources),
        watch,
        options: options.clone(),
        metrics: metrics.clone(),
        reloads,
        inbox: inbox.clone(),
    };
    spawn("folder", move || files.run())?;
    let pump = pump::Pump {
        engine,
        runtime,
        prober,
        inbox,
        metrics,
        at_shutdown: config.shutdown.pods,
        dump_path: options.state.join("dump.json"),
        notifier: systemd::Notifier::from_environment(),
        watchdog: systemd::watchdog_period(),
        disk_faults: BTreeSet::new(),
    };
    let ended = pump.run().map_err(|error| DaemonError::Host("to wait", error.into()));
    let _ = std::fs::remove_file(&options.socket);
    ended
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

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), DaemonError> {
    let thread =
        std::thread::Builder::new().name(name.to_owned()).stack_size(512 * 1024).spawn(work);
    thread.map(drop).map_err(|error| DaemonError::Host("a thread", error))
}

/// SIGTERM and SIGINT leave, SIGHUP reads everything again, SIGUSR1 dumps the state.
fn handle_signals(inbox: Arc<Inbox>, asker: watch::Asker) -> Result<(), DaemonError> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
    let signals = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM, SIGUSR1]);
    let mut signals = signals.map_err(|error| DaemonError::Host("to handle signals", error))?;
    spawn("signals", move || {
        for signal in signals.forever() {
            match signal {
                SIGHUP => asker.ask(),
                SIGUSR1 => inbox.send(Message::Dump),
                _ => inbox.send(Message::Shutdown),
            }
        }
    })
}

/// The API's way into the daemon.
struct Api {
    inbox: Arc<Inbox>,
    asker: watch::Asker,
    reloads: Reloads,
}

/// Requests that wait for the engine; further clients wait at their sockets.
const ASKS_MAX: usize = 256;

impl Api {
    fn serve(
        self,
        options: &Options,
        metrics_at: Option<std::net::SocketAddr>,
        reader: Reader,
        metrics: Arc<Metrics>,
    ) -> Result<(), DaemonError> {
        if let Some(folder) = options.socket.parent() {
            make_folder(folder)?;
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| DaemonError::Host("an event loop", error))?;
        let (asks, mut asked) = tokio::sync::mpsc::channel(ASKS_MAX);
        let gate = Gate { reader, asks, pods_folder: options.state.join("pods"), metrics };
        let gate = Arc::new(gate);
        let guard = runtime.enter();
        let socket = server::bind(&options.socket)?;
        let scraped = match metrics_at {
            Some(at) => Some(
                runtime
                    .block_on(tokio::net::TcpListener::bind(at))
                    .map_err(|error| DaemonError::Metrics(at, error))?,
            ),
            None => None,
        };
        drop(guard);
        spawn("api", move || {
            runtime.block_on(async {
                tokio::spawn(server::serve(socket, gate.clone()));
                if let Some(listener) = scraped {
                    tokio::spawn(server::serve_metrics(listener, gate));
                }
                while let Some(ask) = asked.recv().await {
                    self.pass_on(ask);
                }
            });
        })
    }

    fn pass_on(&self, ask: Ask) {
        match ask {
            Ask::Reload { reply } => {
                self.reloads.lock().expect("no panic while it was held").push(reply);
                self.asker.ask();
            }
            ask => self.inbox.send(Message::Ask(ask)),
        }
    }
}

/// When to read the jobs folder again whose changes could not be recorded.
const RETRY_MILLISECONDS: i64 = 1000;

/// The thread that reads files: the jobs folder when it changes, the configuration when asked.
struct Files {
    folder: folder::Folder,
    watch: watch::Watch,
    options: Options,
    metrics: Arc<Metrics>,
    reloads: Reloads,
    inbox: Arc<Inbox>,
}

impl Files {
    fn run(mut self) {
        let notifier = systemd::Notifier::from_environment();
        let scan = self.scan(false);
        // Nothing may have changed: the engine's first turn waits for this.
        self.inbox.send(Message::Events(Vec::new()));
        tracing::info!(files = scan.files, errors = scan.errors.len(), "ready");
        notifier.ready();
        loop {
            let retry = self.folder.unsettled.then_some(RETRY_MILLISECONDS);
            match self.watch.wait(retry) {
                Ok(watch::Woken::Changed) => drop(self.scan(false)),
                Ok(watch::Woken::Asked) => {
                    notifier.reloading();
                    self.reload();
                    notifier.ready();
                }
                Err(error) => {
                    tracing::error!(%error, "the jobs folder is no longer watched");
                    return;
                }
            }
        }
    }

    fn scan(&mut self, again: bool) -> folder::Scan {
        let (scan, folders) = self.folder.scan(again);
        self.watch.add(&folders);
        scan
    }

    fn reload(&mut self) {
        let replies =
            std::mem::take(&mut *self.reloads.lock().expect("no panic while it was held"));
        let mut problems = Vec::new();
        match Config::read(&self.options.config, self.options.config_required) {
            Ok(mut config) => {
                config.override_with(&self.options);
                self.metrics.obey(config.settings());
                self.inbox.send_event(Event::Settings(Box::new(config.settings())));
            }
            Err(error) => problems.push(report::chain(&error)),
        }
        problems.iter().for_each(|problem| tracing::error!("{problem}: the last good one stays"));
        let mut scan = self.scan(true);
        scan.errors.splice(0..0, problems);
        tracing::info!(
            files = scan.files,
            changed = scan.changed,
            removed = scan.removed,
            "reloaded"
        );
        let answer = serde_json::to_value(&scan).expect("plain data serializes");
        for reply in replies {
            let _ = reply.send(Ok(answer.clone()));
        }
    }
}
