//! The engine's thread: waits for the next due time or for input, takes a turn, carries out what it
//! decided.

use super::config::PodsAtShutdown;
use super::inbox::{Inbox, Message};
use super::storage::Storage;
use super::systemd::Notifier;
use super::timer::Timer;
use super::wake::{Ahead, Wake};
use super::watch::Asker;
use super::{run_log, threads};
use cronlet_api::kind::Object;
use cronlet_api::refused::Refused;
use cronlet_api::time::{Clock, SignedDuration, SystemClock, Timestamp};
use cronlet_engine::store::DiskError;
use cronlet_engine::{Effects, Engine, Event, FileOutcome, Request};
use cronlet_host::memory;
use cronlet_plan::order::{ContainerEvent, Order};
use cronlet_plan::prober::Prober;
use cronlet_plan::runtime::Runtime;
use cronlet_server::{Command, Health, Metrics, Reply};
use rustix::event::{PollFd, PollFlags, poll};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

/// After so long without anything to do, memory that only speed wanted is given back.
const REST_AFTER: Duration = Duration::from_secs(5);

/// What the engine's thread works with.
pub(crate) struct EventLoop<R, P> {
    pub engine: Engine,
    pub runtime: R,
    pub prober: P,
    pub inbox: Arc<Inbox>,
    /// Wakes the folder's thread.
    pub folder: Asker,
    pub metrics: Arc<Metrics>,
    pub at_shutdown: PodsAtShutdown,
    pub dump_path: PathBuf,
    pub notifier: Arc<Notifier>,
    pub health: Arc<Health>,
    pub watchdog: Option<Duration>,
    pub storage: Storage,
    /// Events that came while the disk failed: for the next turn.
    pub held: Vec<Event>,
    /// Reports that the engine took in and did not commit yet: 0 at first.
    pub reports: usize,
    pub requests: Requests,
}

/// Requests that the engine has not answered yet, by the number that it knows them by.
#[derive(Default)]
pub(crate) struct Requests {
    last_id: u64,
    waiting: BTreeMap<u64, Reply<Object>>,
}

impl Requests {
    fn event(&mut self, request: Request, reply: Reply<Object>) -> Event {
        self.last_id += 1;
        self.waiting.insert(self.last_id, reply);
        Event::Request { id: self.last_id, request }
    }

    fn answer(&mut self, id: u64, reply: Result<Object, Refused>) {
        if let Some(waiting) = self.waiting.remove(&id) {
            // Whoever asked may be gone, and no longer cares.
            let _ = waiting.send(reply);
        }
    }

    fn refuse_all(&mut self, refused: &Refused) {
        for waiting in std::mem::take(&mut self.waiting).into_values() {
            let _ = waiting.send(Err(refused.clone()));
        }
    }
}

/// What one look into the inbox brings.
#[derive(Default)]
struct Input {
    events: Vec<Event>,
    /// Who waits for what becomes of files: one thread, which sends no more meanwhile.
    folder: Option<SyncSender<Vec<FileOutcome>>>,
    dump: bool,
    shutdown: bool,
}

impl<R: Runtime, P: Prober> EventLoop<R, P> {
    /// Runs until it is told to leave. The first turn waits for the first input, which is what the
    /// jobs folder says: a schedule that was edited while the daemon was away must not run by its
    /// old times.
    pub(crate) fn run(mut self) -> rustix::io::Result<()> {
        threads::panic_if_asked("main");
        let mut timer = Timer::new()?;
        let mut wake = Wake::default();
        let mut leaving = false;
        let mut rested = false;
        loop {
            let patience = if rested { self.watchdog } else { Some(REST_AFTER) };
            let woken = self.wait(&timer, wake.next(), patience)?;
            if !woken {
                rested = rested || self.rest(&mut wake);
                continue;
            }
            rested = false;
            match wake.take_ahead(SystemClock.now()) {
                Some((_, Ahead::Expect)) => {
                    self.runtime.expect(wake.pods);
                    continue;
                }
                Some((slot, Ahead::Decide)) => {
                    wake = self.turns_ahead(slot, &timer)?.unwrap_or(wake);
                    continue;
                }
                None => {}
            }
            let mut input = self.read_inbox();
            if let Some(step) = timer.stepped() {
                tracing::warn!(milliseconds = step.by_milliseconds, "the clock was set");
                input.events.push(Event::ClockStepped(step));
            }
            if input.shutdown && !leaving {
                leaving = true;
                self.notifier.stopping();
                self.health.stopping();
                input.events.push(match self.at_shutdown {
                    PodsAtShutdown::Leave => Event::Quiesce,
                    PodsAtShutdown::Drain => Event::Drain,
                });
            }
            self.health.turn_begins();
            wake = self.turn(input);
            self.health.turn_ends();
            if leaving && self.may_leave() {
                return Ok(());
            }
        }
    }

