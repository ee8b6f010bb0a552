//! The controller of Job: pods that run until enough of them have succeeded.

pub mod plan;

pub mod backoff;

pub mod create;

pub mod failure_policy;

pub mod index;

pub mod indexed;

pub mod pods;

pub mod record;

pub mod success_policy;
