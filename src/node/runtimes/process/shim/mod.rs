//! The shim: a small process for each pod, parent of its containers, that outlives the daemon.
//!
//! It has one thread and one loop, and no more memory than what it touches of the zygote's:
//! hundreds of idle ones must fit beside the daemon. What it did is in the journal before it tells
//! of it. When nothing of the pod lives and all is on record, the daemon gives it another pod, or
//! closes the connection and so ends it.
//!
//! ```text
//!            orders, reports                    start, stop, output, end
//!   daemon <-----------------> Shim::turn <--------------------------> containers, hooks
//!            (Link)              |   |
//!                     journal <--+   +--> <container>.<attempt>.log
//! ```

pub(super) mod container;

pub(super) mod exec;

mod files;

pub(super) mod hook;

mod host_name;

mod hosts;

mod launch;

mod lifecycle;

mod link;

pub(super) mod log;

mod message;

pub(super) mod spawn;

mod view;

mod working_dir;

use super::journal::{Between, Segment};
use super::paths::Place;
use super::records::{Record, Records};
use super::strangers::SHIM_NAME;
use super::wire::{FromShim, NewPod, ToShim};
use crate::runtimes::process::shim::container::Container;
use crate::runtimes::process::shim::files::Space;
use crate::runtimes::process::shim::host_name::HostName;
use crate::runtimes::process::shim::link::Link;
use crate::runtimes::process::shim::spawn::Refusal;
use cronlet_api::time::Timestamp;
use cronlet_host::cgroups::Layout;
use cronlet_host::{memory, process, signals};
use cronlet_plan::order::VolumeFiles;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::process::Pid;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

pub(super) struct Shim {
    place: Place,
    cgroups: Layout,
    records: Records,
    link: Link,
    children: OwnedFd,
    host_name: HostName,
    containers: BTreeMap<String, Box<Container>>,
    /// Records that the disk had no room for.
    unwritten: Vec<Record>,
    space: Space,
    cleaning: bool,
    /// The pod is to end though no daemon asks: nothing starts any more.
    ending: bool,
    /// Something was asked of it for this pod.
    asked: bool,
    /// The daemon was told that a new segment is wanted.
    told_full: bool,
    /// Since when nothing of the pod lives.
    idle_since: Instant,
    /// When memory that only the last thing that happened wanted is given back.
    rest_at: Option<Instant>,
    /// No container starts before.
    not_before: Timestamp,
    /// Scratch for reading what programs print.
    buffer: Vec<u8>,
    /// Holds the pod's lock: never two shims for one pod.
    _lock: OwnedFd,
}

/// What a shim has without a pod, and keeps from pod to pod.
struct Free {
    link: Link,
    children: OwnedFd,
    host_name: HostName,
}

/// Init containers follow each other at once: a shim that cannot be given another pod is kept for
/// the next.
const LINGER: Duration = Duration::from_millis(100);
/// A container that was silent for so long may be so for months: hundreds of shims wait beside
/// theirs.
const REST_AFTER: Duration = Duration::from_secs(5);
const DISK_RETRY_EVERY: Duration = Duration::from_secs(1);
const OUTPUT_BYTES_AT_ONCE: usize = 32 << 10;

/// Lives the shim's life in a process just forked from the zygote, which has one thread: one pod
/// after the other, as long as a daemon has pods for it.
pub(super) fn main(state: &Path, daemon: OwnedFd) -> ! {
    let journal = super::paths::journal(state);
    let Ok(between) = Between::open(&journal) else { process::exit_now(1) };
    let Ok(mut free) = Free::new(daemon) else { process::exit_now(1) };
    while let Some(new) = free.link.next_pod(&between) {
        let place = Place::new(state, &new.uid);
        let (lock, records) = match begin(&place, &new) {
            Ok(begun) => begun,
            Err(error) => {
                free.refuse(&Refusal::run(format!("making the pod's shim: {error}")));
                process::exit_now(1)
            }
        };
        between.let_go();
        match Shim::new(place, new.cgroups, free, (lock, records)).live() {
            Some(next) if between.hold() => free = next,
            _ => break,
        }
        free.link.tell(&FromShim::Free);
    }
    process::exit_now(0)
}

