//! What a daemon is started with: `cronlet run` fills it in, the daemon obeys it.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Where everything is, and what the command line says over the configuration; every default is
/// filled in.
#[derive(Debug, Clone)]
pub struct Startup {
    /// The folder of manifests.
    pub jobs: PathBuf,
    pub config: PathBuf,
    /// Without a configuration file the defaults hold, unless it was asked for by name.
    pub config_required: bool,
    pub state: PathBuf,
    pub socket: PathBuf,
    /// Address and port of the Prometheus endpoint.
    pub metrics: Option<SocketAddr>,
    pub json_log: bool,
}
