//! The daemon's end: one thread that holds the sockets of all shims, passes orders on and reports
//! up.

use super::exec::Runs;
use super::journal::{self, Segment};
use super::journal_retention::JournalRetention;
use super::paths::Place;
use super::records::{PodHistory, Record};
use super::recover_orphan::{self, settle};
use super::shims::{Pending, Pod, Shims, TOKEN_INBOX, TOKEN_ZYGOTE};
use super::wire::{FromShim, NewPod, NoShim, ToShim};
use crate::probes::exec::Run;
use crate::volumes::claim;
use cronlet_api::time::Timestamp;
use cronlet_host::cgroups::Layout;
use cronlet_plan::order::{ContainerEvent, Order, Report};
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A message to the shim manager.
pub(super) enum Message {
    Order(Order),
    Exec(Run),
    /// A shim that was found alive, after a start of the daemon.
    Adopt {
        pod_uid: String,
        socket: OwnedFd,
        live: BTreeSet<String>,
    },
    /// A pod that was found in the journal from this segment on.
    Recovered {
        pod_uid: String,
        first: Segment,
        restarted: bool,
    },
    /// So many pods will be ordered in a moment.
    Expect(usize),
    /// What is ordered to start from here on starts then.
    NotBefore(Timestamp),
    Quit,
}

/// The way to the shim manager. What waits in it is bounded by the engine: one order for each
/// container that it keeps.
pub(super) struct Inbox {
    waiting: Mutex<Waiting>,
    wake: OwnedFd,
}

#[derive(Default)]
struct Waiting {
    messages: Vec<Message>,
    /// Reports that were committed; `None`: no commit since.
    committed: Option<usize>,
}

impl Inbox {
    pub(super) fn new() -> Result<Inbox, Errno> {
        let flags = rustix::event::EventfdFlags::CLOEXEC | rustix::event::EventfdFlags::NONBLOCK;
        Ok(Inbox { waiting: Mutex::default(), wake: rustix::event::eventfd(0, flags)? })
    }

    pub(super) fn send(&self, message: Message) {
        self.waiting().messages.push(message);
        // The counter cannot overflow: the shim manager resets it, and each order adds one.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    /// For when the shim manager wakes next: it does not wake for this.
    pub(super) fn note_committed(&self, reports: usize) {
        *self.waiting().committed.get_or_insert(0) += reports;
    }

    fn take(&self) -> Vec<Message> {
        let _ = rustix::io::read(&self.wake, &mut [0; 8]);
        std::mem::take(&mut self.waiting().messages)
    }

    fn take_committed(&self) -> Option<usize> {
        self.waiting().committed.take()
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().expect("no holder of this lock panics")
    }
}

pub(super) struct ShimManager {
    inbox: Arc<Inbox>,
    state_dir: PathBuf,
    cgroups: Layout,
    reports: Box<dyn Fn(Report) + Send>,
    shims: Shims,
    retention: JournalRetention,
    runs: Runs,
    /// When shims that are free beyond [`SPARE`] end.
    trim_at: Option<Instant>,
    /// Nothing starts before.
    not_before: Timestamp,
}

const TRIES_MAX: u32 = 3;

/// So many free shims are kept at rest: the next start need not wait for a fork.
const SPARE: usize = 1;
/// How long more of them are kept.
const SPARE_FOR: Duration = Duration::from_secs(2);
/// No more than this are made before they are needed.
const EXPECTED_MAX: usize = 1000;

impl ShimManager {
    pub(super) fn new(
        inbox: Arc<Inbox>,
        state_dir: PathBuf,
        shims: Shims,
        cgroups: Layout,
        retention: JournalRetention,
        reports: Box<dyn Fn(Report) + Send>,
    ) -> io::Result<ShimManager> {
        epoll::add(&shims.epoll, &inbox.wake, EventData::new_u64(TOKEN_INBOX), EventFlags::IN)?;
        Ok(ShimManager {
            inbox,
            state_dir,
            cgroups,
            reports,
            shims,
            retention,
            runs: Runs::default(),
            trim_at: None,
            not_before: Timestamp::MIN,
        })
    }

    /// Serves until it receives [`Message::Quit`].
    pub(super) fn run(mut self) {
        let mut events = Vec::with_capacity(256);
        self.keep_spare(SPARE);
        loop {
            events.clear();
            let wait =
                self.trim_at.map(|at| timespec(at.saturating_duration_since(Instant::now())));
            let spare = rustix::buffer::spare_capacity(&mut events);
            match epoll::wait(&self.shims.epoll, spare, wait.as_ref()) {
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
                    shim => self.hear_shim(shim, event.flags),
                }
            }
            self.tidy();
        }
    }

