//! The configuration file (`/etc/cronlet/config.yaml`) and the paths that follow from who runs the
//! daemon.

use super::logging;
use cronlet_api::cron_job::schedule::Zone;
use cronlet_api::manifest;
use cronlet_api::settings::{
    Dst, FolderSettings, HistorySettings, ImageProgram, Limits, Settings, VolumeSettings,
};
use cronlet_api::startup::Startup;
use cronlet_plan::controllers::node::host;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// `config.yaml`, all of it optional.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Config {
    /// Name of this host's Node; the host's name unless set.
    pub node_name: Option<String>,
    pub dst: Dst,
    /// IANA name, for CronJobs without `timeZone`; UTC unless set.
    pub time_zone: Option<String>,
    pub limits: Limits,
    pub images: BTreeMap<String, ImageProgram>,
    pub history: HistorySettings,
    pub volumes: VolumeSettings,
    pub folder: FolderSettings,
    pub shutdown: Shutdown,
    pub log: Log,
    pub metrics: Metrics,
}

/// What happens to running pods when the service stops.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PodsAtShutdown {
    /// They run on, and the next daemon takes them back.
    #[default]
    Leave,
    /// TERM, their grace period, KILL.
    Drain,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Shutdown {
    pub pods: PodsAtShutdown,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Log {
    /// As `RUST_LOG`, which goes before it.
    pub level: Option<String>,
    pub format: LogFormat,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LogFormat {
    /// Readable on a terminal, with priorities under systemd.
    #[default]
    Text,
    Json,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Metrics {
    /// Address and port of the Prometheus endpoint; none is served without it.
    pub listen: Option<std::net::SocketAddr>,
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{path} cannot be read")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the configuration is not valid: {message}")]
    Invalid { path: PathBuf, message: String },
}

impl Config {
    /// Reads the file. One that is not there is an empty one, unless it was asked for by name.
    pub fn read(path: &Path, must_exist: bool) -> Result<Config, ConfigError> {
        let invalid = |message: String| ConfigError::Invalid { path: path.to_owned(), message };
        let config: Config = match std::fs::read(path) {
            Ok(text) => manifest::read_plain(&text, &path.display().to_string())
                .map_err(|error| invalid(error.to_string()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must_exist => {
                Config::default()
            }
            Err(source) => return Err(ConfigError::Read { path: path.to_owned(), source }),
        };
        if let Some(fault) = config.node_name.as_deref().and_then(host::fault_of_name) {
            return Err(invalid(format!("nodeName: {fault}")));
        }
        if let Some(zone) = &config.time_zone {
            Zone::load(zone).map_err(|error| invalid(format!("timeZone: {error}")))?;
        }
        if let Some(level) = &config.log.level {
            logging::filter(level).map_err(|error| invalid(format!("log.level: {error}")))?;
        }
        Ok(config)
    }

    /// What the command line says goes before what the file says.
    pub fn overridden_by(mut self, startup: &Startup) -> Config {
        if startup.metrics.is_some() {
            self.metrics.listen = startup.metrics;
        }
        if startup.json_log {
            self.log.format = LogFormat::Json;
        }
        self
    }
}

impl Config {
    /// For plans: what is configured, and what is found on the host but for its boot and its
    /// state folder.
    pub fn settings(&self) -> Settings {
        let uname = rustix::system::uname();
        let node_name = || host::name_of(&uname.nodename().to_string_lossy());
        let memory = rustix::system::sysinfo();
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
        let defaults = Settings::default();
        Settings {
            node_name: self.node_name.clone().unwrap_or_else(node_name),
            dst: self.dst,
            time_zone: self.time_zone.clone().unwrap_or(defaults.time_zone),
            limits: self.limits.clone(),
            images: self.images.clone(),
            history: self.history.clone(),
            volumes: self.volumes.clone(),
            folder: self.folder.clone(),
            claims_are_limited: defaults.claims_are_limited,
            host_ip: defaults.host_ip,
            booted_at: defaults.booted_at,
            boot_clock: defaults.boot_clock,
            down: defaults.down,
            loaded_at: defaults.loaded_at,
            host_cpu_millis: cores * 1000,
            host_memory_bytes: (memory.totalram as u64).saturating_mul(u64::from(memory.mem_unit)),
            host_user: rustix::process::geteuid().as_raw(),
            host_home: std::env::var("HOME").unwrap_or_else(|_| "/".to_owned()),
            host_os: os_name().unwrap_or_default(),
            host_kernel: uname.release().to_string_lossy().into_owned(),
        }
    }
}

/// `PRETTY_NAME` of os-release(5).
fn os_name() -> Option<String> {
    let text = std::fs::read_to_string("/etc/os-release").ok()?;
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(name.trim_matches('"').to_owned())
}
