//! What Prometheus reads: runs, failures, lateness, what is due next; per CronJob, in the text
//! format.

use super::answer::{self, Answer, Body};
use super::gate::Gate;
use crate::kinds::action::{Outcome, Run};
use crate::kinds::{Kind, Object};
use crate::time::{SignedDuration, Timestamp};
use hyper::StatusCode;
use std::collections::BTreeMap;
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
    next_due: BTreeMap<(String, String), Timestamp>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Totals {
    succeeded: u64,
    failed: u64,
    skipped: u64,
    replaced: u64,
}

impl Metrics {
    /// A Job was created so long after its slot.
    pub fn observe_start(&self, skew: SignedDuration) {
        let seconds = skew.as_secs_f64().max(0.0);
        let bucket = SKEW_BUCKETS.iter().position(|bound| seconds <= *bound);
        let mut counted = self.lock();
        counted.skew_counts[bucket.unwrap_or(SKEW_BUCKETS.len())] += 1;
        counted.skew_sum_seconds += seconds;
    }

    /// A run changed; it counts when it has come to its end, which it does once.
    pub fn observe_run(&self, run: &Run) {
        let mut counted = self.lock();
        let totals =
            counted.totals.entry((run.namespace.clone(), run.cron_job.clone())).or_default();
        match run.outcome {
            Outcome::Running => {}
            Outcome::Succeeded => totals.succeeded += 1,
            Outcome::Failed => totals.failed += 1,
            Outcome::Skipped => totals.skipped += 1,
            Outcome::Replaced => totals.replaced += 1,
        }
    }

    /// When a CronJob is due next; `None` when it is not (suspended, deleted).
    pub fn set_next_due(&self, namespace: &str, cron_job: &str, due: Option<Timestamp>) {
        let key = (namespace.to_owned(), cron_job.to_owned());
        let mut counted = self.lock();
        match due {
            Some(due) => counted.next_due.insert(key, due),
            None => counted.next_due.remove(&key),
        };
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counted> {
        self.counted.lock().expect("no panic while it was held")
    }
}

pub fn answer(gate: &Gate) -> Answer {
    let (cron_jobs, _) = gate.reader.list(Kind::CronJob, None);
    let text = render(&gate.metrics, &cron_jobs);
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    answer::typed(StatusCode::OK, content_type, Body::Whole(Some(text.into())))
}

fn render(metrics: &Metrics, cron_jobs: &[Object]) -> String {
    let counted = metrics.lock();
    let mut out = String::new();
    render_skew(&mut out, &counted).expect("writing to a String");
    render_totals(&mut out, &counted).expect("writing to a String");
    render_cron_jobs(&mut out, &counted, cron_jobs).expect("writing to a String");
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

fn render_cron_jobs(out: &mut String, counted: &Counted, objects: &[Object]) -> std::fmt::Result {
    let name = "cronlet_cronjob_next_due_timestamp_seconds";
    head(out, name, "When the CronJob is due next", "gauge")?;
    for ((namespace, cron_job), due) in &counted.next_due {
        writeln!(out, "{name}{{{}}} {}", labels(namespace, cron_job), due.as_second())?;
    }
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

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    #[test]
    fn the_text_is_prometheus_text() {
        let metrics = Metrics::default();
        metrics.observe_start(SignedDuration::from_millis(500));
        metrics.observe_start(SignedDuration::from_millis(3_250));
        metrics.observe_start(SignedDuration::from_secs(1000));
        metrics.observe_start(SignedDuration::from_secs(-1));
        metrics.set_next_due("default", "gone", Some(at(1)));
        metrics.set_next_due("default", "gone", None);
        metrics.set_next_due("default", "hi", Some(at(120)));
        metrics.observe_run(&Run {
            namespace: "default".into(),
            cron_job: "hi".into(),
            scheduled: at(60),
            job: "hi-1".into(),
            outcome: Outcome::Failed,
            started: None,
            ended: None,
            exit_code: Some(1),
            attempts: 1,
            message: String::new(),
            manual: false,
        });
        let json = br#"{"metadata":{"name":"hi","namespace":"default"},
            "status":{"lastScheduleTime":"1970-01-01T00:01:00Z","active":[{"name":"hi-1"}]}}"#;
        let cron_jobs = [Kind::CronJob.read_json(json).expect("a CronJob")];
        let text = render(&metrics, &cron_jobs);
        let check = |line: &str| assert!(text.lines().any(|one| one == line), "{line}\n{text}");
        let skew = "cronjob_controller_job_creation_skew_duration_seconds";
        check(&format!("# TYPE {skew} histogram"));
        check(&format!("{skew}_bucket{{le=\"1\"}} 2"));
        check(&format!("{skew}_bucket{{le=\"2\"}} 2"));
        check(&format!("{skew}_bucket{{le=\"4\"}} 3"));
        check(&format!("{skew}_bucket{{le=\"512\"}} 3"));
        check(&format!("{skew}_bucket{{le=\"+Inf\"}} 4"));
        check(&format!("{skew}_sum 1003.75"));
        check(&format!("{skew}_count 4"));
        let hi = "namespace=\"default\",cronjob=\"hi\"";
        check(&format!("cronlet_runs_total{{{hi},outcome=\"failed\"}} 1"));
        check(&format!("cronlet_runs_total{{{hi},outcome=\"succeeded\"}} 0"));
        check(&format!("cronlet_cronjob_next_due_timestamp_seconds{{{hi}}} 120"));
        check(&format!("cronlet_cronjob_last_schedule_timestamp_seconds{{{hi}}} 60"));
        check(&format!("cronlet_cronjob_active_jobs{{{hi}}} 1"));
        assert!(!text.contains("last_success_timestamp_seconds{"), "{text}");
        assert!(!text.contains("gone"), "{text}");
    }
}
