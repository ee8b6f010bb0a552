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

use crate::store::{DiskError, Reader, SourceRecord, Store};
use cronlet_api::kind::{Key, Kind, Map, Object};
use cronlet_api::refused::Refused;
use cronlet_api::run::Run;
use cronlet_api::seed::Seed;
use cronlet_api::settings::Settings;
use cronlet_api::time::{BootClock, ClockStep, ClockSteps, SignedDuration, Timestamp};
use cronlet_plan::controllers::cron_job;
use cronlet_plan::order::{Order, PodObserved, Report};
use cronlet_plan::plan::EventDraft;
use k8s_openapi::api::core::v1::Node;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

mod actions;

mod alive;

mod backlog;

mod boot;

#[cfg(test)]
mod bulk_tests;

mod closing;

mod defaults;

mod due;

mod dump;

mod ended;

mod files;

mod garbage;

mod history;

mod home;

mod enqueue;

mod mounts;

mod host_ports;

mod events;

mod observe;

mod queue;

mod requests;

#[cfg(test)]
mod tests;

pub mod store;

use crate::defaults::Defaults;
use crate::due::Due;
use crate::observe::Seen;

pub use crate::files::{FileChange, FileEffect, FileObject, FileOutcome};

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
    /// A starting daemon has read its manifests.
    Loaded,
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
    /// Delete only if the object is as this version left it.
    pub resource_version: Option<String>,
    pub dry_run: bool,
}

/// What an Event says.
#[derive(Debug)]
pub struct LoggedEvent {
    pub about: Key,
    pub note: Arc<EventDraft>,
    /// How often it was said by now.
    pub count: i32,
}

/// What `Engine::handle` decided, all of it on disk already.
#[derive(Debug, Default)]
pub struct Effects {
    pub orders: Vec<Order>,
    /// Answers to requests, of this turn or of one before; the object is as this turn's commit
    /// left it.
    pub replies: Vec<(u64, Result<Object, Refused>)>,
    pub files: Vec<FileOutcome>,
    /// True if a Job has ended for which a file waits ([`FileOutcome::awaited`]).
    pub files_again: bool,
    /// Runs that changed, for the log line of each.
    pub runs: Vec<Run>,
    /// Events of this turn.
    pub notes: Vec<LoggedEvent>,
    /// There was something to put on disk.
    pub wrote: bool,
    /// All that was taken in so far is on disk: this turn's events, and those of the turns before
    /// that said no.
    pub committed: bool,
    /// When to call `handle` again though nothing happened.
    pub wake_at: Option<Timestamp>,
    /// How many runs are due just then, as far as they were counted.
    pub runs_at_wake: usize,
}

/// Those due at once are not counted further than a host would start without a breath.
const RUNS_COUNTED_MAX: usize = 1000;

/// So many due objects are planned in one turn. The next turn follows at once: what the first ones
/// start runs while the others are planned.
const DUE_PER_TURN_MAX: usize = 64;

/// More plans than this in one turn for one object is a loop between plans: a broken invariant.
const PLANS_PER_TURN_MAX: u32 = 200;

/// See the module's words.
pub struct Engine {
    store: Store,
    settings: Settings,
    seed: Seed,
    steps: ClockSteps,
    /// Record as last written; `None` before the first turn ever.
    alive: Option<alive::Alive>,
    /// `None` before the first turn that ever was.
    defaults: Option<Defaults>,
    due: Due,
    /// What the runtime said of each pod, by uid.
    seen: Map<String, Seen>,
    dirty: BTreeSet<Key>,
    /// Owners of what was made: dirty once that is settled.
    creators: BTreeSet<Key>,
    /// Names of the Namespaces that are going.
    closing: BTreeSet<String>,
    /// This host, which pods are bound to.
    node: Option<Arc<Node>>,
    queue: queue::RunQueue,
    ended: ended::Ended,
    network: host_ports::Network,
    mounts: mounts::Mounts,
    notes: events::EventLog,
    history: history::HistoryLook,
    stopping: bool,
    /// No turn was taken yet.
    fresh: bool,
    turn: Turn,
    /// Events that were taken in since the last commit.
    uncommitted: Vec<Event>,
    /// Events whose commit failed, to be taken in again.
    unsettled: Vec<Event>,
    backlog: backlog::Backlog,
    /// Requests that wait for the next turn: their object changed since the last commit, or many
    /// came before them.
    deferred: Vec<(u64, Request)>,
    /// Running Jobs of which a file has another spec.
    awaited: BTreeSet<Key>,
    committed_at: Timestamp,
    /// The last turn was not committed yet: what it decided waits in `turn`.
    waits: bool,
    /// True from a failed commit until the store is read again: no turn is taken before.
    needs_recovery: bool,
}

