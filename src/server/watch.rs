//! Watches: what changes, as it changes, one JSON value a line.
//!
//! Nothing is queued for a watcher: it reads the store's ring of latest changes at its own pace,
//! and one that falls behind the ring is told to list again.

use super::accept::Shape;
use super::backend::Backend;
use super::query::Query;
use super::read;
use super::response::{self, Answer};
use super::selector::Selector;
use cronlet_api::kind::{Kind, Object};
use cronlet_api::refused::Refused;
use cronlet_engine::store::{Change, ChangeVerb, Reader};
use hyper::body::Bytes;
use serde_json::json;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

/// As the API server's `--min-request-timeout`; a client watches again after it.
const LIFE_DEFAULT: Duration = Duration::from_secs(1800);
const LIFE_MAX: Duration = Duration::from_secs(24 * 3600);
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
/// Events are sent in chunks of about this size.
const CHUNK_BYTES: usize = 64 * 1024;

pub(crate) fn watch(
    backend: &Backend,
    kind: Kind,
    namespace: Option<&str>,
    query: &Query,
    shape: Shape,
) -> Result<Answer, Refused> {
    let selector = read::selector(kind, query)?;
    let since = read::version_wanted(query)?.filter(|version| *version > 0);
    let life = match query.number("timeoutSeconds")? {
        Some(seconds) => Duration::from_secs(seconds.max(0).unsigned_abs()).min(LIFE_MAX),
        None => LIFE_DEFAULT,
    };
    let initial = query.flag("sendInitialEvents");
    if initial && query.text("resourceVersionMatch") != Some("NotOlderThan") {
        let why = "resourceVersionMatch: Required value: sendInitialEvents requires NotOlderThan";
        return Err(Refused::BadRequest(why.to_owned()));
    }
    let (sender, answer) = response::stream("application/json");
    let watcher = Watcher {
        reader: backend.reader.clone(),
        kind,
        namespace: namespace.map(str::to_owned),
        selector,
        shape,
        has_sent: false,
        bookmarks: query.flag("allowWatchBookmarks"),
        sender,
        until: Instant::now() + life,
    };
    let start = match since {
        Some(version) if !initial => Start::After(version),
        _ => Start::WithAll { bookmark: initial },
    };
    tokio::spawn(watcher.run(start));
    Ok(answer)
}

enum Start {
    After(u64),
    /// Every object first, and under `sendInitialEvents` a bookmark that says that these were all.
    WithAll {
        bookmark: bool,
    },
}

struct Watcher {
    reader: Reader,
    kind: Kind,
    namespace: Option<String>,
    selector: Selector,
    shape: Shape,
    /// Was an event sent? A table names its columns in the first.
    has_sent: bool,
    bookmarks: bool,
    sender: mpsc::Sender<Bytes>,
    until: Instant,
}

impl Watcher {
    /// Ends with its time, or when the client has gone.
    async fn run(mut self, start: Start) {
        let started = match start {
            Start::After(version) => Some(version),
            Start::WithAll { bookmark } => self.send_all(bookmark).await,
        };
        let Some(mut version) = started else { return };
        let mut bookmark_at = Instant::now() + BOOKMARK_EVERY;
        while let Some(reached) = self.send_changes(version).await {
            version = reached;
            let pause = self.until.min(bookmark_at);
            let changed = tokio::select! {
                changed = timeout_at(pause, self.reader.changed(version)) => changed.is_ok(),
                () = self.sender.closed() => return,
            };
            let over = Instant::now() >= self.until;
            if !changed {
                bookmark_at = Instant::now() + BOOKMARK_EVERY;
                if self.bookmarks && self.send(self.bookmark(version, false)).await.is_none() {
                    return;
                }
            }
            if over {
                return;
            }
        }
    }

    async fn send_all(&mut self, bookmark: bool) -> Option<u64> {
        let (objects, version) = self.reader.list(self.kind, self.namespace.as_deref());
        let mut chunk = Vec::new();
        for object in &objects {
            if self.selector.matches(object) {
                self.write_event(&mut chunk, "ADDED", object);
            }
            if chunk.len() > CHUNK_BYTES {
                self.send(std::mem::take(&mut chunk)).await?;
            }
        }
        if bookmark {
            chunk.extend(self.bookmark(version, true));
        }
        self.send(chunk).await?;
        Some(version)
    }

    /// Sends what changed after `version`; `None` when the watch is over.
    async fn send_changes(&mut self, version: u64) -> Option<u64> {
        let found = self.reader.changes_since(version, self.kind, self.namespace.as_deref());
        let Ok((changes, reached)) = found else {
            let status = Refused::Gone(version).status();
            let mut line = json!({ "type": "ERROR", "object": status }).to_string();
            line.push('\n');
            self.send(line.into_bytes()).await;
            return None;
        };
        let mut chunk = Vec::new();
        for change in &changes {
            let object = change.object();
            if let Some(verb) = self.verb(change, &object) {
                self.write_event(&mut chunk, verb, &object);
            }
            if chunk.len() > CHUNK_BYTES {
                self.send(std::mem::take(&mut chunk)).await?;
            }
        }
        self.send(chunk).await?;
        Some(reached)
    }

    /// What the change is to one who sees only what is selected.
    fn verb(&self, change: &Change, object: &Object) -> Option<&'static str> {
        let selected = |object: &Object| self.selector.matches(object);
        let before = change.before().as_ref().is_some_and(selected);
        let after = change.verb() != ChangeVerb::Deleted && selected(object);
        match (before, after) {
            (false, true) => Some("ADDED"),
            (true, true) => Some("MODIFIED"),
            (true, false) => Some("DELETED"),
            (false, false) => None,
        }
    }

    fn write_event(&mut self, chunk: &mut Vec<u8>, verb: &str, object: &Object) {
        chunk.extend_from_slice(format!(r#"{{"type":"{verb}","object":"#).as_bytes());
        chunk.extend(self.shape.object(object, !self.has_sent));
        self.has_sent = true;
        chunk.extend_from_slice(b"}\n");
    }

    fn bookmark(&self, version: u64, initial_end: bool) -> Vec<u8> {
        let info = self.kind.info();
        let mut metadata = json!({ "resourceVersion": version.to_string() });
        if initial_end {
            metadata["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
        }
        let object = json!({
            "kind": info.kind, "apiVersion": info.api_version(), "metadata": metadata,
        });
        let mut line = json!({ "type": "BOOKMARK", "object": object }).to_string();
        line.push('\n');
        line.into_bytes()
    }

    /// `None` when the client has gone.
    async fn send(&self, chunk: Vec<u8>) -> Option<()> {
        if chunk.is_empty() {
            return Some(());
        }
        self.sender.send(chunk.into()).await.ok()
    }
}
