//! The shim's end of its talk with the daemon: waits only between pods, and survives any number of
//! daemons.

use crate::runtimes::process::journal::Between;
use crate::runtimes::process::wire::{self, Frames, FromShim, NewPod, ToShim};
use cronlet_host::sockets;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{SendFlags, SocketFlags};
use std::collections::VecDeque;

/// A daemon that reads nothing gets no more than this; what it missed is told again once it reads.
const UNSENT_BYTES_MAX: usize = 256 << 10;

pub(super) struct Link {
    /// Only while no daemon is connected: a socket is a file to make and to remove.
    pub listener: Option<OwnedFd>,
    pub daemon: Option<OwnedFd>,
    frames: Frames,
    orders: VecDeque<ToShim>,
    unsent: Vec<u8>,
    /// Something was not sent: all shall be told again.
    pub behind: bool,
}

impl Link {
    /// The working directory is the journal's folder while there is a pod.
    pub(super) fn new(daemon: OwnedFd) -> Result<Link, Errno> {
        rustix::io::ioctl_fionbio(&daemon, true)?;
        Ok(Link {
            listener: None,
            daemon: Some(daemon),
            frames: Frames::default(),
            orders: VecDeque::new(),
            unsent: Vec::new(),
            behind: false,
        })
    }

    /// Waits for the next pod. `None`: there will be none, the daemon is gone.
    ///
    /// The next daemon waits for who holds `between`; so whoever has it and then sees that its
    /// daemon still lives may begin a pod that nothing is on record of yet.
    pub(super) fn next_pod(&mut self, between: &Between) -> Option<Box<NewPod>> {
        if !between.hold() {
            return None;
        }
        loop {
            // What else came is for a pod that it had before, and was too late.
            let next =
                std::iter::from_fn(|| self.orders.pop_front()).find_map(|order| match order {
                    ToShim::Take(new) => Some(new),
                    _ => None,
                });
            let wait = next.is_none();
            if !self.daemon_lives(wait) {
                return None;
            }
            if next.is_some() {
                return next;
            }
            self.hear();
        }
    }

    /// `wait`: until something comes from it.
    fn daemon_lives(&self, wait: bool) -> bool {
        let Some(daemon) = &self.daemon else { return false };
        let mut fds = [PollFd::new(daemon, PollFlags::IN)];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let _ = rustix::event::poll(&mut fds, if wait { None } else { Some(&at_once) });
        !fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
    }

    /// Takes a new daemon's connection in place of the old one's.
    pub(super) fn accept(&mut self, name: &str) {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let Some(listener) = &self.listener else { return };
        let Ok(daemon) = rustix::net::accept_with(listener, flags) else { return };
        self.daemon = Some(daemon);
        self.end(name);
        self.frames = Frames::default();
        self.orders.clear();
        self.unsent = Vec::new();
        self.behind = true;
    }

    /// Neither a daemon nor a socket for the next one.
    pub(super) fn is_deaf(&self) -> bool {
        self.daemon.is_none() && self.listener.is_none()
    }

    /// Listens for the next daemon, if there is none, in the working directory. What the host
    /// refuses now is tried again later.
    pub(super) fn listen(&mut self, name: &str) {
        if self.is_deaf() {
            self.listener = sockets::listen_here(name).ok();
        }
    }

    /// Listens no more.
    pub(super) fn end(&mut self, name: &str) {
        if self.listener.take().is_some() {
            let _ = rustix::fs::unlink(name);
        }
    }

    pub(super) fn tell(&mut self, message: &FromShim) {
        if self.daemon.is_none() {
            return;
        }
        if self.unsent.len() > UNSENT_BYTES_MAX {
            self.behind = true;
            return;
        }
        self.unsent.extend(wire::frame(message));
        self.flush();
    }

    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    pub(super) fn flush(&mut self) {
        while !self.unsent.is_empty() {
            let Some(daemon) = &self.daemon else { return };
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            match rustix::net::send(daemon, &self.unsent, flags) {
                Ok(sent) => {
                    self.unsent.drain(..sent);
                }
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR) => {}
                Err(_) => return self.close(),
            }
        }
        self.unsent = Vec::new();
    }

    /// The connection is of no use any more.
    pub(super) fn close(&mut self) {
        self.daemon = None;
        self.unsent = Vec::new();
        self.frames = Frames::default();
    }

    /// The next order about the pod that it has.
    pub(super) fn next_order(&mut self) -> Option<ToShim> {
        let is_next = |order: &ToShim| matches!(order, ToShim::Take(_));
        if self.orders.front().is_some_and(is_next) { None } else { self.orders.pop_front() }
    }

    /// Is it told to take another pod?
    pub(super) fn has_next_pod(&self) -> bool {
        matches!(self.orders.front(), Some(ToShim::Take(_)))
    }

    /// Takes in what came. Reads all there is.
    pub(super) fn hear(&mut self) {
        let mut buffer = [0; 4096];
        let mut closed = false;
        while let (Some(daemon), false) = (&self.daemon, closed) {
            match rustix::io::read(daemon, &mut buffer) {
                Ok(0) => closed = true,
                Ok(length) => self.frames.push(&buffer[..length]),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => closed = true,
            }
        }
        loop {
            match self.frames.pop() {
                Ok(Some(order)) => self.orders.push_back(order),
                Ok(None) => break,
                Err(_) => {
                    closed = true;
                    break;
                }
            }
        }
        if closed {
            self.close();
        }
    }
}
