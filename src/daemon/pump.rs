//! The engine's thread: waits for the next due time or for news, takes a turn, carries out what it
//! decided.

use super::alarm::Alarm;
use super::config::PodsAtShutdown;
use super::inbox::{Committed, Inbox, Message};
use super::report;
use super::systemd::Notifier;
use crate::engine::{Effects, Engine, Event};
use crate::kinds::pod::observed::Order;
use crate::kinds::refused::Refused;
use crate::probes::Prober;
use crate::runtimes::Runtime;
use crate::server::{Ask, Metrics};
use crate::store::DiskError;
use crate::time::{Clock, SignedDuration, SystemClock, Timestamp};
use rustix::event::{PollFd, PollFlags, poll};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

/// After the disk failed, how long until it is tried again.
const DISK_RETRY: SignedDuration = SignedDuration::from_secs(1);

/// After so long without anything to do, memory that only speed wanted is given back.
const REST_AFTER: Duration = Duration::from_secs(5);

/// What the engine's thread works with.
pub struct Pump<R, P> {
    pub engine: Engine,
    pub runtime: R,
    pub prober: P,
    pub inbox: Arc<Inbox>,
    pub metrics: Arc<Metrics>,
    pub at_shutdown: PodsAtShutdown,
    pub dump_path: PathBuf,
    pub notifier: Notifier,
    pub watchdog: Option<Duration>,
}

/// Who waits for the answer to a request.
enum Waiting {
    Api(crate::server::Reply<crate::kinds::Object>),
    /// The n-th request of some events that were sent together.
    Batch(usize),
}

struct Batch {
    left: usize,
    replies: Committed,
    done: SyncSender<Committed>,
}

/// What one look into the inbox brings.
#[derive(Default)]
struct News {
    events: Vec<Event>,
    waiting: BTreeMap<u64, Waiting>,
    batches: Vec<Batch>,
    dump: bool,
    shutdown: bool,
}

impl<R: Runtime, P: Prober> Pump<R, P> {
    /// Runs until it is told to leave. The first turn waits for the first news, which is what the
    /// jobs folder says: a schedule that was edited while the daemon was away must not run by its
    /// old times.
    pub fn run(mut self) -> rustix::io::Result<()> {
        let mut alarm = Alarm::new()?;
        let mut wake_at = None;
        let mut leaving = false;
        let mut rested = false;
        loop {
            let patience = if rested { self.watchdog } else { Some(REST_AFTER) };
            let woken = self.wait(&alarm, wake_at, patience)?;
            if !woken {
                rested = rested || self.rest(wake_at);
                continue;
            }
            rested = false;
            let mut news = self.read_inbox();
            if let Some(step) = alarm.stepped() {
                tracing::warn!(milliseconds = step.by_milliseconds, "the clock was set");
                news.events.push(Event::ClockStepped(step));
            }
            if news.shutdown && !leaving {
                leaving = true;
                self.notifier.stopping();
                news.events.push(match self.at_shutdown {
                    PodsAtShutdown::Leave => Event::Quiesce,
                    PodsAtShutdown::Drain => Event::Drain,
                });
            }
            wake_at = self.turn(news);
            if leaving
                && (self.at_shutdown == PodsAtShutdown::Leave || !self.engine.has_running_pods())
            {
                return Ok(());
            }
        }
    }

    /// Gives back memory, unless something is due so soon that it would be late for it.
    fn rest(&self, wake_at: Option<Timestamp>) -> bool {
        let soon = SystemClock.now() + SignedDuration::from_secs(1);
        let has_time = wake_at.is_none_or(|at| at > soon);
        if has_time {
            self.engine.rest();
            crate::host::memory::give_back();
        }
        has_time
    }

    /// Waits for the wake, for news, or for as long as its patience lasts: then it says false.
    fn wait(
        &self,
        alarm: &Alarm,
        wake_at: Option<Timestamp>,
        patience: Option<Duration>,
    ) -> rustix::io::Result<bool> {
        alarm.set(wake_at)?;
        let mut descriptors =
            [PollFd::new(alarm, PollFlags::IN), PollFd::new(&*self.inbox, PollFlags::IN)];
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
        if self.watchdog.is_some() {
            self.notifier.alive();
        }
        Ok(woken)
    }

