//! Settings of plans and strategies: those of the configuration file, and facts about the host.

use crate::time::{BootClock, Down, Timestamp};
use std::collections::BTreeMap;

/// Settings of the configuration file (`/etc/cronlet/config.yaml`) for plans, and facts about the
/// host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Name of this host's Node, `spec.nodeName` of its pods.
    pub node_name: String,
    /// The default of `cronlet.dev/dst`.
    pub dst: Dst,
    /// The default of `spec.timeZone`; the host's zone in Kubernetes is the controller manager's.
    /// IANA name.
    pub time_zone: String,
    /// Limits on the number of pods.
    pub limits: Limits,
    /// Programs for containers without `command`, by image pattern.
    pub images: BTreeMap<String, ImageProgram>,
    pub history: HistorySettings,
    pub volumes: VolumeSettings,
    pub folder: FolderSettings,
    /// True if claims are limited to their sizes: the state folder's file system has project
    /// quotas. Found at start.
    pub claims_are_limited: bool,
    /// Address of this host, found at start.
    pub host_ip: String,
    /// The time at which the host started, for `@reboot`; the same for every start of the daemon
    /// until the host's next.
    pub booted_at: Option<Timestamp>,
    /// The clock when the daemon started; `None` if the host does not report it.
    pub boot_clock: Option<BootClock>,
    /// The time before the daemon's present start in which none ran. The engine sets it.
    pub down: Option<Down>,
    /// The time at which the daemon's first start in this boot had read its manifests; `None` until
    /// then. A CronJob that existed by then is due for `@reboot`. The engine keeps it.
    pub loaded_at: Option<Timestamp>,
    /// The resources for containers without limits of their own, found at start.
    pub host_cpu_millis: u64,
    pub host_memory_bytes: u64,
    /// The user that runs the daemon and, unless `runAsUser` says otherwise, every container.
    pub host_user: u32,
    /// The home folder of that user.
    pub host_home: String,
    /// `PRETTY_NAME` of `/etc/os-release`, and the kernel's release; empty where unknown.
    pub host_os: String,
    pub host_kernel: String,
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

/// The effect of a change of the clocks on a fixed time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dst {
    /// Like Kubernetes: a time in the gap is skipped, one in the fold fires twice.
    Kubernetes,
    /// Once each: a time in the gap fires right after it, one in the fold fires the first time
    /// only.
    #[default]
    Once,
}

/// A host program in place of an image: a line of `images:`, either a list (the command) or a map.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(from = "ImageProgramForm")]
pub struct ImageProgram {
    /// Like `ENTRYPOINT`: a container's `args` follow it, its `command` replaces it.
    pub command: Vec<String>,
    /// Like `CMD`: a container's `args` replace it.
    pub args: Vec<String>,
    /// Like `ENV`.
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

/// The extent of `cronlet history`.
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
    /// The Job runs to its end, as after `kubectl delete cronjob --cascade=orphan`.
    #[default]
    Finish,
    /// The Job is deleted, and its pods are stopped.
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

/// The treatment of the folder of a deleted claim.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reclaim {
    /// The folder is put aside: one host has no other copy.
    #[default]
    Retain,
    /// The folder is removed, as with the storage classes of most clusters.
    Delete,
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
