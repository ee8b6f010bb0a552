//! Starting: from an order to a program that runs, or to the reason why it does not.

use super::container::{Container, Stream};
use super::hook::{self, HookRun, Occasion};
use super::log::Log;
use super::spawn::{self, ChildSetup, Program, Refusal, words};
use super::{Shim, files};
use crate::probes::http;
use crate::runtimes::process::records::Record;
use crate::runtimes::process::wire::FromShim;
use cronlet_api::pod::{PORT_IN_USE, log};
use cronlet_api::time::Timestamp;
use cronlet_host::cgroups::{Cgroup, Limits, POD_SUFFIX};
use cronlet_host::process::{self, Forked};
use cronlet_host::spawn::{reap_child, spawn_child, spawn_child_in};
use cronlet_host::{signals, sockets};
use cronlet_plan::kubelet::ports::{self, Protocol};
use cronlet_plan::order::{Contested, Exit, Hook, HttpGet, Launch, ResourceLimits};
use rustix::fd::{AsFd, OwnedFd};
use rustix::net::SocketType;
use rustix::pipe::PipeFlags;
use rustix::process::Pid;
use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Instant;

/// Logs of attempts before the last two are removed, as the kubelet does.
const ATTEMPTS_KEPT: u32 = 2;

impl Shim {
    pub(super) fn start(&mut self, launch: Launch) {
        let (name, attempt) = (launch.container.clone(), launch.attempt);
        if self.records.past.begun(&name, attempt) || self.containers.contains_key(&name) {
            self.tell_again(&name);
        } else if self.cleaning || self.ending {
            let refusal = Refusal::run("the pod is being removed");
            self.record(failed(&name, attempt, &refusal), false);
        } else {
            let id = new_id();
            match self.try_start(launch, &id) {
                Ok(container) => {
                    self.containers.insert(name.clone(), Box::new(container));
                    self.note_started(&name);
                }
                Err(refusal) => self.record(refused(&name, attempt, id, refusal), false),
            }
        }
    }

    /// An attempt that was seen before is never begun again: what became of it is told.
    pub(super) fn tell_again(&mut self, name: &str) {
        let of_it = |r: &&Record| r.about().is_some_and(|(container, _)| container == name);
        let told: Vec<Record> = self.records.past.latest().filter(of_it).cloned().collect();
        told.into_iter().for_each(|record| self.link.tell(&FromShim::Record(record)));
    }

    fn try_start(&mut self, launch: Launch, id: &str) -> Result<Container, Refusal> {
        let pipe = || {
            rustix::pipe::pipe_with(PipeFlags::CLOEXEC)
                .map_err(|e| Refusal::run(format!("making a pipe: {}", words(e))))
        };
        check_ports(&launch)?;
        self.drop_old_attempt(&launch);
        let files = self.space.prepare(&self.place, &launch)?;
        self.host_name.take(&launch.host_name)?;
        let (out, out_end) = pipe()?;
        let (err, err_end) = pipe()?;
        for end in [&out, &err] {
            let _ = rustix::io::ioctl_fionbio(end, true);
        }
        let cgroup = self.make_cgroup(&launch)?;
        self.note_intent(&launch, id, &cgroup)?;
        let ends = Ends { output: out_end, errors: err_end, not_before: self.not_before };
        let born = Program::new(&launch, &launch.argv).and_then(|mut program| {
            spawn_attempt(&launch, &mut program, &cgroup, &ends, || files.enter())
        });
        let started_at = Timestamp::now();
        let message = files.into_message();
        if let Some(message) = &message {
            message.drop_name();
        }
        let pid = born.inspect_err(|_| {
            cgroup.remove();
        })?;
        Ok(Container {
            id: id.to_owned(),
            started_at,
            pid,
            cgroup,
            streams: [Stream::new(out, log::Stream::Stdout), Stream::new(err, log::Stream::Stderr)],
            log: Log::new(self.place.log(&launch.container, launch.attempt)),
            hook: None,
            execs: Vec::new(),
            stop: None,
            ended: None,
            message,
            launch: files::without_contents(launch),
        })
    }

    fn make_cgroup(&self, launch: &Launch) -> Result<Cgroup, Refusal> {
        let name = format!("{}.{}.{}", launch.pod_uid, launch.container, launch.attempt);
        let limits = |of: &ResourceLimits| Limits {
            cpu_millis_max: of.cpu_millis_max,
            cpu_millis_request: of.cpu_millis_request,
            memory_bytes_max: of.memory_bytes_max,
        };
        let made = match launch.pod_limits == ResourceLimits::default() {
            true => self.cgroups.create(&name, &limits(&launch.limits)),
            false => self
                .cgroups
                .within(&format!("{}{POD_SUFFIX}", launch.pod_uid), &limits(&launch.pod_limits))
                .and_then(|pod| pod.create(&name, &limits(&launch.limits))),
        };
        made.map_err(|e| Refusal::run(format!("making the cgroup {name}: {}", words(e))))
    }

