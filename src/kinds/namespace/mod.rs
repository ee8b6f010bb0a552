//! Namespace: a room for names; what is in it goes with it.

pub mod check;
pub mod columns;
mod conditions;
pub mod defaults;
pub mod plan;
