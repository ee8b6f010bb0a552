//! Usage of the host by a container, as in `metrics.k8s.io`.

/// A measurement of a running container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerUsage {
    pub container: String,
    pub attempt: u32,
    /// CPU time since it started.
    pub cpu_nanoseconds: u64,
    /// The memory that cannot be reclaimed without harm.
    pub memory_bytes: u64,
}
