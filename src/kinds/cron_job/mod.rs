//! CronJob: runs by the clock.

pub mod annotations;
pub mod check;
pub mod columns;
pub mod defaults;
mod jobs;
mod origin;
pub mod plan;
mod runs;
pub mod schedule;
mod timing;
pub mod trigger;

pub use jobs::manual as manual_job;
pub use timing::{Timing, TimingError, keep_records, leans_on, next_due, set_in_force_since};