    fn note_intent(&mut self, launch: &Launch, id: &str, cgroup: &Cgroup) -> Result<(), Refusal> {
        let record = Record::Intent {
            container: launch.container.clone(),
            attempt: launch.attempt,
            id: id.to_owned(),
            cgroups: cgroup.folders().to_vec(),
            at: Timestamp::now(),
        };
        self.records.append(record, false).map_err(|e| {
            cgroup.remove();
            Refusal::run(format!("writing the pod's records: {}", words(e)))
        })
    }

    fn drop_old_attempt(&self, launch: &Launch) {
        let Some(old) = launch.attempt.checked_sub(ATTEMPTS_KEPT) else { return };
        let log = self.place.log(&launch.container, old);
        for number in 1..crate::runtimes::process::paths::LOG_FILES_MAX {
            let _ = std::fs::remove_file(crate::runtimes::process::paths::rotated(&log, number));
        }
        let _ = std::fs::remove_file(log);
        let _ = std::fs::remove_file(self.place.message(&launch.container, old));
    }

    fn note_started(&mut self, name: &str) {
        let Some(container) = self.containers.get(name) else { return };
        let record = Record::Started {
            container: name.to_owned(),
            attempt: container.attempt(),
            id: container.id.clone(),
            pid: container.pid.as_raw_pid(),
            pid_ticks: process::started_ticks(container.pid).unwrap_or(0),
            post_start: container.launch.post_start.is_some(),
            at: container.started_at,
        };
        self.record(record, false);
        self.run_hook(name, Occasion::PostStart);
    }

    /// Begins the hook of that occasion, if the container has one. False: it has none, or it is
    /// over already.
    pub(super) fn run_hook(&mut self, name: &str, occasion: Occasion) -> bool {
        let Some(container) = self.containers.get_mut(name) else { return false };
        let Some(hook) = hook::of(&container.launch, occasion) else { return false };
        let begun = match hook {
            Hook::Sleep { seconds } => Ok(HookRun::sleep(occasion, *seconds, Instant::now())),
            Hook::Exec(argv) => exec_in(container, argv)
                .map(|(pid, output)| HookRun::program(occasion, argv, pid, output)),
            Hook::HttpGet(get) => {
                ask(get).map(|(pid, output)| HookRun::question(occasion, pid, output))
            }
            Hook::Unknown(why) => Err(Refusal::run(why)),
        };
        match begun {
            Ok(run) => {
                container.hook = Some(run);
                true
            }
            Err(refusal) => {
                self.hook_ended(name, occasion, Err(refusal.message));
                false
            }
        }
    }
}

/// Asks from a process of its own, since a question may take its time. The process needs nothing
/// of the container: its network is the host's.
fn ask(get: &HttpGet) -> Result<(Pid, OwnedFd), Refusal> {
    let pipe = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)
        .map_err(|e| Refusal::run(format!("making a pipe: {}", words(e))))?;
    let (output, output_end) = pipe;
    let _ = rustix::io::ioctl_fionbio(&output, true);
    let shim = rustix::process::getpid();
    match process::fork() {
        Ok(Forked::Parent(pid)) => Ok((pid, output)),
        Ok(Forked::Child) => {
            signals::reset_all();
            let answer = spawn::stay_with(shim)
                .map_err(|refusal| refusal.message)
                .and_then(|()| http::hook(get));
            if let Err(why) = &answer {
                let _ = rustix::io::write(&output_end, why.as_bytes());
            }
            process::exit_now(i32::from(answer.is_err()))
        }
        Err(error) => Err(Refusal::run(format!("fork refused: {}", words(error)))),
    }
}

/// Refuses to start what would find its port in use.
fn check_ports(launch: &Launch) -> Result<(), Refusal> {
    for contested in &launch.contested {
        let Contested { port, address, localhost, pods } = contested;
        let kind = match port.protocol {
            Protocol::Tcp => SocketType::STREAM,
            Protocol::Udp => SocketType::DGRAM,
            Protocol::Sctp => continue,
        };
        let taken = |ip: Ipv4Addr| sockets::is_taken(SocketAddrV4::new(ip, port.number), kind);
        let everywhere = address.parse().is_ok_and(taken);
        if everywhere || (*localhost && taken(Ipv4Addr::LOCALHOST)) {
            let message = ports::in_use(port.number, pods, everywhere);
            return Err(Refusal { used: false, reason: PORT_IN_USE.into(), message });
        }
    }
    Ok(())
}