/// Takes the pod, on record.
fn begin(place: &Place, new: &NewPod) -> io::Result<(OwnedFd, Records)> {
    let lock = super::journal::lock(place)?;
    let lock = lock.ok_or_else(|| io::Error::other("another shim has the pod"))?;
    rustix::process::chdir(&place.journal)?;
    Ok((lock, Records::open(place, new.segment, new.fresh)?))
}

impl Free {
    fn new(daemon: OwnedFd) -> io::Result<Free> {
        let _ = rustix::process::setsid();
        rustix::thread::set_name(SHIM_NAME)?;
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        let children = signals::block_and_watch()?;
        let link = Link::new(daemon)?;
        Ok(Free { link, children, host_name: HostName::default() })
    }

    /// Answers the order that the daemon sent along: this pod cannot be served.
    fn refuse(mut self, refusal: &Refusal) {
        while self.link.daemon.is_some() {
            while let Some(order) = self.link.next_order() {
                if let ToShim::Start(launch) = order {
                    let record = launch::failed(&launch.container, launch.attempt, refusal);
                    return self.link.tell(&FromShim::Record(record));
                }
            }
            if let Some(daemon) = &self.link.daemon {
                let _ = rustix::event::poll(&mut [PollFd::new(daemon, PollFlags::IN)], None);
            }
            self.link.hear();
        }
    }
}

impl Shim {
    fn new(place: Place, cgroups: Layout, free: Free, begun: (OwnedFd, Records)) -> Shim {
        let (lock, records) = begun;
        Shim {
            place,
            cgroups,
            records,
            link: free.link,
            children: free.children,
            host_name: free.host_name,
            containers: BTreeMap::new(),
            unwritten: Vec::new(),
            space: Space::default(),
            cleaning: false,
            ending: false,
            asked: false,
            told_full: false,
            idle_since: Instant::now(),
            rest_at: Some(Instant::now() + REST_AFTER),
            not_before: Timestamp::MIN,
            buffer: Vec::new(),
            _lock: lock,
        }
    }

    /// Serves the pod until nothing of it lives. `None`: this process is of no other use.
    fn live(mut self) -> Option<Free> {
        self.obey_all();
        while self.turn() {}
        self.link.end(&self.place.socket());
        let useful = self.link.daemon.is_some() && !self.space.is_private() && !self.ending;
        let left = rustix::process::chdir("/").is_ok();
        let Shim { link, children, host_name, .. } = self;
        (useful && left).then_some(Free { link, children, host_name })
    }

    /// Waits for something to happen and deals with it. False: it is over.
    fn turn(&mut self) -> bool {
        if self.is_over() {
            return false;
        }
        let ready = self.wait();
        if !ready.is_empty() {
            self.rest_at = Some(Instant::now() + REST_AFTER);
        }
        for token in ready {
            self.deal_with(token);
        }
        self.reap();
        self.look_at_clocks();
        self.catch_up();
        true
    }

    fn wait(&self) -> Vec<Token> {
        let mut tokens = Vec::new();
        let mut fds = Vec::new();
        self.each_source(|token, fd, flags| {
            tokens.push(token);
            fds.push(PollFd::from_borrowed_fd(fd, flags));
        });
        let timeout = self.timeout().map(|wait| Timespec {
            tv_sec: wait.as_secs() as i64,
            // Rounded up: waking early would only mean waiting again.
            tv_nsec: i64::from(wait.subsec_nanos()),
        });
        let _ = rustix::event::poll(&mut fds, timeout.as_ref());
        let ready = fds.iter().map(|fd| !fd.revents().is_empty());
        tokens.into_iter().zip(ready).filter_map(|(token, ready)| ready.then_some(token)).collect()
    }

