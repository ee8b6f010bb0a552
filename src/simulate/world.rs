//! The loop of a simulated life: what happens next, and to whom.

use super::disk::SimDisk;
use super::faults::{self, Mischief};
use super::invariants::Books;
use super::rollouts::Rollouts;
use super::rules::owners::Deleted;
use super::rules::writes::Counter;
use super::runtime::{Host, SimRuntime, milliseconds_up};
use super::{Broken, Outcome, Setup, quiescence, services};
use cronlet_api::kind::{Key, Kind, Object};
use cronlet_api::refused::Refused;
use cronlet_api::run::Outcome as RunOutcome;
use cronlet_api::seed::Seed;
use cronlet_api::settings::Settings;
use cronlet_api::time::{ClockStep, Timestamp};
use cronlet_engine::store::{ChangeVerb, Reader, Store};
use cronlet_engine::{DeleteOptions, Effects, Engine, Event, Request};
use cronlet_plan::runtime::Runtime;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

/// A turn that answers itself for so long makes no progress.
const TURNS_AT_ONE_INSTANT_MAX: u32 = 500;

/// Makes the counter's seed another than the life's.
const COUNTER: u64 = 0x9e37_79b9_7f4a_7c15;

/// So many true milliseconds without news, and the daemon rests.
const REST_AFTER: i64 = 5000;

pub(super) struct World {
    pub setup: Setup,
    pub seed: Seed,
    pub host: Rc<RefCell<Host>>,
    pub disk: SimDisk,
    /// `None` while the daemon is down.
    daemon: Option<Daemon>,
    pub books: Books,
    pub rollouts: Rollouts,
    /// When the daemon comes back, in true milliseconds.
    back_at: i64,
    next_mischief: i64,
    /// When the disk that is full or away is sound again.
    pub room_at: Option<i64>,
    /// The daemon was away or the clock was set since the last turn.
    late: bool,
    /// What was acknowledged: is there, or is not.
    acknowledged: BTreeMap<Key, bool>,
    pub outcome: Outcome,
    trace: DefaultHasher,
    names: u64,
    counter: Counter,
    /// Requests that the daemon has not answered yet, by number.
    asked: BTreeMap<u64, Request>,
    last_request: u64,
}

/// A request and its answer.
type Answered = (Request, Result<Object, Refused>);

struct Daemon {
    engine: Engine,
    runtime: SimRuntime,
    reader: Reader,
    wake_at: Option<Timestamp>,
    version: u64,
    /// True time before which a failed disk is not tried again.
    retry_at: Option<i64>,
}

impl World {
    pub(crate) fn new(setup: &Setup) -> Result<World, Broken> {
        let offset = setup.start.as_millisecond();
        let mut world = World {
            setup: setup.clone(),
            seed: Seed::new(setup.seed),
            host: Rc::new(RefCell::new(Host::new(offset))),
            disk: disk(setup),
            daemon: None,
            books: Books::default(),
            rollouts: Rollouts::default(),
            back_at: 0,
            next_mischief: i64::MAX,
            room_at: None,
            late: false,
            acknowledged: BTreeMap::new(),
            outcome: Outcome::default(),
            trace: DefaultHasher::new(),
            names: 0,
            counter: Counter::new(Seed::new(setup.seed ^ COUNTER)),
            asked: BTreeMap::new(),
            last_request: 0,
        };
        world.plan_mischief();
        world.boot()?;
        let mut objects: Vec<Object> =
            (0..setup.cron_jobs).map(|_| faults::cron_job(&mut world)).collect();
        objects.extend((0..setup.services).map(|_| services::service(&mut world)));
        let volumes = if setup.services > 0 { services::volumes() } else { Vec::new() };
        objects.extend(volumes);
        let requests = objects.into_iter().map(Request::Create).collect();
        world.turn(requests)?;
        Ok(world)
    }

    pub(crate) fn live(mut self) -> Result<Outcome, Broken> {
        self.live_until(self.setup.seconds * 1000)?;
        self.settle()?;
        self.outcome.runs = self.host.borrow().ledger.len() as u64;
        self.outcome.skipped = self.books.skipped;
        self.outcome.trace = self.trace.finish();
        Ok(self.outcome)
    }

