//! PersistentVolumeClaim: a directory that outlives the pods that mount it.

pub mod check;

pub mod columns;

pub mod defaults;

pub mod usage;

mod strategy;
