//! The shims that the daemon has, and the zygote that makes them: who has which pod, and who is
//! free for the next.

use super::paths::Place;
use super::wire::{self, Frames, FromShim, NewPod, NewShim, NoShim, ToShim};
use super::zygote::{Birthright, COMMAND};
use cronlet_host::sockets;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{SendFlags, SocketFlags, SocketType};
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

pub(super) const TOKEN_INBOX: u64 = 0;
pub(super) const TOKEN_ZYGOTE: u64 = 1;
const TOKEN_FIRST_SHIM: u64 = 2;

/// What the C library (glibc) does otherwise in a zygote and its shims. The kernel would write to
/// its area for restartable sequences in each of them, a page that they can share.
const TUNABLES: (&str, &str) = ("GLIBC_TUNABLES", "glibc.pthread.rseq=0");

/// All shims, by token.
pub(super) struct Shims {
    pub epoll: OwnedFd,
    state_dir: PathBuf,
    program: PathBuf,
    birthright: Birthright,
    zygote: Option<Zygote>,
    all: HashMap<u64, Shim>,
    by_uid: HashMap<String, u64>,
    /// Those without a pod, the one last used at the end.
    free: Vec<u64>,
    next_token: u64,
}

struct Zygote {
    process: Child,
    socket: OwnedFd,
}

/// A shim, seen from the daemon.
pub(super) struct Shim {
    /// `None`: it is free.
    pub pod: Option<Pod>,
    socket: OwnedFd,
    frames: Frames,
    unsent: Vec<u8>,
}

/// A pod that has a shim.
pub(super) struct Pod {
    pub place: Place,
    /// Orders without an answer, sent again if the shim ended before it read them.
    pub pending: Vec<Pending>,
    /// Containers that run, as far as is known: if the shim ends now, something went wrong.
    pub live: BTreeSet<String>,
}

pub(super) struct Pending {
    pub order: ToShim,
    pub tries: u32,
}

