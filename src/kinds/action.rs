//! What a plan sees and what it may ask for: `View`, `Plan`, `Action`, and the settings that plans
//! obey.

use super::{Key, Kind, Object};
use crate::kinds::pod::observed::Order;
use crate::kinds::pod::ports::Port;
use crate::time::{BootClock, ClockSteps, Down, SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use std::collections::BTreeMap;

/// Everything that a plan may know besides the object itself.
pub struct View<'a> {
    pub now: Timestamp,
    pub steps: &'a ClockSteps,
    pub settings: &'a Settings,
    /// The objects that this one controls (by `ownerReferences`), in the order of their names.
    pub owned: &'a [Object],
    pub others: &'a dyn Others,
    /// Nothing new starts: the service is stopping. What was asked to stop still stops.
    pub quiet: bool,
}

/// Reads any object: ConfigMaps and Secrets that a pod names, a Job whose name is wanted.
pub trait Others {
    fn get(&self, key: &Key) -> Option<Object>;

    /// All objects of a kind in a namespace: looks at every one of the kind.
    fn list(&self, kind: Kind, namespace: &str) -> Vec<Object>;

    /// The objects of a kind that no controller owns, of the kinds that may be adopted
    /// ([`super::controller::adopters`]).
    fn orphans(&self, kind: Kind, namespace: &str) -> Vec<Object>;

    /// The pods that mount a claim and have not ended.
    fn claim_users(&self, _claim: &Key) -> Vec<Key> {
        Vec::new()
    }

    /// Other pods whose running containers declare the port.
    fn port_holders(&self, _port: Port, _except: &Key) -> Vec<Key> {
        Vec::new()
    }

    /// The `hostPort`s of the pod that bound pods have, and whose each is.
    fn host_port_holders(&self, _pod: &Pod) -> Vec<(u16, Key)> {
        Vec::new()
    }
}

impl View<'_> {
    /// What really passed since the stamp.
    pub fn elapsed(&self, since: Timestamp) -> SignedDuration {
        self.steps.elapsed(since, self.now)
    }

    /// The stamp by the clock as it is set now.
    pub fn as_set_now(&self, stamp: Timestamp) -> Timestamp {
        self.steps.as_set_now(stamp, self.now)
    }

    /// The wall time at which `wait` will have passed since the stamp; `now` when it has.
    pub fn due(&self, since: Timestamp, wait: SignedDuration) -> Timestamp {
        self.steps.due(since, wait, self.now)
    }
}

/// What a plan decided, and when it wants to be asked again though nothing changed.
#[derive(Debug, Default)]
pub struct Plan {
    pub actions: Vec<Action>,
    pub wake_at: Option<Timestamp>,
    /// What the plan writes of its own object tells it nothing new. Any other plan is made once
    /// more after such a write.
    pub is_settled: bool,
}

impl Plan {
    pub fn push(&mut self, action: Action) {
        self.actions.push(action);
    }

    /// Wants a wake at `at`, or earlier if something else wants it.
    pub fn wake(&mut self, at: Timestamp) {
        self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
    }

    pub fn event(&mut self, severity: Severity, reason: &'static str, message: impl Into<String>) {
        self.event_at("", severity, reason, message);
    }

    /// An event about one part of the object, such as `spec.containers{main}`.
    pub fn event_at(
        &mut self,
        field_path: &str,
        severity: Severity,
        reason: &'static str,
        message: impl Into<String>,
    ) {
        let (field_path, message) = (field_path.to_owned(), message.into());
        self.push(Action::Event(Note { severity, reason, message, field_path }));
    }
}

/// One thing to do. The engine carries out a plan's actions in order, in one commit.
#[derive(Debug, Clone)]
pub enum Action {
    /// A new object. The engine adds uid, creationTimestamp, resourceVersion, generation and, under
    /// `generateName`, the name. An object of that key that exists already makes this a no-op.
    Create(Object),
    /// The planned object, or one that it owns, as it shall be: metadata, spec and status together.
    /// The engine sets resourceVersion, and drops a write that changes nothing.
    Put(Object),
    /// Asks for deletion, as the API does: a Pod gets its grace period, other kinds go at once and
    /// what they own goes with them; finalizers hold an object back.
    Delete(Key),
    /// The same, but what the object owns goes before it (`propagationPolicy: Foreground`).
    DeleteAfterOwned(Key),
    /// The object of this plan is finished with: removed as soon as its finalizers are gone (a Pod
    /// whose containers have stopped).
    Remove,
    /// A Kubernetes Event about the object of this plan.
    Event(Note),
    /// A line for `cronlet history` about a CronJob's slot; replaces the one of the same CronJob
    /// and slot.
    Record(Run),
    /// For the runtime, after the commit.
    Order(Order),
}

