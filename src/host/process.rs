//! Processes: fork, exec, who is alive, who descends from whom.

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};
use std::ffi::{CStr, CString};
use std::io::{self, Read};

/// Where a fork returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forked {
    Child,
    Parent(Pid),
}

/// Forks a process that has one thread: the zygote or a shim (see `main.rs`, which makes no thread
/// before them).
///
/// The C library's own fork mends in the child what only several threads spoil, its locks and its
/// list of threads. That makes four pages of every shim's memory its own.
pub fn fork() -> io::Result<Forked> {
    let (flags, none) = (libc::SIGCHLD as libc::c_ulong, 0 as libc::c_ulong);
    // SAFETY: without CLONE_VM and with no stack this is fork. The caller has a single thread, so
    // no lock is held by a thread that the child lacks; nobody registers handlers of forks.
    match unsafe { libc::syscall(libc::SYS_clone, flags, none, none, none, none) } {
        0 => Ok(Forked::Child),
        pid => positive(pid as i32).map(Forked::Parent).ok_or_else(io::Error::last_os_error),
    }
}

/// What the system returned, if it is a process.
pub(super) fn positive(pid: i32) -> Option<Pid> {
    if pid > 0 { Pid::from_raw(pid) } else { None }
}

/// Arguments and environment as exec takes them.
pub struct Strings {
    /// Ending in null; they point into `_held`.
    argv: Vec<*const libc::c_char>,
    envp: Vec<*const libc::c_char>,
    _held: [Vec<CString>; 2],
}

impl Strings {
    pub fn new(arguments: Vec<CString>, environment: Vec<CString>) -> Strings {
        let pointers = |strings: &[CString]| {
            strings.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect()
        };
        let (argv, envp) = (pointers(&arguments), pointers(&environment));
        Strings { argv, envp, _held: [arguments, environment] }
    }
}

impl Strings {
    /// Adds a variable to the environment.
    pub fn push_variable(&mut self, variable: CString) {
        self.envp.pop();
        self.envp.extend([variable.as_ptr(), std::ptr::null()]);
        self._held[1].push(variable);
    }
}

/// Replaces this process by the program; returns only what went wrong.
pub fn exec(program: &CStr, strings: &Strings) -> io::Error {
    // SAFETY: both arrays end in a null pointer and point to strings that outlive the call.
    unsafe { libc::execve(program.as_ptr(), strings.argv.as_ptr(), strings.envp.as_ptr()) };
    io::Error::last_os_error()
}

/// Ends this process at once: no destructors, no flushing of what the parent buffered too.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` has no preconditions.
    unsafe { libc::_exit(code) }
}

/// Marks every descriptor from `first` on to be closed by exec.
pub fn close_on_exec_from(first: u32) -> io::Result<()> {
    // SAFETY: sets a flag on this process's own descriptors; closes none.
    let returned =
        unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if returned == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Reaps one child that has ended, if there is one.
pub fn reap() -> Option<(Pid, WaitStatus)> {
    rustix::io::retry_on_intr(|| rustix::process::wait(WaitOptions::NOHANG)).ok().flatten()
}

/// When the process started, in clock ticks since boot: with the pid, it names a process for good.
/// `None`: gone.
pub fn started_ticks(pid: Pid) -> Option<u64> {
    Stat::read(pid).map(|stat| stat.started_ticks)
}

/// This boot's id: a process recorded under another one is gone. It is read once.
pub fn boot_id() -> &'static str {
    static ID: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    ID.get_or_init(|| {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        id.trim().to_owned()
    })
}

/// What `/proc/<pid>/stat` tells, as far as it is needed here.
struct Stat {
    parent: i32,
    session: i32,
    zombie: bool,
    started_ticks: u64,
}

impl Stat {
    fn read(pid: Pid) -> Option<Stat> {
        let path = format!("/proc/{}/stat", pid.as_raw_pid());
        // The kernel makes the line anew for each look: one is enough, it is never this long.
        let mut buffer = [0; 1024];
        let length = std::fs::File::open(path).ok()?.read(&mut buffer).ok()?;
        let text = String::from_utf8_lossy(&buffer[..length]);
        // The program's name is in parentheses and may hold anything, also parentheses.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        Some(Stat {
            zombie: *fields.first()? == "Z",
            parent: fields.get(1)?.parse().ok()?,
            session: fields.get(3)?.parse().ok()?,
            started_ticks: fields.get(19)?.parse().ok()?,
        })
    }
}

/// Living processes that descend from `ancestor`, itself left out; ended ones that wait to be
/// reaped are left out.
pub fn descendants(ancestor: Pid) -> Vec<Pid> {
    let mut found = Vec::new();
    let mut open = vec![ancestor];
    while let Some(parent) = open.pop() {
        for child in children(parent) {
            if Stat::read(child).is_some_and(|stat| !stat.zombie) {
                found.push(child);
            }
            open.push(child);
        }
    }
    found
}

/// Returns those of [`descendants`] that another thread than a process's first one made.
pub fn descendants_of_threads(ancestor: Pid) -> Vec<Pid> {
    let mut parents = Vec::new();
    for pid in all() {
        parents.extend(Stat::read(pid).map(|stat| (pid, stat.parent)));
    }
    let (mut found, mut next) = (vec![ancestor], 0);
    while let Some(parent) = found.get(next).map(|pid| pid.as_raw_pid()) {
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found.split_off(1)
}

/// The parent of a process; `None` if it is gone.
pub fn parent(pid: Pid) -> Option<Pid> {
    Pid::from_raw(Stat::read(pid)?.parent)
}

/// True if the process neither ended nor waits to be reaped.
pub fn is_alive(pid: Pid) -> bool {
    Stat::read(pid).is_some_and(|stat| !stat.zombie)
}

/// The children of a process with one thread, or of the first thread of another.
pub fn children(parent: Pid) -> Vec<Pid> {
    let pid = parent.as_raw_pid();
    match std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")) {
        Ok(text) => text.split_ascii_whitespace().filter_map(parse_pid).collect(),
        Err(_) => every_process(|stat| stat.parent == pid),
    }
}

/// Living processes of the session that `leader` founded.
pub fn session_members(leader: i32) -> Vec<Pid> {
    every_process(|stat| stat.session == leader && !stat.zombie)
}

/// All processes of the host.
pub fn all() -> Vec<Pid> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|e| parse_pid(e.file_name().to_str()?)).collect()
}

fn every_process(wanted: impl Fn(&Stat) -> bool) -> Vec<Pid> {
    all().into_iter().filter(|pid| Stat::read(*pid).is_some_and(|stat| wanted(&stat))).collect()
}

fn parse_pid(text: &str) -> Option<Pid> {
    Pid::from_raw(text.parse().ok()?)
}

/// Kills; that it is gone already is no error.
pub fn kill(pid: Pid) {
    let _ = rustix::process::kill_process(pid, Signal::KILL);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_start_and_its_parent() {
        let own = rustix::process::getpid();
        assert!(started_ticks(own).is_some_and(|ticks| ticks > 0));
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().expect("sleep");
        let pid = Pid::from_child(&child);
        assert!(every_process(|stat| stat.parent == own.as_raw_pid()).contains(&pid));
        child.kill().expect("kill");
        child.wait().expect("wait");
        assert_eq!(started_ticks(pid), None);
    }
}