/// What one call of `handle` gathers.
#[derive(Default)]
struct Turn {
    now: Timestamp,
    effects: Effects,
    orders_given: BTreeSet<(String, String, i64)>,
    /// The pods, by uid, that orders are about.
    ordered: BTreeMap<String, Key>,
    plans: Map<Key, u32>,
    /// The clock's steps and the boot's clock before this turn added a step.
    clock_before: Option<(ClockSteps, Option<BootClock>)>,
    /// Those that are in force once this turn is committed.
    defaults: Option<Defaults>,
    /// Requests whose answer is no object of the store, by their id.
    rehearsed: BTreeSet<u64>,
    /// How many requests were carried out.
    requests: usize,
    /// How many objects were made and deleted, apart from what requests and files say.
    objects: usize,
    /// Objects whose plan is not made again in this turn.
    bursts: BTreeSet<Key>,
    /// True if something is due that waits for this turn's commit: the backlog waits for the next.
    is_urgent: bool,
    /// How many ended pods it deleted, as there were too many.
    collected: usize,
    /// Record as the commit of this turn will write it.
    alive: Option<alive::Alive>,
}

const STEPS_FACT: &str = "clock-steps";

/// True unless someone asked for it: who did is told when it fails, and a file is read again.
fn outlives_failure(event: &Event) -> bool {
    !matches!(event, Event::Request { .. } | Event::File(_))
}

/// Turns that only hear what ended, and start nothing for it, are committed together, so often at
/// most: many programs that end at once do not each wait for the disk.
const COMMIT_EVERY: SignedDuration = SignedDuration::from_millis(20);

impl Engine {
    /// An engine over what the store holds and what the runtime took back (`Runtime::recover`).
    pub fn new(
        store: Store,
        settings: Settings,
        seed: Seed,
        recovered: Vec<(String, PodObserved)>,
    ) -> Result<Engine, DiskError> {
        let steps = read_fact(&store, STEPS_FACT)?.unwrap_or_default();
        let alive = read_fact(&store, alive::FACT)?;
        let defaults = read_fact(&store, defaults::FACT)?;
        let loaded_at = boot::loaded_at(&store, settings.booted_at)?;
        let settings = Settings { loaded_at, ..settings };
        let mut engine = Engine {
            notes: events::EventLog::default(),
            due: Due::default(),
            seen: Map::default(),
            dirty: BTreeSet::new(),
            creators: BTreeSet::new(),
            closing: BTreeSet::new(),
            node: None,
            queue: queue::RunQueue::default(),
            ended: ended::Ended::default(),
            network: host_ports::Network::default(),
            mounts: mounts::Mounts::default(),
            history: history::HistoryLook::default(),
            stopping: false,
            fresh: true,
            turn: Turn::default(),
            uncommitted: Vec::new(),
            unsettled: Vec::new(),
            backlog: backlog::Backlog::default(),
            deferred: Vec::new(),
            awaited: BTreeSet::new(),
            committed_at: Timestamp::MIN,
            waits: false,
            needs_recovery: false,
            store,
            settings,
            seed,
            steps,
            alive,
            defaults,
        };
        engine.find_home();
        engine.remember_events();
        engine.take_back(recovered);
        engine.everything_is_dirty();
        engine.collect_strays();
        Ok(engine)
    }

    pub fn reader(&self) -> Reader {
        self.store.reader()
    }

    /// Which objects each manifest file made, as last committed.
    pub fn sources(&self) -> Result<BTreeMap<String, SourceRecord>, DiskError> {
        self.store.sources()
    }

    /// Takes a turn. On an error nothing of it is published or ordered: call again later, which
    /// first reads the disk again where that is needed. The events are kept, but not what someone
    /// or a file asked for: whoever did is to be told of the error.
    ///
    /// Between two commits at most one request changes an object: one that comes later is carried
    /// out by the next turn, which `wake_at` asks for at once. So each resourceVersion is seen by
    /// the requests after it, and each answer has the version of its own write.
    ///
    /// What a turn decided that is not urgent may come with the effects of the next: `wake_at` says
    /// when that is due.
    pub fn handle(&mut self, events: Vec<Event>, now: Timestamp) -> Result<Effects, DiskError> {
        if let Err(error) = self.recover_disk() {
            self.unsettled.extend(events.into_iter().filter(outlives_failure));
            return Err(error);
        }
        self.begin_turn(now);
        let mut only_reports = true;
        if self.fresh {
            self.clean_strangers();
            self.keep_node_and_namespaces();
            self.follow_downtime();
        }
        let deferred = std::mem::take(&mut self.deferred).into_iter();
        let deferred = deferred.map(|(id, request)| Event::Request { id, request });
        let before = std::mem::take(&mut self.unsettled).into_iter().chain(deferred);
        for event in before.chain(events) {
            if outlives_failure(&event) {
                self.uncommitted.push(event.clone());
            }
            only_reports &= matches!(event, Event::Report(_));
            self.absorb(event);
        }
        self.follow_defaults();
        let due = self.due.pop(now, DUE_PER_TURN_MAX);
        let is_idle = due.is_empty() && self.backlog.is_empty();
        let can_wait = only_reports && is_idle && !self.fresh && !self.stopping;
        self.turn.is_urgent = due.iter().any(|key| key.kind == Kind::CronJob);
        self.dirty.extend(due);
        self.decide(can_wait)
    }

