//! Telling systemd: ready, reloading, stopping, alive (`sd_notify(3)`, `Type=notify`).

use rustix::net::{
    AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, sendto, socket_with,
};
use std::time::Duration;

/// Where to tell, if systemd started this process.
pub struct Notifier {
    address: Option<SocketAddrUnix>,
}

impl Notifier {
    pub fn from_environment() -> Notifier {
        let path = std::env::var("NOTIFY_SOCKET").ok();
        let address = path.and_then(|path| match path.strip_prefix('@') {
            Some(name) => SocketAddrUnix::new_abstract_name(name.as_bytes()).ok(),
            None => SocketAddrUnix::new(path).ok(),
        });
        Notifier { address }
    }

    pub fn ready(&self) {
        self.tell("READY=1");
    }

    pub fn reloading(&self) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let microseconds = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"));
    }

    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    pub fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    fn tell(&self, message: &str) {
        let Some(address) = &self.address else { return };
        let socket =
            socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None);
        let sent =
            socket.and_then(|s| sendto(&s, message.as_bytes(), SendFlags::NOSIGNAL, address));
        if let Err(error) = sent {
            tracing::warn!(%error, "systemd cannot be told");
        }
    }
}

/// Half of `WatchdogSec=`: how often to say that this process is alive; `None` where nobody asks.
pub fn watchdog_period() -> Option<Duration> {
    let microseconds: u64 = std::env::var("WATCHDOG_USEC").ok()?.parse().ok()?;
    let for_this =
        std::env::var("WATCHDOG_PID").map_or(true, |pid| pid == std::process::id().to_string());
    for_this.then(|| Duration::from_micros(microseconds / 2))
}