    /// What can be done after what could not wait.
    fn tidy(&mut self) {
        if let Some(reports) = self.inbox.take_committed() {
            self.retention.committed(reports);
        }
        let to_move = self.retention.tidy();
        let current = self.retention.current();
        for uid in to_move {
            if let Some(token) = self.shims.of(&uid) {
                self.shims.send(token, &ToShim::Move(current));
            }
        }
        let surplus = self.shims.free_len() > SPARE;
        match self.trim_at {
            None if surplus => self.trim_at = Some(Instant::now() + SPARE_FOR),
            Some(at) if at <= Instant::now() => {
                self.shims.trim(SPARE);
                self.trim_at = None;
            }
            _ => {}
        }
    }

    fn keep_spare(&mut self, wanted: usize) {
        while self.shims.free_len() < wanted {
            if let Err(error) = self.shims.make() {
                // The start that needs one reports why there is none.
                tracing::debug!(%error, "no spare shim");
                return;
            }
        }
    }

    /// False after [`Message::Quit`].
    fn take_orders(&mut self) -> bool {
        for message in self.inbox.clone().take() {
            match message {
                Message::Quit => return false,
                Message::Order(order) => self.pass(order),
                Message::Exec(run) => self.exec(run),
                Message::Adopt { pod_uid, socket, live } => self.adopt(&pod_uid, socket, live),
                Message::Recovered { pod_uid, first, restarted } => {
                    self.retention.recover(&pod_uid, first, restarted);
                }
                Message::NotBefore(at) => self.not_before = at,
                Message::Expect(pods) => {
                    self.keep_spare(pods.min(EXPECTED_MAX) + SPARE);
                    self.trim_at = Some(Instant::now() + SPARE_FOR);
                }
            }
        }
        true
    }

    fn adopt(&mut self, uid: &str, socket: OwnedFd, live: BTreeSet<String>) {
        self.retention.taken(uid);
        let pod = Pod { place: Place::new(&self.state_dir, uid), pending: Vec::new(), live };
        if let Err(error) = self.shims.adopt(pod, socket) {
            self.retention.left(uid);
            tracing::error!(pod_uid = uid, %error, "a running pod cannot be watched");
        }
    }

    fn pass(&mut self, order: Order) {
        match order {
            Order::Start(launch) => {
                let uid = launch.pod_uid.clone();
                self.send_or_give(&uid, Pending { order: ToShim::Start(launch), tries: 0 });
            }
            Order::Stop { pod_uid, container, attempt, grace_seconds } => {
                if let Some(token) = self.shims.of(&pod_uid) {
                    let order = ToShim::Stop { container, attempt, grace_seconds };
                    self.send(token, Pending { order, tries: 0 });
                } else {
                    self.answer_stop(&pod_uid, &container, attempt);
                }
            }
            Order::Clean { pod_uid } => {
                let has_shim = self.shims.of(&pod_uid).is_some();
                if has_shim || Place::new(&self.state_dir, &pod_uid).folder.exists() {
                    self.send_or_give(&pod_uid, Pending { order: ToShim::Clean, tries: 0 });
                } else {
                    self.clean_without(&pod_uid);
                }
            }
            // Without a shim nothing of the pod runs; what starts next is given its files.
            Order::Refresh { pod_uid, fs_group, volumes } => {
                if let Some(token) = self.shims.of(&pod_uid) {
                    for volume in volumes {
                        self.shims.send(token, &ToShim::Refresh { fs_group, volume });
                    }
                }
            }
            Order::Reclaim { volume, kept_as } => {
                let state = self.state_dir.clone();
                // Nobody waits for it, and much may have to be removed.
                std::thread::spawn(move || reclaim(&state, &volume, kept_as.as_deref()));
            }
            // The prober's.
            Order::Probe { .. } => {}
        }
    }

    /// Without a shim nothing of the pod runs: the run is dropped.
    fn exec(&mut self, run: Run) {
        let Some(token) = self.shims.of(&run.pod_uid) else { return };
        let order = self.runs.add(token, run);
        self.shims.send(token, &order);
    }

