//! What this host has used of itself, as `metrics.k8s.io` tells of it.

/// One look at the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostUsage {
    /// CPU time of all that runs, since the host was started.
    pub cpu_nanoseconds: u64,
    /// The memory that could not be had without harm.
    pub memory_bytes: u64,
}