    /// Lives up to an instant of true time.
    pub(crate) fn live_until(&mut self, end: i64) -> Result<(), Broken> {
        let (mut instant, mut turns) = (-1, 0);
        loop {
            let next = self.next_instant();
            let next = self.probe_until(next.min(end)).unwrap_or(next);
            if next > end {
                // Time passes too when nothing happens.
                self.host.borrow_mut().advance(end);
                return Ok(());
            }
            turns = if next == instant { turns + 1 } else { 0 };
            instant = next;
            if turns > TURNS_AT_ONE_INSTANT_MAX {
                return Err(self.broken("turns without progress"));
            }
            if next > self.host.borrow().now + REST_AFTER {
                self.rest()?;
            }
            self.host.borrow_mut().advance(next);
            self.step()?;
        }
    }

    /// The daemon has time. (In a calm life nothing comes of it, which the others see.)
    fn rest(&mut self) -> Result<(), Broken> {
        let is_calm = self.setup.mischief_per_hour == 0;
        let daemon = self.daemon.as_mut().filter(|daemon| !is_calm && daemon.retry_at.is_none());
        if daemon.is_some_and(|daemon| daemon.engine.rest().is_err()) {
            let now = self.host.borrow().now;
            return self.disk_failed(now);
        }
        Ok(())
    }

    /// Probes ask until something else happens; or until one has news, at this instant.
    fn probe_until(&mut self, end: i64) -> Option<i64> {
        let daemon = self.daemon.as_mut()?;
        let prober = &mut daemon.runtime.prober;
        while let Some(at) = prober.next().filter(|at| *at < end) {
            self.host.borrow_mut().advance(at);
            prober.ask();
            if daemon.retry_at.is_none() && self.host.borrow().has_news() {
                return Some(at.max(self.host.borrow().now));
            }
        }
        None
    }

    fn next_instant(&self) -> i64 {
        let host = self.host.borrow();
        let wake = match &self.daemon {
            None => Some(self.back_at),
            Some(daemon) => daemon
                .retry_at
                .or_else(|| daemon.wake_at.map(|at| milliseconds_up(at) - host.offset)),
        };
        let listens = self.daemon.as_ref().is_some_and(|daemon| daemon.retry_at.is_none());
        let news = (listens && host.has_news()).then_some(host.now);
        let all = [wake, news, host.next_end(), Some(self.next_mischief), self.room_at];
        all.into_iter().flatten().min().expect("mischief is always planned").max(host.now)
    }

    fn step(&mut self) -> Result<(), Broken> {
        let now = self.host.borrow().now;
        if self.room_at.is_some_and(|at| at <= now) {
            self.room_at = None;
            self.disk.set_full(false);
            self.disk.set_away(false);
        }
        if self.daemon.is_none() && self.back_at <= now {
            return self.boot();
        }
        let mut requests = Vec::new();
        if self.next_mischief <= now {
            self.plan_mischief();
            match faults::draw(self) {
                Mischief::Request(request) => requests.push(request),
                Mischief::Crash => return self.crash(false),
                Mischief::PowerCut => return self.crash(true),
                Mischief::StepClock(milliseconds) => return self.step_clock(milliseconds),
                Mischief::Done => {}
            }
            if let Some(reader) = self.reader() {
                requests.extend(self.counter.draw(&reader));
            }
        }
        self.turn(requests)
    }

    fn plan_mischief(&mut self) {
        let hour = 3_600_000;
        let mean = hour / self.setup.mischief_per_hour.max(1);
        let calm = self.setup.mischief_per_hour == 0;
        let wait = if calm { i64::MAX / 4 } else { self.seed.below(2 * mean) as i64 + 1 };
        self.next_mischief = self.host.borrow().now + wait;
    }

    /// One turn of the engine, and everything that must hold after it.
    pub(crate) fn turn(&mut self, requests: Vec<Request>) -> Result<(), Broken> {
        self.turn_ahead()?;
        let Some(daemon) = self.daemon.as_mut() else { return Ok(()) };
        let (now, wall) = (self.host.borrow().now, self.host.borrow().wall());
        self.outcome.turns += 1;
        daemon.retry_at = None;
        let mut events: Vec<Event> =
            self.host.borrow_mut().take_news().into_iter().map(Event::Report).collect();
        for request in requests {
            self.last_request += 1;
            self.asked.insert(self.last_request, request.clone());
            events.push(Event::Request { id: self.last_request, request });
        }
        match daemon.engine.handle(events, wall) {
            Ok(effects) => self.carry_out(effects, wall),
            Err(_) => {
                self.doubt();
                self.disk_failed(now)
            }
        }
    }

