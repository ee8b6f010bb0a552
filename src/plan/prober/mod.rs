//! The door to probes, and what each implementation of it keeps: how often a container is asked,
//! and when answers add up to a verdict.

use crate::kubelet::probe::Probe;
use std::sync::Arc;

pub mod pace;

pub mod threshold;

/// The door to probes. Reports come back on the channel that the prober was made with.
pub trait Prober {
    /// Runs these probes of the pod from now on, and no others. A probe that ran before and is
    /// still listed continues as it was.
    fn watch(&mut self, pod_uid: &str, probes: Arc<[Probe]>);
}
