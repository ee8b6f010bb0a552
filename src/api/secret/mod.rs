//! Secret: settings that nobody else may see.

pub mod check;

pub mod columns;

pub mod defaults;

mod strategy;
