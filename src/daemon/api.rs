//! The thread that serves the API on its socket, and metrics on their port.

use super::inbox::{Inbox, Message};
use super::{DaemonError, make_folder, threads, watch};
use cronlet_api::node::usage::HostUsage;
use cronlet_api::startup::Startup;
use cronlet_engine::store::Reader;
use cronlet_host::usage;
use cronlet_node::runtimes::process;
use cronlet_node::volumes::claim;
use cronlet_server::{Backend, Command, Health, Metrics, PatchLocks, Usage};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;

/// Who asked for a reload and waits for what it found.
pub(crate) type Reloads = Arc<Mutex<Vec<Reload>>>;

pub(crate) struct Reload {
    /// Confirms that what no file has any more is deleted.
    pub prune: bool,
    pub reply: cronlet_server::Reply<serde_json::Value>,
}

/// The API's way into the daemon.
pub(crate) struct Api {
    pub inbox: Arc<Inbox>,
    pub asker: watch::Asker,
    pub reloads: Reloads,
}

/// Where Prometheus is served, which a reload may change.
pub(crate) struct Scraped {
    at: Option<SocketAddr>,
    moves: mpsc::Sender<Move>,
}

/// Serve there from now on, and nowhere else; said when the port before is free.
struct Move {
    to: Option<TcpListener>,
    done: SyncSender<()>,
}

/// Requests that wait for the engine; further clients wait at their sockets.
const ASKS_MAX: usize = 256;

impl Api {
    /// Starts the thread. Metrics have no port yet.
    pub(crate) fn serve(
        self,
        startup: &Startup,
        reader: Reader,
        metrics: Arc<Metrics>,
        sources: cronlet_server::Sources,
        health: Arc<Health>,
    ) -> Result<Scraped, DaemonError> {
        if let Some(folder) = startup.socket.parent() {
            make_folder(folder)?;
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| DaemonError::Host("an event loop", error))?;
        let (asks, mut asked) = mpsc::channel(ASKS_MAX);
        let (state, pods_folder) = (startup.state.clone(), startup.state.join("pods"));
        let look = move |uids: &[String]| process::usage_of_pods(&state, uids);
        let state = startup.state.clone();
        let look_at_claim = move |volume: &str| claim::usage(&claim::folder(&state, volume));
        let usage = Usage::new(look, host_usage).with_claims(look_at_claim);
        let patches = PatchLocks::default();
        let backend =
            Backend { reader, asks, pods_folder, metrics, usage, patches, sources, health };
        let backend = Arc::new(backend);
        let guard = runtime.enter();
        let socket = cronlet_server::bind(&startup.socket)?;
        drop(guard);
        let (moves, moved) = mpsc::channel(1);
        threads::spawn("api", move || {
            runtime.block_on(async {
                tokio::spawn(cronlet_server::serve(socket, backend.clone()));
                tokio::spawn(serve_scrapes(moved, backend));
                while let Some(ask) = asked.recv().await {
                    self.pass_on(ask);
                }
            });
        })?;
        Ok(Scraped { at: None, moves })
    }

    fn pass_on(&self, ask: Command) {
        match ask {
            Command::Reload { prune, reply } => {
                let reload = Reload { prune, reply };
                self.reloads.lock().expect("no panic while it was held").push(reload);
                self.asker.ask();
            }
            ask => self.inbox.send(Message::Command(ask)),
        }
    }
}

impl Scraped {
    /// Serves there instead. Where that is refused, it is served where it was before.
    pub(crate) fn move_to(
        &mut self,
        at: Option<SocketAddr>,
    ) -> Result<(), (SocketAddr, io::Error)> {
        if at == self.at {
            return Ok(());
        }
        // The old port comes first: the new one may be the same on more addresses.
        self.serve(None);
        let before = self.at.take();
        let Some(new) = at else { return Ok(()) };
        let refused = match listen(new) {
            Ok(listener) => {
                self.serve(Some(listener));
                self.at = at;
                return Ok(());
            }
            Err(error) => error,
        };
        if let Some(listener) = before.and_then(|before| listen(before).ok()) {
            self.serve(Some(listener));
            self.at = before;
        }
        Err((new, refused))
    }

    fn serve(&self, to: Option<TcpListener>) {
        let (done, freed) = sync_channel(1);
        // The thread lives as long as the daemon.
        if self.moves.blocking_send(Move { to, done }).is_ok() {
            let _ = freed.recv();
        }
    }
}

fn host_usage() -> Option<HostUsage> {
    let used = usage::of_host()?;
    let (cpu_nanoseconds, memory_bytes) = (used.cpu_nanoseconds, used.memory_bytes);
    Some(HostUsage { cpu_nanoseconds, memory_bytes })
}

fn listen(at: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(at)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

async fn serve_scrapes(mut moved: mpsc::Receiver<Move>, backend: Arc<Backend>) {
    let mut serving: Option<tokio::task::JoinHandle<()>> = None;
    while let Some(Move { to, done }) = moved.recv().await {
        if let Some(before) = serving.take() {
            before.abort();
            // It was told to end, and has: that is no error.
            let _ = before.await;
        }
        match to.map(tokio::net::TcpListener::from_std) {
            None => {}
            Some(Ok(listener)) => {
                serving =
                    Some(tokio::spawn(cronlet_server::serve_metrics(listener, backend.clone())));
            }
            Some(Err(error)) => tracing::error!(%error, "metrics cannot be served"),
        }
        let _ = done.send(());
    }
}
