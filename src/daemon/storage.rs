//! How the daemon bears a disk that fails: it starts nothing, says so, and tries again until the
//! state can be written.
//!
//! ```text
//!            commit or fold fails                    retry fails: wait twice as long
//!   Sound ------------------------> Failing <----------------.
//!     ^                               |   '------------------'
//!     '----- a turn is committed -----'
//! ```
//! While it fails no turn is taken before the next try, events are kept, and who asks for a change
//! is refused at once.

use super::systemd::Notifier;
use cronlet_server::Health;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The first wait; each further one is twice as long.
const RETRY_MIN: Duration = Duration::from_millis(250);
/// At most this long: reading all of the state again costs a second on a slow host.
const RETRY_MAX: Duration = Duration::from_secs(5);
/// While it lasts, the log has a line at most this often.
const REMIND_EVERY: Duration = Duration::from_secs(600);
/// After so long the watchdog is not fed any more: a service manager starts the daemon anew, which
/// is all that is left to try, and shows that it fails. Pods go on.
const FED_FOR: Duration = Duration::from_secs(600);

/// Condition of the disk under the state.
pub(crate) struct Storage {
    health: Arc<Health>,
    notifier: Arc<Notifier>,
    failing: Option<Failing>,
    /// Faults that were logged since the disk last took something: once is enough.
    told: BTreeSet<String>,
    /// How long the next wait is. It is short again once the disk took something.
    wait: Duration,
}

struct Failing {
    since: Instant,
    retry_at: Instant,
    remind_at: Instant,
    /// The last error, in words.
    words: String,
}

impl Storage {
    pub(crate) fn new(health: Arc<Health>, notifier: Arc<Notifier>) -> Storage {
        Storage { health, notifier, failing: None, told: BTreeSet::new(), wait: RETRY_MIN }
    }

    /// How long nothing is to be tried; `None`: the disk is sound, or it is time to try.
    pub(crate) fn waits(&self, now: Instant) -> Option<Duration> {
        let failing = self.failing.as_ref()?;
        Some(failing.retry_at.saturating_duration_since(now)).filter(|wait| !wait.is_zero())
    }

    /// Returns the answer to a change that is asked for while the disk fails.
    pub(crate) fn refusal(&self) -> String {
        let words = self.failing.as_ref().map_or("", |failing| &failing.words);
        format!("the state cannot be written now, try again later: {words}")
    }

    /// True if the watchdog may be told that all is well enough.
    pub(crate) fn is_bearable(&self, now: Instant) -> bool {
        let long = |failing: &Failing| now.duration_since(failing.since) > FED_FOR;
        !self.failing.as_ref().is_some_and(long)
    }

    /// Notes an error, and sets when to try again.
    pub(crate) fn fails(&mut self, now: Instant, words: String) {
        self.say("the state cannot be written: nothing is started until it can", &words);
        let status = format!("the state cannot be written: {words}");
        self.health.note_storage(Some(status.clone()));
        self.notifier.status(&status);
        let (retry_at, wait) = (now + self.wait, self.wait);
        self.wait = (2 * wait).min(RETRY_MAX);
        let begin = || (now, now + REMIND_EVERY);
        let before = self.failing.take().map(|before| (before.since, before.remind_at));
        let (since, mut remind_at) = before.unwrap_or_else(begin);
        if remind_at <= now {
            remind_at = now + REMIND_EVERY;
            let minutes = now.duration_since(since).as_secs() / 60;
            tracing::error!("the state cannot be written for {minutes} minutes now: {words}");
        }
        self.failing = Some(Failing { since, retry_at, remind_at, words });
    }

    /// The store is closed after an error, and cannot be opened: more to say of what fails.
    pub(crate) fn stays_closed(&mut self, words: &str) {
        self.say("the state cannot be read again", words);
    }

    /// Notes that a turn was committed; `wrote`: the disk took something for it.
    pub(crate) fn works(&mut self, wrote: bool) {
        if self.failing.take().is_some() {
            self.health.note_storage(None);
            self.notifier.status("");
        }
        if wrote && !std::mem::take(&mut self.told).is_empty() {
            self.wait = RETRY_MIN;
            tracing::info!("the state can be written again");
        }
    }

    fn say(&mut self, what: &str, error: &str) {
        let line = format!("{what}: {error}");
        if !self.told.contains(&line) {
            tracing::error!("{line}");
            self.told.insert(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_is_tried_again_at_bounded_intervals_until_it_works() {
        let health = Arc::new(Health::default());
        let mut storage = Storage::new(health, Arc::new(Notifier::nobody()));
        let begun = Instant::now();
        assert_eq!(storage.waits(begun), None);
        let mut now = begun;
        let mut waits = Vec::new();
        for _ in 0..8 {
            storage.fails(now, "an I/O error".to_owned());
            let wait = storage.waits(now).expect("it waits");
            waits.push(wait.as_millis());
            now += wait;
            assert_eq!(storage.waits(now), None, "it is time");
        }
        assert_eq!(waits, [250, 500, 1000, 2000, 4000, 5000, 5000, 5000]);
        assert!(storage.refusal().ends_with("try again later: an I/O error"));
        assert!(storage.is_bearable(now) && !storage.is_bearable(begun + 2 * FED_FOR));
        storage.works(true);
        assert!(storage.is_bearable(begun + 2 * FED_FOR));
        storage.fails(now, "an I/O error".to_owned());
        assert_eq!(storage.waits(now), Some(RETRY_MIN));
    }
}
