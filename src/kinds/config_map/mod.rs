//! ConfigMap: settings for pods.

pub mod check;
pub mod defaults;
