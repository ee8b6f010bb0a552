//! The zygote: a small process that the daemon starts once, and that forks a shim in the time of a
//! fork.
//!
//! Shims share its pages, so a hundred of them cost little more than one. It was executed anew
//! (`cronlet shim-zygote`), because a fork of the daemon itself would carry the daemon's heap
//! along. It ends with the daemon; the shims do not.

use super::shim;
use super::wire::{NewShim, NoShim};
use cronlet_host::process::{self, Forked};
use cronlet_host::{signals, sockets};
use rustix::fd::{AsFd, OwnedFd};
use rustix::net::SendFlags;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The word on the command line that makes cronlet a zygote: `argv[1]`.
pub const COMMAND: &str = "shim-zygote";

/// What programs get from the daemon as it was started, and not as it made itself since: `argv[2]`
/// of each zygote, the first and those that follow it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Birthright {
    /// How many files a process may have open; `None`: any number.
    pub descriptors_max: Option<u64>,
}

impl Birthright {
    pub(super) fn to_word(self) -> String {
        self.descriptors_max.map_or("unlimited".to_owned(), |number| number.to_string())
    }

    fn take(word: &str) {
        let (current, resource) = (word.parse().ok(), Resource::Nofile);
        let limit = Rlimit { current, ..getrlimit(resource) };
        // What is lowered is not refused.
        let _ = setrlimit(resource, limit);
    }
}

/// What the daemon may say at once: a number and a path.
const MESSAGE_BYTES_MAX: usize = 16 << 10;

/// Serves until the daemon closes the socket that is standard input. `main` calls this before
/// anything else when `argv[1]` is [`COMMAND`]: there must be no other thread.
pub fn zygote_main() -> ! {
    let _ = rustix::process::setsid();
    let _ = rustix::thread::set_name(c"cronlet-zygote");
    // The shims and their programs inherit what is set here; a shim minds its children itself.
    signals::reset_all();
    signals::ignore_children();
    Birthright::take(&std::env::args().nth(2).unwrap_or_default());
    warm_up();
    let Ok(socket) = take_socket() else { process::exit_now(2) };
    // Not on the heap, where it would part what the shims write from what they only read.
    let mut buffer = [0; MESSAGE_BYTES_MAX];
    loop {
        match sockets::receive_with_fd(socket.as_fd(), &mut buffer) {
            Ok((0, _)) | Err(_) => process::exit_now(0),
            Ok((length, Some(daemon))) => {
                let Ok(new) = serde_json::from_slice::<NewShim>(&buffer[..length]) else {
                    continue;
                };
                match process::fork() {
                    Ok(Forked::Child) => {
                        // The daemon must see the zygote's end, not wait for that of the shims.
                        drop(socket);
                        shim::main(&new.state, daemon)
                    }
                    Ok(Forked::Parent(_)) => {}
                    Err(error) => refuse(&socket, new.token, &error),
                }
            }
            Ok((_, None)) => {}
        }
    }
}

/// What the standard library finds out once is found out here, before the fork, and not by every
/// shim anew: asking a virtual machine's processor what it can do takes longer than the fork.
fn warm_up() {
    #[cfg(target_arch = "x86_64")]
    let _ = std::arch::is_x86_feature_detected!("avx2");
    let _ = process::boot_id();
}

/// Moves the socket away from standard input, and points the standard streams at nothing.
fn take_socket() -> rustix::io::Result<OwnedFd> {
    let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let nothing = rustix::fs::open(
        "/dev/null",
        rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    )?;
    rustix::stdio::dup2_stdin(&nothing)?;
    rustix::stdio::dup2_stdout(&nothing)?;
    rustix::stdio::dup2_stderr(&nothing)?;
    Ok(socket)
}

/// Says why there is no shim. If the daemon does not listen it still sees the pod's socket closed.
fn refuse(socket: &OwnedFd, token: u64, error: &std::io::Error) {
    let answer = NoShim { token, errno: error.raw_os_error().unwrap_or(0) };
    let bytes = serde_json::to_vec(&answer).expect("plain data");
    let _ = rustix::net::send(socket, &bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
}
