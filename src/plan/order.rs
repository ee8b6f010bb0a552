//! What a pod's plan and its runtime say to each other: orders down, reports up, and what is known
//! meanwhile.

use crate::kubelet::ports::Port;
use crate::kubelet::probe::{Probe, Probed, Verdicts};
use cronlet_api::time::Timestamp;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// What is known of a pod's containers besides its status: kept in memory by the engine, rebuilt
/// from the runtime after a restart (`Runtime::recover`).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PodObserved {
    /// By container name, init containers among them. Absent: never ordered.
    /// Boxed: a map's node has room for eleven, and most pods have one.
    pub containers: BTreeMap<String, Box<ContainerObserved>>,
    /// All containers are gone and the pod's folder is removed or never was.
    pub cleaned: bool,
    /// The probes that were ordered of this daemon's prober; `None`: none were.
    pub probing: Option<Arc<[Probe]>>,
    /// By volume: a hash of the files that were last ordered. Absent: unknown to this daemon.
    pub files: BTreeMap<String, u64>,
    /// When files could last not be brought up to date.
    pub files_failed_at: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ContainerObserved {
    /// The attempt that `state` speaks of: 0 is the first, equal to `restartCount`.
    pub attempt: u32,
    pub state: ContainerState,
    /// How the attempt before ended.
    pub last: Option<Exit>,
    /// Ends in a row, counted anew with the end of an attempt that ran ten minutes: the first end
    /// restarts at once, the second after 10 s, and so on, doubling.
    pub streak: u32,
    /// Starts of this attempt that failed in a row.
    pub failures: u32,
    /// The shortest grace with which this attempt was asked to stop; `None`: it was not.
    pub stopping: Option<i64>,
    /// What this daemon's probes of this attempt came to.
    pub verdicts: Verdicts,
    /// Why this attempt was ended for its postStart hook.
    pub hook_failed: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ContainerState {
    /// Ordered, no report yet (set by the engine when it hands the order out).
    Starting,
    /// The runtime could not start it and says why, in Kubernetes' words. The same attempt may be
    /// ordered again.
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
    },
    Exited(Exit),
}

/// How far `lifecycle.postStart` is. A container without the hook is `Done` at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookState {
    Running,
    Done,
    /// The plan stops the container for it.
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
    /// Processes that it left in the background, which were ended with it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left: u32,
    /// `Completed`, `Error`, `OOMKilled`, `ContainerStatusUnknown`, `StartError`.
    pub reason: String,
    /// The termination message (`terminationMessagePath`), at most 4096 bytes.
    pub message: String,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
}

impl PodObserved {
    /// Notes an order that was handed to the runtime.
    pub fn apply_order(&mut self, order: &Order) {
        match order {
            Order::Start(launch) => self.started(launch),
            Order::Stop { container, attempt, grace_seconds, .. } => {
                if let Some(seen) = self.containers.get_mut(container)
                    && seen.attempt == *attempt
                {
                    let grace = seen.stopping.map_or(*grace_seconds, |old| old.min(*grace_seconds));
                    seen.stopping = Some(grace);
                }
            }
            Order::Probe { probes, .. } => self.probing = Some(probes.clone()),
            Order::Refresh { volumes, .. } => {
                volumes.iter().for_each(|one| self.note_files(&one.volume, &one.files));
                self.files_failed_at = None;
            }
            Order::Clean { .. } => self.probing = None,
            Order::Reclaim { .. } => {}
        }
    }

    fn note_files(&mut self, volume: &str, files: &[File]) {
        self.files.insert(volume.to_owned(), hash_of(files));
    }

    fn started(&mut self, launch: &Launch) {
        self.cleaned = false;
        for mount in &launch.mounts {
            if let MountSource::Files { files, .. } = &mount.source {
                self.note_files(&mount.volume, files);
            }
        }
        let seen = self.container(&launch.container, launch.attempt);
        if launch.attempt > seen.attempt {
            let last = match std::mem::replace(&mut seen.state, ContainerState::Starting) {
                ContainerState::Exited(exit) => Some(exit),
                _ => seen.last.take(),
            };
            let streak = seen.streak;
            *seen = ContainerObserved { last, streak, ..ContainerObserved::new(launch.attempt) };
        }
        seen.state = ContainerState::Starting;
    }

