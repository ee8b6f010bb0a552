//! Steps of a child of the shim from fork to exec, which make it a container's program.
//!
//! The child works in the shim's memory (`host::spawn`), and frees its allocations before it
//! executes.

use cronlet_api::time::Timestamp;
use cronlet_host::cgroups::Cgroup;
use cronlet_host::confine::{self, BpfProgram};
use cronlet_host::process::{self, Strings};
use cronlet_host::{signals, users};
use cronlet_plan::order::{Launch, Mount, MountSource};
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Gid, Pid, Uid};
use rustix::thread::CapabilitySet;
use std::ffi::CString;
use std::fmt::Display;
use std::io;
use std::time::{Duration, Instant};

/// Why a program does not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The attempt is used up, as with a container runtime that could not exec (`StartError`, exit
    /// code 128). Else nothing has run, and the same attempt may be ordered again.
    pub used: bool,
    pub reason: String,
    pub message: String,
}

impl Refusal {
    /// Kubernetes' word for a start that failed outside of the program's reach.
    pub(crate) fn run(message: impl Display) -> Refusal {
        Refusal { used: false, reason: "RunContainerError".into(), message: message.to_string() }
    }

    pub(crate) fn config(message: impl Display) -> Refusal {
        let reason = "CreateContainerConfigError".into();
        Refusal { used: false, reason, message: message.to_string() }
    }

    pub(crate) fn start(message: impl Display) -> Refusal {
        Refusal { used: true, reason: "StartError".into(), message: message.to_string() }
    }
}

/// What the child gets besides its launch.
pub(crate) struct ChildSetup<'a> {
    pub cgroup: &'a Cgroup,
    /// It was born in the cgroup's version 2 folder.
    pub born_inside: bool,
    pub output: BorrowedFd<'a>,
    pub errors: BorrowedFd<'a>,
    pub shim: Pid,
    pub not_before: Timestamp,
}

/// A program, ready to be executed.
pub(crate) struct Program {
    /// Name in messages.
    name: String,
    is_sought: bool,
    filter: Vec<BpfProgram>,
    /// Where it may lie, one after the other.
    candidates: Vec<CString>,
    strings: Strings,
}

/// Where programs are looked for when the environment has no PATH, as in most images.
const PATH_DEFAULT: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl Program {
    /// `argv` in the container of that launch.
    pub(crate) fn new(launch: &Launch, argv: &[String]) -> Result<Program, Refusal> {
        let Some(name) = argv.first() else { return Err(Refusal::config("no command specified")) };
        let called = launch.called.as_ref().filter(|_| *argv == launch.argv);
        let path = launch.env.iter().find(|(name, _)| name == "PATH");
        let path = path.map_or(PATH_DEFAULT, |(_, path)| path);
        let candidates: Vec<String> = match name.contains('/') {
            true => vec![name.clone()],
            false => path
                .split(':')
                .filter(|folder| !folder.is_empty())
                .map(|folder| format!("{folder}/{name}"))
                .collect(),
        };
        let is_given = |name: &String| !launch.account_variables.contains(name);
        let given = launch.env.iter().filter(|(name, _)| is_given(name));
        let environment = given.map(|(name, value)| format!("{name}={value}"));
        Ok(Program {
            name: called.unwrap_or(name).clone(),
            is_sought: !name.contains('/'),
            filter: filter(launch)?,
            candidates: c_strings(candidates.into_iter())?,
            strings: Strings::new(c_strings(argv.iter().cloned())?, c_strings(environment)?),
        })
    }

    /// Adds the variables that the user's entry says, as the container sees it.
    fn live_as(&mut self, launch: &Launch) -> Result<(), Refusal> {
        if launch.account_variables.is_empty() {
            return Ok(());
        }
        let user = users::of(rustix::process::geteuid().as_raw());
        let fallback = |name: &str| launch.env.iter().find(|(one, _)| one == name);
        for name in &launch.account_variables {
            let value = match (name.as_str(), &user) {
                ("HOME", Some(user)) if !user.home.is_empty() => Some(&user.home),
                ("USER" | "LOGNAME", Some(user)) => Some(&user.name),
                _ => fallback(name).map(|(_, value)| value),
            };
            if let Some(value) = value {
                let variable = c_strings([format!("{name}={value}")].into_iter())?;
                variable.into_iter().for_each(|variable| self.strings.push_variable(variable));
            }
        }
        Ok(())
    }

    /// Replaces this process by it; returns only what went wrong.
    fn execute(&self) -> Refusal {
        let (name, is_sought, mut denied) = (&self.name, self.is_sought, false);
        for candidate in &self.candidates {
            let error = process::exec(candidate, &self.strings);
            match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory if is_sought => {}
                io::ErrorKind::PermissionDenied if is_sought => denied = true,
                _ => return Refusal::start(format!("exec: {name:?}: {}", words(error))),
            }
        }
        let why = if denied { "permission denied" } else { "executable file not found in $PATH" };
        Refusal::start(format!("exec: {name:?}: {why}"))
    }
}

