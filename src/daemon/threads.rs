//! Threads of the daemon, none of which dies alone.
//!
//! Half a daemon is worse than none: with its API or its probes dead it would look alive and answer
//! nobody. So a panic in any thread, whoever made it, and the end of a thread that runs for as long
//! as the daemon, end the process with an error; systemd starts it again, and the shims keep the
//! pods meanwhile.

use super::DaemonError;
use std::panic::PanicHookInfo;

/// Exit code after a panic, as of a Rust program whose main thread panics.
const PANICKED: i32 = 101;

/// The daemon's own stacks: reading a deep manifest takes the most.
const STACK_BYTES: usize = 512 << 10;

/// Ends the process when any thread panics from here on.
pub(crate) fn end_on_panic() {
    std::panic::set_hook(Box::new(|panic| end(&words(panic))));
}

/// Starts a thread that runs for as long as the daemon.
pub(crate) fn spawn(
    name: &'static str,
    work: impl FnOnce() + Send + 'static,
) -> Result<(), DaemonError> {
    let body = move || {
        panic_if_asked(name);
        work();
        end(&format!("the thread {name} has ended"));
    };
    let builder = std::thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES);
    builder.spawn(body).map(drop).map_err(|error| DaemonError::Host("a thread", error))
}

/// Panics where the tests want this thread to (`CRONLET_PANIC_IN`), in a build for tests.
pub(crate) fn panic_if_asked(name: &str) {
    if cfg!(debug_assertions) && std::env::var("CRONLET_PANIC_IN").is_ok_and(|it| it == name) {
        panic!("asked for by CRONLET_PANIC_IN");
    }
}

fn words(panic: &PanicHookInfo) -> String {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("without a name").to_owned();
    let place = panic.location().map(|at| format!(" at {at}")).unwrap_or_default();
    let why = panic.payload_as_str().unwrap_or("no message");
    format!("the thread {name} panicked{place}: {why}")
}

fn end(why: &str) -> ! {
    tracing::error!("{why}: the daemon ends; what runs goes on, and the next start takes it back");
    std::process::exit(PANICKED)
}