    /// Where the power failed amid a commit, what was asked for in it may be so, though nobody was
    /// told.
    fn doubt(&mut self) {
        let asked = std::mem::take(&mut self.asked);
        for request in asked.values().filter(|_| self.disk.is_dead()) {
            if Counter::is_asked(request) {
                self.counter.doubt();
            }
            let key = match request {
                Request::Delete { key, .. } => key.clone(),
                Request::Create(object) | Request::Update(object) => object.key(),
                _ => continue,
            };
            if key.kind == Kind::CronJob {
                self.books.close_account(&key.name);
            }
            if let Request::Delete { .. } = request {
                self.acknowledged.remove(&key);
            }
        }
    }

    /// What the daemon decides before a slot and does at the slot, where nothing happens between
    /// the two.
    fn turn_ahead(&mut self) -> Result<(), Broken> {
        loop {
            let (now, wall) = (self.host.borrow().now, self.host.borrow().wall());
            let Some(daemon) = self.daemon.as_mut() else { return Ok(()) };
            if daemon.retry_at.is_some() || daemon.wake_at != Some(wall) {
                return Ok(());
            }
            match daemon.engine.handle_ahead(wall) {
                Ok(None) => return Ok(()),
                Ok(Some(effects)) => self.carry_out(effects, wall)?,
                Err(_) => {
                    self.doubt();
                    return self.disk_failed(now);
                }
            }
        }
    }

    fn disk_failed(&mut self, now: i64) -> Result<(), Broken> {
        if self.disk.is_dead() {
            return self.crash(true);
        }
        let daemon = self.daemon.as_mut().expect("a turn was taken");
        let _ = daemon.engine.recover_disk();
        daemon.retry_at = Some(now + 1000);
        self.disturbed();
        Ok(())
    }

    /// The daemon may be late for what is due by now.
    fn disturbed(&mut self) {
        self.late = true;
        self.rollouts.disturbed(self.host.borrow().now);
    }

    fn carry_out(&mut self, mut effects: Effects, wall: Timestamp) -> Result<(), Broken> {
        self.hash(&effects, wall);
        self.outcome.commits += u64::from(effects.wrote);
        let replies = std::mem::take(&mut effects.replies).into_iter();
        let mut asked = |id| self.asked.remove(&id).expect("each request is answered once");
        let answered: Vec<Answered> = replies.map(|(id, reply)| (asked(id), reply)).collect();
        self.acknowledge(&answered, wall).map_err(|what| self.broken(&what))?;
        let deleted = deleted(&answered);
        let daemon = self.daemon.as_mut().expect("a turn was taken");
        let version = std::mem::replace(&mut daemon.version, daemon.reader.version());
        // A crash between the commit and the orders: some are given, some are not.
        let given = match self.setup.mischief_per_hour > 0 && self.seed.below(400) == 0 {
            true => self.seed.below(effects.orders.len() as u64 + 1) as usize,
            false => effects.orders.len(),
        };
        let crashes = given < effects.orders.len();
        let reader = daemon.reader.clone();
        let checked = self.check_services(&reader, version, &deleted, &effects);
        checked.map_err(|what| self.broken(&what))?;
        let daemon = self.daemon.as_mut().expect("a turn was taken");
        for order in effects.orders.into_iter().take(given) {
            daemon.runtime.order(order);
        }
        daemon.wake_at = effects.wake_at;
        // What is due may take several turns at one instant.
        let is_over = effects.wake_at.is_none_or(|at| at > wall);
        let late = is_over.then(|| std::mem::take(&mut self.late));
        let checked = self.check(&reader, version, &effects.runs, wall, late);
        checked.map_err(|what| self.broken(&what))?;
        if crashes { self.crash(false) } else { Ok(()) }
    }

    fn check_services(
        &mut self,
        reader: &Reader,
        version: u64,
        deleted: &Deleted,
        effects: &Effects,
    ) -> Result<(), String> {
        if !self.has_services() {
            return Ok(());
        }
        let host = self.host.borrow();
        if host.fork_failures > 0 {
            self.rollouts.disturbed(host.now);
        }
        self.rollouts.check(reader, version, deleted, effects, &host)?;
        self.rollouts.check_orders(&effects.orders, &host)
    }

