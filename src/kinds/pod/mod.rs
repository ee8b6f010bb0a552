//! Pod: containers that live and die together.

pub mod check;
pub mod defaults;
pub mod observed;
mod totals;
mod zero;
