//! The command line: one table of commands, from which help, completions and manual pages are made.

mod run;

mod check;

mod get;

mod describe;

mod logs;

mod apply;

mod delete;

mod rollout;

mod scale;

mod set;

mod top;

mod trigger;

mod suspend;

mod history;

mod reload;

mod drain;

mod next;

mod simulate;

mod import;

mod version;

mod completion;

mod client;

mod failure;

mod manifests;

mod output;

mod paths;

mod table;

mod target;

mod times;

mod yaml;

use crate::client::Client;
use clap::{CommandFactory, Parser, Subcommand};
use cronlet_api::settings::Settings;
use cronlet_api::startup::Startup;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// The workload half of Kubernetes for one host
#[derive(Debug, Parser)]
#[command(name = "cronlet", version, after_help = failure::EXIT_CODES, max_term_width = 100)]
struct Cli {
    /// The daemon's socket [default: /run/cronlet/cronlet.sock, or of an ordinary user
    /// $XDG_RUNTIME_DIR/cronlet/cronlet.sock]
    #[arg(
        long,
        global = true,
        env = "CRONLET_SOCKET",
        hide_env_values = true,
        value_name = "PATH"
    )]
    socket: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

/// The table. A command is a file and a line here, and one in [`Cli::run`].
#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Check(check::Args),
    Get(get::Args),
    Describe(describe::Args),
    Logs(logs::Args),
    Apply(apply::Args),
    Delete(delete::Args),
    Rollout(rollout::Args),
    Scale(scale::Args),
    Set(set::Args),
    Top(top::Args),
    Trigger(trigger::Args),
    /// Let a CronJob or Job hold still
    Suspend(suspend::Args),
    /// Let a suspended CronJob or Job go on
    Resume(suspend::Args),
    History(history::Args),
    Reload(reload::Args),
    Drain(drain::Args),
    Next(next::Args),
    Simulate(simulate::Args),
    Import(import::Args),
    Version(version::Args),
    Completion(completion::CompletionArgs),
    Man(completion::ManArgs),
}

pub use crate::failure::Failure;
pub use crate::simulate::{Forecast, Foreseen};

/// Prints a line.
pub type Say = fn(String);

/// What commands need of rooms that this one does not see; `main.rs` opens the doors.
pub struct Rooms {
    /// Runs the daemon until it is stopped.
    pub run: fn(Startup) -> anyhow::Result<()>,
    /// Ends what a stopped daemon left running on that state folder, within so long, and says
    /// what it does.
    pub drain: fn(&Path, Duration, Say) -> anyhow::Result<()>,
    /// What a configuration file says that plans obey.
    pub settings: fn(&Path) -> anyhow::Result<Settings>,
    /// Runs CronJobs on virtual time.
    pub foresee: fn(Forecast) -> anyhow::Result<Foreseen>,
}

/// Runs the command that the arguments name.
pub fn main(rooms: &Rooms) -> ExitCode {
    // clap prints usage errors itself and exits with 2, as promised.
    match Cli::parse().run(rooms) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let line = failure.to_string();
            if !line.is_empty() {
                eprintln!("{line}");
            }
            ExitCode::from(failure.exit_code())
        }
    }
}

impl Cli {
    fn run(self, rooms: &Rooms) -> Result<(), Failure> {
        let client = || Client::new(self.socket.clone().unwrap_or_else(paths::socket));
        match &self.command {
            Command::Run(args) => Ok((rooms.run)(args.startup(self.socket.clone())?)?),
            Command::Check(args) => check::run(args),
            Command::Get(args) => get::run(args, &client()?),
            Command::Describe(args) => describe::run(args, &client()?),
            Command::Logs(args) => logs::run(args, &client()?),
            Command::Apply(args) => apply::run(args, &client()?),
            Command::Delete(args) => delete::run(args, &client()?),
            Command::Rollout(args) => rollout::run(args, &client()?),
            Command::Scale(args) => scale::run(args, &client()?),
            Command::Set(args) => set::run(args, &client()?),
            Command::Top(args) => top::run(args, &client()?),
            Command::Trigger(args) => trigger::run(args, &client()?),
            Command::Suspend(args) => suspend::run(args, true, &client()?),
            Command::Resume(args) => suspend::run(args, false, &client()?),
            Command::History(args) => history::run(args, &client()?),
            Command::Reload(args) => reload::run(args, &client()?),
            Command::Drain(args) => drain::run(args, rooms),
            Command::Next(args) => next::run(args, &client()?),
            Command::Simulate(args) => simulate::run(args, rooms),
            Command::Import(args) => import::run(args),
            Command::Version(args) => version::run(args, &client()?),
            Command::Completion(args) => completion::completion(args, Cli::command()),
            Command::Man(args) => completion::man(args, Cli::command()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_consistent() {
        Cli::command().debug_assert();
    }
}