    /// Does the report speak of what runs now?
    pub fn is_running(&self, report: &Report) -> bool {
        let seen = self.containers.get(&report.container);
        seen.is_some_and(|seen| {
            let runs = matches!(seen.state, ContainerState::Running { .. });
            seen.attempt == report.attempt && runs
        })
    }

    fn container(&mut self, name: &str, attempt: u32) -> &mut ContainerObserved {
        let begin = || Box::new(ContainerObserved::new(attempt));
        self.containers.entry(name.to_owned()).or_insert_with(begin)
    }

    /// Applies a report. Returns whether it changed something: an old attempt's and a repeated one
    /// are not.
    pub fn apply_report(&mut self, report: &Report) -> bool {
        if report.event == ContainerEvent::Cleaned {
            return !std::mem::replace(&mut self.cleaned, true);
        }
        if let ContainerEvent::NotRefreshed { volume, at, .. } = &report.event {
            self.files.remove(volume);
            return self.files_failed_at.replace(*at) != Some(*at);
        }
        let seen = self.container(&report.container, report.attempt);
        if report.attempt < seen.attempt {
            return false;
        }
        if report.attempt > seen.attempt {
            let streak = seen.streak;
            *seen = ContainerObserved { streak, ..ContainerObserved::new(report.attempt) };
        }
        seen.take(&report.event)
    }
}

/// An attempt that ran so long has its restart backoff forgiven.
pub const STEADY_SECONDS: i64 = 600;

impl ContainerObserved {
    /// When this attempt started and ended, as far as it did, to the nanosecond.
    pub fn instants(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        match &self.state {
            ContainerState::Running { started_at, .. } => (Some(*started_at), None),
            ContainerState::Exited(exit) => (Some(exit.started_at), Some(exit.finished_at)),
            ContainerState::Starting | ContainerState::Failed { .. } => (None, None),
        }
    }

    /// An attempt that was ordered just now.
    pub fn new(attempt: u32) -> ContainerObserved {
        ContainerObserved {
            attempt,
            state: ContainerState::Starting,
            last: None,
            streak: 0,
            failures: 0,
            stopping: None,
            verdicts: Verdicts::default(),
            hook_failed: None,
        }
    }

    fn failed_at(&self) -> Option<Timestamp> {
        match self.state {
            ContainerState::Failed { at, .. } => Some(at),
            _ => None,
        }
    }

