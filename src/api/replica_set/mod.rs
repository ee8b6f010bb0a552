//! ReplicaSet: so many pods of one template.

pub mod check;

pub mod columns;

pub mod defaults;

mod strategy;
