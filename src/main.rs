//! Arguments in, exit code out.

use cronlet::runtimes::process::{ZYGOTE_COMMAND, zygote_main};

fn main() -> std::process::ExitCode {
    // Before anything else: the zygote must have no other thread and little memory.
    if std::env::args_os().nth(1).is_some_and(|word| word == ZYGOTE_COMMAND) {
        zygote_main()
    }
    cronlet::cli::main()
}
