//! Programs that run in containers for their probes: the shim manager's list of who waits for
//! which.

use super::shim_manager::{Inbox, Message};
use super::wire::ToShim;
use crate::probes::exec::{Exec, Ran, Run};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::oneshot;

/// The prober's way to the shim manager.
pub struct ExecDoor {
    pub(super) inbox: Arc<Inbox>,
}

impl Exec for ExecDoor {
    fn run(&self, run: Run) {
        self.inbox.send(Message::Exec(run));
    }
}

/// Runs that shims were asked for.
#[derive(Default)]
pub(super) struct Runs {
    waiting: HashMap<u64, Waiting>,
    next_id: u64,
    /// So many, and those that nobody waits for any more are looked for.
    sweep_at: usize,
}

struct Waiting {
    /// The pod's, at the shim manager.
    token: u64,
    reply: oneshot::Sender<Ran>,
}

const SWEEP_AT_LEAST: usize = 64;

impl Runs {
    /// Notes the run, and gives the order for the shim.
    pub(super) fn add(&mut self, token: u64, run: Run) -> ToShim {
        if self.waiting.len() >= self.sweep_at {
            self.waiting.retain(|_, waiting| !waiting.reply.is_closed());
            self.sweep_at = SWEEP_AT_LEAST.max(2 * self.waiting.len());
        }
        let id = self.next_id;
        self.next_id += 1;
        self.waiting.insert(id, Waiting { token, reply: run.reply });
        ToShim::Exec {
            id,
            container: run.container,
            attempt: run.attempt,
            command: run.command,
            timeout_milliseconds: u64::try_from(run.timeout.as_millis()).unwrap_or(u64::MAX),
        }
    }

    pub(super) fn end(&mut self, id: u64, ran: Ran) {
        if let Some(waiting) = self.waiting.remove(&id) {
            // Who asked may have lost patience.
            let _ = waiting.reply.send(ran);
        }
    }

    /// The shim is gone: whoever waits learns it by the end of its channel.
    pub(super) fn forget(&mut self, token: u64) {
        self.waiting.retain(|_, waiting| waiting.token != token);
    }
}
