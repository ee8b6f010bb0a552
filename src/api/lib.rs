//! Objects and their rules: kinds, defaults, validation, tables, manifests, schedules.
//!
//! Invariant: no I/O, no clock of its own, no thread; a rule is a function of an object.

pub mod check;
pub mod kind;
pub mod names;
pub mod quantity;
pub mod refused;
pub mod run;
pub mod seed;
pub mod settings;
pub mod startup;
pub mod time;

pub mod annotations;
pub mod columns;
pub mod feature_gates;
pub mod go_json;
pub mod meta;
pub mod omitempty;
pub mod selector;
pub mod strategy;
pub mod template;

pub mod config_map;
pub mod controller_revision;
pub mod cron_job;
pub mod daemon_set;
pub mod deployment;
pub mod event;
pub mod job;
pub mod namespace;
pub mod node;
pub mod persistent_volume;
pub mod persistent_volume_claim;
pub mod pod;
pub mod replica_set;
pub mod secret;
pub mod service;
pub mod stateful_set;

pub mod admission;
pub mod applied;
pub mod difference;
mod dispatch;
pub mod manifest;
