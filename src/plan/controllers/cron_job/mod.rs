//! The controller of CronJob: runs by the clock.

pub mod jobs;

pub mod origin;

pub mod plan;

pub mod runs;

pub mod trigger;
