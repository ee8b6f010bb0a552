//! A host in memory: processes that outlive the daemon, and the truth about what ran.
//!
//! A container's program is written in its arguments: `sim MILLISECONDS EXIT-CODE`, and for one
//! that serves `sim MILLISECONDS EXIT-CODE READY-AFTER STOPS-IN`, milliseconds both.

use super::prober::SimProber;
use cronlet_api::seed::Seed;
use cronlet_api::time::{BootClock, Timestamp};
use cronlet_plan::kubelet::probe::{Probe, ProbeKind};
use cronlet_plan::order::{
    ContainerEvent, ContainerObserved, ContainerState, Exit, HookState, Launch, Order, PodObserved,
    Report,
};
use cronlet_plan::prober::Prober;
use cronlet_plan::runtime::Runtime;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;

/// One start of one container, as it truly was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Started {
    pub pod: String,
    pub pod_uid: String,
    pub attempt: u32,
    /// Milliseconds of true time, which no clock step moves.
    pub at: i64,
    pub ended: Option<(i64, i32)>,
    /// The daemon asked it to stop.
    pub stopped: bool,
    /// Its liveness or startup probe failed: it may end by itself before it is stopped.
    pub failed_probe: bool,
}

impl Started {
    /// The name of its Job: the pod's, less its random suffix.
    pub(crate) fn job(&self) -> Option<&str> {
        self.pod.rsplit_once('-').map(|(job, _)| job)
    }
}

/// The name of a Job's CronJob: the Job's, less its slot.
pub(crate) fn cron_job_of(job: &str) -> &str {
    job.rsplit_once('-').map_or(job, |(name, _)| name)
}

#[derive(Debug)]
struct Process {
    attempt: u32,
    started_at: Timestamp,
    /// True time.
    ends: i64,
    code: i32,
    exit: Option<Exit>,
    /// How the attempt before ended.
    last: Option<Exit>,
    /// Its line in the ledger.
    line: usize,
    streak: u32,
    serves: Option<Service>,
}

/// How a program is that serves.
#[derive(Debug, Clone, Copy)]
struct Service {
    /// True time from which on it answers probes well.
    ready_at: i64,
    /// So long it takes to stop.
    stops_in: i64,
    /// Until then it answers no probe well.
    sick_until: i64,
    /// A probe came to a bad verdict: it may be stopped.
    condemned: bool,
    /// When the daemon that runs came to such a verdict.
    condemned_at: Option<i64>,
}

/// The machine under the daemon.
#[derive(Debug, Default)]
pub(crate) struct Host {
    /// True time, in milliseconds.
    pub now: i64,
    /// What the wall clock shows is `now + offset`.
    pub offset: i64,
    /// How often the host was switched on again.
    boots: u64,
    pods: BTreeMap<String, BTreeMap<String, Process>>,
    ends: BTreeSet<(i64, String, String)>,
    event: Vec<Report>,
    pub ledger: Vec<Started>,
    /// Lines of the ledger, by the name of the Job.
    pub of_job: HashMap<String, Vec<usize>>,
    /// Lines of the ledger that have no end yet.
    pub running: BTreeSet<usize>,
    /// The same, by the name of the CronJob.
    pub running_of: HashMap<String, Vec<usize>>,
    /// The last attempt of each container that was ever started, by the pod's uid.
    attempts: HashMap<(String, String), u32>,
    /// Of a thousand starts, so many fail as a refused fork does.
    pub fork_failures: u64,
    /// Broken promises of the contract, such as one attempt started twice.
    pub broken: Vec<String>,
}

impl Host {
    pub(crate) fn new(offset: i64) -> Host {
        Host { offset, ..Host::default() }
    }

    pub(crate) fn boot_clock(&self) -> BootClock {
        BootClock { id: self.boots.to_string(), wall_minus_boot_milliseconds: self.offset }
    }

