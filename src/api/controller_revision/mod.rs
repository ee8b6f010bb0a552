//! ControllerRevision: how a StatefulSet or a DaemonSet was, kept so that it can be so again.

pub mod check;

pub mod columns;

mod strategy;
