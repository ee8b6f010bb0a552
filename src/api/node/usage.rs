//! Usage of this host, as in `metrics.k8s.io`.

/// A measurement of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostUsage {
    /// CPU time of all processes since the host was started.
    pub cpu_nanoseconds: u64,
    /// The memory that cannot be reclaimed without harm.
    pub memory_bytes: u64,
}
