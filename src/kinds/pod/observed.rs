//! What a pod's plan and its runtime say to each other: orders down, reports up, and what is known meanwhile.

use crate::time::Timestamp;
use std::collections::BTreeMap;

/// What is known of a pod's containers besides its status: kept in memory by the engine, rebuilt from the runtime
/// after a restart (`Runtime::recover`).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PodObserved {
    /// By container name, init containers among them. Absent: never ordered.
    pub containers: BTreeMap<String, ContainerObserved>,
    /// All containers are gone and the pod's folder is removed or never was.
    pub cleaned: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ContainerObserved {
    /// The attempt that `state` speaks of: 0 is the first, equal to `restartCount`.
    pub attempt: u32,
    pub state: ContainerState,
    /// How the attempt before ended.
    pub last: Option<Exit>,
    /// Ends in a row after less than ten minutes of running: the exponent of the restart backoff.
    pub streak: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ContainerState {
    /// Ordered, no report yet (set by the engine when it hands the order out).
    Starting,
    /// The runtime could not start it and says why, in Kubernetes' words. The same attempt may be ordered again.
    Failed {
        reason: String,
        message: String,
        at: Timestamp,
    },
    Running {
        id: String,
        pid: u32,
        started_at: Timestamp,
        post_start: HookState,
        stopping: bool,
    },
    Exited(Exit),
}

/// How far `lifecycle.postStart` is. A container without the hook is `Done` at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookState {
    Running,
    Done,
    /// The container is being killed for it.
    Failed(String),
}

/// How one attempt ended (`ContainerStateTerminated`).
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Exit {
    /// `cronlet://<64 hex>`, one for each attempt.
    pub id: String,
    /// 128 + signal where a signal ended it.
    pub code: i32,
    pub signal: Option<i32>,
    /// `Completed`, `Error`, `OOMKilled`, `ContainerStatusUnknown`, `StartError`.
    pub reason: String,
    /// The termination message (`terminationMessagePath`), at most 4096 bytes.
    pub message: String,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
}

/// What the runtime tells the engine.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    pub pod_uid: String,
    pub container: String,
    pub attempt: u32,
    pub news: News,
}

#[derive(Debug, Clone, PartialEq)]
pub enum News {
    Started {
        id: String,
        pid: u32,
        at: Timestamp,
    },
    PostStart(Result<(), String>),
    /// `lifecycle.preStop` failed; the stop goes on.
    PreStopFailed(String),
    /// Could not be started: Kubernetes' reason (`CreateContainerConfigError`, `RunContainerError`, …).
    Failed {
        reason: String,
        message: String,
        at: Timestamp,
    },
    Exited(Exit),
    /// Answers `Order::Clean`: nothing of the pod is left (`container` is empty).
    Cleaned,
}

/// What a pod's plan asks of the runtime. Each is harmless when repeated.
#[derive(Debug, Clone, PartialEq)]
pub enum Order {
    /// Start one attempt of one container. A runtime that has seen this attempt does nothing but report.
    Start(Box<Launch>),
    /// preStop, TERM, and KILL of everything in the container when `grace_seconds` are over; 0 kills at once.
    Stop { pod_uid: String, container: String, attempt: u32, grace_seconds: i64 },
    /// Remove the pod's processes, volumes and mounts; its logs go too.
    Clean { pod_uid: String },
}

/// One attempt of one container, resolved: nothing is looked up later. Holds secrets: `Debug` is for tests alone.
#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Launch {
    pub pod_uid: String,
    pub namespace: String,
    pub pod: String,
    pub container: String,
    pub attempt: u32,
    /// Program and arguments, `$(VAR)` expanded.
    pub argv: Vec<String>,
    pub env: Vec<(String, String)>,
    pub working_dir: Option<String>,
    pub user: Option<u32>,
    pub group: Option<u32>,
    pub groups: Vec<u32>,
    pub mounts: Vec<Mount>,
    pub limits: ResourceLimits,
    pub termination_message_path: String,
    /// `FallbackToLogsOnError`: the log's tail is the message if the file is empty and the container failed.
    pub message_from_logs: bool,
    pub post_start: Option<Hook>,
    pub pre_stop: Option<Hook>,
    pub stop_signal: Option<String>,
    pub read_only_root: bool,
    pub host_name: String,
}

impl std::fmt::Debug for Launch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Launch({}/{} {} #{})", self.namespace, self.pod, self.container, self.attempt)
    }
}

/// `lifecycle.*`
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Hook {
    Exec(Vec<String>),
    Sleep { seconds: i64 },
}

/// cgroup limits of one container (`resources`); `None`: no limit.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ResourceLimits {
    pub cpu_millis_max: Option<u64>,
    pub cpu_millis_request: Option<u64>,
    pub memory_bytes_max: Option<u64>,
}

/// One mount in the container's private mount namespace.
#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Mount {
    /// Absolute, in the container.
    pub at: String,
    pub read_only: bool,
    /// `subPath`, already expanded; relative, without `..`.
    pub sub_path: Option<String>,
    /// `spec.volumes[].name`
    pub volume: String,
    pub source: MountSource,
}

#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum MountSource {
    /// A folder that lives as long as the pod; `memory`: a tmpfs.
    EmptyDir { memory: bool, size_bytes_max: Option<u64> },
    /// `hostPath`: `type` as Kubernetes checks it, empty for none.
    HostPath { path: String, kind: String },
    /// ConfigMap, Secret, downwardAPI and projected: files with content, on a tmpfs where they are secret.
    Files { files: Vec<File>, secret: bool },
}

#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct File {
    /// Relative to the volume, without `..`.
    pub path: String,
    pub content: Vec<u8>,
    /// Permission bits, such as 0o644.
    pub mode: u32,
}
