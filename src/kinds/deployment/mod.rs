//! Deployment: ReplicaSets, of which the newest takes over step by step.

pub mod check;
pub mod columns;
pub mod defaults;

pub mod plan;

pub mod bounds;
pub mod conditions;
pub mod hash;
mod progress;
pub mod revisions;
pub mod rollback;
mod rolling;
mod scale;
mod sets;
mod status;
