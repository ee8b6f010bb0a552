//! What Prometheus reads: runs, failures, lateness, what is due next; per CronJob, in the text
//! format.

use super::backend::Backend;
use super::response::{self, Answer, Body};
use cronlet_api::cron_job::timing::next_due;
use cronlet_api::kind::{Kind, Object};
use cronlet_api::run::{Outcome, Run};
use cronlet_api::settings::Settings;
use cronlet_api::time::{Clock, SignedDuration, SystemClock, Timestamp};
use cronlet_engine::LoggedEvent;
use hyper::StatusCode;
use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;
use std::sync::Mutex;

/// Kubernetes' buckets of `cronjob_controller_job_creation_skew_duration_seconds`:
/// `ExponentialBuckets(1, 2, 10)`.
const SKEW_BUCKETS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// What cannot be read from the store: counted by the daemon while it runs.
#[derive(Debug, Default)]
pub struct Metrics {
    counted: Mutex<Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    /// Starts by bucket, the last one beyond all of them; not cumulative.
    skew_counts: [u64; SKEW_BUCKETS.len() + 1],
    skew_sum_seconds: f64,
    /// By namespace and CronJob.
    totals: BTreeMap<(String, String), Totals>,
    /// What the schedules obey.
    settings: Settings,
}

#[derive(Debug, Default, Clone, Copy)]
struct Totals {
    succeeded: u64,
    failed: u64,
    skipped: u64,
    replaced: u64,
}

impl Metrics {
    /// The settings that the next slots are reckoned by from now on.
    pub fn obey(&self, settings: Settings) {
        self.lock().settings = settings;
    }

