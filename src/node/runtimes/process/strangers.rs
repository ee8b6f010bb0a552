//! Shims by their processes, for when no record leads to them: their state folder was removed,
//! emptied or made anew while they ran.
//!
//! A shim has its state folder among the arguments that it inherits from the zygote, so it is found
//! whatever became of the folder. It ends its pod by grace when it gets
//! [`END_POD`](signals::END_POD): that needs no socket.

use super::records::Record;
use super::zygote::COMMAND;
use super::{journal, paths};
use cronlet_host::{process, signals};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal};
use std::collections::HashMap;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Name of a shim's thread, by which it is told from its zygote.
pub const SHIM_NAME: &std::ffi::CStr = c"cronlet-shim";

/// A shim that runs.
pub struct Stranger {
    pub pid: Pid,
    handle: OwnedFd,
    /// Names of the programs that it runs. Their arguments may hold secrets.
    pub programs: Vec<String>,
}

/// Finds the shims of a state folder, which need not exist any more.
pub fn of_state(state: &Path) -> Vec<Stranger> {
    let state = state.canonicalize().or_else(|_| std::path::absolute(state));
    let Ok(state) = state else { return Vec::new() };
    process::all().into_iter().filter_map(|pid| Stranger::new(pid, &state)).collect()
}

/// Finds the shims of the state folder whose pod is wanted; `None`: no record names it. Those that
/// this process made are left out.
pub fn of_pods(
    state: &Path,
    is_wanted: impl Fn(Option<&str>) -> bool,
) -> io::Result<Vec<Stranger>> {
    let mut found = of_state(state);
    let own = Some(rustix::process::getpid());
    found.retain(|shim| process::parent(shim.pid).and_then(process::parent) != own);
    if !found.is_empty() {
        let pods = pods_by_shim(state)?;
        let pod = |shim: &Stranger| pods.get(&shim.pid.as_raw_pid()).map(String::as_str);
        found.retain(|shim| is_wanted(pod(shim)));
    }
    Ok(found)
}

/// The pod that each shim was last given, by the shim's pid. Earlier boots' are among them.
fn pods_by_shim(state: &Path) -> io::Result<HashMap<i32, String>> {
    let mut pods = HashMap::new();
    journal::read(&paths::journal(state), |_, uid, json| {
        if let Ok(Record::Shim { pid, .. }) = serde_json::from_slice(json) {
            pods.insert(pid, uid.to_owned());
        }
    })?;
    Ok(pods)
}

impl Stranger {
    fn new(pid: Pid, state: &Path) -> Option<Stranger> {
        let at = |name: &str| format!("/proc/{}/{name}", pid.as_raw_pid());
        let name = std::fs::read(at("comm")).ok()?;
        if name.trim_ascii_end() != SHIM_NAME.to_bytes() {
            return None;
        }
        // Whatever is read below is of this process: it is looked at after the handle was taken.
        let handle = rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()?;
        let arguments = std::fs::read(at("cmdline")).ok()?;
        let mut arguments = arguments.split(|byte| *byte == 0).skip(1);
        let is_shim = arguments.next() == Some(COMMAND.as_bytes());
        let is_of_state = arguments.nth(1) == Some(state.as_os_str().as_bytes());
        let owner = std::fs::metadata(at("")).ok()?.uid();
        let is_ours = owner == rustix::process::geteuid().as_raw();
        // A path means another folder in another container.
        let root = |of: &str| std::fs::metadata(of).map(|meta| (meta.dev(), meta.ino())).ok();
        let is_here = root(&at("root")).is_some_and(|it| Some(it) == root("/proc/self/root"));
        let is_it = is_shim && is_of_state && is_ours && is_here;
        is_it.then(|| Stranger { pid, handle, programs: programs_of(pid) })
    }

    /// True if it has not ended.
    fn lives(&self) -> bool {
        let mut fds = [PollFd::new(&self.handle, PollFlags::IN)];
        !matches!(rustix::event::poll(&mut fds, Some(&Timespec::default())), Ok(1..))
    }

    /// What is to be read of it: `pid 12 (sleep, sh)`.
    pub fn words(&self) -> String {
        match self.programs.is_empty() {
            true => format!("pid {} (nothing)", self.pid.as_raw_pid()),
            false => format!("pid {} ({})", self.pid.as_raw_pid(), self.programs.join(", ")),
        }
    }
}

fn programs_of(shim: Pid) -> Vec<String> {
    let comm = |pid: Pid| std::fs::read_to_string(format!("/proc/{}/comm", pid.as_raw_pid())).ok();
    let names = process::children(shim).into_iter().filter_map(comm);
    names.map(|name| name.trim_end().to_owned()).collect()
}

/// Looked at so often while they are waited for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Killed ones are waited for so long: the kernel may hold one for ever.
const KILLED_FOR: Duration = Duration::from_secs(10);

/// Ends the shims' pods by their grace periods, and kills what is left after `within`. Returns when
/// nothing of them runs, and how many had to be killed. `waits` is called every second.
pub fn end(shims: &[Stranger], within: Duration, mut waits: impl FnMut(usize)) -> usize {
    for shim in shims {
        let _ = rustix::process::pidfd_send_signal(&shim.handle, signals::END_POD);
    }
    let late = wait(shims.iter().collect(), within, &mut waits);
    for shim in &late {
        let theirs = process::descendants(shim.pid);
        let _ = rustix::process::pidfd_send_signal(&shim.handle, Signal::KILL);
        theirs.into_iter().for_each(process::kill);
    }
    let killed = late.len();
    wait(late, KILLED_FOR, &mut waits);
    killed
}

/// Waits for their ends, and returns those that live on.
fn wait<'a>(
    mut shims: Vec<&'a Stranger>,
    within: Duration,
    waits: &mut impl FnMut(usize),
) -> Vec<&'a Stranger> {
    let begun = Instant::now();
    loop {
        shims.retain(|shim| shim.lives());
        let left = within.saturating_sub(begun.elapsed()).min(LOOK_EVERY);
        let Some(next) = shims.first().filter(|_| !left.is_zero()) else { return shims };
        waits(shims.len());
        let timeout = Timespec {
            tv_sec: left.as_secs().cast_signed(),
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        let mut fds = [PollFd::new(&next.handle, PollFlags::IN)];
        let _ = rustix::event::poll(&mut fds, Some(&timeout));
    }
}
