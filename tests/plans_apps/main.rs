//! The plans of ReplicaSets and Deployments, in a small world whose pods do as a script says.

#[path = "../common/mod.rs"]
mod common;

mod world;

mod deployments;

mod daemon_sets;

mod endings;

mod nodes;

mod replica_sets;

mod refusals;

mod stateful_sets;

mod recorded;

mod rollouts;