/// Runs a program in a container: its files, its user, its cgroup. Gives its pid and what it
/// prints.
pub(super) fn exec_in(container: &Container, argv: &[String]) -> Result<(Pid, OwnedFd), Refusal> {
    let pipe = || {
        rustix::pipe::pipe_with(PipeFlags::CLOEXEC)
            .map_err(|e| Refusal::run(format!("making a pipe: {}", words(e))))
    };
    let (output, output_end) = pipe()?;
    let errors_end = rustix::io::fcntl_dupfd_cloexec(&output_end, 3)
        .map_err(|e| Refusal::run(format!("making a pipe: {}", words(e))))?;
    let _ = rustix::io::ioctl_fionbio(&output, true);
    let not_before = Timestamp::MIN;
    let ends = Ends { output: output_end, errors: errors_end, not_before };
    let (launch, target) = (&container.launch, container.pid);
    let mut program = Program::new(launch, argv)?;
    let pid =
        spawn_attempt(launch, &mut program, &container.cgroup, &ends, || files::join(target))?;
    Ok((pid, output))
}

/// The child's ends of its pipes, closed here once it has them, and when it begins.
struct Ends {
    output: OwnedFd,
    errors: OwnedFd,
    not_before: Timestamp,
}

/// Gives the process once it has become the program.
fn spawn_attempt(
    launch: &Launch,
    program: &mut Program,
    cgroup: &Cgroup,
    ends: &Ends,
    enter: impl Fn() -> Result<(), Refusal>,
) -> Result<Pid, Refusal> {
    let shim = rustix::process::getpid();
    let mut refusal = None;
    let mut become_it = |born_inside: bool| {
        let (output, errors) = (ends.output.as_fd(), ends.errors.as_fd());
        let not_before = ends.not_before;
        let setup = ChildSetup { cgroup, born_inside, output, errors, shim, not_before };
        refusal = Some(spawn::become_program(launch, program, &setup, &enter));
    };
    let born = match &cgroup.open() {
        Some(folder) => spawn_attempt_inside(folder, &mut become_it),
        None => spawn_child(&mut || become_it(false)),
    };
    let pid = born.map_err(|error| {
        let words = words(error);
        Refusal::run(format!("fork refused: {words} (limits of processes or memory)"))
    })?;
    match refusal {
        None => Ok(pid),
        Some(refusal) => {
            reap_child(pid);
            Err(refusal)
        }
    }
}

/// The child is told whether it was born in the cgroup. Where that is not possible (before Linux
/// 5.7) it joins by itself.
fn spawn_attempt_inside(folder: &OwnedFd, become_it: &mut dyn FnMut(bool)) -> std::io::Result<Pid> {
    match spawn_child_in(folder.as_fd(), &mut || become_it(true)) {
        Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => {
            spawn_child(&mut || become_it(false))
        }
        born => born,
    }
}

/// An attempt that did not start. One that is used up has ended with what containerd gives it.
fn refused(container: &str, attempt: u32, id: String, refusal: Refusal) -> Record {
    if !refusal.used {
        return failed(container, attempt, &refusal);
    }
    let now = Timestamp::now();
    let Refusal { reason, message, .. } = refusal;
    let (code, signal) = (START_ERROR_CODE, None);
    let (left, started_at, finished_at) = (0, now, now);
    let exit = Exit { id, code, signal, left, reason, message, started_at, finished_at };
    Record::Exited { container: container.to_owned(), attempt, exit }
}

/// The exit code of a program that could not be run, as containerd gives it.
const START_ERROR_CODE: i32 = 128;

pub(super) fn failed(container: &str, attempt: u32, refusal: &Refusal) -> Record {
    Record::Failed {
        container: container.to_owned(),
        attempt,
        reason: refusal.reason.clone(),
        message: refusal.message.clone(),
        at: Timestamp::now(),
    }
}

fn new_id() -> String {
    let mut bytes = [0; 32];
    let filled = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    assert_eq!(filled, Ok(32), "the system gives 32 random bytes at once");
    bytes.iter().fold("cronlet://".to_owned(), |mut id, byte| {
        write!(id, "{byte:02x}").expect("writing to a String");
        id
    })
}
