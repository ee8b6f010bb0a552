//! How other threads reach the engine's: a queue, and a descriptor that wakes its poll.

use super::config::PodsAtShutdown;
use cronlet_engine::{Event, FileChange, FileOutcome};
use cronlet_server::Command;
use rustix::event::{EventfdFlags, eventfd};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::SyncSender;
use std::sync::{Mutex, MutexGuard};

/// What the engine's thread is told.
pub(crate) enum Message {
    Events(Vec<Event>),
    /// Changes that belong into one turn, so into one commit. Whoever sends them waits for what
    /// became of each; the channel closes without a word when they could not be committed.
    Files {
        changes: Vec<FileChange>,
        done: SyncSender<Vec<FileOutcome>>,
    },
    /// From the API.
    Command(Command),
    /// Write the state dump (SIGUSR1).
    Dump,
    /// What to do with pods when it leaves.
    AtShutdown(PodsAtShutdown),
    /// Leave, with the pods as the configuration says.
    Shutdown,
}

/// Many senders, one receiver. Senders never wait: what they send is bounded by what they are (one
/// report for each change of a container, one request for each open connection).
pub(crate) struct Inbox {
    queue: Mutex<Vec<Message>>,
    wake: OwnedFd,
}

impl Inbox {
    pub(crate) fn new() -> rustix::io::Result<Inbox> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Inbox { queue: Mutex::new(Vec::new()), wake })
    }

    pub(crate) fn send(&self, message: Message) {
        self.queue().push(message);
        rustix::io::write(&self.wake, &1u64.to_ne_bytes()).expect("an eventfd takes a one");
    }

    pub(crate) fn send_event(&self, event: Event) {
        self.send(Message::Events(vec![event]));
    }

    /// Everything that was sent since, in order.
    pub(crate) fn take(&self) -> Vec<Message> {
        let mut count = [0u8; 8];
        // Empty (EAGAIN) is as good: the queue is what counts, and it is looked at after.
        let _ = rustix::io::read(&self.wake, &mut count);
        std::mem::take(&mut *self.queue())
    }

    fn queue(&self) -> MutexGuard<'_, Vec<Message>> {
        self.queue.lock().expect("no panic while it was held")
    }
}

impl AsFd for Inbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}