    pub(crate) fn wall(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now + self.offset).expect("the simulation stays in range")
    }

    /// When the next process ends by itself, in true time.
    pub(crate) fn next_end(&self) -> Option<i64> {
        self.ends.first().map(|(at, ..)| *at)
    }

    /// Lets true time pass.
    pub(crate) fn advance(&mut self, to: i64) {
        while self.next_end().is_some_and(|at| at <= to) {
            let (at, uid, container) = self.ends.pop_first().expect("next_end saw one");
            self.now = self.now.max(at);
            self.end(&uid, &container, None);
        }
        self.now = self.now.max(to);
    }

    pub(crate) fn has_news(&self) -> bool {
        !self.event.is_empty()
    }

    /// What the runtime has to say since it was last asked.
    pub(crate) fn take_news(&mut self) -> Vec<Report> {
        std::mem::take(&mut self.event)
    }

    /// The daemon is gone; what it was not told yet, nobody tells it.
    pub(crate) fn forget_news(&mut self) {
        self.event.clear();
        let processes = self.pods.values_mut().flat_map(BTreeMap::values_mut);
        for service in processes.filter_map(|process| process.serves.as_mut()) {
            service.condemned_at = None;
        }
    }

    /// Power cut: nothing runs any more, the next daemon finds the folders.
    pub(crate) fn reboot(&mut self) {
        self.boots += 1;
        let running: Vec<_> = std::mem::take(&mut self.ends).into_iter().collect();
        for (_, uid, container) in running {
            self.end(&uid, &container, Some((137, "ContainerStatusUnknown")));
        }
        self.event.clear();
    }

    pub(crate) fn folders(&self) -> usize {
        self.pods.len()
    }

    fn end(&mut self, uid: &str, container: &str, killed: Option<(i32, &str)>) {
        let wall = self.wall();
        let Some(process) = self.pods.get_mut(uid).and_then(|pod| pod.get_mut(container)) else {
            return;
        };
        let (code, reason) = match killed {
            Some((code, reason)) => (code, reason),
            None if process.code == 0 => (0, "Completed"),
            None => (process.code, "Error"),
        };
        let exit = Exit {
            id: format!("cronlet://{uid}-{container}-{}", process.attempt),
            code,
            signal: None,
            left: 0,
            reason: reason.to_owned(),
            message: String::new(),
            started_at: process.started_at,
            finished_at: wall,
        };
        process.exit = Some(exit.clone());
        process.streak = if exit.was_steady() { 1 } else { process.streak + 1 };
        let (line, attempt) = (process.line, process.attempt);
        self.close(line, code);
        self.tell(uid, container, attempt, ContainerEvent::Exited(exit));
    }

    /// Enters an end in the ledger.
    fn close(&mut self, line: usize, code: i32) {
        self.ledger[line].ended = Some((self.now, code));
        self.running.remove(&line);
        let name = self.ledger[line].job().map(cron_job_of).unwrap_or_default();
        if let Some(running) = self.running_of.get_mut(name) {
            running.retain(|other| *other != line);
        }
    }

    /// What a probe of a program is answered at a true time until which nothing else happens.
    pub(crate) fn answer(&self, uid: &str, probe: &Probe, at: i64) -> bool {
        self.serving(uid, &probe.container, probe.attempt).is_some_and(|service| {
            let is_up = at >= service.ready_at || probe.kind == ProbeKind::Liveness;
            is_up && at >= service.sick_until
        })
    }

    fn serving(&self, uid: &str, container: &str, attempt: u32) -> Option<&Service> {
        let process = self.pods.get(uid)?.get(container)?;
        let runs = process.attempt == attempt && process.exit.is_none();
        process.serves.as_ref().filter(|_| runs)
    }

    pub(crate) fn condemn(&mut self, uid: &str, probe: &Probe) {
        let process = self.pods.get_mut(uid).and_then(|pod| pod.get_mut(&probe.container));
        let Some(process) = process else { return };
        if let Some(service) = process.serves.as_mut() {
            let is_fatal = probe.kind != ProbeKind::Readiness;
            self.ledger[process.line].failed_probe |= is_fatal;
            service.condemned |= is_fatal;
            service.condemned_at = service.condemned_at.or(is_fatal.then_some(self.now));
        }
    }

    /// Programs that run and were not asked to stop since a probe of theirs failed: the pod, and
    /// when that was.
    pub(crate) fn condemned(&self) -> impl Iterator<Item = (&str, i64)> {
        let running =
            self.pods.values().flat_map(BTreeMap::values).filter(|one| one.exit.is_none());
        running.filter_map(|process| {
            let started = &self.ledger[process.line];
            let at = process.serves.as_ref()?.condemned_at.filter(|_| !started.stopped)?;
            Some((started.pod.as_str(), at))
        })
    }

    /// Whether a program serves and gave no reason to stop it.
    pub(crate) fn is_blameless(&self, uid: &str, container: &str, attempt: u32) -> bool {
        self.serving(uid, container, attempt).is_some_and(|service| !service.condemned)
    }

    /// Programs that serve and run now: the pod's uid and the container.
    pub(crate) fn services(&self) -> Vec<(String, String)> {
        let all = self.pods.iter().flat_map(|(uid, pod)| pod.iter().map(move |one| (uid, one)));
        all.filter(|(_, (_, process))| process.serves.is_some() && process.exit.is_none())
            .map(|(uid, (container, _))| (uid.clone(), container.clone()))
            .collect()
    }

    /// A program answers no probe well for a while.
    pub(crate) fn sicken(&mut self, uid: &str, container: &str, milliseconds: i64) {
        let until = self.now + milliseconds;
        let process = self.pods.get_mut(uid).and_then(|pod| pod.get_mut(container));
        if let Some(service) = process.and_then(|process| process.serves.as_mut()) {
            service.sick_until = until;
        }
    }

    /// Someone kills a program, as when the memory is used up.
    pub(crate) fn kill(&mut self, uid: &str, container: &str) {
        let process = self.pods.get(uid).and_then(|pod| pod.get(container));
        if let Some(process) = process.filter(|process| process.exit.is_none()) {
            self.ends.remove(&(process.ends, uid.to_owned(), container.to_owned()));
            self.end(uid, container, Some((137, "OOMKilled")));
        }
    }

    pub(crate) fn tell(&mut self, uid: &str, container: &str, attempt: u32, event: ContainerEvent) {
        let (pod_uid, container) = (uid.to_owned(), container.to_owned());
        self.event.push(Report { pod_uid, container, attempt, event });
    }

    fn start(&mut self, launch: &Launch, seed: &mut Seed) {
        let (uid, name) = (launch.pod_uid.as_str(), launch.container.as_str());
        let seen = self.pods.get(uid).and_then(|pod| pod.get(name));
        if let Some(seen) = seen.filter(|seen| seen.attempt >= launch.attempt) {
            // The shim refuses what it has seen and only reports again.
            let (attempt, event) = (seen.attempt, seen.event(uid, name));
            return self.tell(uid, name, attempt, event);
        }
        if seed.below(1000) < self.fork_failures {
            let (reason, message) = ("RunContainerError".to_owned(), "fork refused".to_owned());
            let at = self.wall();
            return self.tell(
                uid,
                name,
                launch.attempt,
                ContainerEvent::Failed { reason, message, at },
            );
        }
        let streak = seen.map_or(0, |seen| seen.streak);
        let last = seen.and_then(|seen| seen.exit.clone());
        self.check_new(launch);
        let (milliseconds, code) = program(&launch.argv);
        let serves = service(&launch.argv, self.now);
        let process = Process {
            attempt: launch.attempt,
            started_at: self.wall(),
            ends: self.now + milliseconds,
            code,
            exit: None,
            last,
            line: self.ledger.len(),
            streak,
            serves,
        };
        self.enter(launch);
        self.ends.insert((process.ends, uid.to_owned(), name.to_owned()));
        let event = process.event(uid, name);
        self.pods.entry(uid.to_owned()).or_default().insert(name.to_owned(), process);
        self.tell(uid, name, launch.attempt, event);
    }

    /// Enters a start in the ledger.
    fn enter(&mut self, launch: &Launch) {
        let line = self.ledger.len();
        let started = Started {
            pod: launch.pod.clone(),
            pod_uid: launch.pod_uid.clone(),
            attempt: launch.attempt,
            at: self.now,
            ended: None,
            stopped: false,
            failed_probe: false,
        };
        self.running.insert(line);
        if let Some(job) = started.job() {
            self.of_job.entry(job.to_owned()).or_default().push(line);
            self.running_of.entry(cron_job_of(job).to_owned()).or_default().push(line);
        }
        self.ledger.push(started);
    }

    fn check_new(&mut self, launch: &Launch) {
        let container = (launch.pod_uid.clone(), launch.container.clone());
        let before = self.attempts.insert(container, launch.attempt);
        if before.is_some_and(|before| before >= launch.attempt) {
            self.broken.push(format!("{launch:?} was started twice"));
        }
    }

    fn stop(&mut self, uid: &str, container: &str, attempt: u32, grace_seconds: i64) {
        let running = self.pods.get_mut(uid).and_then(|pod| pod.get_mut(container));
        let Some(process) = running.filter(|p| p.attempt == attempt && p.exit.is_none()) else {
            return;
        };
        self.ledger[process.line].stopped = true;
        let stops_in = process.serves.map_or(0, |service| service.stops_in);
        let ends = self.now + stops_in.min(grace_seconds.saturating_mul(1000));
        let ended = (process.ends, uid.to_owned(), container.to_owned());
        if stops_in == 0 {
            self.ends.remove(&ended);
            self.end(uid, container, Some((143, "Error")));
        } else if ends < process.ends {
            (process.ends, process.code) = (ends, 143);
            self.ends.remove(&ended);
            self.ends.insert((ends, ended.1, ended.2));
        }
    }

    fn clean(&mut self, uid: &str) {
        for (container, process) in self.pods.remove(uid).unwrap_or_default() {
            self.ends.remove(&(process.ends, uid.to_owned(), container));
            if process.exit.is_none() {
                self.close(process.line, 137);
            }
        }
        self.tell(uid, "", 0, ContainerEvent::Cleaned);
    }
}

