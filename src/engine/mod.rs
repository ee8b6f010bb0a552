//! The one loop: drain events, plan what is dirty or due, commit, hand out effects.
//!
//! ```text
//!  events ──> absorb ──> dirty ──> plan ──> carry out ──┐
//!                          ^                            │ what changed, its owner, what is due
//!                          └────────────────────────────┘ until nothing is dirty
//!                                     then: commit ──> publish ──> orders, replies
//! ```
//! The engine has no clock and no I/O but the store's; the daemon and the simulator call the same
//! [`Engine::handle`].

use crate::kinds::action::{Note, Run, Settings};
use crate::kinds::pod::observed::{Order, PodObserved, Report};
use crate::kinds::refused::Refused;
use crate::kinds::{Key, Kind, Object};
use crate::seed::Seed;
use crate::store::{DiskError, Reader, SourceRecord, Store};
use crate::time::{ClockStep, ClockSteps, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

mod actions;
mod defaults;
mod due;
mod dump;
mod files;
mod garbage;
mod history;
mod home;
mod kin;
mod network;
mod notes;
mod observe;
mod queue;
mod requests;

use defaults::Defaults;
use due::Due;
use observe::Seen;

pub use files::{FileChange, FileOutcome, Manifest};

/// What happened in the world.
#[derive(Debug, Clone)]
pub enum Event {
    /// Someone wants objects changed; the answer comes in `Effects::replies` under the same `id`.
    Request {
        id: u64,
        request: Request,
    },
    /// The runtime saw something.
    Report(Report),
    ClockStepped(ClockStep),
    Settings(Box<Settings>),
    /// A manifest file changed; what became of it comes in `Effects::files`, in the order of
    /// these events.
    File(FileChange),
    /// Stop scheduling: no new runs and no restarts; what was asked to stop still stops.
    Quiesce,
    /// Stop every pod by its grace period; they are not restarted (a service that drains).
    Drain,
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
    /// Create or update so that the object is as the manifest says (`cronlet apply`, the jobs
    /// folder): what the manifest does not name gets its default; status and the annotations of
    /// tools stay.
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
    pub files: Vec<FileOutcome>,
    /// Runs that changed, for the log line of each.
    pub runs: Vec<Run>,
    /// Events of this turn: what they are about, and what they say.
    pub notes: Vec<(Key, Note)>,
    /// There was something to put on disk.
    pub wrote: bool,
    /// When to call `handle` again though nothing happened.
    pub wake_at: Option<Timestamp>,
    /// How many runs are due just then, as far as they were counted.
    pub runs_at_wake: usize,
}

/// Those due at once are not counted further than a host would start without a breath.
const RUNS_COUNTED_MAX: usize = 1000;

/// More plans than this in one turn for one object is a loop between plans: a broken invariant.
const PLANS_PER_TURN_MAX: u32 = 200;

/// See the module's words.
pub struct Engine {
    store: Store,
    settings: Settings,
    seed: Seed,
    steps: ClockSteps,
    /// `None` before the first turn that ever was.
    defaults: Option<Defaults>,
    due: Due,
    /// What the runtime said of each pod, by uid.
    seen: BTreeMap<String, Seen>,
    dirty: BTreeSet<Key>,
    queue: queue::RunQueue,
    network: network::Network,
    notes: notes::NoteLog,
    history_due: Option<Timestamp>,
    quiet: bool,
    /// No turn was taken yet.
    fresh: bool,
    turn: Turn,
    /// Events of a turn whose commit failed, to be taken in again.
    unsettled: Vec<Event>,
}

/// What one call of `handle` gathers.
#[derive(Default)]
struct Turn {
    now: Timestamp,
    effects: Effects,
    orders_given: BTreeSet<(String, String, i64)>,
    plans: BTreeMap<Key, u32>,
    /// The clock's steps before this turn added one.
    steps_before: Option<ClockSteps>,
    /// Those that are in force once this turn is committed.
    defaults: Option<Defaults>,
}

const STEPS_FACT: &str = "clock-steps";

impl Engine {
    /// An engine over what the store holds and what the runtime took back (`Runtime::recover`).
    pub fn new(
        store: Store,
        settings: Settings,
        seed: Seed,
        recovered: Vec<(String, PodObserved)>,
    ) -> Result<Engine, DiskError> {
        let steps = store.fact(STEPS_FACT)?;
        let steps = steps.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
        let defaults = store.fact(defaults::FACT)?;
        let defaults = defaults.and_then(|json| serde_json::from_slice(&json).ok());
        let mut engine = Engine {
            notes: notes::NoteLog::default(),
            due: Due::default(),
            seen: BTreeMap::new(),
            dirty: BTreeSet::new(),
            queue: queue::RunQueue::default(),
            network: network::Network::default(),
            history_due: None,
            quiet: false,
            fresh: true,
            turn: Turn::default(),
            unsettled: Vec::new(),
            store,
            settings,
            seed,
            steps,
            defaults,
        };
        engine.take_back(recovered);
        engine.everything_is_dirty();
        Ok(engine)
    }

    pub fn reader(&self) -> Reader {
        self.store.reader()
    }

    /// Which objects each manifest file made, as last committed.
    pub fn sources(&self) -> Result<BTreeMap<String, SourceRecord>, DiskError> {
        self.store.sources()
    }

    /// One turn. On an error nothing of it is published or ordered: `recover_disk`, then call
    /// again. The events are kept, but not what someone or a file asked for: whoever did is to be
    /// told of the error.
    pub fn handle(&mut self, events: Vec<Event>, now: Timestamp) -> Result<Effects, DiskError> {
        self.turn = Turn { now, ..Turn::default() };
        let mut kept = Vec::new();
        if self.fresh {
            self.clean_strangers();
            self.keep_home();
        }
        for event in std::mem::take(&mut self.unsettled).into_iter().chain(events) {
            // Who asked for something is told when it fails, and a file is read again.
            if !matches!(event, Event::Request { .. } | Event::File(_)) {
                kept.push(event.clone());
            }
            self.absorb(event);
        }
        self.follow_defaults();
        self.dirty.extend(self.due.pop(now));
        self.plan_all();
        self.keep_history();
        match self.store.commit() {
            Ok(wrote) => {
                self.fresh = false;
                Ok(Effects { wrote, ..self.settle() })
            }
            Err(error) => {
                self.unsettle(kept);
                Err(error)
            }
        }
    }

    /// After a failed commit: forgets what the turn decided, and keeps what happened.
    fn unsettle(&mut self, events: Vec<Event>) {
        self.unsettled = events;
        self.due.clear();
        self.notes = notes::NoteLog::default();
        self.queue = queue::RunQueue::default();
        self.network = network::Network::default();
        if let Some(steps) = self.turn.steps_before.take() {
            self.steps = steps;
        }
        self.store.roll_back();
    }

    /// Reads the disk again after `handle` failed; until this succeeds, `handle` is of no use.
    pub fn recover_disk(&mut self) -> Result<(), DiskError> {
        self.store.reload()?;
        self.everything_is_dirty();
        Ok(())
    }

    /// Gives back what memory it can: for when nothing is due for a while.
    pub fn rest(&self) {
        self.store.rest();
    }

    fn settle(&mut self) -> Effects {
        let mut effects = std::mem::take(&mut self.turn.effects);
        self.defaults = self.turn.defaults.take().or_else(|| self.defaults.take());
        for order in &effects.orders {
            self.note_ordered(order);
        }
        effects.wake_at = [self.due.next(), self.history_due].into_iter().flatten().min();
        effects.runs_at_wake = self.runs_at(effects.wake_at);
        effects
    }

    fn runs_at(&self, wake_at: Option<Timestamp>) -> usize {
        let limit = self.settings.limits.runs.map_or(RUNS_COUNTED_MAX, |runs| runs as usize);
        let due = self.due.iter().take_while(|(at, _)| Some(*at) == wake_at);
        let runs = due.filter(|(_, key)| key.kind == Kind::CronJob);
        runs.take(limit.min(RUNS_COUNTED_MAX)).count()
    }

    fn absorb(&mut self, event: Event) {
        match event {
            Event::Request { id, request } => {
                let reply = self.request(request);
                self.turn.effects.replies.push((id, reply));
            }
            Event::Report(report) => self.observe(report),
            Event::ClockStepped(step) => {
                self.turn.steps_before.get_or_insert_with(|| self.steps.clone());
                self.steps.push(step);
                let json = serde_json::to_vec(&self.steps).expect("plain data always serializes");
                self.store.put_fact(STEPS_FACT, json);
                self.everything_is_dirty();
            }
            Event::Settings(settings) => {
                self.settings = *settings;
                self.keep_home();
                self.everything_is_dirty();
            }
            Event::File(change) => {
                let outcome = self.take_in(change);
                self.turn.effects.files.push(outcome);
            }
            Event::Quiesce => self.quiet = true,
            Event::Drain => self.drain(),
        }
    }

    fn everything_is_dirty(&mut self) {
        for kind in Kind::ALL {
            self.dirty.extend(self.store.keys(*kind));
        }
    }

    /// Deletes nothing from the store but the running pods' time: each is asked to stop by its
    /// grace.
    fn drain(&mut self) {
        self.quiet = true;
        self.stop_all_running();
    }

    fn plan_all(&mut self) {
        loop {
            // Pods before their Jobs, and Jobs before their CronJobs: an owner is planned once for
            // all that its own have to say, however many they are.
            while let Some(key) = self.dirty.pop_last() {
                let plans = self.turn.plans.entry(key.clone()).or_default();
                *plans += 1;
                assert!(
                    *plans <= PLANS_PER_TURN_MAX,
                    "plans of {key} and its family go in circles"
                );
                self.plan_one(&key);
            }
            if self.quiet || !self.bind_pods() {
                return;
            }
        }
    }
}