    fn each_source<'a>(&'a self, mut add: impl FnMut(Token, BorrowedFd<'a>, PollFlags)) {
        add(Token::Children, self.children.as_fd(), PollFlags::IN);
        if let Some(listener) = &self.link.listener {
            add(Token::Listener, listener.as_fd(), PollFlags::IN);
        }
        if let Some(daemon) = &self.link.daemon {
            let mut flags = PollFlags::IN;
            flags.set(PollFlags::OUT, self.link.has_unsent());
            add(Token::Daemon, daemon.as_fd(), flags);
        }
        for (name, container) in &self.containers {
            let mut of = |source, fd: &'a Option<OwnedFd>| {
                if let Some(fd) = fd {
                    add(Token::Container(name.clone(), source), fd.as_fd(), PollFlags::IN);
                }
            };
            of(Source::Stream(0), &container.streams[0].pipe);
            of(Source::Stream(1), &container.streams[1].pipe);
            if let Some(hook) = &container.hook {
                of(Source::Hook, &hook.output);
            }
            for run in &container.execs {
                of(Source::Exec(run.pid), &run.output);
            }
        }
    }

    /// How long nothing will be due.
    fn timeout(&self) -> Option<Duration> {
        let now = Instant::now();
        let mut at: Vec<Instant> =
            self.containers.values().filter_map(|c| c.wakes_at(now)).collect();
        if !self.unwritten.is_empty() || self.link.is_deaf() {
            at.push(now + DISK_RETRY_EVERY);
        }
        if self.may_end() && self.asked {
            at.push(self.idle_since + LINGER);
        }
        at.extend(self.rest_at);
        at.into_iter().min().map(|at| at.saturating_duration_since(now))
    }

    fn deal_with(&mut self, token: Token) {
        match token {
            // Reaping follows every wait.
            Token::Children => {
                if signals::take(&self.children) {
                    self.end_pod();
                }
            }
            Token::Listener => self.link.accept(&self.place.socket()),
            Token::Daemon => {
                self.link.flush();
                self.link.hear();
                self.obey_all();
            }
            Token::Container(name, source) => self.hear(&name, source),
        }
    }

    fn obey_all(&mut self) {
        while let Some(order) = self.link.next_order() {
            self.asked = true;
            self.obey(order);
        }
        if self.link.has_next_pod() && !self.may_end() {
            // No daemon gives a pod to who has one. A new connection makes all clear again.
            self.link.close();
        }
    }

    fn obey(&mut self, order: ToShim) {
        match order {
            ToShim::Take(_) => {}
            ToShim::Move(segment) => self.move_records(segment),
            ToShim::NotBefore(at) => self.not_before = at,
            ToShim::Start(launch) => self.start(*launch),
            ToShim::Stop { container, attempt, grace_seconds } => {
                self.stop(&container, attempt, grace_seconds);
            }
            ToShim::Refresh { fs_group, volume } => self.refresh(&volume, fs_group),
            ToShim::Clean => self.clean(),
            ToShim::Exec { id, container, attempt, command, timeout_milliseconds } => {
                let timeout = Duration::from_millis(timeout_milliseconds);
                self.exec(id, (&container, attempt), &command, timeout);
            }
        }
    }

    fn refresh(&mut self, volume: &VolumeFiles, fs_group: Option<u32>) {
        if let Err(error) = self.space.refresh(&self.place, volume, fs_group) {
            let (volume, message) = (volume.volume.clone(), error.to_string());
            self.link.tell(&FromShim::NotRefreshed { volume, message });
        }
    }

    fn hear(&mut self, name: &str, source: Source) {
        let Some(container) = self.containers.get_mut(name) else { return };
        match source {
            Source::Stream(which) => container.take_output(which, &mut self.buffer),
            Source::Hook => {
                if let Some(hook) = &mut container.hook {
                    hook.take_output(&mut self.buffer);
                }
            }
            Source::Exec(pid) => {
                if let Some(run) = container.execs.iter_mut().find(|run| run.pid == pid) {
                    run.take_output(&mut self.buffer);
                }
            }
        }
    }

    /// Writes what the disk refused before, and tells a new daemon everything.
    fn catch_up(&mut self) {
        self.link.listen(&self.place.socket());
        while let Some(record) = self.unwritten.first() {
            if self.records.append(record.clone(), true).is_err() {
                break;
            }
            self.unwritten.remove(0);
        }
        if self.link.behind && !self.link.has_unsent() {
            self.link.behind = false;
            let told: Vec<Record> = self.records.past.latest().cloned().collect();
            told.into_iter().for_each(|record| self.link.tell(&FromShim::Record(record)));
        }
    }

    /// Puts it on record, then tells the daemon. `sync`: must not be lost though no daemon listens.
    fn record(&mut self, record: Record, sync: bool) {
        let sync = sync && self.link.daemon.is_none();
        let kept = self.unwritten.is_empty() && self.records.append(record.clone(), sync).is_ok();
        if !kept {
            self.unwritten.push(record.clone());
        }
        if self.records.is_full() && !self.told_full && self.link.daemon.is_some() {
            self.told_full = true;
            self.link.tell(&FromShim::Full);
        }
        self.link.tell(&FromShim::Record(record));
    }

    fn move_records(&mut self, segment: Segment) {
        if self.unwritten.is_empty() && self.records.move_to(segment).is_ok() {
            self.told_full = false;
            self.link.tell(&FromShim::Moved(segment));
        }
    }

    /// Keeps only what a wait wants, which may be long.
    fn rest(&mut self) {
        self.buffer = Vec::new();
        memory::give_back();
        memory::give_back_stack();
    }

    /// Nothing of the pod needs a process any more.
    fn may_end(&self) -> bool {
        let has_memory = self.space.has_memory() && !self.cleaning && !self.ending;
        let told = self.unwritten.is_empty() && !self.link.has_unsent() && !self.link.behind;
        self.containers.is_empty() && told && !has_memory
    }

    fn is_over(&self) -> bool {
        if !self.may_end() {
            return false;
        }
        let lingers = self.space.is_private() && self.idle_since.elapsed() < LINGER;
        self.link.daemon.is_none() || self.cleaning || self.ending || (self.asked && !lingers)
    }
}

