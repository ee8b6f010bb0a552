//! What a container has used of the host, as `metrics.k8s.io` tells of it.

/// One look at a container that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerUsage {
    pub container: String,
    pub attempt: u32,
    /// CPU time since it started.
    pub cpu_nanoseconds: u64,
    /// The memory that could not be taken from it without harm.
    pub memory_bytes: u64,
}
