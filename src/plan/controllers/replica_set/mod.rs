//! The controller of ReplicaSet: a number of equal pods.

pub mod plan;

pub mod status;