impl Process {
    fn event(&self, uid: &str, container: &str) -> ContainerEvent {
        match &self.exit {
            Some(exit) => ContainerEvent::Exited(exit.clone()),
            None => ContainerEvent::Started {
                id: format!("cronlet://{uid}-{container}-{}", self.attempt),
                pid: 1,
                at: self.started_at,
                post_start: HookState::Done,
            },
        }
    }

    fn observed(&self, uid: &str, container: &str) -> ContainerObserved {
        let state = match self.event(uid, container) {
            ContainerEvent::Started { id, pid, at, post_start } => {
                ContainerState::Running { id, pid, started_at: at, post_start }
            }
            ContainerEvent::Exited(exit) => ContainerState::Exited(exit),
            _ => unreachable!("a process runs or has exited"),
        };
        let (last, streak) = (self.last.clone(), self.streak);
        ContainerObserved { state, last, streak, ..ContainerObserved::new(self.attempt) }
    }
}

fn program(argv: &[String]) -> (i64, i32) {
    let number = |at: usize| argv.get(at).and_then(|word| word.parse().ok());
    (number(1).unwrap_or(1000), number(2).unwrap_or(0) as i32)
}

fn service(argv: &[String], now: i64) -> Option<Service> {
    let number = |at: usize| argv.get(at).and_then(|word| word.parse::<i64>().ok());
    Some(Service {
        ready_at: now.saturating_add(number(3)?),
        stops_in: number(4)?,
        sick_until: 0,
        condemned: false,
        condemned_at: None,
    })
}

