//! Clients that send too much, or nothing.

use crate::canary::{singing, sings_on};
use crate::common::daemon::Daemon;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

const CREATE: &str = "POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nhost: x\r\n";

fn connect(daemon: &Daemon) -> UnixStream {
    let stream = UnixStream::connect(daemon.path("socket")).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout is set");
    stream
}

/// Sends as much of this as it takes, and gives the first line of the answer.
fn answer(daemon: &Daemon, head: &str, part: &[u8], times: usize) -> String {
    let mut stream = connect(daemon);
    let sent = stream.write_all(head.as_bytes());
    // It may answer and close before it has taken all.
    let _ = sent.and_then(|()| (0..times).try_for_each(|_| stream.write_all(part)));
    let mut text = Vec::new();
    let _ = stream.take(1 << 16).read_to_end(&mut text);
    let text = String::from_utf8_lossy(&text).into_owned();
    text.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn too_much_is_refused() {
    let daemon = singing();
    let megabyte = vec![b' '; 1 << 20];
    let close = "connection: close\r\n";
    let declared = format!("{CREATE}{close}content-length: 1000000000000\r\n\r\n");
    let chunked = format!("{CREATE}{close}transfer-encoding: chunked\r\n\r\n");
    let chunk = [b"100000\r\n", megabyte.as_slice(), b"\r\n"].concat();
    let nested = "[".repeat(1 << 20);
    let deep = format!("{CREATE}{close}content-length: {}\r\n\r\n", nested.len());
    let header = "GET /version HTTP/1.1\r\nhost: x\r\nx-long: ".to_owned();
    let path = "GET /".to_owned();
    for (head, part, times, want) in [
        (&declared, megabyte.as_slice(), 100, "413"),
        (&chunked, chunk.as_slice(), 100, "413"),
        (&deep, nested.as_bytes(), 1, "400"),
        (&header, megabyte.as_slice(), 4, "4"),
        (&"GET /version HTTP/1.1\r\n".to_owned(), b"x-a: b\r\n", 10_000, "431"),
        (&path, megabyte.as_slice(), 4, "4"),
        (&"\0\x16\x03\x01 nonsense\r\n\r\n".to_owned(), b"", 0, "400"),
    ] {
        let line = answer(&daemon, head, part, times);
        let said = line.strip_prefix("HTTP/1.1 ").unwrap_or_default();
        assert!(said.starts_with(want), "{}: {line:?}", &head[..head.len().min(60)]);
    }
    sings_on(&daemon);
}

#[test]
fn clients_that_say_nothing_or_half_leave_room_for_others() {
    let daemon = singing();
    let half = |text: &str| {
        let mut stream = connect(&daemon);
        stream.write_all(text.as_bytes()).expect("it is taken");
        stream
    };
    let watch = "GET /api/v1/events?watch=true HTTP/1.1\r\nhost: x\r\n\r\n";
    let body = format!("{CREATE}content-length: 100\r\n\r\n{{");
    let texts = ["", "GET /ver", &body, watch];
    let clients: Vec<UnixStream> = (0..200).map(|n| half(texts[n % texts.len()])).collect();
    assert_eq!(daemon.get(&["cronjobs"])["items"].as_array().map(Vec::len), Some(1));
    sings_on(&daemon);
    drop(clients);
    daemon.write_job("x.yaml", "{apiVersion: v1, kind: ConfigMap, metadata: {name: x}}");
    daemon.until("it reads", || (daemon.ask(&["get", "configmap", "x"]).code == 0).then_some(()));
}
