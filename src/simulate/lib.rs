//! Pumps virtual events through the real engine and the real store, and checks what must always
//! hold; or looks ahead with them ([`forecast()`]).
//!
//! One seed makes one life: CronJobs, edits, programs that fail, crashes at any write, torn writes,
//! a full disk, a clock that is set, forks that are refused. The same seed makes the same life
//! again, to the letter.
//!
//! ```text
//! world.rs   the loop: what happens next, and to whom
//! faults.rs   what goes wrong, and what users do
//! invariants.rs   what must hold: no slot lost, none doubled, counts as things truly ran
//! services.rs   services, and what is done to them      templates.rs   of which programs
//! rollouts.rs   what happens to them      rules/   what must hold of them
//! quiescence.rs   how their lives end      prober.rs   asks virtual programs
//! disk.rs    a disk that tears      runtime.rs   a host whose processes outlive the daemon
//! forecast.rs   disk and host without faults: which runs would happen
//! ```

mod invariants;

mod disk;

mod quiescence;

mod forecast;

mod faults;

mod prober;

mod rollouts;

mod rules;

mod runtime;

mod services;

mod templates;

mod world;

use cronlet_api::time::Timestamp;

pub use crate::forecast::{Forecast, ForecastError, Foreseen, Rehearsal, forecast};

/// What a life is made of.
#[derive(Debug, Clone)]
pub struct Setup {
    pub seed: u64,
    /// Where the wall clock starts; near a clock change for lives that shall cross one.
    pub start: Timestamp,
    /// How long it lasts, in seconds of virtual time.
    pub seconds: i64,
    pub cron_jobs: usize,
    /// Each CronJob is due every minute and its program takes a second at most; else both are
    /// drawn.
    pub minutely: bool,
    /// Deployments, StatefulSets and DaemonSets at the beginning; 0: none ever.
    pub services: usize,
    /// Things that go wrong or are edited, on the average in an hour; 0 for a calm life.
    pub mischief_per_hour: u64,
}

/// A life that held.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Containers that were started.
    pub runs: u64,
    pub turns: u64,
    /// Turns that wrote to the disk.
    pub commits: u64,
    pub crashes: u64,
    pub skipped: u64,
    /// A hash over everything that happened: equal for equal seeds.
    pub trace: u64,
}

/// A life in which something did not hold.
#[derive(Debug, thiserror::Error)]
#[error("seed {seed}, {at}: {what}")]
pub struct Broken {
    pub seed: u64,
    pub at: Timestamp,
    pub what: String,
}

/// Lives one life from its seed.
pub fn live(setup: &Setup) -> Result<Outcome, Broken> {
    world::World::new(setup)?.live()
}