impl Shims {
    pub(super) fn new(
        state_dir: PathBuf,
        program: PathBuf,
        birthright: Birthright,
    ) -> io::Result<Shims> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut shims = Shims {
            epoll,
            state_dir,
            program,
            birthright,
            zygote: None,
            all: HashMap::new(),
            by_uid: HashMap::new(),
            free: Vec::new(),
            next_token: TOKEN_FIRST_SHIM,
        };
        shims.zygote()?;
        Ok(shims)
    }

    pub(super) fn of(&self, uid: &str) -> Option<u64> {
        self.by_uid.get(uid).copied()
    }

    pub(super) fn get(&mut self, token: u64) -> Option<&mut Shim> {
        self.all.get_mut(&token)
    }

    pub(super) fn pod(&mut self, token: u64) -> Option<&mut Pod> {
        self.all.get_mut(&token)?.pod.as_mut()
    }

    pub(super) fn free_len(&self) -> usize {
        self.free.len()
    }

    /// Makes one more that is free.
    pub(super) fn make(&mut self) -> io::Result<()> {
        let (ours, theirs) = sockets::pair(SocketType::STREAM, SocketFlags::empty())?;
        rustix::io::ioctl_fionbio(&ours, true)?;
        let new = NewShim { token: self.next_token, state: self.state_dir.clone() };
        let message = serde_json::to_vec(&new).expect("plain data");
        let sent = sockets::send_with_fd(self.zygote()?.socket.as_fd(), &message, theirs.as_fd());
        if sent.is_err() {
            // It has died since: a new one, once.
            self.drop_zygote();
            let zygote = self.zygote()?;
            sockets::send_with_fd(zygote.socket.as_fd(), &message, theirs.as_fd())?;
        }
        let token = self.add(ours, None)?;
        self.free.push(token);
        Ok(())
    }

    /// One that was found with its pod.
    pub(super) fn adopt(&mut self, pod: Pod, socket: OwnedFd) -> io::Result<u64> {
        let uid = pod.place.uid.clone();
        let token = self.add(socket, Some(pod))?;
        self.by_uid.insert(uid, token);
        Ok(token)
    }

    fn add(&mut self, socket: OwnedFd, pod: Option<Pod>) -> io::Result<u64> {
        let token = self.next_token;
        self.next_token += 1;
        epoll::add(&self.epoll, &socket, EventData::new_u64(token), EventFlags::IN)?;
        let shim = Shim { pod, socket, frames: Frames::default(), unsent: Vec::new() };
        self.all.insert(token, shim);
        Ok(token)
    }

    /// Gives the pod to one that is free, or is made now.
    pub(super) fn give(&mut self, place: Place, new: NewPod) -> io::Result<u64> {
        if self.free.is_empty() {
            self.make()?;
        }
        let token = self.free.pop().expect("one was made");
        self.by_uid.insert(place.uid.clone(), token);
        let shim = self.all.get_mut(&token).expect("a free shim is known");
        shim.pod = Some(Pod { place, pending: Vec::new(), live: BTreeSet::new() });
        shim.unsent.extend(wire::frame(&ToShim::Take(Box::new(new))));
        Ok(token)
    }

    /// It says that it is free; gives the pod that it had.
    pub(super) fn freed(&mut self, token: u64) -> Option<Pod> {
        let pod = self.all.get_mut(&token)?.pod.take()?;
        self.by_uid.remove(&pod.place.uid);
        self.free.push(token);
        Some(pod)
    }

    /// It has ended, or is to end: gives the pod that it had.
    pub(super) fn forget(&mut self, token: u64) -> Option<Pod> {
        let shim = self.all.remove(&token)?;
        self.free.retain(|free| *free != token);
        let pod = shim.pod?;
        self.by_uid.remove(&pod.place.uid);
        Some(pod)
    }

    /// Ends free ones until so many are left.
    pub(super) fn trim(&mut self, left: usize) {
        let surplus = self.free.len().saturating_sub(left);
        for token in self.free.drain(..surplus) {
            // It sees the connection closed.
            self.all.remove(&token);
        }
    }

    pub(super) fn send(&mut self, token: u64, order: &ToShim) {
        let Some(shim) = self.all.get_mut(&token) else { return };
        shim.unsent.extend(wire::frame(order));
        shim.flush();
        if !shim.unsent.is_empty() {
            self.mind_output(token);
        }
    }

    /// The socket has room again.
    pub(super) fn flush(&mut self, token: u64) {
        if let Some(shim) = self.all.get_mut(&token) {
            shim.flush();
            self.mind_output(token);
        }
    }

    /// Waits for room in the socket exactly while something waits for it.
    fn mind_output(&mut self, token: u64) {
        let Some(shim) = self.all.get(&token) else { return };
        let mut flags = EventFlags::IN;
        flags.set(EventFlags::OUT, !shim.unsent.is_empty());
        let _ = epoll::modify(&self.epoll, &shim.socket, EventData::new_u64(token), flags);
    }

    /// The zygote, made anew where there is none.
    fn zygote(&mut self) -> io::Result<&Zygote> {
        if self.zygote.is_none() {
            let (ours, theirs) = sockets::pair(SocketType::SEQPACKET, SocketFlags::empty())?;
            let process = Command::new(&self.program)
                .arg0("cronlet")
                .arg(COMMAND)
                .arg(self.birthright.to_word())
                // Not read: the shims are found by it.
                .arg(&self.state_dir)
                .env_clear()
                .env(TUNABLES.0, TUNABLES.1)
                .current_dir("/")
                .stdin(Stdio::from(theirs))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()?;
            epoll::add(&self.epoll, &ours, EventData::new_u64(TOKEN_ZYGOTE), EventFlags::IN)?;
            self.zygote = Some(Zygote { process, socket: ours });
        }
        Ok(self.zygote.as_ref().expect("made above"))
    }

    /// The shims that the zygote could not make.
    pub(super) fn hear_zygote(&mut self) -> Vec<NoShim> {
        let mut refused = Vec::new();
        let mut buffer = [0; 4096];
        while let Some(zygote) = &self.zygote {
            let flags = rustix::net::RecvFlags::DONTWAIT;
            match rustix::net::recv(&zygote.socket, &mut buffer, flags) {
                Ok((0, _)) => self.drop_zygote(),
                Ok((length, _)) => refused.extend(serde_json::from_slice(&buffer[..length])),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => self.drop_zygote(),
            }
        }
        refused
    }

    /// Closing its socket ends it.
    fn drop_zygote(&mut self) {
        if let Some(mut zygote) = self.zygote.take() {
            drop(zygote.socket);
            let _ = zygote.process.wait();
        }
    }
}

impl Drop for Shims {
    fn drop(&mut self) {
        self.drop_zygote();
    }
}

impl Shim {
    fn flush(&mut self) {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        while !self.unsent.is_empty() {
            match rustix::net::send(&self.socket, &self.unsent, flags) {
                Ok(sent) => {
                    self.unsent.drain(..sent);
                }
                Err(Errno::INTR) => {}
                // What else went wrong shows as the connection's end, when it is read.
                Err(_) => return,
            }
        }
        self.unsent = Vec::new();
    }

    /// Messages that came in, and whether the shim has closed.
    pub(super) fn hear(&mut self) -> (Vec<FromShim>, bool) {
        let mut buffer = [0; 16384];
        let mut ended = false;
        loop {
            match rustix::io::read(&self.socket, &mut buffer) {
                Ok(0) => ended = true,
                Ok(length) => {
                    self.frames.push(&buffer[..length]);
                    // A socket that had less than there is room for is empty now.
                    if length == buffer.len() {
                        continue;
                    }
                }
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => {}
                Err(_) => ended = true,
            }
            break;
        }
        let mut messages = Vec::new();
        loop {
            match self.frames.pop() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => return (messages, ended),
                Err(_) => return (messages, true),
            }
        }
    }
}
