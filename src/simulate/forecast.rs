//! A look ahead: CronJobs run by the real plans, engine and store, on virtual time and a virtual
//! host where nothing goes wrong (`cronlet simulate`).
//!
//! Every program is taken to start, to run for so long, and to succeed; nothing outside this
//! process is touched.

use super::disk::SimDisk;
use super::runtime::{Host, SimRuntime, milliseconds_up};
use cronlet_api::cron_job::timing::Timing;
use cronlet_api::kind::{Key, Object};
use cronlet_api::refused::Refused;
use cronlet_api::run::{Outcome, Run};
use cronlet_api::seed::Seed;
use cronlet_api::settings::Settings;
use cronlet_api::time::{SignedDuration, Timestamp};
use cronlet_engine::store::{DiskError, Reader, Store};
use cronlet_engine::{Effects, Engine, Event, Request};
use cronlet_plan::runtime::Runtime;
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::{Container, PodSpec};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

/// What to look ahead at.
#[derive(Debug, Clone)]
pub struct Forecast {
    /// As their manifests have them, each with its namespace and name.
    pub cron_jobs: Vec<Rehearsal>,
    pub settings: Settings,
    /// Slots from here on are run, up to but without `to`; a run that has begun is followed to its
    /// end.
    pub from: Timestamp,
    pub to: Timestamp,
    /// So many runs are enough: then no more are scheduled.
    pub runs_max: usize,
}

/// A CronJob, and how long each program of its pods is taken to run.
#[derive(Debug, Clone)]
pub struct Rehearsal {
    pub cron_job: Arc<CronJob>,
    pub duration: SignedDuration,
}

