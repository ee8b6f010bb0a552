//! `cronlet run`: where the daemon finds everything.

use super::failure::Failure;
use super::paths;
use cronlet_api::startup::Startup;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Run the daemon in the foreground
///
/// Reads the configuration and every manifest of DIR, runs them until it is stopped, and answers on
/// its socket.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// The folder of manifests [default: /etc/cronlet/jobs, or ~/.config/cronlet/jobs]
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The configuration [default: config.yaml beside the default DIR]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where state and logs are kept [default: /var/lib/cronlet, or ~/.local/state/cronlet]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Serve Prometheus on this address, such as 127.0.0.1:9632
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<SocketAddr>,
    /// Write the log as JSON
    #[arg(long)]
    json_log: bool,
}

impl Args {
    pub(super) fn startup(&self, socket: Option<PathBuf>) -> Result<Startup, Failure> {
        let jobs = self.dir.clone().unwrap_or_else(|| paths::configuration().join("jobs"));
        if jobs.exists() && !jobs.is_dir() {
            let jobs = jobs.display();
            return Err(Failure::usage(format!(
                "{jobs} is not a folder: `cronlet run DIR` runs the manifests of a folder. Put the \
                 file into one of its own, or give it to a daemon that runs: `cronlet apply -f \
                 {jobs}`"
            )));
        }
        // A second daemon, told to keep its state elsewhere, must not take the first one's socket.
        let socket = socket.unwrap_or_else(|| match &self.state {
            Some(state) => state.join("cronlet.sock"),
            None => paths::socket(),
        });
        Ok(Startup {
            jobs,
            config_required: self.config.is_some(),
            config: self
                .config
                .clone()
                .unwrap_or_else(|| paths::configuration().join("config.yaml")),
            state: self.state.clone().unwrap_or_else(paths::state),
            socket,
            metrics: self.metrics,
            json_log: self.json_log,
        })
    }
}