    /// Events that come again, as after a turn that could not be committed, change nothing.
    fn take(&mut self, event: &ContainerEvent) -> bool {
        if let ContainerState::Exited(_) = self.state {
            return false;
        }
        match event {
            ContainerEvent::Started { id, pid, at, post_start } => {
                if let ContainerState::Running { .. } = self.state {
                    return false;
                }
                self.state = ContainerState::Running {
                    id: id.clone(),
                    pid: *pid,
                    started_at: *at,
                    post_start: post_start.clone(),
                };
            }
            ContainerEvent::PostStart(result) => {
                let ContainerState::Running { post_start, .. } = &mut self.state else {
                    return false;
                };
                *post_start = match result {
                    Ok(()) => HookState::Done,
                    Err(why) => HookState::Failed(why.clone()),
                };
            }
            ContainerEvent::Failed { at, .. } if self.failed_at() == Some(*at) => return false,
            ContainerEvent::Failed { reason, message, at } => {
                self.failures += 1;
                let (reason, message) = (reason.clone(), message.clone());
                self.state = ContainerState::Failed { reason, message, at: *at };
            }
            ContainerEvent::Exited(exit) => {
                self.streak = if exit.was_steady() { 1 } else { self.streak.saturating_add(1) };
                if let ContainerState::Running { post_start: HookState::Failed(why), .. } =
                    &self.state
                {
                    self.hook_failed = Some(why.clone());
                }
                self.state = ContainerState::Exited(exit.clone());
            }
            ContainerEvent::Probed(probed) => {
                let (runs, kind) =
                    (matches!(self.state, ContainerState::Running { .. }), probed.kind);
                return probed.verdict.is_some_and(|v| runs && self.verdicts.set(kind, v));
            }
            ContainerEvent::PreStopFailed(_)
            | ContainerEvent::NotRefreshed { .. }
            | ContainerEvent::Cleaned => return false,
        }
        true
    }
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl Exit {
    /// Whether it ran so long that the ends before it do not count.
    pub fn was_steady(&self) -> bool {
        self.finished_at.duration_since(self.started_at).as_secs() > STEADY_SECONDS
    }
}

/// What the runtime tells the engine.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    pub pod_uid: String,
    pub container: String,
    pub attempt: u32,
    pub event: ContainerEvent,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ContainerEvent {
    Started {
        id: String,
        pid: u32,
        at: Timestamp,
        /// `Running` where the container has the hook, else `Done`.
        post_start: HookState,
    },
    PostStart(Result<(), String>),
    /// `lifecycle.preStop` failed; the stop goes on. Changes nothing that is observed: the engine
    /// makes it the event `FailedPreStopHook` (`pod::events::of_report`).
    PreStopFailed(String),
    /// Could not be started: Kubernetes' reason (`CreateContainerConfigError`, `RunContainerError`,
    /// …).
    Failed {
        reason: String,
        message: String,
        at: Timestamp,
    },
    Exited(Exit),
    /// From the prober.
    Probed(Probed),
    /// The files of a volume stay as they were (`container` is empty).
    NotRefreshed {
        volume: String,
        message: String,
        at: Timestamp,
    },
    /// Answers `Order::Clean`: nothing of the pod is left (`container` is empty).
    Cleaned,
}

/// What a pod's plan asks of the runtime. Each is harmless when repeated.
#[derive(Debug, Clone, PartialEq)]
pub enum Order {
    /// Start one attempt of one container. A runtime that has seen this attempt does nothing but
    /// report.
    Start(Box<Launch>),
    /// preStop, TERM, and KILL of everything in the container when `grace_seconds` are over; 0
    /// kills at once. A later one with less grace shortens it. An attempt that is not running yet
    /// is not started any more (`ContainerEvent::Failed`) or killed as soon as it is.
    Stop { pod_uid: String, container: String, attempt: u32, grace_seconds: i64 },
    /// The probes that shall run from now on, all of this pod's: for the prober.
    Probe { pod_uid: String, probes: Arc<[Probe]> },
    /// Brings the files of volumes up to date that running containers see. Answered only where that
    /// fails (`ContainerEvent::NotRefreshed`).
    Refresh { pod_uid: String, fs_group: Option<u32>, volumes: Vec<VolumeFiles> },
    /// Remove the pod's processes, volumes and mounts; its logs go too. Answered by
    /// `ContainerEvent::Cleaned` always, also where the runtime knows nothing of the pod.
    Clean { pod_uid: String },
    /// A PersistentVolumeClaim is gone: its folder is put aside under this name, or removed. Nobody
    /// answers.
    Reclaim { volume: String, kept_as: Option<String> },
}

/// One attempt of one container, resolved: nothing is looked up later. Holds secrets: `Debug` is
/// for tests alone.
#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Launch {
    pub pod_uid: String,
    pub namespace: String,
    pub pod: String,
    pub container: String,
    pub attempt: u32,
    /// Program and arguments, `$(VAR)` expanded.
    pub argv: Vec<String>,
    /// Name of the program in messages where the manifest names it by a variable, whose value may
    /// be a secret.
    #[serde(default)]
    pub called: Option<String>,
    pub env: Vec<(String, String)>,
    pub working_dir: Option<String>,
    pub user: Option<u32>,
    pub group: Option<u32>,
    pub groups: Vec<u32>,
    /// `fsGroup`: owns the pod's emptyDirs and files, and is one of the process's groups.
    pub fs_group: Option<u32>,
    pub mounts: Vec<Mount>,
    pub limits: ResourceLimits,
    /// Limits of all containers of the pod together (`spec.resources`).
    #[serde(default)]
    pub pod_limits: ResourceLimits,
    #[serde(default)]
    pub confinement: Confinement,
    pub termination_message_path: String,
    /// `FallbackToLogsOnError`: the log's tail is the message if the file is empty and the
    /// container failed.
    pub message_from_logs: bool,
    pub post_start: Option<Hook>,
    pub pre_stop: Option<Hook>,
    pub stop_signal: Option<String>,
    /// Grace period of the pod, for a shim that has to end it by itself.
    #[serde(default = "grace_seconds")]
    pub grace_seconds: i64,
    pub read_only_root: bool,
    /// Host name that the programs see; empty for the host's own.
    pub host_name: String,
    /// The pod's address and names, for `/etc/hosts`; empty: it has the host's file.
    #[serde(default)]
    pub hosts_line: String,
    /// Variables that follow from the user's entry in `/etc/passwd`. What `env` says of them is
    /// for a user without an entry.
    #[serde(default)]
    pub account_variables: Vec<String>,
    /// It is not started while another's program has one of these.
    #[serde(default)]
    pub contested: Vec<Contested>,
}

