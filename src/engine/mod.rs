//! The one loop: drain events, plan what is dirty or due, commit, hand out effects.

use crate::kinds::action::Settings;
use crate::kinds::pod::observed::{Order, PodObserved, Report};
use crate::kinds::refused::Refused;
use crate::kinds::{Key, Object};
use crate::time::{ClockStep, Timestamp};

/// What happened in the world.
#[derive(Debug)]
pub enum Event {
    /// Someone wants objects changed; the answer comes in `Effects::replies` under the same `id`.
    Request {
        id: u64,
        request: Request,
    },
    /// The runtime saw something.
    Report(Report),
    /// What the runtime took back after a start.
    Recovered(Vec<(String, PodObserved)>),
    ClockStepped(ClockStep),
    Settings(Settings),
    /// Stop scheduling: no new runs, no restarts; orders to stop are still given.
    Quiesce,
}

/// A change that someone asked for. Objects come without defaults; the engine admits them.
#[derive(Debug, Clone)]
pub enum Request {
    Create(Object),
    /// Metadata and spec; a `resourceVersion` in it must be the current one.
    Update(Object),
    /// `status` alone.
    UpdateStatus(Object),
    Delete {
        key: Key,
        options: DeleteOptions,
    },
    /// Create or update so that the object is as the manifest says (`cronlet apply`, the jobs folder); fields that
    /// the manifest does not name keep their defaults. `source` is the file it came from, empty for none.
    Apply {
        object: Object,
        dry_run: bool,
    },
    /// Make a Job of a CronJob now. Honours its concurrency policy unless `force`.
    Trigger {
        namespace: String,
        cron_job: String,
        force: bool,
    },
}

#[derive(Debug, Clone, Default)]
pub struct DeleteOptions {
    pub grace_seconds: Option<i64>,
    /// `Background` (the default), `Foreground` or `Orphan`.
    pub propagation: Option<String>,
    /// Delete only if the uid is this one.
    pub uid: Option<String>,
    pub dry_run: bool,
}

/// What `Engine::handle` decided, all of it on disk already.
#[derive(Debug, Default)]
pub struct Effects {
    pub orders: Vec<Order>,
    pub replies: Vec<(u64, Result<Object, Refused>)>,
    /// When to call `handle` again though nothing happened.
    pub wake_at: Option<Timestamp>,
}
