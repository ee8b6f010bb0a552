//! The bench suite: each measure beside its peer in the same run, as a ratio. It asserts that
//! things work, never how long they take: a slow or busy machine fails no test.
//!
//! `cargo test --test bench` is the small size. For numbers that mean something, on an idle machine
//! and as root: `CRONLET_BENCH=full cargo test --release --test bench`. A word after `--` picks
//! measures by name.

#[path = "../common/mod.rs"]
mod common;
mod idle;
mod lateness;
#[path = "../systemd/machine.rs"]
#[allow(dead_code, reason = "the tests of the service use more of it")]
mod machine;
mod next;
mod peers;
mod services;
mod startup;
mod supervisors;
mod table;
mod throughput;

use table::Table;

/// How much of everything.
pub struct Size {
    /// How many jobs are due in the same minute, one round for each.
    pub due_at_once: &'static [usize],
    /// Whether systemd's timers are measured too: another minute for each round.
    pub timers: bool,
    /// Pods that run `true`.
    pub pods: usize,
    /// CronJobs that are loaded and not due.
    pub idle_cron_jobs: &'static [usize],
    pub idle_seconds: u64,
    pub next_calls: usize,
    pub manifests: usize,
    /// Services that crash once each.
    pub crashes: usize,
    /// Pods that sleep.
    pub idle_pods: usize,
    /// Of a Deployment that is scaled up.
    pub replicas: usize,
    /// Of a Deployment that is rolled.
    pub rolled_replicas: usize,
}

const SMOKE: Size = Size {
    due_at_once: &[10],
    timers: false,
    pods: 20,
    idle_cron_jobs: &[0, 100],
    idle_seconds: 2,
    next_calls: 10_000,
    manifests: 100,
    crashes: 3,
    idle_pods: 10,
    replicas: 10,
    rolled_replicas: 5,
};

const FULL: Size = Size {
    due_at_once: &[1, 500, 2000],
    timers: true,
    pods: 1000,
    idle_cron_jobs: &[0, 1000, 10_000],
    idle_seconds: 20,
    next_calls: 1_000_000,
    manifests: 10_000,
    crashes: 50,
    idle_pods: 500,
    replicas: 200,
    rolled_replicas: 50,
};

type Measure = fn(&Size, &mut Table);

const MEASURES: &[(&str, Measure)] = &[
    ("next", next::measure),
    ("size", startup::measure_size),
    ("startup", startup::measure),
    ("idle", idle::measure),
    ("throughput", throughput::measure),
    ("lateness", lateness::measure),
    ("service-restart", services::measure_restart),
    ("service-idle", services::measure_idle),
    ("service-rollout", services::measure_rollout),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == peers::STAMP) {
        return peers::stamp(&arguments[1]);
    }
    if arguments.first().is_some_and(|first| first == services::SERVE) {
        return services::serve(&arguments[1]);
    }
    if arguments.iter().any(|argument| argument == "--list") {
        return;
    }
    let wanted: Vec<&String> = arguments.iter().filter(|word| !word.starts_with('-')).collect();
    let full = std::env::var_os("CRONLET_BENCH").is_some_and(|size| size == "full");
    let size = if full { &FULL } else { &SMOKE };
    let mut table = Table::begin(full);
    for (name, measure) in MEASURES {
        if wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str())) {
            measure(size, &mut table);
        }
    }
    table.end();
}
