//! CronJob: runs by the clock.

pub mod annotations;

pub mod check;

pub mod columns;

pub mod defaults;

pub mod schedule;

pub mod timing;

mod strategy;
