//! Controllers of workloads, one folder a kind, and what they share.

pub mod controller;

pub mod endings;

pub mod revisions;

pub mod tally;

pub mod replica_set;

pub mod node;

pub mod job;

pub mod stateful_set;

pub mod namespace;

pub mod persistent_volume_claim;

pub mod cron_job;

pub mod deployment;

pub mod daemon_set;

pub mod persistent_volume;