    /// Counts what a turn of the engine committed: the runs that changed and the events about them.
    pub fn observe(&self, runs: &[Run], notes: &[LoggedEvent], now: Timestamp) {
        let mut counted = self.lock();
        for run in runs {
            counted.end(run);
        }
        // Each creation of a Job is one event; a record of a run may come more than once.
        let created: HashSet<(&str, &str)> = notes
            .iter()
            .filter(|told| {
                told.about.kind == Kind::CronJob && told.note.reason == "SuccessfulCreate"
            })
            .map(|told| (&*told.about.namespace, told.note.message.as_str()))
            .collect();
        for run in runs.iter().filter(|run| !run.manual && !run.job.is_empty()) {
            let message = format!("Created job {}", run.job);
            if created.contains(&(run.namespace.as_str(), message.as_str())) {
                counted.start(now.duration_since(run.scheduled));
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counted> {
        self.counted.lock().expect("no panic while it was held")
    }
}

impl Counted {
    /// A Job was created so long after its slot.
    fn start(&mut self, skew: SignedDuration) {
        let seconds = skew.as_secs_f64().max(0.0);
        let bucket = SKEW_BUCKETS.iter().position(|bound| seconds <= *bound);
        self.skew_counts[bucket.unwrap_or(SKEW_BUCKETS.len())] += 1;
        self.skew_sum_seconds += seconds;
    }

    /// Counts a run that has come to its end, which it does once.
    fn end(&mut self, run: &Run) {
        let key = (run.namespace.clone(), run.cron_job.clone());
        let totals = self.totals.entry(key).or_default();
        match run.outcome {
            Outcome::Running => {}
            Outcome::Succeeded => totals.succeeded += 1,
            Outcome::Failed => totals.failed += 1,
            Outcome::Skipped => totals.skipped += 1,
            Outcome::Replaced => totals.replaced += 1,
        }
    }
}

pub(crate) fn answer(backend: &Backend) -> Answer {
    let (cron_jobs, _) = backend.reader.list(Kind::CronJob, None);
    let text = render(&backend.metrics, &cron_jobs, SystemClock.now());
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    response::typed(StatusCode::OK, content_type, Body::Whole(Some(text.into())))
}

fn render(metrics: &Metrics, cron_jobs: &[Object], now: Timestamp) -> String {
    let counted = metrics.lock();
    let mut out = String::new();
    render_skew(&mut out, &counted).expect("writing to a String");
    render_totals(&mut out, &counted).expect("writing to a String");
    render_next_due(&mut out, &counted.settings, cron_jobs, now).expect("writing to a String");
    render_cron_jobs(&mut out, cron_jobs).expect("writing to a String");
    out
}

fn render_skew(out: &mut String, counted: &Counted) -> std::fmt::Result {
    let name = "cronjob_controller_job_creation_skew_duration_seconds";
    let help = "Time between when a cronjob is scheduled to be run, and when the corresponding \
                job is created";
    head(out, name, help, "histogram")?;
    let mut total = 0;
    for (bound, count) in SKEW_BUCKETS.iter().zip(counted.skew_counts) {
        total += count;
        writeln!(out, "{name}_bucket{{le=\"{bound}\"}} {total}")?;
    }
    total += counted.skew_counts[SKEW_BUCKETS.len()];
    writeln!(out, "{name}_bucket{{le=\"+Inf\"}} {total}")?;
    writeln!(out, "{name}_sum {}", counted.skew_sum_seconds)?;
    writeln!(out, "{name}_count {total}")
}

fn render_totals(out: &mut String, counted: &Counted) -> std::fmt::Result {
    let name = "cronlet_runs_total";
    head(out, name, "Runs that came to an end since the daemon started, by outcome", "counter")?;
    for ((namespace, cron_job), totals) in &counted.totals {
        let outcomes = [
            ("succeeded", totals.succeeded),
            ("failed", totals.failed),
            ("skipped", totals.skipped),
            ("replaced", totals.replaced),
        ];
        for (outcome, count) in outcomes {
            let labels = labels(namespace, cron_job);
            writeln!(out, "{name}{{{labels},outcome=\"{outcome}\"}} {count}")?;
        }
    }
    Ok(())
}

fn render_next_due(
    out: &mut String,
    settings: &Settings,
    objects: &[Object],
    now: Timestamp,
) -> std::fmt::Result {
    let name = "cronlet_cronjob_next_due_timestamp_seconds";
    head(out, name, "When the CronJob is due next", "gauge")?;
    for object in objects {
        if let Object::CronJob(cron_job) = object
            && let Some(due) = next_due(cron_job, settings, now)
        {
            let labels = labels(object.namespace(), object.name());
            writeln!(out, "{name}{{{labels}}} {}", due.as_second())?;
        }
    }
    Ok(())
}

fn render_cron_jobs(out: &mut String, objects: &[Object]) -> std::fmt::Result {
    type Read = fn(&k8s_openapi::api::batch::v1::CronJobStatus) -> Option<i64>;
    let gauges: [(&str, &str, Read); 3] = [
        ("active_jobs", "Jobs of the CronJob that run", |status| {
            Some(status.active.as_ref().map_or(0, Vec::len) as i64)
        }),
        ("last_schedule_timestamp_seconds", "The slot that the CronJob last ran for", |status| {
            status.last_schedule_time.as_ref().map(|time| time.0.as_second())
        }),
        ("last_success_timestamp_seconds", "When a Job of the CronJob last succeeded", |status| {
            status.last_successful_time.as_ref().map(|time| time.0.as_second())
        }),
    ];
    for (name, help, read) in gauges {
        let name = format!("cronlet_cronjob_{name}");
        head(out, &name, help, "gauge")?;
        for object in objects {
            if let Object::CronJob(cron_job) = object
                && let Some(value) = cron_job.status.as_ref().and_then(read)
            {
                writeln!(out, "{name}{{{}}} {value}", labels(object.namespace(), object.name()))?;
            }
        }
    }
    Ok(())
}

fn head(out: &mut String, name: &str, help: &str, kind: &str) -> std::fmt::Result {
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}")
}

/// Names of objects need no escapes: they are DNS names.
fn labels(namespace: &str, cron_job: &str) -> String {
    format!("namespace=\"{namespace}\",cronjob=\"{cron_job}\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use cronlet_api::kind::Key;
    use cronlet_plan::plan::{EventDraft, Severity};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    fn run(scheduled: i64, outcome: Outcome) -> Run {
        Run {
            namespace: "default".into(),
            cron_job: "hi".into(),
            scheduled: at(scheduled),
            job: format!("hi-{scheduled}"),
            outcome,
            started: None,
            ended: None,
            exit_code: None,
            attempts: 0,
            message: String::new(),
            manual: false,
        }
    }

    fn created(run: &Run) -> LoggedEvent {
        let message = format!("Created job {}", run.job);
        let note = EventDraft {
            severity: Severity::Normal,
            reason: "SuccessfulCreate",
            message,
            field_path: String::new(),
        };
        let about = Key::new(Kind::CronJob, "default", "hi");
        LoggedEvent { about, note: note.into(), count: 1 }
    }

    #[test]
    fn the_text_is_prometheus_text() {
        let metrics = Metrics::default();
        for (late, slot) in [(0, 60), (3, 120), (1000, 180), (-1, 240)] {
            let run = run(slot, Outcome::Running);
            metrics.observe(std::slice::from_ref(&run), &[created(&run)], at(slot + late));
            // The same run again, for its pod started: no second creation.
            metrics.observe(&[run], &[], at(slot + 5000));
        }
        metrics.observe(&[run(60, Outcome::Failed)], &[], at(70));
        let json = br#"{"metadata":{"name":"hi","namespace":"default"},
            "spec":{"schedule":"*/2 * * * *","jobTemplate":{}},
            "status":{"lastScheduleTime":"1970-01-01T00:01:00Z","active":[{"name":"hi-1"}]}}"#;
        let cron_jobs = [Kind::CronJob.read_json(json).expect("a CronJob")];
        let text = render(&metrics, &cron_jobs, at(70));
        let check = |line: &str| assert!(text.lines().any(|one| one == line), "{line}\n{text}");
        let skew = "cronjob_controller_job_creation_skew_duration_seconds";
        check(&format!("# TYPE {skew} histogram"));
        check(&format!("{skew}_bucket{{le=\"1\"}} 2"));
        check(&format!("{skew}_bucket{{le=\"2\"}} 2"));
        check(&format!("{skew}_bucket{{le=\"4\"}} 3"));
        check(&format!("{skew}_bucket{{le=\"512\"}} 3"));
        check(&format!("{skew}_bucket{{le=\"+Inf\"}} 4"));
        check(&format!("{skew}_sum 1003"));
        check(&format!("{skew}_count 4"));
        let hi = "namespace=\"default\",cronjob=\"hi\"";
        check(&format!("cronlet_runs_total{{{hi},outcome=\"failed\"}} 1"));
        check(&format!("cronlet_runs_total{{{hi},outcome=\"succeeded\"}} 0"));
        check(&format!("cronlet_cronjob_next_due_timestamp_seconds{{{hi}}} 120"));
        check(&format!("cronlet_cronjob_last_schedule_timestamp_seconds{{{hi}}} 60"));
        check(&format!("cronlet_cronjob_active_jobs{{{hi}}} 1"));
        assert!(!text.contains("last_success_timestamp_seconds{"), "{text}");
    }
}
