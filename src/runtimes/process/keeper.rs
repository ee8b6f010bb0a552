//! The daemon's end: one thread that holds the sockets of all shims, passes orders on and reports
//! up.

use super::exec::Runs;
use super::place::Place;
use super::records::{Past, Record};
use super::settle::{self, settle};
use super::wire::{self, Frames, FromShim, NewShim, NoShim, ToShim};
use super::zygote::COMMAND;
use crate::host::cgroups::Layout;
use crate::host::sockets;
use crate::kinds::pod::observed::{News, Order, Report};
use crate::probes::exec::Run;
use crate::time::Timestamp;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{SendFlags, SocketFlags, SocketType};
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

/// What the keeper is told.
pub enum Told {
    Order(Order),
    Exec(Run),
    /// A shim that was found alive, after a start of the daemon.
    Adopt {
        pod_uid: String,
        socket: OwnedFd,
        live: BTreeSet<String>,
    },
    Quit,
}

/// The way to the keeper. What waits in it is bounded by the engine: one order for each container
/// that it keeps.
pub struct Inbox {
    waiting: Mutex<Vec<Told>>,
    wake: OwnedFd,
}

impl Inbox {
    pub fn new() -> Result<Inbox, Errno> {
        let flags = rustix::event::EventfdFlags::CLOEXEC | rustix::event::EventfdFlags::NONBLOCK;
        Ok(Inbox { waiting: Mutex::default(), wake: rustix::event::eventfd(0, flags)? })
    }

    pub fn tell(&self, told: Told) {
        self.waiting.lock().expect("no holder of this lock panics").push(told);
        // The counter cannot overflow: the keeper resets it, and each order adds one.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    fn take(&self) -> Vec<Told> {
        let _ = rustix::io::read(&self.wake, &mut [0; 8]);
        std::mem::take(&mut *self.waiting.lock().expect("no holder of this lock panics"))
    }
}

pub struct Keeper {
    inbox: Arc<Inbox>,
    state_dir: PathBuf,
    program: PathBuf,
    cgroups: Layout,
    reports: Box<dyn Fn(Report) + Send>,
    epoll: OwnedFd,
    zygote: Option<Zygote>,
    pods: HashMap<u64, Pod>,
    by_uid: HashMap<String, u64>,
    next_token: u64,
    runs: Runs,
}

struct Zygote {
    process: Child,
    socket: OwnedFd,
}

/// A pod that has a shim.
struct Pod {
    uid: String,
    place: Place,
    socket: OwnedFd,
    frames: Frames,
    unsent: Vec<u8>,
    /// Orders without an answer, sent again if the shim ended before it read them.
    pending: Vec<Pending>,
    /// Containers that run, as far as is known: if the shim ends now, something went wrong.
    live: BTreeSet<String>,
}

struct Pending {
    order: ToShim,
    tries: u32,
}

const TOKEN_INBOX: u64 = 0;
const TOKEN_ZYGOTE: u64 = 1;
const TOKEN_FIRST_POD: u64 = 2;
const TRIES_MAX: u32 = 3;