/// The filter of system calls, ready to be installed.
fn filter(launch: &Launch) -> Result<Vec<BpfProgram>, Refusal> {
    let filter =
        launch.confinement.filter.map(|filter| confine::runtime_default(filter.capabilities));
    let made = filter.transpose().map(Option::unwrap_or_default);
    made.map_err(|e| Refusal::config(format!("seccompProfile: making the filter: {}", words(e))))
}

fn c_strings(strings: impl Iterator<Item = String>) -> Result<Vec<CString>, Refusal> {
    // The string itself may be a secret.
    let refused = |_| Refusal::start("a NUL byte in command, args or env");
    strings.map(CString::new).collect::<Result<_, _>>().map_err(refused)
}

/// Becomes the program with everything else as `launch` says; returns only what went wrong.
/// `enter` puts the process into the container's view of files.
pub(crate) fn become_program(
    launch: &Launch,
    program: &mut Program,
    setup: &ChildSetup<'_>,
    enter: impl FnOnce() -> Result<(), Refusal>,
) -> Refusal {
    let prepared = prepare(launch, &program.filter, setup, enter);
    match prepared.and_then(|()| program.live_as(launch)) {
        Ok(()) => program.execute(),
        Err(refusal) => refusal,
    }
}

fn prepare(
    launch: &Launch,
    filter: &[BpfProgram],
    setup: &ChildSetup<'_>,
    enter: impl FnOnce() -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    signals::unblock_all();
    rustix::process::setsid().map_err(|e| Refusal::run(format!("setsid: {e}")))?;
    let joined = setup.cgroup.join(setup.born_inside);
    joined.map_err(|e| Refusal::run(format!("joining the cgroup: {e}")))?;
    enter()?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    own_streams(launch, setup)?;
    let gains_none = give_up_capabilities(launch)? || launch.confinement.no_new_privileges;
    // What must not gain privileges is filtered last, when it needs fewest calls; else the right to
    // filter is lost with the identity.
    if !gains_none {
        install(filter)?;
    }
    take_identity(launch)?;
    let folder = launch.working_dir.as_deref().filter(|d| !d.is_empty()).unwrap_or("/");
    rustix::process::chdir(folder)
        .map_err(|e| Refusal::start(format!("chdir to cwd ({folder:?}): {}", words(e))))?;
    stay_with(setup.shim)?;
    open_streams(setup).map_err(|e| Refusal::run(format!("opening its streams: {}", words(e))))?;
    if gains_none {
        confine::gain_no_privileges().map_err(|e| confining("allowPrivilegeEscalation", e))?;
        install(filter)?;
    }
    wait_until(setup.not_before);
    Ok(())
}

fn confining(field: &str, error: impl Into<io::Error>) -> Refusal {
    Refusal::run(format!("{field}: {}", words(error)))
}

fn install(filter: &[BpfProgram]) -> Result<(), Refusal> {
    confine::install(filter).map_err(|e| confining("seccompProfile", e))
}

/// No start is held back longer: its time was near when it was ordered, and the clock was set
/// since.
const WAIT_MAX: Duration = Duration::from_secs(1);

fn wait_until(at: Timestamp) {
    let begun = Instant::now();
    while let Ok(left) = Duration::try_from(at.duration_since(Timestamp::now()))
        && !left.is_zero()
        && begun.elapsed() < WAIT_MAX
    {
        std::thread::sleep(left.min(WAIT_MAX));
    }
}

/// Returns true if the program must not gain privileges for what it gave up: an ordinary user
/// cannot bind set-user-id programs otherwise.
fn give_up_capabilities(launch: &Launch) -> Result<bool, Refusal> {
    let keep = launch.confinement.capabilities;
    let keep = match (keep, is_held_to_claims(launch)) {
        (None, false) => return Ok(false),
        (keep, false) => keep.unwrap_or(u64::MAX),
        (keep, true) => keep.unwrap_or(u64::MAX) & !CapabilitySet::SYS_RESOURCE.bits(),
    };
    let is_bound = confine::keep_capabilities(keep).map_err(|e| confining("capabilities", e))?;
    Ok(!is_bound)
}

