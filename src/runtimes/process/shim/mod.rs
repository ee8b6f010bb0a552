//! The shim: a small process for each pod, parent of its containers, that outlives the daemon.
//!
//! It has one thread and one loop, and no more memory than what it touches of the zygote's:
//! hundreds of idle ones must fit beside the daemon. What it did is in the records file before it
//! tells of it. It ends when nothing of the pod lives and all is on disk; the daemon has a new one
//! made for the next order.
//!
//! ```text
//!            orders, reports                    start, stop, output, end
//!   daemon <-----------------> Shim::turn <--------------------------> containers, hooks
//!            (Link)              |   |
//!                     records <--+   +--> <container>.<attempt>.log
//! ```

pub mod container;
pub mod exec;
mod files;
pub mod hook;
mod launch;
mod lifecycle;
mod link;
pub mod log;
mod message;
pub mod spawn;
mod view;

use super::place::Place;
use super::records::{Record, Records};
use super::wire::{FromShim, NewShim, ToShim};
use crate::host::cgroups::Layout;
use crate::host::{process, signals};
use container::Container;
use files::Space;
use link::Link;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::process::Pid;
use spawn::Refusal;
use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

pub struct Shim {
    place: Place,
    cgroups: Layout,
    records: Records,
    link: Link,
    children: OwnedFd,
    containers: BTreeMap<String, Container>,
    /// Records that the disk had no room for.
    unwritten: Vec<Record>,
    space: Space,
    cleaning: bool,
    /// Since when nothing of the pod lives.
    idle_since: Instant,
    /// Scratch for reading. Memory that is never written to costs nothing.
    buffer: Vec<u8>,
    /// Holds the pod's lock: never two shims for one pod.
    _lock: OwnedFd,
}

/// Init containers follow each other at once: the shim of one is kept for the next.
const LINGER: Duration = Duration::from_millis(100);
const DISK_RETRY_EVERY: Duration = Duration::from_secs(1);
const OUTPUT_BYTES_AT_ONCE: usize = 32 << 10;

/// Lives the shim's life in a process just forked from the zygote, which has one thread.
pub fn main(new: NewShim, daemon: OwnedFd) -> ! {
    let Ok(copy) = rustix::io::fcntl_dupfd_cloexec(&daemon, 3) else { process::exit_now(1) };
    match Shim::new(new, daemon) {
        Ok(mut shim) => {
            while shim.turn() {}
            process::exit_now(0)
        }
        Err(error) => {
            refuse(&copy, &Refusal::run(format!("making the pod's shim: {error}")));
            process::exit_now(1)
        }
    }
}

/// Answers the order that the daemon sent along: this pod cannot be served.
fn refuse(daemon: &OwnedFd, refusal: &Refusal) {
    let _ = rustix::io::ioctl_fionbio(daemon, false);
    let mut frames = super::wire::Frames::default();
    let mut buffer = Vec::with_capacity(OUTPUT_BYTES_AT_ONCE);
    while let Ok(1..) = read(daemon, &mut buffer) {
        frames.push(&buffer);
        while let Ok(Some(order)) = frames.pop() {
            if let ToShim::Start(launch) = order {
                let record = launch::failed(&launch.container, launch.attempt, refusal);
                let bytes = super::wire::frame(&FromShim::Record(record));
                let _ = rustix::io::write(daemon, &bytes);
                return;
            }
        }
    }
}

impl Shim {
    fn new(new: NewShim, daemon: OwnedFd) -> io::Result<Shim> {
        let _ = rustix::process::setsid();
        rustix::thread::set_name(c"cronlet-shim")?;
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        let children = signals::block_and_watch_children()?;
        let place = Place { folder: new.folder };
        super::place::make_private(&place.folder)?;
        rustix::process::chdir(&place.folder)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let lock = rustix::fs::open(".", flags, Mode::empty())?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Shim {
            records: Records::open(&place)?,
            place,
            cgroups: new.cgroups,
            link: Link::new(daemon)?,
            children,
            containers: BTreeMap::new(),
            unwritten: Vec::new(),
            space: Space::default(),
            cleaning: false,
            idle_since: Instant::now(),
            buffer: Vec::with_capacity(OUTPUT_BYTES_AT_ONCE),
            _lock: lock,
        })
    }

    /// Waits for something to happen and deals with it. False: the shim's life is over.
    fn turn(&mut self) -> bool {
        let ready = self.wait();
        for token in ready {
            self.deal_with(token);
        }
        self.reap();
        self.look_at_clocks();
        self.catch_up();
        !self.is_over()
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
            of(Source::Status, &container.status);
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
        if self.may_end() {
            at.push(self.idle_since + LINGER);
        }
        at.into_iter().min().map(|at| at.saturating_duration_since(now))
    }

    fn deal_with(&mut self, token: Token) {
        match token {
            // Reaping follows every wait.
            Token::Children => {
                let _ = read(&self.children, &mut self.buffer);
            }
            Token::Listener => self.link.accept(),
            Token::Daemon => {
                self.link.flush();
                for order in self.link.orders() {
                    self.obey(order);
                }
            }
            Token::Container(name, source) => self.hear(&name, source),
        }
    }

    fn obey(&mut self, order: ToShim) {
        match order {
            ToShim::Start(launch) => self.start(*launch),
            ToShim::Stop { container, attempt, grace_seconds } => {
                self.stop(&container, attempt, grace_seconds);
            }
            ToShim::Clean => self.clean(),
            ToShim::Exec { id, container, attempt, command, timeout_milliseconds } => {
                let timeout = Duration::from_millis(timeout_milliseconds);
                self.exec(id, (&container, attempt), &command, timeout);
            }
        }
    }

    fn hear(&mut self, name: &str, source: Source) {
        let Some(container) = self.containers.get_mut(name) else { return };
        match source {
            Source::Status => self.hear_status(name),
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
        self.link.listen();
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
        self.link.tell(&FromShim::Record(record));
    }

    /// Nothing of the pod needs a process any more.
    fn may_end(&self) -> bool {
        let has_memory = self.space.has_memory() && !self.cleaning;
        let told = self.unwritten.is_empty() && !self.link.has_unsent();
        self.containers.is_empty() && told && !has_memory
    }

    fn is_over(&mut self) -> bool {
        let over = self.may_end() && (self.cleaning || self.idle_since.elapsed() >= LINGER);
        if over && !self.cleaning {
            self.link.end();
        }
        over
    }
}

/// Reads what there is, into the buffer's capacity.
fn read(fd: &OwnedFd, buffer: &mut Vec<u8>) -> rustix::io::Result<usize> {
    rustix::io::retry_on_intr(|| {
        buffer.clear();
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
    Status,
    Stream(usize),
    Hook,
    Exec(Pid),
}

/// Children of the shim that are no container's main process: what a container left behind.
fn strays(containers: &BTreeMap<String, Container>) -> Vec<Pid> {
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
