//! Arguments in, exit code out.

use cronlet::cli::{Failure, Forecast, Foreseen, Rooms};
use cronlet::daemon;
use cronlet::daemon::config::Config;
use cronlet::kinds::action::Settings;
use cronlet::runtimes::process::{ZYGOTE_COMMAND, zygote_main};
use cronlet::sim::{self, Rehearsal};
use cronlet::startup::Startup;
use std::path::Path;
use std::time::Duration;

fn main() -> std::process::ExitCode {
    // Before anything else: the zygote must have no other thread and little memory.
    if std::env::args_os().nth(1).is_some_and(|word| word == ZYGOTE_COMMAND) {
        zygote_main()
    }
    cronlet::cli::main(&Rooms { run: run_daemon, drain, settings, foresee })
}

fn run_daemon(startup: Startup) -> anyhow::Result<()> {
    daemon::run(startup).map_err(|error| match error.is_of_the_state() {
        true => Failure::State(error.into()).into(),
        false => error.into(),
    })
}

fn drain(state: &Path, within: Duration, say: fn(String)) -> anyhow::Result<()> {
    Ok(daemon::drain(state, within, say)?)
}

fn settings(file: &Path) -> anyhow::Result<Settings> {
    Ok(Config::read(file, true)?.settings())
}

fn foresee(asked: Forecast) -> anyhow::Result<Foreseen> {
    let Forecast { cron_jobs, settings, from, to, runs_max } = asked;
    let rehearsal = |(cron_job, duration)| Rehearsal { cron_job, duration };
    let cron_jobs = cron_jobs.into_iter().map(rehearsal).collect();
    let asked = sim::Forecast { cron_jobs, settings, from, to, runs_max };
    let sim::Foreseen { runs, stopped_at } = sim::forecast(&asked)?;
    Ok(Foreseen { runs, stopped_at })
}
