//! How other threads reach the engine's: a queue, and a descriptor that wakes its poll.

use crate::engine::Event;
use crate::server::Ask;
use rustix::event::{EventfdFlags, eventfd};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard};

/// What the engine's thread is told.
pub enum Message {
    /// Events that belong into one turn, so into one commit; `done` is told when they are
    /// committed, and closed without a word when they could not be.
    Events { events: Vec<Event>, done: Option<std::sync::mpsc::SyncSender<Committed>> },
    /// From the API.
    Ask(Ask),
    /// Write the state dump (SIGUSR1).
    Dump,
    /// Leave, with the pods as the configuration says.
    Shutdown,
}

/// The replies to the requests among some events, in their order.
pub type Committed = Vec<Result<crate::kinds::Object, crate::kinds::refused::Refused>>;

/// Many senders, one receiver. Senders never wait: what they send is bounded by what they are (one
/// report for each change of a container, one request for each open connection).
pub struct Inbox {
    queue: Mutex<Vec<Message>>,
    wake: OwnedFd,
}

impl Inbox {
    pub fn new() -> rustix::io::Result<Inbox> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Inbox { queue: Mutex::new(Vec::new()), wake })
    }

    pub fn send(&self, message: Message) {
        self.queue().push(message);
        rustix::io::write(&self.wake, &1u64.to_ne_bytes()).expect("an eventfd takes a one");
    }

    pub fn send_event(&self, event: Event) {
        self.send(Message::Events { events: vec![event], done: None });
    }

    /// Everything that was sent since, in order.
    pub fn take(&self) -> Vec<Message> {
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