    /// As [`Engine::handle`] at `slot`, which is soon: begins what is due then, as far as nothing
    /// that may still happen changes it. Whoever calls this does what was decided at `slot`, and
    /// takes no other turn before. `None`: the rest is decided at `slot` itself.
    pub fn handle_ahead(&mut self, slot: Timestamp) -> Result<Option<Effects>, DiskError> {
        let is_unsure = self.fresh || self.stopping || self.needs_recovery;
        let certain = match is_unsure || !self.unsettled.is_empty() {
            true => Vec::new(),
            false => self.certain_at(slot),
        };
        if certain.is_empty() {
            return Ok(None);
        }
        self.begin_turn(slot);
        self.turn.is_urgent = true;
        certain.iter().for_each(|key| self.due.set(key, None));
        self.dirty.extend(certain);
        self.decide(false).map(Some)
    }

    /// CronJobs that are due then, and that ask for nothing of runs before.
    fn certain_at(&self, slot: Timestamp) -> Vec<Key> {
        let is_certain = |key: &Key| match self.store.get(key) {
            Some(Object::CronJob(cron_job)) => cron_job::plan::begins_regardless(&cron_job),
            _ => false,
        };
        let due = self.due.iter().take_while(|(at, _)| *at <= slot).map(|(_, key)| key);
        due.filter(|key| is_certain(key)).take(DUE_PER_TURN_MAX).cloned().collect()
    }

    /// Plans what is dirty and commits what comes of it.
    fn decide(&mut self, can_wait: bool) -> Result<Effects, DiskError> {
        self.plan_all();
        self.keep_history();
        self.sweep_notes();
        if can_wait && self.may_wait() {
            self.waits = true;
            return Ok(self.with_wake(Effects::default()));
        }
        self.stay_alive();
        match self.store.commit() {
            Ok(wrote) => Ok(Effects { wrote, ..self.settle() }),
            Err(error) => {
                self.unsettle();
                Err(error)
            }
        }
    }

    /// What the turns before decided and did not commit is part of this one.
    fn begin_turn(&mut self, now: Timestamp) {
        let before = std::mem::take(&mut self.turn);
        self.turn = Turn { now, ..Turn::default() };
        if std::mem::take(&mut self.waits) {
            self.turn.effects = before.effects;
            self.turn.orders_given = before.orders_given;
            self.turn.ordered = before.ordered;
        }
    }

    /// Nobody waits for what the turn decided, and the last commit was just now.
    fn may_wait(&self) -> bool {
        let effects = &self.turn.effects;
        let is_patient = |order: &Order| matches!(order, Order::Clean { .. });
        let since = self.turn.now.duration_since(self.committed_at);
        let just_now = !since.is_negative() && since < COMMIT_EVERY;
        just_now
            && self.backlog.is_empty()
            && effects.replies.is_empty()
            && effects.orders.iter().all(is_patient)
    }

    /// After a failed commit: forgets what was decided since the last good one, and keeps what
    /// happened.
    fn unsettle(&mut self) {
        self.unsettled = std::mem::take(&mut self.uncommitted);
        self.deferred.clear();
        self.backlog = backlog::Backlog::default();
        self.due.clear();
        self.notes = events::EventLog::default();
        self.queue = queue::RunQueue::default();
        self.ended = ended::Ended::default();
        self.network = host_ports::Network::default();
        if let Some(before) = self.turn.clock_before.take() {
            (self.steps, self.settings.boot_clock) = before;
        }
        self.store.roll_back();
        self.needs_recovery = true;
    }

    /// Reads the disk again after an error. `handle` does the same: this is for who wants the
    /// store open before the next turn.
    pub fn recover_disk(&mut self) -> Result<(), DiskError> {
        if !self.needs_recovery {
            return Ok(());
        }
        self.store.reload()?;
        self.needs_recovery = false;
        self.find_home();
        self.remember_events();
        self.everything_is_dirty();
        self.collect_strays();
        Ok(())
    }

