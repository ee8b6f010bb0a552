//! DaemonSet: one pod on each node, which here is one pod.

pub mod check;

pub mod columns;

pub mod defaults;

mod strategy;
