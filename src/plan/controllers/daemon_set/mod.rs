//! The controller of DaemonSet: a pod on each node.

pub mod plan;

pub mod pods;