/// What would happen.
#[derive(Debug, Clone, Default)]
pub struct Foreseen {
    /// By slot, then CronJob; the skipped ones too.
    pub runs: Vec<Run>,
    /// Where it stopped short of `to`, because there were too many runs.
    pub stopped_at: Option<Timestamp>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ForecastError {
    #[error("the simulated disk failed")]
    Disk(#[from] DiskError),
    #[error("{0}")]
    Refused(Refused),
}

/// A sidecar runs until it is stopped, when the containers beside it have ended.
const FOREVER_MILLISECONDS: i64 = 100 * 365 * 86_400_000;

/// A run takes a handful of turns; more than this on the average is a Job of very many pods.
const TURNS_PER_RUN_MAX: usize = 100;

/// Runs the CronJobs on virtual time.
pub fn forecast(asked: &Forecast) -> Result<Foreseen, ForecastError> {
    Ahead::new(asked)?.live()
}

/// What happens to the CronJobs besides time.
enum Step {
    Create(Object),
    Suspend(Key),
}

struct Ahead {
    engine: Engine,
    runtime: SimRuntime,
    host: Rc<RefCell<Host>>,
    reader: Reader,
    wake_at: Option<Timestamp>,
    /// In the order of their true time, in milliseconds.
    script: VecDeque<(i64, Step)>,
    runs: BTreeMap<(Timestamp, String, String), Run>,
    /// Runs that have not ended.
    open: usize,
    runs_max: usize,
    stopped_at: Option<Timestamp>,
}

impl Ahead {
    fn new(asked: &Forecast) -> Result<Ahead, ForecastError> {
        // A slot counts when it lies after the making of its CronJob.
        let begin = asked.from.as_second() - 1;
        let host = Rc::new(RefCell::new(Host::new(begin * 1000)));
        let store = Store::open(SimDisk::default())?;
        let reader = store.reader();
        let engine = Engine::new(store, asked.settings.clone(), Seed::new(0), Vec::new())?;
        Ok(Ahead {
            engine,
            reader,
            runtime: SimRuntime::new(host.clone(), Seed::new(0)),
            host,
            wake_at: None,
            script: script(asked, begin),
            runs: BTreeMap::new(),
            open: 0,
            runs_max: asked.runs_max,
            stopped_at: None,
        })
    }

    fn live(mut self) -> Result<Foreseen, ForecastError> {
        let turns_max = self.runs_max.saturating_add(100).saturating_mul(TURNS_PER_RUN_MAX);
        for _ in 0..turns_max {
            let Some(next) = self.next_instant() else { return Ok(self.foreseen()) };
            self.host.borrow_mut().advance(next);
            self.turn()?;
            if self.runs.len() >= self.runs_max && !self.script.is_empty() {
                self.stop_scheduling();
            }
        }
        self.stopped_at = Some(self.host.borrow().wall());
        Ok(self.foreseen())
    }

    /// `None` when nothing more can happen to any run.
    fn next_instant(&self) -> Option<i64> {
        if self.script.is_empty() && self.open == 0 {
            return None;
        }
        let host = self.host.borrow();
        let wake = self.wake_at.map(|at| milliseconds_up(at) - host.offset);
        let step = self.script.front().map(|(at, _)| *at);
        let news = host.has_news().then_some(host.now);
        let all = [wake, step, news, host.next_end()];
        Some(all.into_iter().flatten().min()?.max(host.now))
    }

    fn turn(&mut self) -> Result<(), ForecastError> {
        let (now, wall) = (self.host.borrow().now, self.host.borrow().wall());
        let news = self.host.borrow_mut().take_news();
        let mut events: Vec<Event> = news.into_iter().map(Event::Report).collect();
        while self.script.front().is_some_and(|(at, _)| *at <= now) {
            let (_, step) = self.script.pop_front().expect("front() saw one");
            let request = match step {
                Step::Create(object) => Some(Request::Create(object)),
                Step::Suspend(key) => self.suspended(&key),
            };
            events.extend(request.map(|request| Event::Request { id: 0, request }));
        }
        let effects = self.engine.handle(events, wall)?;
        self.carry_out(effects)
    }

    fn suspended(&self, key: &Key) -> Option<Request> {
        let Object::CronJob(mut cron_job) = self.reader.get(key)? else { return None };
        Arc::make_mut(&mut cron_job).spec.suspend = Some(true);
        Arc::make_mut(&mut cron_job).metadata.resource_version = None;
        Some(Request::Update(Object::CronJob(cron_job)))
    }

    fn carry_out(&mut self, effects: Effects) -> Result<(), ForecastError> {
        let refused = effects.replies.into_iter().find_map(|(_, reply)| reply.err());
        if let Some(refused) = refused {
            return Err(ForecastError::Refused(refused));
        }
        effects.orders.into_iter().for_each(|order| self.runtime.order(order));
        effects.runs.into_iter().for_each(|run| self.take(run));
        self.wake_at = effects.wake_at;
        Ok(())
    }

    fn take(&mut self, run: Run) {
        let key = (run.scheduled, run.namespace.clone(), run.cron_job.clone());
        let is_open = |run: &Run| usize::from(run.outcome == Outcome::Running);
        self.open += is_open(&run);
        if let Some(before) = self.runs.insert(key, run) {
            self.open -= is_open(&before);
        }
    }

    /// There are runs enough: from here on it is as after `to`.
    fn stop_scheduling(&mut self) {
        let host = self.host.borrow();
        self.stopped_at = Some(host.wall());
        let steps = std::mem::take(&mut self.script).into_iter();
        let rest = steps.filter(|(_, step)| matches!(step, Step::Suspend(_)));
        self.script = rest.map(|(_, step)| (host.now, step)).collect();
        self.runs_max = usize::MAX;
    }

    fn foreseen(self) -> Foreseen {
        Foreseen { runs: self.runs.into_values().collect(), stopped_at: self.stopped_at }
    }
}

/// Makes each CronJob at the beginning and suspends it at the end. `begin`: where true time is
/// zero, in Unix seconds.
fn script(asked: &Forecast, begin: i64) -> VecDeque<(i64, Step)> {
    let mut steps = Vec::new();
    for Rehearsal { cron_job, duration } in &asked.cron_jobs {
        let timing = Timing::read(cron_job, &asked.settings).ok();
        let schedule = timing.as_ref().map(|timing| &timing.schedule);
        // Such a schedule counts from where it begins.
        let counts = schedule.is_some_and(|schedule| schedule.period_seconds().is_some());
        let jitter = timing.as_ref().map_or(0, |timing| timing.jitter.as_millis());
        let object = Object::from(rehearsed(cron_job, *duration));
        let key = object.key();
        let end = (asked.to.as_millisecond() - begin * 1000)
            .saturating_add(i64::try_from(jitter).unwrap_or(0));
        steps.push((if counts { 1000 } else { 0 }, Step::Create(object)));
        steps.push((end, Step::Suspend(key)));
    }
    steps.sort_by_key(|(at, _)| *at);
    steps.into()
}

/// The CronJob with programs of the virtual host in place of its own, and nothing else that this
/// host might lack: no volumes, environment, users, probes or hooks.
fn rehearsed(cron_job: &CronJob, duration: SignedDuration) -> CronJob {
    let mut cron_job = cron_job.clone();
    let job = cron_job.spec.job_template.spec.as_mut();
    let Some(spec) = job.and_then(|job| job.template.spec.as_mut()) else { return cron_job };
    let milliseconds = i64::try_from(duration.as_millis()).unwrap_or(FOREVER_MILLISECONDS);
    for container in &mut spec.containers {
        *container = program(container, milliseconds);
    }
    for container in spec.init_containers.iter_mut().flatten() {
        let is_sidecar = container.restart_policy.as_deref() == Some("Always");
        *container = program(container, if is_sidecar { FOREVER_MILLISECONDS } else { 0 });
    }
    *spec = PodSpec { volumes: None, security_context: None, ..std::mem::take(spec) };
    cron_job
}

fn program(container: &Container, milliseconds: i64) -> Container {
    Container {
        name: container.name.clone(),
        image: container.image.clone(),
        command: Some(vec!["sim".to_owned(), milliseconds.to_string(), "0".to_owned()]),
        restart_policy: container.restart_policy.clone(),
        ..Container::default()
    }
}
