//! Pod: containers that live and die together.

pub mod observed;
