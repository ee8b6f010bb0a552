//! Pod: containers that live and die together.

pub mod check;
pub mod defaults;
pub mod no_effect;
pub mod observed;
