//! A prober in memory: it keeps the pace of the real one, and asks virtual programs.
//!
//! It lives as long as one daemon: what was counted towards a threshold goes with it.

use super::runtime::Host;
use cronlet_api::seed::Seed;
use cronlet_plan::kubelet::probe::{Probe, ProbeKind, ProbeTrouble, Probed};
use cronlet_plan::order::ContainerEvent;
use cronlet_plan::prober::Prober;
use cronlet_plan::prober::pace::Pace;
use cronlet_plan::prober::threshold::Threshold;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

pub(super) struct SimProber {
    host: Rc<RefCell<Host>>,
    seed: Seed,
    pods: BTreeMap<String, Vec<u64>>,
    tasks: BTreeMap<u64, Task>,
    /// When each is asked next, in true milliseconds.
    due: BTreeSet<(i64, u64)>,
    made: u64,
}

/// One probe of one attempt.
struct Task {
    pod_uid: String,
    probe: Probe,
    pace: Pace,
    threshold: Threshold,
    /// When its watching began, in true milliseconds.
    begun: i64,
}

impl Task {
    fn next(&self) -> i64 {
        let wait = self.pace.next().as_micros().div_ceil(1000);
        self.begun.saturating_add(i64::try_from(wait).unwrap_or(i64::MAX))
    }
}

impl SimProber {
    pub(crate) fn new(host: Rc<RefCell<Host>>, seed: Seed) -> SimProber {
        let (pods, tasks, due) = Default::default();
        SimProber { host, seed, pods, tasks, due, made: 0 }
    }

    /// When the next question is asked.
    pub(crate) fn next(&self) -> Option<i64> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Asks the next question, in its time; the report of a verdict waits at the host.
    pub(crate) fn ask(&mut self) {
        let Some((at, id)) = self.due.pop_first() else { return };
        let task = self.tasks.get_mut(&id).expect("it is due");
        let probe = &task.probe;
        let mut host = self.host.borrow_mut();
        let passed = host.answer(&task.pod_uid, probe, at);
        let counts = task.pace.counts() || passed;
        if let Some(verdict) = counts.then(|| task.threshold.note(passed)).flatten() {
            let told =
                (!verdict).then(|| ProbeTrouble::Failed("the program is not well".to_owned()));
            let event =
                ContainerEvent::Probed(Probed { kind: probe.kind, verdict: Some(verdict), told });
            if !verdict {
                host.condemn(&task.pod_uid, probe);
            }
            host.tell(&task.pod_uid, &probe.container, probe.attempt, event);
        }
        let since = u64::try_from(at - task.begun).unwrap_or(0);
        task.pace.asked(passed, Duration::from_millis(since));
        self.due.insert((task.next().max(at + 1), id));
    }

    fn begin(&mut self, pod_uid: &str, probe: &Probe, before: &[u64]) -> u64 {
        let host = self.host.borrow();
        let running = host.wall().duration_since(probe.started_at);
        let running = Duration::try_from(running).unwrap_or_default();
        let started_up = before.iter().map(|id| &self.tasks[id].probe).any(|one| {
            (&one.container, one.attempt) == (&probe.container, probe.attempt)
                && one.kind == ProbeKind::Startup
        });
        let fresh = started_up || running < Duration::from_secs(probe.period_seconds.into());
        let task = Task {
            pod_uid: pod_uid.to_owned(),
            pace: Pace::new(probe, running, fresh, &mut self.seed),
            threshold: Threshold::of(probe),
            probe: probe.clone(),
            begun: host.now,
        };
        self.made += 1;
        self.due.insert((task.next(), self.made));
        self.tasks.insert(self.made, task);
        self.made
    }
}

impl Prober for SimProber {
    fn watch(&mut self, pod_uid: &str, probes: Arc<[Probe]>) {
        let mut before = self.pods.remove(pod_uid).unwrap_or_default();
        let mut wanted = Vec::new();
        for probe in probes.iter() {
            let same = before.iter().position(|id| self.tasks[id].probe == *probe);
            wanted.push(match same {
                Some(at) => before.swap_remove(at),
                None => self.begin(pod_uid, probe, &before),
            });
        }
        for id in before {
            let task = self.tasks.remove(&id).expect("it was watched");
            self.due.retain(|(_, other)| *other != id);
            drop(task);
        }
        if !wanted.is_empty() {
            self.pods.insert(pod_uid.to_owned(), wanted);
        }
    }
}
