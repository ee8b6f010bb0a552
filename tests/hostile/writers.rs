//! Many clients that write one object at once: of those that name one version one wins, nothing
//! that was acknowledged is lost, and each answer is that of its own write.

use crate::common::daemon::Daemon;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Barrier;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const MAP: &str = "/api/v1/namespaces/default/configmaps/shared";
const WRITERS: usize = 12;
const ROUNDS: usize = 8;

const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";

/// Sends one request on a connection of its own: the code and the body of the answer.
fn send(daemon: &Daemon, method: &str, path: &str, kind: &str, body: &Value) -> (u16, Value) {
    let mut stream = UnixStream::connect(daemon.path("socket")).expect("it listens");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: {kind}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("it is sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a code");
    (code, serde_json::from_str(body).unwrap_or(Value::Null))
}

/// Returns the answers to writers that all send at once.
fn at_once<T: Send>(write: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(WRITERS);
    std::thread::scope(|scope| {
        let (barrier, write) = (&barrier, &write);
        let writer = |number| {
            scope.spawn(move || {
                barrier.wait();
                write(number)
            })
        };
        let writers: Vec<_> = (0..WRITERS).map(writer).collect();
        writers.into_iter().map(|writer| writer.join().expect("it writes")).collect()
    })
}

fn map(count: u64, version: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "shared", "resourceVersion": version},
        "data": {"count": count.to_string()},
    })
}

fn version(object: &Value) -> &Value {
    &object["metadata"]["resourceVersion"]
}

/// Body that a writer sends, by a key of its own.
type Body<'a> = &'a (dyn Fn(&str) -> Value + Sync);

/// A daemon that has the ConfigMap.
fn started() -> Daemon {
    let mut daemon = Daemon::prepare();
    daemon.start();
    assert_eq!(send(&daemon, "POST", MAPS, JSON, &map(0, &Value::Null)).0, 201);
    daemon
}

#[test]
fn of_puts_that_name_one_version_one_wins() {
    let daemon = started();
    for round in 0..ROUNDS {
        let (_, read) = send(&daemon, "GET", MAP, JSON, &Value::Null);
        // No count is the one that stands: a PUT that changes nothing wins, too.
        let put = |writer| map((round * WRITERS + writer + 1) as u64, version(&read));
        let answers = at_once(|writer| send(&daemon, "PUT", MAP, JSON, &put(writer)));
        let won: Vec<&Value> =
            answers.iter().filter(|(code, _)| *code == 200).map(|(_, answer)| answer).collect();
        let lost = answers.iter().filter(|(code, answer)| {
            *code == 409 && answer["message"].as_str().is_some_and(|m| m.contains("modified"))
        });
        assert_eq!((won.len(), lost.count()), (1, WRITERS - 1), "{answers:?}");
        let (_, now) = send(&daemon, "GET", MAP, JSON, &Value::Null);
        assert_eq!(&now, won[0]);
    }
}

#[test]
fn no_increment_of_a_counter_is_lost() {
    let daemon = started();
    let increment = |_| {
        for _ in 0..ROUNDS {
            loop {
                let (_, read) = send(&daemon, "GET", MAP, JSON, &Value::Null);
                let count: u64 =
                    read["data"]["count"].as_str().and_then(|t| t.parse().ok()).expect("a count");
                let put = map(count + 1, version(&read));
                match send(&daemon, "PUT", MAP, JSON, &put) {
                    (200, _) => break,
                    (code, answer) => assert_eq!(code, 409, "{answer}"),
                }
            }
        }
    };
    at_once(increment);
    let (_, now) = send(&daemon, "GET", MAP, JSON, &Value::Null);
    assert_eq!(now["data"]["count"], (WRITERS * ROUNDS).to_string());
}

#[test]
fn each_answer_is_that_of_its_own_write() {
    let daemon = started();
    let put = |writer| map(1000 + writer as u64, &Value::Null);
    let answers = at_once(|writer| send(&daemon, "PUT", MAP, JSON, &put(writer)));
    let mut versions = BTreeSet::new();
    for (writer, (code, answer)) in answers.iter().enumerate() {
        assert_eq!((*code, &answer["data"]), (200, &put(writer)["data"]), "{answer}");
        assert!(versions.insert(version(answer).to_string()), "{answers:?}");
    }
}

#[test]
fn patches_never_lose_to_other_writers() {
    let daemon = started();
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    let service = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "shared", "annotations": {"a": "b"}},
        "spec": {
            "replicas": 0, "paused": true, "selector": {"matchLabels": {"a": "b"}},
            "template": {
                "metadata": {"labels": {"a": "b"}},
                "spec": {"containers": [{"name": "main", "image": "x"}]},
            },
        },
    });
    assert_eq!(send(&daemon, "POST", deployments, JSON, &service).0, 201);
    let shared = format!("{deployments}/shared");
    let annotate = |key: &str| json!({"metadata": {"annotations": {key: "1"}}});
    let operate = |key: &str| {
        let path = format!("/metadata/annotations/{key}");
        json!([{"op": "add", "path": path, "value": "1"}])
    };
    let scale = |_: &str| json!({"metadata": {"name": "shared"}, "spec": {"replicas": 0}});
    let nothing = |_: &str| json!({"status": {"observedGeneration": 0}});
    let styles: [(&str, &str, &str, Body); 6] = [
        ("PATCH", "", MERGE, &annotate),
        ("PATCH", "", STRATEGIC, &annotate),
        ("PATCH", "", JSON_PATCH, &operate),
        ("PATCH", "/scale", MERGE, &scale),
        ("PUT", "/scale", JSON, &scale),
        ("PATCH", "/status", MERGE, &nothing),
    ];
    let write = |writer: usize| {
        let (method, part, kind, body) = styles[writer % styles.len()];
        for round in 0..ROUNDS {
            let key = format!("w{writer}-{round}");
            let path = format!("{shared}{part}");
            let (code, answer) = send(&daemon, method, &path, kind, &body(&key));
            assert_eq!(code, 200, "{kind} {part}: {answer}");
        }
    };
    at_once(write);
    let (_, now) = send(&daemon, "GET", &shared, JSON, &Value::Null);
    for writer in (0..WRITERS).filter(|writer| writer % styles.len() < 3) {
        for round in 0..ROUNDS {
            let key = format!("w{writer}-{round}");
            assert_eq!(now["metadata"]["annotations"][&key], "1", "{key}: {now}");
        }
    }
}

#[test]
fn one_of_many_makes_an_object_and_one_ends_it() {
    let daemon = started();
    for _ in 0..ROUNDS {
        let (_, read) = send(&daemon, "GET", MAP, JSON, &Value::Null);
        let options = json!({"preconditions": {"resourceVersion": version(&read)}});
        let codes = at_once(|_| send(&daemon, "DELETE", MAP, JSON, &options).0);
        assert_eq!(codes.iter().filter(|code| **code == 200).count(), 1, "{codes:?}");
        let made = at_once(|_| send(&daemon, "POST", MAPS, JSON, &map(0, &Value::Null)).0);
        assert_eq!(made.iter().filter(|code| **code == 201).count(), 1, "{made:?}");
    }
}
