//! The shim's end of its talk with the daemon: never waits, and survives any number of daemons.

use crate::host::sockets;
use crate::runtimes::process::place::SOCKET;
use crate::runtimes::process::wire::{self, Frames, FromShim, ToShim};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{SendFlags, SocketFlags};

/// A daemon that reads nothing gets no more than this; what it missed is told again once it reads.
const UNSENT_BYTES_MAX: usize = 256 << 10;

pub struct Link {
    /// Only while no daemon is connected: a socket is a file to make and to remove.
    pub listener: Option<OwnedFd>,
    pub daemon: Option<OwnedFd>,
    frames: Frames,
    unsent: Vec<u8>,
    /// Something was not sent: all shall be told again.
    pub behind: bool,
}

impl Link {
    /// The working directory is the pod's folder.
    pub fn new(daemon: OwnedFd) -> Result<Link, Errno> {
        rustix::io::ioctl_fionbio(&daemon, true)?;
        Ok(Link {
            listener: None,
            daemon: Some(daemon),
            frames: Frames::default(),
            unsent: Vec::new(),
            behind: false,
        })
    }

    /// Takes a new daemon's connection in place of the old one's.
    pub fn accept(&mut self) {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let Some(listener) = &self.listener else { return };
        let Ok(daemon) = rustix::net::accept_with(listener, flags) else { return };
        self.daemon = Some(daemon);
        self.end();
        self.frames = Frames::default();
        self.unsent = Vec::new();
        self.behind = true;
    }

    /// Neither a daemon nor a socket for the next one.
    pub fn is_deaf(&self) -> bool {
        self.daemon.is_none() && self.listener.is_none()
    }

    /// Listens for the next daemon, if there is none. What the host refuses now is tried again
    /// later.
    pub fn listen(&mut self) {
        if self.is_deaf() {
            self.listener = sockets::listen_here(SOCKET).ok();
        }
    }

    /// Listens no more.
    pub fn end(&mut self) {
        if self.listener.take().is_some() {
            let _ = rustix::fs::unlink(SOCKET);
        }
    }

    pub fn tell(&mut self, message: &FromShim) {
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

    pub fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    pub fn flush(&mut self) {
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

    fn close(&mut self) {
        self.daemon = None;
        self.unsent = Vec::new();
        self.frames = Frames::default();
    }

    /// Orders that came in. Reads all there is.
    pub fn orders(&mut self) -> Vec<ToShim> {
        let mut buffer = [0; 4096];
        while let Some(daemon) = &self.daemon {
            match rustix::io::read(daemon, &mut buffer) {
                Ok(0) => {
                    let orders = self.whole();
                    self.close();
                    return orders;
                }
                Ok(length) => self.frames.push(&buffer[..length]),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => self.close(),
            }
        }
        self.whole()
    }

    fn whole(&mut self) -> Vec<ToShim> {
        let mut orders = Vec::new();
        loop {
            match self.frames.pop() {
                Ok(Some(order)) => orders.push(order),
                Ok(None) => return orders,
                Err(_) => {
                    self.close();
                    return orders;
                }
            }
        }
    }
}
