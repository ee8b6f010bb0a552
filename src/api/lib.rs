//! Objects and their rules: kinds, defaults, validation, tables, manifests, schedules.
//!
//! Invariant: no I/O, no clock of its own, no thread; a rule is a function of an object.

pub mod omitempty;

pub mod admission;

pub mod annotations;

pub mod applied;

pub mod check;

pub mod columns;

pub mod config_map;

pub mod controller_revision;

pub mod cron_job;

pub mod daemon_set;

pub mod deployment;

pub mod difference;

pub mod event;

pub mod feature_gates;

pub mod job;

pub mod meta;

pub mod names;

pub mod namespace;

pub mod node;

pub mod persistent_volume;

pub mod persistent_volume_claim;

pub mod pod;

pub mod quantity;

pub mod refused;

pub mod replica_set;

pub mod run;

pub mod secret;

pub mod selector;

pub mod strategy;

mod dispatch;

pub mod service;

pub mod settings;

pub mod go_json;

pub mod stateful_set;

pub mod template;

pub mod seed;

pub mod startup;

pub mod time;

pub mod kind;

pub mod manifest;