    fn check(
        &mut self,
        reader: &Reader,
        version: u64,
        runs: &[cronlet_api::run::Run],
        wall: Timestamp,
        late: Option<bool>,
    ) -> Result<(), String> {
        let host = self.host.borrow();
        if let Some(broken) = host.broken.first() {
            return Err(broken.clone());
        }
        self.counter.check(reader)?;
        self.books.check_slots(runs, wall, late)?;
        if let Ok((changes, _)) = reader.changes_since(version, Kind::Job, None) {
            for change in changes.iter().filter(|change| change.verb() != ChangeVerb::Deleted) {
                let Object::Job(job) = change.object() else { continue };
                self.books.check_job(&job)?;
                self.books.check_finished(&job, &host)?;
            }
        }
        self.books.check_held_back(reader)?;
        self.books.check_overlap(&host)
    }

    fn hash(&mut self, effects: &Effects, wall: Timestamp) {
        wall.hash(&mut self.trace);
        for order in &effects.orders {
            format!("{order:?}").hash(&mut self.trace);
        }
        for run in &effects.runs {
            (&run.job, run.scheduled, run.outcome == RunOutcome::Succeeded).hash(&mut self.trace);
        }
    }

    /// Takes note of what the daemon said is so.
    fn acknowledge(&mut self, answered: &[Answered], wall: Timestamp) -> Result<(), String> {
        for (asked, reply) in answered {
            let Ok(object) = reply else { continue };
            let key = object.key();
            if Counter::is_asked(asked) {
                self.counter.acknowledge(asked, object)?;
            }
            if key.kind != Kind::CronJob && !services::KINDS.contains(&key.kind) {
                continue;
            }
            let is_there = !matches!(asked, Request::Delete { .. });
            if object.is_going() {
                // It goes when what it owns is gone, or let go.
                self.acknowledged.remove(&key);
                continue;
            }
            if let Object::CronJob(cron_job) = object {
                match is_there {
                    true => self.books.open_account(cron_job, wall),
                    false => self.books.close_account(&key.name),
                }
            }
            self.acknowledged.insert(key, is_there);
        }
        Ok(())
    }

    /// The daemon dies; with `power`, the disk tears and every process dies too.
    fn crash(&mut self, power: bool) -> Result<(), Broken> {
        self.outcome.crashes += 1;
        self.asked.clear();
        self.disk.kill();
        self.daemon = None;
        if power {
            self.disk.crash(&mut self.seed);
            self.host.borrow_mut().reboot();
        } else {
            self.disk.revive();
            self.host.borrow_mut().forget_news();
        }
        let away = [0, 0, 1000, 60_000, 7_200_000][self.seed.below(5) as usize];
        let away = self.seed.below(away + 1) as i64;
        self.back_at = self.host.borrow().now + away;
        self.disturbed();
        Ok(())
    }

    fn step_clock(&mut self, milliseconds: i64) -> Result<(), Broken> {
        let from = self.host.borrow().wall();
        self.host.borrow_mut().offset += milliseconds;
        self.disturbed();
        let now = self.host.borrow().now;
        self.rollouts.clock_was_set(milliseconds, now, true);
        let to = self.host.borrow().wall();
        self.books.clock_was_set(milliseconds, to, self.daemon.is_some());
        let Some(daemon) = self.daemon.as_mut() else {
            self.rollouts.clock_was_set(milliseconds, now, false);
            return Ok(());
        };
        let step = ClockStep { from, by_milliseconds: milliseconds };
        let wall = self.host.borrow().wall();
        match daemon.engine.handle(vec![Event::ClockStepped(step)], wall) {
            Ok(effects) => self.carry_out(effects, wall),
            Err(_) => {
                self.doubt();
                self.rollouts.clock_was_set(milliseconds, now, false);
                self.books.clock_was_set(-milliseconds, from, false);
                self.disk_failed(now)
            }
        }
    }

