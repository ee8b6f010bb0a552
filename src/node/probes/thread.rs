//! The prober of a real host: one thread, a task for each probe, a connection for each question.

use super::exec::Exec;
use super::owner::Owner;
use super::{Answer, ask};
use cronlet_api::seed::Seed;
use cronlet_api::time::Timestamp;
use cronlet_plan::kubelet::probe::{Probe, ProbeKind, ProbeTrouble, Probed};
use cronlet_plan::order::{ContainerEvent, Report};
use cronlet_plan::prober::Prober;
use cronlet_plan::prober::pace::Pace;
use cronlet_plan::prober::threshold::Threshold;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, LocalSet};
use tokio::time::Instant;

type Reports = Arc<dyn Fn(Report) + Send + Sync>;

/// See the module's words. The thread is made for the first probe: a host without any has none.
pub struct ProbeThread {
    exec: Arc<dyn Exec>,
    reports: Reports,
    thread: Option<mpsc::UnboundedSender<Watch>>,
}

/// One of them for each change of a pod's probes, so bounded by what the engine decides.
struct Watch {
    pod_uid: String,
    probes: Arc<[Probe]>,
}

impl ProbeThread {
    /// `reports` is called on the prober's thread, and must not wait.
    pub fn new(
        exec: Arc<dyn Exec>,
        reports: impl Fn(Report) + Send + Sync + 'static,
    ) -> ProbeThread {
        ProbeThread { exec, reports: Arc::new(reports), thread: None }
    }

    fn begin(&self) -> std::io::Result<mpsc::UnboundedSender<Watch>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            // Names of hosts are resolved there, and owners of sockets looked for.
            .max_blocking_threads(HELPERS_MAX)
            .build()?;
        let (sender, watches) = mpsc::unbounded_channel();
        let (exec, reports) = (self.exec.clone(), self.reports.clone());
        let body = move || {
            let tasks = LocalSet::new();
            let watcher = Watcher { exec, reports, seed: Seed::from_host(), pods: HashMap::new() };
            runtime.block_on(tasks.run_until(watcher.run(watches)));
        };
        let builder = std::thread::Builder::new().name("probes".into()).stack_size(STACK_BYTES);
        builder.spawn(body)?;
        Ok(sender)
    }
}

const HELPERS_MAX: usize = 4;
const STACK_BYTES: usize = 512 << 10;

impl Prober for ProbeThread {
    fn watch(&mut self, pod_uid: &str, probes: Arc<[Probe]>) {
        if self.thread.is_none() && !probes.is_empty() {
            match self.begin() {
                Ok(thread) => self.thread = Some(thread),
                Err(error) => return tracing::error!(%error, "probes cannot be run"),
            }
        }
        if let Some(thread) = &self.thread {
            let sent = thread.send(Watch { pod_uid: pod_uid.to_owned(), probes });
            sent.expect("the thread lives as long as its sender");
        }
    }
}

/// The thread's own.
struct Watcher {
    exec: Arc<dyn Exec>,
    reports: Reports,
    seed: Seed,
    pods: HashMap<String, Vec<Task>>,
}

struct Task {
    probe: Probe,
    handle: JoinHandle<()>,
}

impl Drop for Task {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

impl Watcher {
    async fn run(mut self, mut watches: mpsc::UnboundedReceiver<Watch>) {
        while let Some(watch) = watches.recv().await {
            self.change(&watch.pod_uid, &watch.probes);
        }
    }

    fn change(&mut self, pod_uid: &str, probes: &[Probe]) {
        let mut before = self.pods.remove(pod_uid).unwrap_or_default();
        let mut tasks = Vec::with_capacity(probes.len());
        for probe in probes {
            let same = before.iter().position(|task| task.probe == *probe);
            tasks.push(match same {
                Some(at) => before.swap_remove(at),
                None => {
                    let fresh = self.is_fresh(probe, &before);
                    self.begin(pod_uid, probe, fresh)
                }
            });
        }
        if !tasks.is_empty() {
            self.pods.insert(pod_uid.to_owned(), tasks);
        }
    }

