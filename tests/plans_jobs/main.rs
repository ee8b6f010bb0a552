//! The plans of CronJobs and Jobs, driven by hand through scripts: each line is done to the world,
//! and the lines with `>` under it are what the plans answered.

mod clocks;
#[path = "../common/mod.rs"]
mod common;
mod cron_jobs;
mod jobs;
mod recorded;
mod world;
