//! ConfigMap: settings for pods.

pub mod check;

pub mod columns;

pub mod defaults;

mod strategy;