/// The runtime of one daemon's life over the host, which goes on.
pub(super) struct SimRuntime {
    pub host: Rc<RefCell<Host>>,
    pub seed: Seed,
    pub prober: SimProber,
}

impl SimRuntime {
    pub(crate) fn new(host: Rc<RefCell<Host>>, seed: Seed) -> SimRuntime {
        // Its jitter follows from the same draw, and draws nothing from it.
        let prober = SimProber::new(host.clone(), seed.clone());
        SimRuntime { host, seed, prober }
    }
}

impl Runtime for SimRuntime {
    type Error = Infallible;

    fn recover(&mut self) -> Result<Vec<(String, PodObserved)>, Infallible> {
        let host = self.host.borrow();
        let observed = |(uid, pod): (&String, &BTreeMap<String, Process>)| {
            let containers = pod
                .iter()
                .map(|(name, p)| (name.clone(), Box::new(p.observed(uid, name))))
                .collect();
            (uid.clone(), PodObserved { containers, ..PodObserved::default() })
        };
        Ok(host.pods.iter().map(observed).collect())
    }

    fn order(&mut self, order: Order) {
        let mut host = self.host.borrow_mut();
        match order {
            Order::Start(launch) => host.start(&launch, &mut self.seed),
            Order::Stop { pod_uid, container, attempt, grace_seconds } => {
                host.stop(&pod_uid, &container, attempt, grace_seconds);
            }
            Order::Clean { pod_uid } => {
                host.clean(&pod_uid);
                drop(host);
                self.prober.watch(&pod_uid, Arc::default());
            }
            // Its folders are no part of this host.
            Order::Reclaim { .. } | Order::Refresh { .. } => {}
            Order::Probe { pod_uid, probes } => {
                drop(host);
                self.prober.watch(&pod_uid, probes);
            }
        }
    }

    /// This host remembers by itself.
    fn committed(&mut self, _reports: usize) {}

    fn expect(&mut self, _pods: usize) {}

    /// Here it is that time already.
    fn not_before(&mut self, _at: Timestamp) {}
}

/// The first whole millisecond at which the instant has come.
pub(super) fn milliseconds_up(at: Timestamp) -> i64 {
    at.as_millisecond() + i64::from(at.subsec_nanosecond() % 1_000_000 != 0)
}