    fn read_inbox(&self) -> News {
        let mut news = News::default();
        let mut next_id = 0;
        for message in self.inbox.take() {
            match message {
                Message::Events { events, done: None } => news.events.extend(events),
                Message::Events { events, done: Some(done) } => {
                    news.take_batch(events, done, &mut next_id);
                }
                Message::Ask(Ask::Change { request, reply }) => {
                    next_id += 1;
                    news.events.push(Event::Request { id: next_id, request });
                    news.waiting.insert(next_id, Waiting::Api(reply));
                }
                Message::Ask(Ask::Reload { .. }) => unreachable!("the folder's thread reloads"),
                Message::Ask(Ask::Dump { reply }) => drop(reply.send(Ok(self.engine.dump()))),
                Message::Dump => news.dump = true,
                Message::Shutdown => news.shutdown = true,
            }
        }
        news
    }

    fn turn(&mut self, mut news: News) -> Option<Timestamp> {
        let events = std::mem::take(&mut news.events);
        let wake_at = match self.engine.handle(events, SystemClock.now()) {
            Ok(effects) => self.carry_out(effects, &mut news),
            Err(error) => {
                self.disk_failed(&error, &mut news);
                SystemClock.now().checked_add(DISK_RETRY).ok()
            }
        };
        if news.dump {
            self.write_dump();
        }
        wake_at
    }

    fn carry_out(&mut self, effects: Effects, news: &mut News) -> Option<Timestamp> {
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
            news.answer(id, reply);
        }
        news.finish();
        report::turn(&effects.runs, &effects.notes, &self.metrics);
        effects.wake_at
    }

    fn disk_failed(&mut self, error: &DiskError, news: &mut News) {
        let words = report::chain(error);
        tracing::error!(
            error = words,
            "the state cannot be written: nothing is started until it can"
        );
        let ids: Vec<u64> = news.waiting.keys().copied().collect();
        for id in ids {
            news.answer(id, Err(Refused::Internal(words.clone())));
        }
        // Who sent a batch sees by its end without an answer that nothing of it was committed.
        news.batches.clear();
        if let Err(error) = self.engine.recover_disk() {
            tracing::error!(error = report::chain(&error), "the state cannot be read again");
        }
    }

    fn write_dump(&self) {
        let text = serde_json::to_vec_pretty(&self.engine.dump()).expect("plain data serializes");
        match std::fs::write(&self.dump_path, text) {
            Ok(()) => tracing::info!(path = %self.dump_path.display(), "state dump written"),
            Err(error) => tracing::error!(%error, "the state dump cannot be written"),
        }
    }
}

impl News {
    fn take_batch(&mut self, events: Vec<Event>, done: SyncSender<Committed>, next_id: &mut u64) {
        let mut left = 0;
        for mut event in events {
            if let Event::Request { id, .. } = &mut event {
                *next_id += 1;
                *id = *next_id;
                left += 1;
                self.waiting.insert(*id, Waiting::Batch(self.batches.len()));
            }
            self.events.push(event);
        }
        self.batches.push(Batch { left, replies: Vec::with_capacity(left), done });
    }

    fn answer(&mut self, id: u64, reply: Result<crate::kinds::Object, Refused>) {
        match self.waiting.remove(&id) {
            // Whoever asked may be gone, and no longer cares.
            Some(Waiting::Api(sender)) => drop(sender.send(reply)),
            Some(Waiting::Batch(at)) => {
                self.batches[at].left -= 1;
                self.batches[at].replies.push(reply);
            }
            None => {}
        }
    }

    /// Tells those who sent several events together that all are committed, or refused.
    fn finish(&mut self) {
        for batch in self.batches.drain(..) {
            debug_assert_eq!(batch.left, 0, "each request is answered once");
            let _ = batch.done.send(batch.replies);
        }
    }
}
