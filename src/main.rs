//! The workload half of Kubernetes for one host: arguments in, exit code out. This head is the map.
//!
//! cronlet reads real manifests, decides with pure functions, acts through a few narrow doors, and
//! survives its own death.
//!
//! # Rooms: each folder of `src` is a crate
//! | room | content |
//! |---|---|
//! | `api` | objects and their rules: kinds, manifests, defaults, validation, tables, schedules |
//! | `plan` | decisions as pure functions: controllers, kubelet, scheduler; the doors as traits |
//! | `engine` | the store, and the one loop: drain events, plan, commit, hand out effects |
//! | `host` | system calls: pidfd, cgroups, namespaces, mounts; all unsafe code lives here |
//! | `node` | acts on this host: the process runtime under shims, probes, volumes |
//! | `server` | the Kubernetes-shaped HTTP API on a unix socket |
//! | `cli` | one file a command; a client of the API |
//! | `daemon` | feeds real events to the engine; jobs folder, signals, reload, systemd |
//! | `simulate` | feeds virtual events to the same engine and store; `cronlet simulate` |
//!
//! # Arrows
//! A room depends on rooms to its left alone: `api <- plan <- engine <- server <- daemon`;
//! `host <- node <- daemon`, where `node` sees `plan` and `api`; `cli` sees `api`; `simulate` sees
//! `api`, `plan` and `engine`. The compiler holds them; `tests/tidy` holds the Cargo.toml files.
//!
//! # Invariants
//! - A plan has no clock, no I/O, no await and no randomness; planning twice is harmless.
//! - A decision is on disk before it is published, and published before it is started.
//! - One thread owns the engine; every other thread reads committed objects through
//!   `engine::store::Reader`.
//! - A container attempt has a number; the shim refuses a number that it has seen, so a replayed
//!   order starts nothing.
//!
//! # Words
//! | word | meaning |
//! |---|---|
//! | slot | an instant at which a schedule wants a run |
//! | run | a slot (or a manual trigger) and its outcome; a line of `cronlet history` |
//! | attempt | one start of one container, numbered |
//! | turn | one call of the engine: events in, one commit, effects out |
//! | order | what the engine asks of a runtime or prober |
//! | report | what a runtime or prober answers, later |
//! | door | a trait to the world: `Clock`, `Disk`, `Runtime`, `Prober` |
//! | shim | the process that is the parent of a pod's containers and outlives the daemon |
//! | zygote | the small process that forks shims |

use cronlet_api::settings::Settings;
use cronlet_api::startup::Startup;
use cronlet_cli::{Failure, Forecast, Foreseen, Rooms};
use cronlet_daemon::config::Config;
use cronlet_node::runtimes::process::{ZYGOTE_COMMAND, zygote_main};
use cronlet_simulate::Rehearsal;
use std::path::Path;
use std::time::Duration;

fn main() -> std::process::ExitCode {
    // Before anything else: the zygote must have no other thread and little memory.
    if std::env::args_os().nth(1).is_some_and(|word| word == ZYGOTE_COMMAND) {
        zygote_main()
    }
    cronlet_cli::main(&Rooms { run: run_daemon, drain, settings, foresee })
}

fn run_daemon(startup: Startup) -> anyhow::Result<()> {
    cronlet_daemon::run(startup).map_err(|error| match error.is_of_the_state() {
        true => Failure::State(error.into()).into(),
        false => error.into(),
    })
}

fn drain(state: &Path, within: Duration, say: fn(String)) -> anyhow::Result<()> {
    Ok(cronlet_daemon::drain(state, within, say)?)
}

fn settings(file: &Path) -> anyhow::Result<Settings> {
    Ok(Config::read(file, true)?.settings())
}

fn foresee(asked: Forecast) -> anyhow::Result<Foreseen> {
    let Forecast { cron_jobs, settings, from, to, runs_max } = asked;
    let rehearsal = |(cron_job, duration)| Rehearsal { cron_job, duration };
    let cron_jobs = cron_jobs.into_iter().map(rehearsal).collect();
    let asked = cronlet_simulate::Forecast { cron_jobs, settings, from, to, runs_max };
    let cronlet_simulate::Foreseen { runs, stopped_at } = cronlet_simulate::forecast(&asked)?;
    Ok(Foreseen { runs, stopped_at })
}
