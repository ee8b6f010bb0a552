//! The scheduler's part: which pods this host takes, and in which order.

pub mod fit;

pub mod queue;