impl Keeper {
    pub fn new(
        inbox: Arc<Inbox>,
        state_dir: PathBuf,
        program: PathBuf,
        cgroups: Layout,
        reports: Box<dyn Fn(Report) + Send>,
    ) -> io::Result<Keeper> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &inbox.wake, EventData::new_u64(TOKEN_INBOX), EventFlags::IN)?;
        let mut keeper = Keeper {
            inbox,
            state_dir,
            program,
            cgroups,
            reports,
            epoll,
            zygote: None,
            pods: HashMap::new(),
            by_uid: HashMap::new(),
            next_token: TOKEN_FIRST_POD,
            runs: Runs::default(),
        };
        keeper.zygote()?;
        Ok(keeper)
    }

    /// Serves until it is told to quit.
    pub fn run(mut self) {
        let mut events = Vec::with_capacity(256);
        loop {
            events.clear();
            let spare = rustix::buffer::spare_capacity(&mut events);
            match epoll::wait(&self.epoll, spare, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => panic!("waiting on a sound epoll descriptor: {error}"),
            }
            for event in &events {
                let token = event.data.u64();
                match token {
                    TOKEN_INBOX => {
                        if !self.take_orders() {
                            return;
                        }
                    }
                    TOKEN_ZYGOTE => self.hear_zygote(),
                    pod => self.hear_pod(pod, event.flags),
                }
            }
        }
    }

    /// False: told to quit.
    fn take_orders(&mut self) -> bool {
        for told in self.inbox.clone().take() {
            match told {
                Told::Quit => return false,
                Told::Order(order) => self.pass(order),
                Told::Exec(run) => self.exec(run),
                Told::Adopt { pod_uid, socket, live } => {
                    if let Err(error) = self.add_pod(&pod_uid, socket, live) {
                        tracing::error!(pod_uid, %error, "a running pod cannot be watched");
                    }
                }
            }
        }
        true
    }

    fn pass(&mut self, order: Order) {
        match order {
            Order::Start(launch) => {
                let uid = launch.pod_uid.clone();
                self.send_or_make(&uid, Pending { order: ToShim::Start(launch), tries: 0 });
            }
            Order::Stop { pod_uid, container, attempt, grace_seconds } => {
                if let Some(token) = self.by_uid.get(&pod_uid).copied() {
                    let order = ToShim::Stop { container, attempt, grace_seconds };
                    self.send(token, Pending { order, tries: 0 });
                } else {
                    self.answer_stop(&pod_uid, &container, attempt);
                }
            }
            Order::Clean { pod_uid } => {
                let has_shim = self.by_uid.contains_key(&pod_uid);
                if has_shim || Place::new(&self.state_dir, &pod_uid).folder.exists() {
                    self.send_or_make(&pod_uid, Pending { order: ToShim::Clean, tries: 0 });
                } else {
                    self.report(&pod_uid, "", 0, News::Cleaned);
                }
            }
            // The prober's.
            Order::Probe { .. } => {}
        }
    }

    /// Without a shim nothing of the pod runs: the run is dropped.
    fn exec(&mut self, run: Run) {
        let Some(token) = self.by_uid.get(&run.pod_uid).copied() else { return };
        let order = self.runs.add(token, run);
        let pod = self.pods.get_mut(&token).expect("a token that is known by uid");
        pod.unsent.extend(wire::frame(&order));
        pod.flush();
        self.mind_output(token);
    }

    /// A stop for a pod without a shim: nothing of it runs.
    fn answer_stop(&mut self, uid: &str, container: &str, attempt: u32) {
        let past = settle(&Place::new(&self.state_dir, uid)).unwrap_or_default();
        if past.begun(container, attempt) {
            self.report_all(uid, &past, Some(container));
        } else {
            self.fail(uid, container, attempt, "stopped before it was started");
        }
    }

    fn send_or_make(&mut self, uid: &str, pending: Pending) {
        let token = match self.by_uid.get(uid) {
            Some(token) => *token,
            None => match self.make_shim(uid) {
                Ok(token) => token,
                Err(error) => {
                    return self.give_up(uid, &pending.order, &format!("no shim: {error}"));
                }
            },
        };
        self.send(token, pending);
    }

    fn make_shim(&mut self, uid: &str) -> io::Result<u64> {
        let folder = Place::new(&self.state_dir, uid).folder;
        let new = NewShim { pod_uid: uid.to_owned(), folder, cgroups: self.cgroups.clone() };
        let (ours, theirs) = sockets::pair(SocketType::STREAM, SocketFlags::empty())?;
        rustix::io::ioctl_fionbio(&ours, true)?;
        let message = serde_json::to_vec(&new).expect("plain data");
        let sent = sockets::send_with_fd(self.zygote()?.socket.as_fd(), &message, theirs.as_fd());
        if sent.is_err() {
            // It has died since: a new one, once.
            self.drop_zygote();
            let zygote = self.zygote()?;
            sockets::send_with_fd(zygote.socket.as_fd(), &message, theirs.as_fd())?;
        }
        self.add_pod(uid, ours, BTreeSet::new())
    }

    fn add_pod(&mut self, uid: &str, socket: OwnedFd, live: BTreeSet<String>) -> io::Result<u64> {
        let token = self.next_token;
        self.next_token += 1;
        epoll::add(&self.epoll, &socket, EventData::new_u64(token), EventFlags::IN)?;
        let pod = Pod {
            uid: uid.to_owned(),
            place: Place::new(&self.state_dir, uid),
            socket,
            frames: Frames::default(),
            unsent: Vec::new(),
            pending: Vec::new(),
            live,
        };
        self.pods.insert(token, pod);
        self.by_uid.insert(uid.to_owned(), token);
        Ok(token)
    }

    fn send(&mut self, token: u64, pending: Pending) {
        let pod = self.pods.get_mut(&token).expect("a token that is known by uid");
        pod.unsent.extend(wire::frame(&pending.order));
        pod.pending.push(pending);
        pod.flush();
        self.mind_output(token);
    }

    /// Waits for room in the socket exactly while something waits for it.
    fn mind_output(&mut self, token: u64) {
        let Some(pod) = self.pods.get(&token) else { return };
        let mut flags = EventFlags::IN;
        flags.set(EventFlags::OUT, !pod.unsent.is_empty());
        let _ = epoll::modify(&self.epoll, &pod.socket, EventData::new_u64(token), flags);
    }

    fn hear_pod(&mut self, token: u64, flags: EventFlags) {
        let Some(pod) = self.pods.get_mut(&token) else { return };
        if flags.contains(EventFlags::OUT) {
            pod.flush();
            self.mind_output(token);
        }
        let Some(pod) = self.pods.get_mut(&token) else { return };
        let (messages, ended) = pod.hear();
        for message in messages {
            if self.hear_message(token, message) {
                return;
            }
        }
        if ended {
            self.shim_ended(token);
        }
    }

    /// True: that was the last of this pod.
    fn hear_message(&mut self, token: u64, message: FromShim) -> bool {
        let Some(pod) = self.pods.get_mut(&token) else { return true };
        let uid = pod.uid.clone();
        match message {
            FromShim::Record(record) => {
                pod.note(&record);
                if let Some(report) = record.report(&uid) {
                    (self.reports)(report);
                }
                false
            }
            FromShim::PreStopFailed { container, attempt, message } => {
                self.report(&uid, &container, attempt, News::PreStopFailed(message));
                false
            }
            FromShim::Executed { id, ran } => {
                self.runs.end(id, ran);
                false
            }
            FromShim::Cleaned { error } => {
                if let Some(error) = error {
                    tracing::warn!(pod_uid = uid, error, "the pod's folder was not removed");
                }
                self.forget(token);
                self.report(&uid, "", 0, News::Cleaned);
                true
            }
        }
    }

    fn forget(&mut self, token: u64) -> Option<Pod> {
        self.runs.forget(token);
        let pod = self.pods.remove(&token)?;
        self.by_uid.remove(&pod.uid);
        Some(pod)
    }

    /// By itself, having nothing to do; or it was killed.
    fn shim_ended(&mut self, token: u64) {
        // If it was never made, the zygote says why.
        self.hear_zygote();
        let Some(pod) = self.forget(token) else { return };
        if pod.live.is_empty() && pod.pending.is_empty() {
            return;
        }
        let past = match settle(&pod.place) {
            Ok(past) => past,
            Err(settle::Error::Held) => return self.rejoin(pod),
            Err(error) => {
                tracing::error!(pod_uid = pod.uid, %error, "a lost pod cannot be settled");
                Past::default()
            }
        };
        self.report_all(&pod.uid, &past, None);
        for mut pending in pod.pending {
            let seen = match &pending.order {
                ToShim::Start(launch) => past.begun(&launch.container, launch.attempt),
                ToShim::Stop { container, attempt, .. } => past.begun(container, *attempt),
                ToShim::Clean | ToShim::Exec { .. } => false,
            };
            if seen {
                continue;
            }
            pending.tries += 1;
            if pending.tries >= TRIES_MAX {
                self.give_up(&pod.uid, &pending.order, "its shim ended at once, again and again");
            } else {
                self.send_or_make(&pod.uid, pending);
            }
        }
    }

    /// The shim lives, but has closed our connection: a new one, and the orders again.
    fn rejoin(&mut self, pod: Pod) {
        let socket = sockets::connect_in(&pod.place.folder, super::place::SOCKET);
        let joined = socket.map_err(io::Error::from);
        match joined.and_then(|socket| self.add_pod(&pod.uid, socket, pod.live)) {
            Ok(token) => pod.pending.into_iter().for_each(|pending| self.send(token, pending)),
            Err(error) => {
                for pending in &pod.pending {
                    self.give_up(&pod.uid, &pending.order, &format!("its shim is lost: {error}"));
                }
            }
        }
    }

    fn give_up(&mut self, uid: &str, order: &ToShim, why: &str) {
        match order {
            ToShim::Start(launch) => self.fail(uid, &launch.container, launch.attempt, why),
            ToShim::Stop { container, attempt, .. } => self.fail(uid, container, *attempt, why),
            ToShim::Clean => {
                tracing::warn!(pod_uid = uid, why, "the pod's folder was not removed");
                self.report(uid, "", 0, News::Cleaned);
            }
            // Nothing of it is kept to be tried again.
            ToShim::Exec { .. } => {}
        }
    }

    fn fail(&self, uid: &str, container: &str, attempt: u32, why: &str) {
        let (reason, message) = ("RunContainerError".to_owned(), why.to_owned());
        self.report(
            uid,
            container,
            attempt,
            News::Failed { reason, message, at: Timestamp::now() },
        );
    }

    fn report(&self, uid: &str, container: &str, attempt: u32, news: News) {
        let (pod_uid, container) = (uid.to_owned(), container.to_owned());
        (self.reports)(Report { pod_uid, container, attempt, news });
    }

    fn report_all(&self, uid: &str, past: &Past, only: Option<&str>) {
        for record in past.latest() {
            let about = record.about().is_some_and(|(name, _)| only.is_none_or(|o| o == name));
            if let Some(report) = record.report(uid).filter(|_| about) {
                (self.reports)(report);
            }
        }
    }

    /// The zygote, made anew where there is none.
    fn zygote(&mut self) -> io::Result<&Zygote> {
        if self.zygote.is_none() {
            let (ours, theirs) = sockets::pair(SocketType::SEQPACKET, SocketFlags::empty())?;
            let process = Command::new(&self.program)
                .arg0("cronlet")
                .arg(COMMAND)
                .env_clear()
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

    fn hear_zygote(&mut self) {
        let mut buffer = [0; 4096];
        loop {
            let Some(zygote) = &self.zygote else { return };
            let flags = rustix::net::RecvFlags::DONTWAIT;
            match rustix::net::recv(&zygote.socket, &mut buffer, flags) {
                Ok((0, _)) => return self.drop_zygote(),
                Ok((length, _)) => {
                    if let Ok(answer) = serde_json::from_slice::<NoShim>(&buffer[..length]) {
                        self.no_shim(&answer);
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => return self.drop_zygote(),
            }
        }
    }

    fn no_shim(&mut self, answer: &NoShim) {
        let Some(token) = self.by_uid.get(&answer.pod_uid).copied() else { return };
        let Some(pod) = self.forget(token) else { return };
        let error = io::Error::from_raw_os_error(answer.errno);
        let why = format!("fork refused: {error} (limits of processes or memory)");
        for pending in &pod.pending {
            self.give_up(&pod.uid, &pending.order, &why);
        }
    }

    /// Closing its socket ends it.
    fn drop_zygote(&mut self) {
        if let Some(mut zygote) = self.zygote.take() {
            drop(zygote.socket);
            let _ = zygote.process.wait();
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.drop_zygote();
    }
}

impl Pod {
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
    fn hear(&mut self) -> (Vec<FromShim>, bool) {
        let mut buffer = [0; 16384];
        let mut ended = false;
        loop {
            match rustix::io::read(&self.socket, &mut buffer) {
                Ok(0) => ended = true,
                Ok(length) => {
                    self.frames.push(&buffer[..length]);
                    continue;
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

    /// Which orders are answered by it, and what runs.
    fn note(&mut self, record: &Record) {
        let Some((name, attempt)) = record.about() else { return };
        let begins = matches!(record, Record::Started { .. });
        let ends = matches!(record, Record::Exited { .. } | Record::Failed { .. });
        if begins {
            self.live.insert(name.to_owned());
        } else if ends {
            self.live.remove(name);
        }
        self.pending.retain(|pending| match &pending.order {
            ToShim::Start(launch) => {
                !(begins || ends) || launch.container != name || launch.attempt > attempt
            }
            ToShim::Stop { container, attempt: stopped, .. } => {
                !ends || container != name || *stopped > attempt
            }
            ToShim::Clean | ToShim::Exec { .. } => true,
        });
    }
}