    /// Says, once it is so, that the daemon ends and what goes on without it.
    fn may_leave(&self) -> bool {
        match (self.engine.running_pods_len(), self.at_shutdown) {
            (0, _) => tracing::info!("stopped"),
            (_, PodsAtShutdown::Drain) => return false,
            (pods, PodsAtShutdown::Leave) => tracing::info!(
                pods,
                "stopped; these pods go on, and the next start takes them back (shutdown.pods)"
            ),
        }
        true
    }

    /// Gives back memory and puts the disk in order, unless something is due so soon that it would
    /// be late for it.
    fn rest(&mut self, wake: &mut Wake) -> bool {
        let soon = SystemClock.now() + SignedDuration::from_secs(1);
        let has_time = wake.at.is_none_or(|at| at > soon);
        if has_time {
            let held = self.storage.waits(Instant::now()).is_some();
            if let Some(error) = (!held).then(|| self.engine.rest().err()).flatten() {
                *wake = self.disk_failed(&error, &mut Input::default());
            }
            memory::give_back();
            memory::give_back_program();
        }
        has_time
    }

    /// Waits for the wake, for input, or for as long as its patience lasts: then it says false.
    fn wait(
        &self,
        timer: &Timer,
        wake_at: Option<Timestamp>,
        patience: Option<Duration>,
    ) -> rustix::io::Result<bool> {
        timer.set(wake_at)?;
        let mut descriptors =
            [PollFd::new(timer, PollFlags::IN), PollFd::new(&*self.inbox, PollFlags::IN)];
        let patience =
            patience.into_iter().chain(self.watchdog).min().map(|d| rustix::time::Timespec {
                tv_sec: d.as_secs().cast_signed(),
                tv_nsec: i64::from(d.subsec_nanos()),
            });
        let woken = match poll(&mut descriptors, patience.as_ref()) {
            Ok(ready) => ready > 0,
            Err(rustix::io::Errno::INTR) => true,
            Err(error) => return Err(error),
        };
        if self.watchdog.is_some() && self.storage.is_bearable(Instant::now()) {
            self.notifier.alive();
        }
        Ok(woken)
    }

    fn read_inbox(&mut self) -> Input {
        let mut input = Input::default();
        for message in self.inbox.take() {
            match message {
                Message::Events(events) => input.events.extend(events),
                Message::Files { changes, done } => {
                    input.events.extend(changes.into_iter().map(Event::File));
                    input.folder = Some(done);
                }
                Message::Command(Command::Change { request, reply }) => {
                    input.events.push(self.requests.event(request, reply));
                }
                Message::Command(Command::Reload { .. }) => {
                    unreachable!("the folder's thread reloads")
                }
                // It woke this thread, which rests again once nothing happens.
                Message::Command(Command::LargeRead) => {}
                Message::Command(Command::Dump { reply }) => {
                    drop(reply.send(Ok(self.engine.dump())))
                }
                Message::Dump => input.dump = true,
                Message::AtShutdown(pods) => self.at_shutdown = pods,
                Message::Shutdown => input.shutdown = true,
            }
        }
        input
    }

