//! CronJobs: runs by the clock.

pub mod annotations;
pub mod check;
pub mod defaults;
pub mod schedule;
