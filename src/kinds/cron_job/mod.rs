//! CronJobs: runs by the clock.

pub mod schedule;
