//! Deployment: ReplicaSets, of which the newest takes over step by step.

pub mod check;

pub mod columns;

pub mod defaults;

pub mod annotations;

pub mod conditions;

pub mod hash;

mod strategy;