/// A Kubernetes Event, less what the engine adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub severity: Severity,
    /// Kubernetes' word, such as `SuccessfulCreate`.
    pub reason: &'static str,
    pub message: String,
    /// `involvedObject.fieldPath`, empty for the whole object.
    pub field_path: String,
}

/// `Event.type`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Normal,
    Warning,
}

/// One slot of a CronJob and what became of it: kept beyond the Job's own life.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    pub namespace: String,
    pub cron_job: String,
    /// The slot: when the schedule wanted the run. For a manual run, when it was asked for.
    pub scheduled: Timestamp,
    /// The Job's name; empty where none was made.
    pub job: String,
    pub outcome: Outcome,
    /// First start of a container.
    pub started: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    /// Exit code of the last container that ended.
    pub exit_code: Option<i32>,
    /// Pods made and container restarts, together.
    pub attempts: u32,
    /// Why, where it did not succeed.
    pub message: String,
    pub manual: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Outcome {
    Running,
    Succeeded,
    Failed,
    /// No Job was made: overlap under `Forbid`, a deadline missed.
    Skipped,
    /// Deleted while it ran (`Replace`, or by hand).
    Replaced,
}

/// What the configuration file (`/etc/cronlet/config.yaml`) says that plans obey, and what the host
/// is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Name of this host's Node, `spec.nodeName` of its pods.
    pub node_name: String,
    /// The default of `cronlet.dev/dst`.
    pub dst: Dst,
    /// The default of `spec.timeZone`; the host's zone in Kubernetes is the controller manager's.
    /// IANA name.
    pub time_zone: String,
    /// At most so many pods of Jobs run at once; the rest wait, Pending.
    pub limits: Limits,
    /// Programs for containers without `command`: image pattern to what runs.
    pub images: BTreeMap<String, ImageProgram>,
    pub history: HistorySettings,
    pub volumes: VolumeSettings,
    pub folder: FolderSettings,
    /// Claims are held to their sizes: the state folder's file system has project quotas. Found at
    /// start.
    pub claims_are_limited: bool,
    /// This host's address, found at start.
    pub host_ip: String,
    /// When the host started, for `@reboot`; the same for every start of the daemon until the
    /// host's next.
    pub booted_at: Option<Timestamp>,
    /// How the clock stood when the daemon started; `None` if the host does not say.
    pub boot_clock: Option<BootClock>,
    /// The time before the daemon's present start in which none ran. The engine sets it.
    pub down: Option<Down>,
    /// When the daemon's first start in this boot had read its manifests; `None` until then. A
    /// CronJob that was there by then is due for `@reboot`. The engine keeps it.
    pub loaded_at: Option<Timestamp>,
    /// What containers without limits of their own may use, found at start.
    pub host_cpu_millis: u64,
    pub host_memory_bytes: u64,
    /// The user that runs the daemon and, unless `runAsUser` says otherwise, every container.
    pub host_user: u32,
    /// That user's home folder.
    pub host_home: String,
    /// `PRETTY_NAME` of `/etc/os-release`, and the kernel's release; empty where unknown.
    pub host_os: String,
    pub host_kernel: String,
}

