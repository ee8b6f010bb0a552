//! Job: pods that run until enough of them have succeeded.

pub mod check;

pub mod columns;

pub mod defaults;

mod policies;

pub mod conditions;

mod strategy;
