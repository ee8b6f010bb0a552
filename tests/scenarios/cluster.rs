//! The cluster that a scenario is replayed on: a real daemon, kubectl that reaches it through a
//! port, and a watch on every kind.

use crate::common::daemon::Daemon;
use crate::recording::Change;
use cronlet_api::kind::Kind;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

pub struct Cluster {
    pub daemon: Daemon,
    kubeconfig: PathBuf,
    seen: Arc<Mutex<Vec<Change>>>,
}

/// What a command answered.
pub struct Answer {
    pub exit: i32,
    pub out: String,
    pub error: String,
}

impl Cluster {
    /// Starts a daemon whose Node has this name.
    pub fn start(node_name: &str) -> Cluster {
        let mut daemon = Daemon::prepare();
        let config = format!("nodeName: {node_name}\n");
        std::fs::write(daemon.path("config.yaml"), config).expect("a file is written");
        daemon.start();
        let socket = daemon.path("socket");
        let seen = Arc::default();
        for kind in Kind::ALL {
            watch(&socket, *kind, &seen);
        }
        let server = format!("http://127.0.0.1:{}", forward(socket));
        let kubeconfig = daemon.path("kubeconfig");
        let config = serde_json::json!({
            "current-context": "cluster",
            "contexts": [{"name": "cluster", "context": {"cluster": "cluster"}}],
            "clusters": [{"name": "cluster", "cluster": {"server": server}}],
        });
        std::fs::write(&kubeconfig, config.to_string()).expect("a file is written");
        Cluster { daemon, kubeconfig, seen }
    }

    /// All that the watches said so far.
    pub fn seen(&self) -> Vec<Change> {
        self.seen.lock().expect("no panic while it was held").clone()
    }

    /// Runs a program whose kubectl reaches the daemon.
    pub fn run(&self, words: &[String], input: &str) -> Answer {
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        command.env("HOME", self.daemon.path("home")).env("KUBECONFIG", &self.kubeconfig);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        // A command that does not read its input may have gone.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let exit = output.status.code().expect("it ended by itself");
        Answer { exit, out: text(output.stdout), error: text(output.stderr) }
    }
}

/// Follows all objects of a kind until the daemon ends.
fn watch(socket: &Path, kind: Kind, into: &Arc<Mutex<Vec<Change>>>) {
    let info = kind.info();
    let group = match info.group {
        "" => "/api/v1".to_owned(),
        group => format!("/apis/{group}/{}", info.version),
    };
    let path = format!("{group}/{}?watch=true", info.plural);
    let mut stream = UnixStream::connect(socket).expect("the daemon listens");
    // HTTP/1.0 has no chunks: after the head there are lines until the end.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: cronlet\r\n\r\n").expect("a request is sent");
    let mut lines = BufReader::new(stream).lines();
    let status = lines.next().and_then(Result::ok).expect("an answer");
    assert!(status.contains(" 200 "), "{path}: {status}");
    let into = into.clone();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let change = serde_json::from_str(&line).ok();
            let change = change.and_then(|line: Value| Change::read(&line));
            into.lock().expect("no panic while it was held").extend(change);
        }
    });
}

/// Opens a port of this host that leads to the socket, for kubectl, which knows no sockets.
fn forward(socket: PathBuf) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            // The daemon may be gone by now.
            let Ok(server) = UnixStream::connect(&socket) else { return };
            join(client, server);
        }
    });
    port
}

fn join(client: TcpStream, server: UnixStream) {
    let (from_client, to_client) = (client.try_clone().expect("a copy"), client);
    let (from_server, to_server) = (server.try_clone().expect("a copy"), server);
    std::thread::spawn(move || {
        pass_on(from_client, &to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    std::thread::spawn(move || {
        pass_on(from_server, &to_client);
        let _ = to_client.shutdown(Shutdown::Both);
    });
}

fn pass_on(mut from: impl Read, mut to: impl Write) {
    let _ = std::io::copy(&mut from, &mut to);
}