/// Reads what there is, into the buffer's capacity: for the first time it gets some.
fn read(fd: &OwnedFd, buffer: &mut Vec<u8>) -> rustix::io::Result<usize> {
    rustix::io::retry_on_intr(|| {
        buffer.clear();
        buffer.reserve(OUTPUT_BYTES_AT_ONCE);
        rustix::io::read(fd, rustix::buffer::spare_capacity(buffer))
    })
}

/// What a descriptor that is ready belongs to.
enum Token {
    Children,
    Listener,
    Daemon,
    Container(String, Source),
}

#[derive(Clone, Copy)]
enum Source {
    Stream(usize),
    Hook,
    Exec(Pid),
}

/// Children of the shim that are no container's main process: what a container left behind.
fn strays(containers: &BTreeMap<String, Box<Container>>) -> Vec<Pid> {
    let known = |pid: &Pid| {
        containers.values().any(|c| {
            let hook = c.hook.as_ref().and_then(|hook| hook.pid);
            let probe = c.execs.iter().any(|run| run.pid == *pid);
            (c.ended.is_none() && c.pid == *pid) || hook == Some(*pid) || probe
        })
    };
    let own = rustix::process::getpid();
    let orphans = process::children(own).into_iter().filter(|pid| !known(pid));
    let with_theirs = orphans.flat_map(|pid| [vec![pid], process::descendants(pid)].concat());
    with_theirs.filter(|pid| process::started_ticks(*pid).is_some()).collect()
}