/// What a host program stands in for an image: a line of `images:`. Either a list (the command) or
/// a map.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(from = "ImageProgramForm")]
pub struct ImageProgram {
    /// As `ENTRYPOINT`: a container's `args` follow it, its `command` replaces it.
    pub command: Vec<String>,
    /// As `CMD`: a container's `args` replace it.
    pub args: Vec<String>,
    /// As `ENV`.
    pub env: BTreeMap<String, String>,
}

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum ImageProgramForm {
    Command(Vec<String>),
    Program(ImageProgramMap),
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageProgramMap {
    #[serde(default)]
    command: Vec<String>,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
}

impl From<ImageProgramForm> for ImageProgram {
    fn from(form: ImageProgramForm) -> ImageProgram {
        match form {
            ImageProgramForm::Command(command) => ImageProgram { command, ..Default::default() },
            ImageProgramForm::Program(ImageProgramMap { command, args, env }) => {
                ImageProgram { command, args, env }
            }
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// At most this many pods of Jobs run at once; the rest wait.
    pub runs: Option<u32>,
    /// `allocatable.pods` of the Node: more pods than this are not bound.
    pub pods: Option<u32>,
    /// At most this many pods that have ended are kept, but for those of CronJobs.
    pub terminated_pods: Option<u32>,
}

/// How long `cronlet history` remembers.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct HistorySettings {
    /// Runs kept for each CronJob.
    pub runs: u32,
    pub days: u32,
}

impl Default for HistorySettings {
    fn default() -> Self {
        HistorySettings { runs: 100, days: 90 }
    }
}

/// Settings for manifests that are removed from the jobs folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct FolderSettings {
    pub running_jobs: RunningJobs,
}

/// Fate of a running Job when its file, or the file of its CronJob, is removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunningJobs {
    /// It runs to its end, as after `kubectl delete cronjob --cascade=orphan`.
    #[default]
    Finish,
    /// It is deleted, and its pods are stopped.
    Stop,
}

/// The folders of PersistentVolumeClaims.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct VolumeSettings {
    pub reclaim: Reclaim,
    /// Storage classes whose claims are folders under the state folder, besides claims that name
    /// none.
    pub classes: Vec<String>,
}

impl Default for VolumeSettings {
    fn default() -> Self {
        // The default classes of kind and minikube, of k3s, and of Docker Desktop.
        let classes = ["standard", "local-path", "hostpath"].map(str::to_owned).into();
        VolumeSettings { reclaim: Reclaim::default(), classes }
    }
}

/// What becomes of the folder of a claim that is deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reclaim {
    /// It is put aside: one host has no other copy.
    #[default]
    Retain,
    /// It is removed, as with the storage classes of most clusters.
    Delete,
}

/// What a fixed time does when the clocks change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dst {
    /// As Kubernetes: a time in the gap is skipped, one in the fold fires twice.
    Kubernetes,
    /// Once each: a time in the gap fires right after it, one in the fold fires the first time
    /// only.
    #[default]
    Once,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            node_name: "localhost".into(),
            dst: Dst::default(),
            time_zone: "UTC".into(),
            limits: Limits::default(),
            images: BTreeMap::new(),
            history: HistorySettings::default(),
            volumes: VolumeSettings::default(),
            folder: FolderSettings::default(),
            claims_are_limited: false,
            host_ip: "127.0.0.1".into(),
            booted_at: None,
            boot_clock: None,
            down: None,
            loaded_at: None,
            host_cpu_millis: 1000,
            host_memory_bytes: 1 << 30,
            host_user: 0,
            host_home: "/root".into(),
            host_os: String::new(),
            host_kernel: String::new(),
        }
    }
}

/// The key of an object of `kind` beside `object`, in its namespace.
pub fn beside(object: &Object, kind: Kind, name: &str) -> Key {
    Key::new(kind, object.namespace(), name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_a_list_or_a_map() {
        let check = |yaml_as_json: &str, command: &[&str], args: &[&str]| {
            let program: ImageProgram = serde_json::from_str(yaml_as_json).expect("reads");
            assert_eq!((&program.command[..], &program.args[..]), (&*own(command), &*own(args)));
        };
        check(r#"["redis-server"]"#, &["redis-server"], &[]);
        check(r#"{"command": ["nginx"], "args": ["-g", "x"]}"#, &["nginx"], &["-g", "x"]);
        assert!(serde_json::from_str::<ImageProgram>(r#"{"comand": []}"#).is_err());
    }

    fn own(words: &[&str]) -> Vec<String> {
        words.iter().map(|&w| w.to_owned()).collect()
    }
}