    /// Gives back what memory it can and puts the disk in order: for when nothing is due for a
    /// while. After an error the next turn reads the disk again.
    pub fn rest(&mut self) -> Result<(), DiskError> {
        let rested = self.store.rest();
        self.needs_recovery |= rested.is_err();
        rested
    }

    fn settle(&mut self) -> Effects {
        self.fresh = false;
        self.uncommitted.clear();
        self.committed_at = self.turn.now;
        let mut effects = std::mem::take(&mut self.turn.effects);
        self.defaults = self.turn.defaults.take().or_else(|| self.defaults.take());
        self.alive = self.turn.alive.take().or_else(|| self.alive.take());
        self.expect_reports();
        for order in &effects.orders {
            self.note_ordered(order);
        }
        effects.committed = true;
        effects.files_again = self.forget_ended_jobs();
        self.read_back(&mut effects.replies);
        self.with_wake(effects)
    }

    fn with_wake(&self, effects: Effects) -> Effects {
        let commit_at =
            self.waits.then(|| self.committed_at.checked_add(COMMIT_EVERY).ok()).flatten();
        let has_more = !self.deferred.is_empty() || !self.backlog.is_empty();
        let more_at = has_more.then_some(self.turn.now);
        let wakes = [self.due.next(), self.history.due, self.notes_due(), commit_at, more_at];
        let wake_at = wakes.into_iter().flatten().min();
        Effects { wake_at, runs_at_wake: self.runs_at(wake_at), ..effects }
    }

    fn runs_at(&self, wake_at: Option<Timestamp>) -> usize {
        let limit = self.settings.limits.runs.map_or(RUNS_COUNTED_MAX, |runs| runs as usize);
        let due = self.due.iter().take_while(|(at, _)| Some(*at) == wake_at);
        let runs = due.filter(|(_, key)| key.kind == Kind::CronJob);
        runs.take(limit.min(RUNS_COUNTED_MAX)).count()
    }

    fn absorb(&mut self, event: Event) {
        match event {
            Event::Request { id, request } => self.take_request(id, request),
            Event::Report(report) => self.observe(report),
            Event::ClockStepped(step) => {
                self.keep_steps(|steps| {
                    steps.push(step.clone());
                    true
                });
                self.move_boot_clock(&step);
                self.everything_is_dirty();
            }
            Event::Settings(settings) => {
                if self.settings.history != settings.history {
                    self.history.begin(self.turn.now);
                }
                let Settings { boot_clock, down, loaded_at, .. } =
                    std::mem::take(&mut self.settings);
                self.settings = Settings { boot_clock, down, loaded_at, ..*settings };
                self.keep_node_and_namespaces();
                self.everything_is_dirty();
            }
            Event::Loaded => self.note_loaded(),
            Event::File(change) => {
                let outcome = self.take_in(change);
                self.turn.effects.files.push(outcome);
            }
            Event::Quiesce => self.stopping = true,
            Event::Drain => self.drain(),
        }
    }

    /// What is known of the clock's steps is changed, if it is, on the disk too.
    fn keep_steps(&mut self, change: impl FnOnce(&mut ClockSteps) -> bool) {
        let before = (self.steps.clone(), self.settings.boot_clock.clone());
        if change(&mut self.steps) {
            self.turn.clock_before.get_or_insert(before);
            let json = serde_json::to_vec(&self.steps).expect("plain data always serializes");
            self.store.put_fact(STEPS_FACT, json);
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
        self.stopping = true;
        self.stop_all_running();
    }

    fn plan_all(&mut self) {
        loop {
            // Pods before their Jobs, and Jobs before their CronJobs: an owner is planned once for
            // all that its own have to say, however many they are.
            while let Some(key) = self.dirty.pop_last() {
                if self.postpone(&key) {
                    self.creators.remove(&key);
                    continue;
                }
                let plans = self.turn.plans.entry(key.clone()).or_default();
                *plans += 1;
                assert!(
                    *plans <= PLANS_PER_TURN_MAX,
                    "plans of {key} and its family go in circles"
                );
                self.creators.remove(&key);
                self.plan_one(&key);
            }
            if !self.stopping && self.bind_pods() {
                continue;
            }
            self.dirty = std::mem::take(&mut self.creators);
            if self.dirty.is_empty() && !self.take_backlog() && !self.collect_ended() {
                return;
            }
        }
    }
}

/// A durable fact; `None` if there is none that this program can read.
fn read_fact<T: serde::de::DeserializeOwned>(
    store: &Store,
    name: &str,
) -> Result<Option<T>, DiskError> {
    Ok(store.fact(name)?.and_then(|json| serde_json::from_slice(&json).ok()))
}
