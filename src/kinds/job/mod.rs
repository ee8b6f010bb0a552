//! Job: pods that run until enough of them have succeeded.

pub mod check;
pub mod columns;
pub mod defaults;
mod policies;

pub mod plan;

mod backoff;
pub mod conditions;
mod create;
mod failure_policy;
mod index;
mod indexed;
pub(in crate::kinds) mod pods;
pub mod record;
mod success_policy;
