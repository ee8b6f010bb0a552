//! Arguments in, exit code out.

use cronlet::cli::Daemon;
use cronlet::daemon::{self, Options};
use cronlet::runtimes::process::{ZYGOTE_COMMAND, zygote_main};

fn main() -> std::process::ExitCode {
    // Before anything else: the zygote must have no other thread and little memory.
    if std::env::args_os().nth(1).is_some_and(|word| word == ZYGOTE_COMMAND) {
        zygote_main()
    }
    cronlet::cli::main(run_daemon)
}

fn run_daemon(asked: Daemon) -> anyhow::Result<()> {
    let Daemon { jobs, config, config_required, state, socket, metrics, json_log } = asked;
    let options = Options { jobs, config, config_required, state, socket, metrics, json_log };
    Ok(daemon::run(options)?)
}
