//! Arguments in, exit code out.

use cronlet::cli::{Forecast, Foreseen, Rooms};
use cronlet::daemon;
use cronlet::daemon::config::Config;
use cronlet::kinds::action::Settings;
use cronlet::runtimes::process::{ZYGOTE_COMMAND, zygote_main};
use cronlet::sim::{self, Rehearsal};
use cronlet::startup::Startup;
use std::path::Path;

fn main() -> std::process::ExitCode {
    // Before anything else: the zygote must have no other thread and little memory.
    if std::env::args_os().nth(1).is_some_and(|word| word == ZYGOTE_COMMAND) {
        zygote_main()
    }
    cronlet::cli::main(&Rooms { run: run_daemon, settings, foresee })
}

fn run_daemon(startup: Startup) -> anyhow::Result<()> {
    Ok(daemon::run(startup)?)
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
