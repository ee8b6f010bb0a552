//! The controller of Namespace: its content is deleted before it.

pub mod conditions;

pub mod plan;
