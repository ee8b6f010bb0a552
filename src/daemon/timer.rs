//! The wake for the next due time: exact to the microsecond, and it notices when the clock is set.

use cronlet_api::time::{ClockStep, Timestamp};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A smaller jump is the clock being slewed or read twice, no step.
const STEP_MILLISECONDS_MIN: i64 = 500;

pub(crate) struct Timer {
    timer: OwnedFd,
    /// Wall minus time since boot, in milliseconds: it jumps when the clock is set, not when the
    /// host sleeps.
    offset: i64,
}

impl Timer {
    pub(crate) fn new() -> rustix::io::Result<Timer> {
        let timer = timerfd_create(
            TimerfdClockId::Realtime,
            TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK,
        )?;
        Ok(Timer { timer, offset: wall_minus_boot() })
    }

    /// Sets the wake; `None` waits only for the clock to be set. If the clock was set since the
    /// last call, the wake is at once: Linux reports that here (ECANCELED) and at no later wait.
    pub(crate) fn set(&self, at: Option<Timestamp>) -> rustix::io::Result<()> {
        let at = at.unwrap_or(Timestamp::MAX);
        match self.arm(at, TimerfdTimerFlags::CANCEL_ON_SET) {
            Err(Errno::CANCELED) => self.arm(Timestamp::UNIX_EPOCH, TimerfdTimerFlags::empty()),
            set => set,
        }
    }

    fn arm(&self, at: Timestamp, flags: TimerfdTimerFlags) -> rustix::io::Result<()> {
        let at = at.max(Timestamp::UNIX_EPOCH);
        let value = Timespec {
            tv_sec: at.as_second(),
            // All zero would mean "never".
            tv_nsec: i64::from(at.subsec_nanosecond()).max(1),
        };
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let flags = flags | TimerfdTimerFlags::ABSTIME;
        timerfd_settime(&self.timer, flags, &Itimerspec { it_interval: zero, it_value: value })?;
        Ok(())
    }

    /// Waits until then, or until the clock is set.
    pub(crate) fn wait_for(&self, at: Timestamp) -> rustix::io::Result<()> {
        self.set(Some(at))?;
        let wait = || poll(&mut [PollFd::new(&self.timer, PollFlags::IN)], None);
        rustix::io::retry_on_intr(wait).map(drop)
    }

    /// Takes note that the wake came, and tells by how much the clock was set since the last call,
    /// if it was.
    pub(crate) fn stepped(&mut self) -> Option<ClockStep> {
        let mut count = [0u8; 8];
        // Not due (EAGAIN) or cancelled by a step (ECANCELED): the offset tells either way.
        let _ = rustix::io::read(&self.timer, &mut count);
        let offset = wall_minus_boot();
        let by_milliseconds = offset - self.offset;
        if by_milliseconds.abs() < STEP_MILLISECONDS_MIN {
            return None;
        }
        self.offset = offset;
        let now = Timestamp::now().as_millisecond();
        let from = Timestamp::from_millisecond(now - by_milliseconds).ok()?;
        Some(ClockStep { from, by_milliseconds })
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }
}

fn wall_minus_boot() -> i64 {
    let milliseconds = |clock| {
        let time = clock_gettime(clock);
        time.tv_sec * 1000 + time.tv_nsec / 1_000_000
    };
    milliseconds(ClockId::Realtime) - milliseconds(ClockId::Boottime)
}
