//! What the server is given: the committed objects to read, and a bounded way to ask the daemon for
//! changes.

use super::health::Health;
use super::metrics_api::Usage;
use super::prometheus::Metrics;
use super::sources::Sources;
use cronlet_api::kind::{Key, Object};
use cronlet_api::refused::Refused;
use cronlet_engine::Request;
use cronlet_engine::store::Reader;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{Mutex, MutexGuard, mpsc, oneshot};

/// The server's view of the rest of the daemon.
pub struct Backend {
    pub reader: Reader,
    /// Bounded: a client waits when the engine is behind.
    pub asks: mpsc::Sender<Command>,
    /// The folder that holds each pod's folder, with its logs: `<pod
    /// uid>/<container>.<attempt>.log`.
    pub pods_folder: PathBuf,
    pub metrics: Arc<Metrics>,
    pub usage: Usage,
    pub patches: PatchLocks,
    /// Which file has which object.
    pub sources: Sources,
    pub health: Arc<Health>,
}

/// At most this many patches are under way at once; two objects that share a lock only wait for
/// each other.
const PATCH_LOCKS: usize = 64;

/// Locks for reading an object, changing it and writing it, so that no patch loses to another one.
/// The key's hash chooses the lock.
pub struct PatchLocks([Mutex<()>; PATCH_LOCKS]);

impl Default for PatchLocks {
    fn default() -> PatchLocks {
        PatchLocks(std::array::from_fn(|_| Mutex::default()))
    }
}

impl PatchLocks {
    pub async fn lock(&self, key: &Key) -> MutexGuard<'_, ()> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(key);
        let at = hash % PATCH_LOCKS as u64;
        self.0[at as usize].lock().await
    }
}

/// Where an answer goes. A receiver that is gone no longer cares.
pub type Reply<T> = oneshot::Sender<Result<T, Refused>>;

/// Source of the answer.
type Answer<T> = oneshot::Receiver<Result<T, Refused>>;

/// What the server asks of the daemon; each is answered once.
pub enum Command {
    Change {
        request: Request,
        reply: Reply<Object>,
    },
    /// Read configuration and manifests again; the answer is what `cronlet reload` prints.
    Reload {
        /// Delete what no file has any more, however much it is.
        prune: bool,
        reply: Reply<serde_json::Value>,
    },
    /// The engine's whole state, for a report of trouble; no secret's value in it.
    Dump {
        reply: Reply<serde_json::Value>,
    },
    /// No question: a large list was read, whose memory is to be given back when there is time.
    LargeRead,
}

/// Lists of at least this many objects count as large: they take some megabytes.
const LARGE_READ_MIN: usize = 1000;

impl Backend {
    /// Asks for a change; the answer is the object as it was committed.
    pub async fn submit(&self, request: Request) -> Result<Object, Refused> {
        self.ask(|reply| Command::Change { request, reply }).await
    }

    /// Asks for several changes at once: the answers, in the same order.
    pub async fn submit_all(
        &self,
        requests: impl Iterator<Item = Request>,
    ) -> Result<Vec<Result<Object, Refused>>, Refused> {
        let mut pending = Vec::new();
        for request in requests {
            pending.push(self.send(|reply| Command::Change { request, reply }).await?);
        }
        let mut answers = Vec::with_capacity(pending.len());
        for answer in pending {
            answers.push(answer.await.unwrap_or_else(|_| Err(gone())));
        }
        Ok(answers)
    }

    /// Tells the daemon of a list that was read, if it was large.
    pub fn note_read(&self, objects: usize) {
        if objects >= LARGE_READ_MIN {
            // A daemon that has too much to do is not idle, and gives memory back later anyway.
            let _ = self.asks.try_send(Command::LargeRead);
        }
    }

    pub async fn ask<T>(&self, ask: impl FnOnce(Reply<T>) -> Command) -> Result<T, Refused> {
        self.send(ask).await?.await.map_err(|_| gone())?
    }

    async fn send<T>(&self, ask: impl FnOnce(Reply<T>) -> Command) -> Result<Answer<T>, Refused> {
        let (reply, answer) = oneshot::channel();
        self.asks.send(ask(reply)).await.map_err(|_| gone())?;
        Ok(answer)
    }
}

fn gone() -> Refused {
    Refused::Internal("the daemon is shutting down".to_owned())
}