/// ext4 lets a process with `CAP_SYS_RESOURCE` write beyond a quota. A container of Kubernetes has
/// it only where it asks for it; here one that mounts a claim goes without.
fn is_held_to_claims(launch: &Launch) -> bool {
    let is_claim = |mount: &Mount| matches!(mount.source, MountSource::Claim { .. });
    rustix::process::geteuid().is_root() && launch.mounts.iter().any(is_claim)
}

/// Gives the pipes to the container's user, who may then open `/dev/stdout` and `/dev/stderr`.
fn own_streams(launch: &Launch, setup: &ChildSetup<'_>) -> Result<(), Refusal> {
    let Some(user) = launch.user.filter(|_| rustix::process::geteuid().is_root()) else {
        return Ok(());
    };
    for stream in [setup.output, setup.errors] {
        rustix::fs::fchown(stream, Some(Uid::from_raw(user)), None)
            .map_err(|e| Refusal::run(format!("giving it its streams: {}", words(e))))?;
    }
    Ok(())
}

/// The user, group and supplementary groups.
fn take_identity(launch: &Launch) -> Result<(), Refusal> {
    let own = rustix::process::geteuid();
    if !own.is_root() {
        return keep_identity(launch, own);
    }
    let uid = launch.user.unwrap_or(0);
    let known = users::of(uid);
    // Kubernetes gives group 0 to a user that is not in the image. On a host that is root's group,
    // so such a user gets a group of its own number.
    let gid = launch.group.unwrap_or_else(|| known.as_ref().map_or(uid, |user| user.gid));
    let known = known.filter(|_| !launch.confinement.own_groups);
    let mut groups: Vec<u32> = known.map_or_else(Vec::new, |user| users::groups_of(&user.name));
    groups.extend(launch.groups.iter().chain(&launch.fs_group));
    let groups: Vec<Gid> = groups.into_iter().map(Gid::from_raw).collect();
    let changed = rustix::thread::set_thread_groups(&groups)
        .and_then(|()| rustix::thread::set_thread_gid(Gid::from_raw(gid)))
        .and_then(|()| rustix::thread::set_thread_uid(Uid::from_raw(uid)));
    changed.map_err(|e| {
        Refusal::config(format!("cannot run as user {uid}, group {gid}: {}", words(e)))
    })
}

/// An ordinary user can run containers as itself alone.
fn keep_identity(launch: &Launch, own: Uid) -> Result<(), Refusal> {
    if let Some(uid) = launch.user.filter(|uid| *uid != own.as_raw()) {
        let message = format!("runAsUser {uid}: this daemon runs as user {} and not as root", own);
        return Err(Refusal::config(message));
    }
    let mut held: Vec<u32> =
        rustix::process::getgroups().unwrap_or_default().iter().map(|g| g.as_raw()).collect();
    held.push(rustix::process::getegid().as_raw());
    let wanted = launch.group.iter().chain(&launch.groups);
    if let Some(gid) = wanted.into_iter().find(|gid| !held.contains(gid)) {
        let message = format!("group {gid}: user {own} is not in it and this daemon is not root");
        return Err(Refusal::config(message));
    }
    match launch.group {
        Some(gid) => rustix::thread::set_thread_gid(Gid::from_raw(gid))
            .map_err(|e| Refusal::config(format!("runAsGroup {gid}: {}", words(e)))),
        None => Ok(()),
    }
}

/// Dies with the shim: without it no one would take its output or learn how it ends.
pub(crate) fn stay_with(shim: Pid) -> Result<(), Refusal> {
    let signal = Some(rustix::process::Signal::KILL);
    rustix::process::set_parent_process_death_signal(signal)
        .map_err(|e| Refusal::run(format!("prctl: {e}")))?;
    if rustix::process::getppid() == Some(shim) {
        Ok(())
    } else {
        Err(Refusal::run("the shim has ended"))
    }
}

fn open_streams(setup: &ChildSetup<'_>) -> rustix::io::Result<()> {
    let nothing: OwnedFd = rustix::fs::open("/dev/null", OFlags::RDONLY, Mode::empty())?;
    rustix::stdio::dup2_stdin(&nothing)?;
    rustix::stdio::dup2_stdout(setup.output)?;
    rustix::stdio::dup2_stderr(setup.errors)?;
    process::close_on_exec_from(3)
        .map_err(|e| rustix::io::Errno::from_io_error(&e).unwrap_or(rustix::io::Errno::INVAL))
}

/// An error in the system's words alone: `no such file or directory`.
pub(crate) fn words(error: impl Into<io::Error>) -> String {
    let text = error.into().to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}
