//! Namespace: a room for names; what is in it goes with it.

pub mod check;

pub mod columns;

pub mod defaults;

mod strategy;