    /// Has the container just started, or its startup probe just passed?
    fn is_fresh(&self, probe: &Probe, before: &[Task]) -> bool {
        let of_it = |task: &&Task| {
            let one = &task.probe;
            one.container == probe.container && one.attempt == probe.attempt
        };
        let started_up =
            before.iter().filter(of_it).any(|task| task.probe.kind == ProbeKind::Startup);
        started_up || running_for(probe) < Duration::from_secs(probe.period_seconds.into())
    }

    fn begin(&mut self, pod_uid: &str, probe: &Probe, fresh: bool) -> Task {
        let watched = Watched {
            pod_uid: pod_uid.to_owned(),
            pace: Pace::new(probe, running_for(probe), fresh, &mut self.seed),
            threshold: Threshold::of(probe),
            telling: Telling::default(),
            owner: Owner::default(),
            probe: probe.clone(),
            exec: self.exec.clone(),
            reports: self.reports.clone(),
        };
        Task { probe: probe.clone(), handle: tokio::task::spawn_local(watched.run()) }
    }
}

fn running_for(probe: &Probe) -> Duration {
    let running = Timestamp::now().duration_since(probe.started_at);
    Duration::try_from(running).unwrap_or_default()
}

/// One probe of one attempt.
struct Watched {
    pod_uid: String,
    probe: Probe,
    pace: Pace,
    threshold: Threshold,
    telling: Telling,
    owner: Owner,
    exec: Arc<dyn Exec>,
    reports: Reports,
}

impl Watched {
    /// Asks until it is aborted.
    async fn run(mut self) {
        let begun = Instant::now();
        loop {
            tokio::time::sleep_until(begun + self.pace.next()).await;
            let counts = self.pace.counts();
            // In a box of its own: a task that waits is small, and most wait most of the time.
            let answer = Box::pin(ask(&self.pod_uid, &self.probe, &*self.exec)).await;
            let answer = Box::pin(self.owner.judge(&self.probe, answer)).await;
            let passed = matches!(answer, Answer::Passed | Answer::Warned(_));
            if counts || passed {
                self.take(answer, passed);
            }
            self.pace.asked(passed, begun.elapsed());
        }
    }

    fn take(&mut self, answer: Answer, passed: bool) {
        let counts = !matches!(answer, Answer::Errored(_));
        let verdict = if counts { self.threshold.note(passed) } else { None };
        let told = match answer {
            Answer::Passed => None,
            Answer::Warned(why) => Some(ProbeTrouble::Warned(cut(why))),
            Answer::Failed(why) => Some(ProbeTrouble::Failed(cut(why))),
            Answer::Errored(why) => Some(ProbeTrouble::Errored(cut(why))),
        };
        let told = told.filter(|_| verdict.is_some() || self.telling.may(Instant::now()));
        if verdict.is_none() && told.is_none() {
            return;
        }
        (self.reports)(Report {
            pod_uid: self.pod_uid.clone(),
            container: self.probe.container.clone(),
            attempt: self.probe.attempt,
            event: ContainerEvent::Probed(Probed { kind: self.probe.kind, verdict, told }),
        });
    }
}

const MESSAGE_BYTES_MAX: usize = 1024;

fn cut(mut message: String) -> String {
    message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
    message
}

/// Failures that change nothing are told sparingly, as the kubelet tells events: 25, then one in
/// five minutes.
#[derive(Default)]
struct Telling {
    told: u32,
    since: Option<Instant>,
}

const TELLINGS_MAX: u32 = 25;
const TELLING_EVERY: Duration = Duration::from_secs(300);

impl Telling {
    fn may(&mut self, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        let back = now.duration_since(since).as_nanos() / TELLING_EVERY.as_nanos();
        let back = u32::try_from(back).unwrap_or(u32::MAX).min(self.told);
        if back > 0 {
            self.told -= back;
            self.since = Some(if self.told == 0 { now } else { since + TELLING_EVERY * back });
        }
        let may = self.told < TELLINGS_MAX;
        self.told += u32::from(may);
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_sparingly() {
        let begun = Instant::now();
        let mut telling = Telling::default();
        let told = (0..3600).filter(|s| telling.may(begun + Duration::from_secs(*s)));
        assert_eq!(told.count(), 25 + 11);
    }
}