    fn boot(&mut self) -> Result<(), Broken> {
        let host = self.host.clone();
        let mut runtime = SimRuntime::new(host, Seed::new(self.seed.draw()));
        let store = match Store::open(self.disk.clone()) {
            Ok(store) => store,
            Err(_) if self.room_at.is_some() => {
                self.back_at = self.room_at.expect("the disk is full");
                return Ok(());
            }
            Err(_) if self.disk.is_dead() => return self.crash(true),
            Err(error) => return Err(self.broken(&format!("the store does not open: {error:?}"))),
        };
        let reader = store.reader();
        let Ok(recovered) = runtime.recover();
        let seed = Seed::new(self.seed.draw());
        let boot_clock = Some(self.host.borrow().boot_clock());
        let settings = Settings { boot_clock, ..Settings::default() };
        let engine = Engine::new(store, settings, seed, recovered);
        let engine = engine.map_err(|error| self.broken(&error.to_string()))?;
        self.check_acknowledged(&reader)?;
        self.counter.check(&reader).map_err(|what| self.broken(&what))?;
        if self.has_services() {
            self.rollouts.reload(&reader, self.host.borrow().now);
        }
        self.disturbed();
        let (version, wake_at) = (reader.version(), Some(self.host.borrow().wall()));
        self.daemon = Some(Daemon { engine, runtime, reader, wake_at, version, retry_at: None });
        Ok(())
    }

    /// What was acknowledged before the crash is on the disk after it.
    fn check_acknowledged(&self, reader: &Reader) -> Result<(), Broken> {
        for (key, there) in &self.acknowledged {
            if reader.get(key).is_some() != *there {
                let what =
                    if *there { "was acknowledged and is lost" } else { "was deleted and is back" };
                return Err(self.broken(&format!("{key} {what}")));
            }
        }
        Ok(())
    }

    /// The end: with all CronJobs gone and time to finish, nothing is left over.
    fn settle(&mut self) -> Result<(), Broken> {
        self.setup.mischief_per_hour = 0;
        self.plan_mischief();
        self.room_at = Some(self.host.borrow().now);
        self.host.borrow_mut().fork_failures = 0;
        if self.has_services() {
            quiescence::check(self)?;
            self.insist(quiescence::deleted)?;
            self.live_for(quiescence::HOUR)?;
            quiescence::check_claims(self)?;
            self.insist(quiescence::unclaimed)?;
        }
        self.insist(quiescence::unscheduled)?;
        self.live_for(6 * quiescence::HOUR)?;
        let Some(daemon) = &self.daemon else {
            return Err(self.broken("the daemon never came back"));
        };
        let left = |kind| daemon.reader.list(kind, None).0.len();
        let sets = left(Kind::ReplicaSet) + left(Kind::ControllerRevision);
        let claims = left(Kind::PersistentVolumeClaim);
        if (sets, claims) != (0, 0) {
            let what = format!("left over: {sets} sets and revisions, {claims} claims");
            return Err(self.broken(&what));
        }
        let (jobs, pods, folders) =
            (left(Kind::Job), left(Kind::Pod), self.host.borrow().folders());
        let running = self.host.borrow().running.len();
        if (jobs, pods, folders, running) != (0, 0, 0, 0) {
            let what = format!(
                "left over: {jobs} jobs, {pods} pods, {folders} folders, {running} processes"
            );
            return Err(self.broken(&what));
        }
        Ok(())
    }

    /// A name that no object had before.
    pub(crate) fn new_name(&mut self) -> String {
        self.names += 1;
        format!("c{}", self.names)
    }

    pub(crate) fn has_services(&self) -> bool {
        self.setup.services > 0
    }

    /// What tells one template from another.
    pub(crate) fn new_version(&mut self) -> String {
        self.names += 1;
        format!("v{}", self.names)
    }

    pub(crate) fn reader(&self) -> Option<Reader> {
        self.daemon.as_ref().map(|daemon| daemon.reader.clone())
    }

    pub(crate) fn broken(&self, what: &str) -> Broken {
        Broken { seed: self.setup.seed, at: self.host.borrow().wall(), what: what.to_owned() }
    }
}

/// One whose journal is folded at every commit, soon, or now and then; in a calm life as rarely as
/// on a host.
fn disk(setup: &Setup) -> SimDisk {
    let disk = SimDisk::default();
    if setup.mischief_per_hour > 0 {
        disk.set_journal_bytes_max([0, 16 << 10, 256 << 10][setup.seed as usize % 3]);
    }
    disk
}

/// What was asked to be deleted, and is or will be.
fn deleted(answered: &[Answered]) -> Deleted {
    let done = answered.iter().filter(|(_, reply)| reply.is_ok());
    done.filter_map(|(asked, _)| match asked {
        Request::Delete { key, options } => Some((key.clone(), options.propagation.clone())),
        _ => None,
    })
    .collect()
}

pub(super) fn delete(kind: Kind, name: &str) -> Request {
    let key = cronlet_api::kind::Key::new(kind, "default", name);
    Request::Delete { key, options: DeleteOptions::default() }
}
