//! Signals: blocked and read from a descriptor in the shim, as the system made them in a container.

use rustix::fd::{FromRawFd, OwnedFd};
use rustix::process::Signal;
use std::io;

/// Asks a shim to end its pod by grace. It is none of those that are sent to many at once, by a
/// name or at a shutdown.
pub const END_POD: Signal = Signal::USR2;

/// Blocks every signal that can be blocked, and gives a descriptor for [`take`], which is readable
/// when a child has ended or [`END_POD`] came. Other signals stay pending for ever: a shim is ended
/// by its orders, not by a signal that was meant for all.
pub fn block_and_watch() -> io::Result<OwnedFd> {
    let mut all = empty_set();
    let mut watched = empty_set();
    // SAFETY: the sets are initialised and live through the calls; a null pointer for the old mask
    // is allowed.
    unsafe {
        libc::sigfillset(&raw mut all);
        libc::sigaddset(&raw mut watched, libc::SIGCHLD);
        libc::sigaddset(&raw mut watched, END_POD.as_raw());
        libc::sigprocmask(libc::SIG_SETMASK, &raw const all, std::ptr::null_mut());
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
        let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
        let fd = libc::signalfd(-1, &raw const watched, flags);
        if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(OwnedFd::from_raw_fd(fd)) }
    }
}

/// Takes the signals that came. True if [`END_POD`] is among them.
pub fn take(watched: &OwnedFd) -> bool {
    let mut ends = false;
    let mut one = [0; size_of::<libc::signalfd_siginfo>()];
    while let Ok(length) = rustix::io::read(watched, &mut one)
        && length == one.len()
    {
        // The structure begins with the number.
        let number = one.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes));
        ends |= number == Some(END_POD.as_raw().unsigned_abs());
    }
    ends
}

/// Every signal at its default: what a program expects to be born with, as far as it inherits it.
pub fn reset_all() {
    let default_action = [0u64; 4];
    // SAFETY: an all-zero kernel sigaction (handler, flags, restorer, mask: at most 32 bytes) is
    // SIG_DFL; the system call is made directly because the C library keeps two signals, which may
    // be inherited ignored, to itself. Numbers that cannot be set are refused without harm.
    unsafe {
        for signal in 1..=libc::SIGRTMAX() {
            let (action, old) = (default_action.as_ptr(), std::ptr::null::<u64>());
            libc::syscall(libc::SYS_rt_sigaction, signal, action, old, 8);
        }
    }
}

/// No signal is blocked.
pub fn unblock_all() {
    let none = empty_set();
    // SAFETY: the set is initialised and lives through the call.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut()) };
}

/// Ended children are not kept for a `wait`: for the zygote, whose children end long after it.
pub fn ignore_children() {
    // SAFETY: SIG_IGN runs no code of ours.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
}

fn empty_set() -> libc::sigset_t {
    let mut set = std::mem::MaybeUninit::uninit();
    // SAFETY: sigemptyset initialises the set that it is given.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        set.assume_init()
    }
}

pub const TERMINATE: i32 = libc::SIGTERM;

/// Sends a signal by number; that the process is gone is no error.
pub fn send(pid: rustix::process::Pid, signal: i32) {
    // SAFETY: kill has no memory effects; the pid is that of a child not reaped yet.
    unsafe { libc::kill(pid.as_raw_pid(), signal) };
}

/// The number of `stopSignal` (`SIGTERM`, `SIGRTMIN+3`); TERM where it is none of this system's.
pub fn number(name: &str) -> i32 {
    let name = name.strip_prefix("SIG").unwrap_or(name);
    if let Some(up) = name.strip_prefix("RTMIN") {
        let up: i32 = up.trim_start_matches('+').parse().unwrap_or(0);
        return libc::SIGRTMIN() + up;
    }
    if let Some(down) = name.strip_prefix("RTMAX") {
        let down: i32 = down.trim_start_matches('-').parse().unwrap_or(0);
        return libc::SIGRTMAX() - down;
    }
    NAMES.iter().find(|(known, _)| *known == name).map_or(libc::SIGTERM, |(_, number)| *number)
}

const NAMES: [(&str, i32); 33] = [
    ("ABRT", libc::SIGABRT),
    ("ALRM", libc::SIGALRM),
    ("BUS", libc::SIGBUS),
    ("CHLD", libc::SIGCHLD),
    ("CLD", libc::SIGCHLD),
    ("CONT", libc::SIGCONT),
    ("FPE", libc::SIGFPE),
    ("HUP", libc::SIGHUP),
    ("ILL", libc::SIGILL),
    ("INT", libc::SIGINT),
    ("IO", libc::SIGIO),
    ("IOT", libc::SIGIOT),
    ("KILL", libc::SIGKILL),
    ("PIPE", libc::SIGPIPE),
    ("POLL", libc::SIGPOLL),
    ("PROF", libc::SIGPROF),
    ("PWR", libc::SIGPWR),
    ("QUIT", libc::SIGQUIT),
    ("SEGV", libc::SIGSEGV),
    ("STOP", libc::SIGSTOP),
    ("SYS", libc::SIGSYS),
    ("TERM", libc::SIGTERM),
    ("TRAP", libc::SIGTRAP),
    ("TSTP", libc::SIGTSTP),
    ("TTIN", libc::SIGTTIN),
    ("TTOU", libc::SIGTTOU),
    ("URG", libc::SIGURG),
    ("USR1", libc::SIGUSR1),
    ("USR2", libc::SIGUSR2),
    ("VTALRM", libc::SIGVTALRM),
    ("WINCH", libc::SIGWINCH),
    ("XCPU", libc::SIGXCPU),
    ("XFSZ", libc::SIGXFSZ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_by_their_kubernetes_names() {
        let check = |name, want| assert_eq!(number(name), want, "{name}");
        check("SIGTERM", 15);
        check("SIGUSR1", 10);
        check("SIGRTMIN+3", libc::SIGRTMIN() + 3);
        check("SIGRTMAX-1", libc::SIGRTMAX() - 1);
        check("SIGRTMIN", libc::SIGRTMIN());
        check("SIGNONSENSE", 15);
    }
}
