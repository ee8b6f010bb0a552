//! Node: this host.

pub mod check;

pub mod columns;

pub mod defaults;

pub mod usage;

mod strategy;
