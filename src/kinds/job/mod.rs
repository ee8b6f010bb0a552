//! Job: pods until enough of them succeeded.

pub mod check;
pub mod defaults;
mod policies;
