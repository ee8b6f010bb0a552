//! StatefulSet: pods with stable names, each with claims of its own.

pub mod check;

pub mod columns;

pub mod defaults;

mod strategy;