/// Rights that a container's program does without.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Confinement {
    /// No program that it executes gives it more privileges.
    pub no_new_privileges: bool,
    /// The capabilities that it may have, a bit for each; `None`: all that the daemon has.
    pub capabilities: Option<u64>,
    /// `None`: it may ask the kernel for everything.
    pub filter: Option<Filter>,
    /// It is in no group but those that its manifest lists (`supplementalGroupsPolicy: Strict`).
    pub own_groups: bool,
}

/// Only system calls that container runtimes allow by default (`RuntimeDefault`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Filter {
    /// They open some more calls.
    pub capabilities: u64,
}

/// A port that containers of several pods declare.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Contested {
    pub port: Port,
    /// The pod's address: it cannot listen even there where another listens on every address.
    pub address: String,
    /// 127.0.0.1 counts too: the container's last run failed, perhaps for that.
    pub localhost: bool,
    /// The others, `namespace/name`.
    pub pods: Vec<String>,
}

/// Kubernetes' default, for orders of a version that did not say it.
fn grace_seconds() -> i64 {
    30
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
    Sleep {
        seconds: i64,
    },
    /// Any answer is a good one, whatever its status.
    HttpGet(HttpGet),
    /// It cannot be carried out, and fails for that.
    Unknown(String),
}

/// What a probe does (`ProbeHandler`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handler {
    HttpGet(HttpGet),
    TcpSocket(Address),
    /// A program in the container.
    Exec(Vec<String>),
    /// `grpc.health.v1.Health/Check`
    Grpc {
        address: Address,
        service: String,
    },
    /// It says nothing that could be asked; why.
    Unknown(String),
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct HttpGet {
    /// Without a look at the certificate.
    pub https: bool,
    pub address: Address,
    /// With the query, if any.
    pub path: String,
    pub headers: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Address {
    /// A name or an IP address.
    pub host: String,
    pub port: u16,
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
    /// Name in messages where it was expanded (`subPathExpr`) and may hold a secret.
    #[serde(default)]
    pub sub_path_called: Option<String>,
    /// `spec.volumes[].name`
    pub volume: String,
    pub source: MountSource,
}

#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum MountSource {
    /// A folder that lives as long as the pod; `memory`: a tmpfs.
    EmptyDir { memory: bool, size_bytes_max: Option<u64> },
    /// `hostPath`: `type` as Kubernetes checks it, empty for none.
    HostPath {
        path: String,
        kind: String,
        /// When all in it gets the pod's `fsGroup`, as in a `local` volume; `None`: never.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group_change: Option<GroupChange>,
    },
    /// A PersistentVolumeClaim's directory, by the name of its volume; made when it is not there.
    Claim {
        volume: String,
        /// What it asks for, which the folder shall not outgrow where the host can hold it to that.
        #[serde(default)]
        size_bytes_max: Option<u64>,
    },
    /// ConfigMap, Secret, downwardAPI and projected: files with content, on a tmpfs where they are
    /// secret.
    Files { files: Vec<File>, secret: bool },
}

/// `fsGroupChangePolicy`
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum GroupChange {
    Always,
    /// If the folder itself has another group or fewer rights.
    OnRootMismatch,
}

#[derive(Clone, PartialEq, Hash, serde::Serialize, serde::Deserialize)]
pub struct File {
    /// Relative to the volume, without `..`.
    pub path: String,
    pub content: Vec<u8>,
    /// Permission bits, such as 0o644.
    pub mode: u32,
}

/// The files of one volume. Holds secrets: `Debug` is for tests alone.
#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct VolumeFiles {
    /// `spec.volumes[].name`
    pub volume: String,
    pub files: Vec<File>,
    pub secret: bool,
}

impl std::fmt::Debug for VolumeFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VolumeFiles({}, {} files)", self.volume, self.files.len())
    }
}

/// Returns what differs where the files differ, for this process alone.
pub fn hash_of(files: &[File]) -> u64 {
    let mut hasher = DefaultHasher::new();
    files.hash(&mut hasher);
    hasher.finish()
}