    /// A pod that has neither a shim nor a folder.
    fn clean_without(&mut self, uid: &str) {
        if self.retention.knows(uid) {
            let line = journal::line(uid, &Record::Cleaned);
            let segment =
                journal::open(&super::paths::journal(&self.state_dir), self.retention.current());
            if let Err(error) = segment.and_then(|mut file| file.write_all(&line)) {
                tracing::warn!(pod_uid = uid, %error, "the journal cannot be written");
            }
        }
        self.report(uid, "", 0, ContainerEvent::Cleaned);
    }

    /// A stop for a pod without a shim: nothing of it runs.
    fn answer_stop(&mut self, uid: &str, container: &str, attempt: u32) {
        let past = settle(&Place::new(&self.state_dir, uid), self.retention.current());
        let past = past.unwrap_or_default();
        if past.begun(container, attempt) {
            self.report_all(uid, &past, Some(container));
        } else {
            self.fail(uid, container, attempt, "stopped before it was started");
        }
    }

    fn send_or_give(&mut self, uid: &str, pending: Pending) {
        let token = match self.shims.of(uid) {
            Some(token) => token,
            None => match self.give(uid) {
                Ok(token) => token,
                Err(error) => {
                    return self.give_up(uid, &pending.order, &format!("no shim: {error}"));
                }
            },
        };
        self.send(token, pending);
    }

    fn give(&mut self, uid: &str) -> io::Result<u64> {
        let fresh = self.retention.taken(uid);
        let (segment, cgroups) = (self.retention.current(), self.cgroups.clone());
        let new = NewPod { uid: uid.to_owned(), segment, fresh, cgroups };
        let given = self.shims.give(Place::new(&self.state_dir, uid), new);
        if given.is_err() {
            self.retention.left(uid);
        }
        given
    }

    fn send(&mut self, token: u64, pending: Pending) {
        let waits = self.not_before > Timestamp::now();
        if waits && matches!(pending.order, ToShim::Start(_)) {
            self.shims.send(token, &ToShim::NotBefore(self.not_before));
        }
        self.shims.send(token, &pending.order);
        let pod = self.shims.pod(token).expect("a shim that is known by its pod");
        pod.pending.push(pending);
    }

    fn hear_shim(&mut self, token: u64, flags: EventFlags) {
        if flags.contains(EventFlags::OUT) {
            self.shims.flush(token);
        }
        let Some(shim) = self.shims.get(token) else { return };
        let (messages, ended) = shim.hear();
        for message in messages {
            self.hear_message(token, message);
        }
        if ended {
            self.shim_ended(token);
        }
    }

    fn hear_message(&mut self, token: u64, message: FromShim) {
        let Some(pod) = self.shims.pod(token) else { return };
        let uid = pod.place.uid.clone();
        match message {
            FromShim::Record(record) => {
                pod.note(&record);
                if record.about().is_some_and(|(_, attempt)| attempt > 0) {
                    self.retention.restarted(&uid);
                }
                if let Some(report) = record.report(&uid) {
                    self.send_report(report);
                }
                // Now that it would hold up no start.
                self.keep_spare(SPARE);
            }
            FromShim::PreStopFailed { container, attempt, message } => {
                self.report(&uid, &container, attempt, ContainerEvent::PreStopFailed(message));
            }
            FromShim::NotRefreshed { volume, message } => {
                let event = ContainerEvent::NotRefreshed { volume, message, at: Timestamp::now() };
                self.report(&uid, "", 0, event);
            }
            FromShim::Cleaned { error } => {
                if let Some(error) = error {
                    tracing::warn!(pod_uid = uid, error, "the pod's folder was not removed");
                }
                pod.live.clear();
                pod.pending.clear();
                self.report(&uid, "", 0, ContainerEvent::Cleaned);
            }
            FromShim::Executed { id, ran } => self.runs.end(id, ran),
            FromShim::Moved(segment) => self.retention.moved(&uid, segment),
            FromShim::Full => self.shims.send(token, &ToShim::Move(self.retention.current())),
            FromShim::Free => self.shim_is_free(token),
        }
    }

    fn shim_is_free(&mut self, token: u64) {
        self.runs.forget(token);
        let Some(pod) = self.shims.freed(token) else { return };
        self.retention.left(&pod.place.uid);
        // It was free before it read these.
        pod.pending.into_iter().for_each(|pending| self.send_or_give(&pod.place.uid, pending));
    }

