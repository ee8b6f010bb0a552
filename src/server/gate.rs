//! What the server is given: the committed objects to read, and a bounded way to ask the daemon for
//! changes.

use super::metrics::Metrics;
use super::usage::Usage;
use crate::engine::Request;
use crate::kinds::Object;
use crate::kinds::refused::Refused;
use crate::store::Reader;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// The server's view of the rest of the daemon.
pub struct Gate {
    pub reader: Reader,
    /// Bounded: a client waits when the engine is behind.
    pub asks: mpsc::Sender<Ask>,
    /// The folder that holds each pod's folder, with its logs: `<pod
    /// uid>/<container>.<attempt>.log`.
    pub pods_folder: PathBuf,
    pub metrics: Arc<Metrics>,
    pub usage: Usage,
}

/// Where an answer goes. A receiver that is gone no longer cares.
pub type Reply<T> = oneshot::Sender<Result<T, Refused>>;

/// What the server asks of the daemon; each is answered once.
pub enum Ask {
    Change {
        request: Request,
        reply: Reply<Object>,
    },
    /// Read configuration and manifests again; the answer is what `cronlet reload` prints.
    Reload {
        reply: Reply<serde_json::Value>,
    },
    /// The engine's whole state, for a report of trouble; no secret's value in it.
    Dump {
        reply: Reply<serde_json::Value>,
    },
}

impl Gate {
    /// Asks for a change; the answer is the object as it was committed.
    pub async fn submit(&self, request: Request) -> Result<Object, Refused> {
        let changes = match &request {
            Request::Apply { dry_run, .. } => !dry_run,
            Request::Delete { options, .. } => !options.dry_run,
            _ => true,
        };
        let answered = self.ask(|reply| Ask::Change { request, reply }).await?;
        // The engine answers with what it decided; the commit, which came before the answer, gave
        // it its resourceVersion.
        let committed = self.reader.get(&answered.key()).filter(|_| changes);
        let committed = committed.filter(|object| object.uid() == answered.uid());
        Ok(committed.unwrap_or(answered))
    }

    pub async fn ask<T>(&self, ask: impl FnOnce(Reply<T>) -> Ask) -> Result<T, Refused> {
        let gone = || Refused::Internal("the daemon is shutting down".to_owned());
        let (reply, answer) = oneshot::channel();
        self.asks.send(ask(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}
