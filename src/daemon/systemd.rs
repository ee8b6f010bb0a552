//! Telling systemd: ready, reloading, stopping, alive (`sd_notify(3)`, `Type=notify`).

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, sendto, socket_with,
};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Room in the manager's queue is waited for so long.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where to tell, if systemd started this process.
pub(crate) struct Notifier {
    address: Option<SocketAddrUnix>,
    /// Failures are logged once, however often they repeat.
    has_failed: AtomicBool,
}

impl Notifier {
    pub(crate) fn from_environment() -> Notifier {
        let notifier = |address| Notifier { address, has_failed: AtomicBool::new(false) };
        let Ok(path) = std::env::var("NOTIFY_SOCKET") else { return notifier(None) };
        let address = match path.strip_prefix('@') {
            Some(name) => SocketAddrUnix::new_abstract_name(name.as_bytes()),
            None => SocketAddrUnix::new(&*path),
        };
        if let Err(error) = &address {
            tracing::warn!(%error, "cannot notify systemd: NOTIFY_SOCKET is {path:?}");
        }
        notifier(address.ok())
    }

    #[cfg(test)]
    pub(crate) fn nobody() -> Notifier {
        Notifier { address: None, has_failed: AtomicBool::new(false) }
    }

    pub(crate) fn ready(&self) {
        self.send("READY=1");
    }

    /// Asks for half a minute more to become ready, and sets the line for `systemctl status`.
    pub(crate) fn waits(&self, line: &str) {
        let message = format!("EXTEND_TIMEOUT_USEC=30000000\nSTATUS={line}");
        self.send_with(&message, SendFlags::DONTWAIT);
    }

    pub(crate) fn reloading(&self) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let microseconds = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"));
    }

    pub(crate) fn stopping(&self) {
        self.send("STOPPING=1");
    }

    pub(crate) fn alive(&self) {
        // A manager that does not read must not stop the thread that feeds its watchdog.
        self.send_with("WATCHDOG=1", SendFlags::DONTWAIT);
    }

    /// Sets a line for `systemctl status`; an empty one takes it back.
    pub(crate) fn status(&self, line: &str) {
        self.send_with(&format!("STATUS={}", line.replace('\n', " ")), SendFlags::DONTWAIT);
    }

    fn send(&self, message: &str) {
        self.send_with(message, SendFlags::empty());
    }

    fn send_with(&self, message: &str, flags: SendFlags) {
        let Some(address) = &self.address else { return };
        let socket =
            socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None);
        let flags = flags | SendFlags::NOSIGNAL;
        let sent = socket.and_then(|socket| {
            // A manager that reads nothing is not waited for.
            set_socket_timeout(&socket, Timeout::Send, Some(PATIENCE))?;
            sendto(&socket, message.as_bytes(), flags, address)
        });
        let Err(error) = sent else { return };
        if !self.has_failed.swap(true, Ordering::Relaxed) {
            tracing::warn!(%error, "cannot notify systemd at {address:?}; this is said once");
        }
    }
}

/// Half of `WatchdogSec=`: how often to say that this process is alive; `None` where nobody asks.
pub(crate) fn watchdog_period() -> Option<Duration> {
    let microseconds: u64 = std::env::var("WATCHDOG_USEC").ok()?.parse().ok()?;
    let for_this =
        std::env::var("WATCHDOG_PID").map_or(true, |pid| pid == std::process::id().to_string());
    for_this.then(|| Duration::from_micros(microseconds / 2))
}