    /// By itself, having nothing to do; or it was killed.
    fn shim_ended(&mut self, token: u64) {
        // If it was never made, the zygote says why.
        self.hear_zygote();
        self.runs.forget(token);
        let Some(pod) = self.shims.forget(token) else { return };
        let uid = pod.place.uid.clone();
        if pod.live.is_empty() && pod.pending.is_empty() {
            return self.retention.left(&uid);
        }
        let past = match recover_orphan::join(&pod.place, self.retention.current()) {
            Ok((_, Some(socket))) => return self.rejoin(pod, socket),
            Ok((past, None)) => past,
            Err(error) => {
                tracing::error!(pod_uid = uid, %error, "a lost pod cannot be settled");
                PodHistory::default()
            }
        };
        self.report_all(&uid, &past, None);
        self.retention.left(&uid);
        for mut pending in pod.pending {
            let seen = match &pending.order {
                ToShim::Start(launch) => past.begun(&launch.container, launch.attempt),
                ToShim::Stop { container, attempt, .. } => past.begun(container, *attempt),
                _ => false,
            };
            if seen {
                continue;
            }
            pending.tries += 1;
            if pending.tries >= TRIES_MAX {
                self.give_up(&uid, &pending.order, "its shim ended at once, again and again");
            } else {
                self.send_or_give(&uid, pending);
            }
        }
    }

    /// The shim lives, but has closed our connection: a new one, and the orders again.
    fn rejoin(&mut self, mut pod: Pod, socket: OwnedFd) {
        let uid = pod.place.uid.clone();
        let pending = std::mem::take(&mut pod.pending);
        match self.shims.adopt(pod, socket) {
            Ok(token) => pending.into_iter().for_each(|pending| self.send(token, pending)),
            Err(error) => {
                self.retention.left(&uid);
                for pending in &pending {
                    self.give_up(&uid, &pending.order, &format!("its shim is lost: {error}"));
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
                self.report(uid, "", 0, ContainerEvent::Cleaned);
            }
            // Nothing of these is kept to be tried again.
            ToShim::Take(_)
            | ToShim::Move(_)
            | ToShim::NotBefore(_)
            | ToShim::Refresh { .. }
            | ToShim::Exec { .. } => {}
        }
    }

    fn fail(&mut self, uid: &str, container: &str, attempt: u32, why: &str) {
        let (reason, message) = ("RunContainerError".to_owned(), why.to_owned());
        self.report(
            uid,
            container,
            attempt,
            ContainerEvent::Failed { reason, message, at: Timestamp::now() },
        );
    }

    fn report(&mut self, uid: &str, container: &str, attempt: u32, event: ContainerEvent) {
        let (pod_uid, container) = (uid.to_owned(), container.to_owned());
        self.send_report(Report { pod_uid, container, attempt, event });
    }

    fn send_report(&mut self, report: Report) {
        self.retention.reported(&report.pod_uid);
        if report.event == ContainerEvent::Cleaned {
            self.retention.cleaned(&report.pod_uid);
        }
        (self.reports)(report);
    }

    fn report_all(&mut self, uid: &str, past: &PodHistory, only: Option<&str>) {
        for record in past.latest() {
            let about = record.about().is_some_and(|(name, _)| only.is_none_or(|o| o == name));
            if let Some(report) = record.report(uid).filter(|_| about) {
                self.send_report(report);
            }
        }
    }

    fn hear_zygote(&mut self) {
        for refused in self.shims.hear_zygote() {
            self.no_shim(&refused);
        }
    }

    fn no_shim(&mut self, answer: &NoShim) {
        let Some(pod) = self.shims.forget(answer.token) else { return };
        self.retention.left(&pod.place.uid);
        let error = io::Error::from_raw_os_error(answer.errno);
        let why = format!("fork refused: {error} (limits of processes or memory)");
        for pending in &pod.pending {
            self.give_up(&pod.place.uid, &pending.order, &why);
        }
    }
}

fn timespec(wait: Duration) -> Timespec {
    Timespec { tv_sec: wait.as_secs().cast_signed(), tv_nsec: i64::from(wait.subsec_nanos()) }
}

impl Pod {
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
            _ => true,
        });
    }
}

fn reclaim(state: &Path, volume: &str, kept_as: Option<&str>) {
    if let Err(error) = claim::reclaim(state, volume, kept_as) {
        tracing::warn!(volume, %error, "the folder of a claim stays");
    }
}
