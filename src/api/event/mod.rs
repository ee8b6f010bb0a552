//! Event: what happened to an object, for a reader.

pub mod check;

pub mod columns;

mod strategy;
