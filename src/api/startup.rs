//! Arguments of a daemon's start: `cronlet run` fills them in, the daemon obeys them.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Paths, and settings of the command line that override the configuration; every default is filled
/// in.
#[derive(Debug, Clone)]
pub struct Startup {
    /// The folder of manifests.
    pub jobs: PathBuf,
    pub config: PathBuf,
    /// True if the configuration file was named, so it must exist; if false, defaults replace it.
    pub config_required: bool,
    pub state: PathBuf,
    pub socket: PathBuf,
    /// Address and port of the Prometheus endpoint.
    pub metrics: Option<SocketAddr>,
    pub json_log: bool,
}
