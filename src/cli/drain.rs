//! `cronlet drain`: ends what a stopped daemon left running, as before its removal.

use super::failure::Failure;
use super::output::write_text;
use super::{Rooms, paths};
use std::path::PathBuf;
use std::time::Duration;

/// End what a stopped daemon left running
///
/// Each pod gets its grace period. What runs when the timeout is over is killed. A daemon that runs
/// would start its pods again, so it has to be stopped first.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where the daemon kept its state [default: /var/lib/cronlet, or ~/.local/state/cronlet]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Longest time to wait, in seconds
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    timeout: u64,
}

pub(crate) fn run(args: &Args, rooms: &Rooms) -> Result<(), Failure> {
    let state = args.state.clone().unwrap_or_else(paths::state);
    // Nobody may read it; what is asked for is done all the same.
    let say = |line| drop(write_text(&format!("{line}\n")));
    Ok((rooms.drain)(&state, Duration::from_secs(args.timeout), say)?)
}
