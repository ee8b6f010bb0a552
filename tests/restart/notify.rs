//! A service manager that cannot be notified: said once, and the daemon works as ever.

use crate::common::daemon::Daemon;
use rustix::process::Signal;
use std::fs;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;

/// Runs and reloads with what `make` puts at the path that the daemon is to notify.
fn check(what: &str, make: impl FnOnce(&Path) -> Option<UnixDatagram>) {
    let mut daemon = Daemon::prepare();
    let socket = daemon.path("manager");
    let _kept = make(&socket);
    let variable = format!("NOTIFY_SOCKET={}", socket.display());
    daemon.launch(&["env", &variable, "WATCHDOG_USEC=100000"]);
    let lines = |daemon: &Daemon, line: &str| daemon.log().matches(line).count();
    daemon.until(&format!("{what}: ready"), || (lines(&daemon, " ready ") == 1).then_some(()));
    daemon.tell(&["get", "nodes"]);
    daemon.signal(Signal::HUP);
    daemon.until(&format!("{what}: read again"), || {
        (lines(&daemon, " ready ") == 2 || lines(&daemon, "reloaded") > 0).then_some(())
    });
    assert_eq!(daemon.stop(), Some(0), "{what}");
    let told = lines(&daemon, "cannot notify systemd");
    assert_eq!(told, 1, "{what}:\n{}", daemon.log());
}

#[test]
fn a_socket_that_cannot_be_notified_is_named_once() {
    check("no such path", |_| None);
    check("a regular file", |path| {
        fs::write(path, "").expect("a file is written");
        None
    });
    check("a socket that nobody has open", |path| {
        drop(UnixDatagram::bind(path).expect("a socket is bound"));
        None
    });
    check("a socket of another kind", |path| {
        drop(UnixListener::bind(path).expect("a socket is bound"));
        None
    });
    check("a socket that nobody reads", |path| {
        let manager = UnixDatagram::bind(path).expect("a socket is bound");
        let sender = UnixDatagram::unbound().expect("a socket");
        sender.set_nonblocking(true).expect("a mode is set");
        while sender.send_to(b"STATUS=full", path).is_ok() {}
        Some(manager)
    });
}