    fn turn(&mut self, mut input: Input) -> Wake {
        self.held.append(&mut input.events);
        let wake = match self.storage.waits(Instant::now()) {
            Some(_) => self.hold(&mut input),
            None => self.take_turn(&mut input),
        };
        if input.dump {
            self.write_dump();
        }
        wake
    }

    fn take_turn(&mut self, input: &mut Input) -> Wake {
        let events = std::mem::take(&mut self.held);
        self.reports += events.iter().filter(|event| is_of_runtime(event)).count();
        match self.engine.handle(events, SystemClock.now()) {
            Ok(effects) => self.carry_out(effects, input),
            Err(error) => self.disk_failed(&error, input),
        }
    }

    /// Refuses what is asked for while the disk fails. What happened is kept.
    fn hold(&mut self, input: &mut Input) -> Wake {
        self.held.retain(|event| !matches!(event, Event::Request { .. } | Event::File(_)));
        self.requests.refuse_all(&Refused::Unavailable(self.storage.refusal()));
        // It sees by the end without an answer that nothing was committed.
        input.folder = None;
        self.retry_wake()
    }

    /// The wake for the next try of the disk, by the wall clock as it is now.
    fn retry_wake(&self) -> Wake {
        let wait = self.storage.waits(Instant::now()).unwrap_or_default();
        Wake::new(SystemClock.now().checked_add(wait).ok(), 0)
    }

    /// Takes the turns that can be taken before the slot; what they start begins at the slot.
    /// Events that arrive wait meanwhile: nothing else happens before. `None`: there was nothing to
    /// decide.
    fn turns_ahead(&mut self, slot: Timestamp, timer: &Timer) -> rustix::io::Result<Option<Wake>> {
        let mut wake = None;
        self.runtime.not_before(slot);
        while SystemClock.now() < slot {
            let mut input = Input::default();
            match self.engine.handle_ahead(slot) {
                Ok(Some(effects)) => wake = Some(self.carry_out(effects, &mut input)),
                Ok(None) => break,
                Err(error) => {
                    wake = Some(self.disk_failed(&error, &mut input));
                    break;
                }
            }
        }
        if wake.is_some() {
            timer.wait_for(slot)?;
        }
        Ok(wake)
    }

    fn carry_out(&mut self, effects: Effects, input: &mut Input) -> Wake {
        self.storage.works(effects.wrote);
        for order in effects.orders {
            match order {
                Order::Probe { pod_uid, probes } => self.prober.watch(&pod_uid, probes),
                order => {
                    if let Order::Clean { pod_uid } = &order {
                        self.prober.watch(pod_uid, Arc::default());
                    }
                    self.runtime.order(order);
                }
            }
        }
        for (id, reply) in effects.replies {
            self.requests.answer(id, reply);
        }
        if let Some(folder) = input.folder.take() {
            let _ = folder.send(effects.files);
        }
        if effects.files_again {
            self.folder.look();
        }
        run_log::turn(&effects.runs, &effects.notes, &self.metrics);
        if effects.committed {
            self.runtime.committed(std::mem::take(&mut self.reports));
        }
        Wake::new(effects.wake_at, effects.runs_at_wake)
    }

    fn disk_failed(&mut self, error: &DiskError, input: &mut Input) -> Wake {
        self.storage.fails(Instant::now(), run_log::chain(error));
        if let Err(error) = self.engine.recover_disk() {
            self.storage.stays_closed(&run_log::chain(&error));
        }
        self.hold(input)
    }

    fn write_dump(&self) {
        let text = serde_json::to_vec_pretty(&self.engine.dump()).expect("plain data serializes");
        match std::fs::write(&self.dump_path, text) {
            Ok(()) => tracing::info!(path = %self.dump_path.display(), "state dump written"),
            Err(error) => tracing::error!(%error, "the state dump cannot be written"),
        }
    }
}

/// A report that is the runtime's, not the prober's.
fn is_of_runtime(event: &Event) -> bool {
    matches!(event, Event::Report(report) if !matches!(report.event, ContainerEvent::Probed(_)))
}
