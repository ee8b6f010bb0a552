//! Random and mutated requests: whatever comes, the server answers the next client.
//! `CRONLET_FUZZ_SECONDS` says for how long (1), `CRONLET_FUZZ_SEED` what is drawn.

use super::server::{Server, read_head};
use cronlet_api::seed::Seed;
use std::io::{BufReader, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

/// Requests to start from: each has once been valid, or nearly.
const REQUESTS: &[&str] = &[
    "GET /api/v1/pods?continue=1/a/b&labelSelector=a%20in%20(b),c HTTP/1.1\r\nhost: x\r\n\r\n",
    "GET /api/v1/events?watch=1&timeoutSeconds=0&resourceVersion=1 HTTP/1.1\r\nhost: x\r\n\r\n",
    "GET /api/v1/namespaces/d/pods/p/log?tailLines=9&sinceSeconds=9 HTTP/1.1\r\nhost: x\r\n\r\n",
    "GET /apis/cronlet.dev/v1/runs HTTP/1.1\r\nhost: x\r\n\r\n",
    "DELETE /api/v1/namespaces/d/secrets/s?gracePeriodSeconds=-1 HTTP/1.1\r\nhost: x\r\n\r\n",
];

/// Bodies to start from, for POST, PUT and PATCH.
const BODIES: &[&str] = &[
    r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"k":"v"}}"#,
    r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"containers":
        [{"name":"c","image":"x","env":[{"name":"A","value":"$(B)"}]}]}}"#,
    r#"[{"op":"copy","from":"","path":"/data/k"},{"op":"move","from":"/data","path":"/x"}]"#,
    r#"{"metadata":{"$setElementOrder/finalizers":["a"],"finalizers":["a"],"labels":null}}"#,
    "kind: ConfigMap\nmetadata: &a\n  name: a\n  labels: *a\n",
];

const TARGETS: &[(&str, &str, &str)] = &[
    ("POST", "/api/v1/namespaces/d/configmaps", "application/json"),
    ("POST", "/api/v1/namespaces/d/pods?dryRun=All", "application/yaml"),
    ("PUT", "/api/v1/namespaces/d/configmaps/a", "application/json"),
    ("PATCH", "/api/v1/namespaces/d/configmaps/a", "application/merge-patch+json"),
    ("PATCH", "/api/v1/namespaces/d/configmaps/a", "application/json-patch+json"),
    ("PATCH", "/api/v1/namespaces/d/configmaps/a", "application/strategic-merge-patch+json"),
    ("PATCH", "/api/v1/namespaces/d/configmaps/a?fieldManager=f", "application/apply-patch+yaml"),
    ("DELETE", "/api/v1/namespaces/d/configmaps/a", "application/json"),
];

#[test]
fn no_bytes_break_the_server() {
    let server = Server::start();
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seconds = number("CRONLET_FUZZ_SECONDS").unwrap_or(1);
    let first = number("CRONLET_FUZZ_SEED").unwrap_or(1);
    let until = Instant::now() + Duration::from_secs(seconds);
    for round in first.. {
        if Instant::now() > until && round > first + 100 {
            break;
        }
        let request = draw(&mut Seed::new(round));
        let mut stream = server.connect();
        // The server may hang up while it is written to.
        let _ = stream.write_all(&request).and_then(|()| stream.shutdown(Shutdown::Write));
        let answered = read_head(&mut BufReader::new(stream));
        if let Some((code, head)) = answered {
            let shown = String::from_utf8_lossy(&request);
            assert!(code < 500, "seed {round}: {shown}\n{head}");
        }
        if round % 50 == 0 {
            assert_eq!(server.get("/readyz").text(), "ok", "after seed {round}");
        }
    }
    assert_eq!(server.get("/readyz").text(), "ok");
}

#[test]
fn deep_and_large_values_are_refused_in_peace() {
    let server = Server::start();
    let deep = |open: &str, close: &str| open.repeat(100_000) + &close.repeat(100_000);
    let check = |content_type: &str, body: String| {
        for (method, path, _) in TARGETS {
            let answer = server.send(method, path, content_type, body.as_bytes());
            assert!((400..500).contains(&answer.code), "{method} {path}: {}", answer.text());
        }
    };
    check("application/json", deep("[", "]"));
    check("application/json", deep("{\"a\":", "}"));
    check("application/yaml", deep("[", "]"));
    check("application/yaml", "- ".repeat(100_000));
    check("application/json-patch+json", deep("[", "]"));
    check("application/merge-patch+json", deep("{\"a\":", "}"));
    check("application/strategic-merge-patch+json", deep("{\"a\":", "}"));
    // As deep as the JSON reader takes, through every style of patch.
    let name = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}"#;
    let path = "/api/v1/namespaces/d/configmaps";
    assert_eq!(server.send("POST", path, "application/json", name.as_bytes()).code, 201);
    let nested = "{\"a\":".repeat(120) + "1" + &"}".repeat(120);
    for style in ["merge-patch+json", "strategic-merge-patch+json"] {
        let style = format!("application/{style}");
        let answer = server.send("PATCH", &format!("{path}/a"), &style, nested.as_bytes());
        assert!(answer.code < 500, "{}", answer.text());
    }
    assert_eq!(server.get("/readyz").text(), "ok");
}

#[test]
fn half_a_request_holds_nobody_up() {
    let server = Server::start();
    let mut half: Vec<_> = (0..20).map(|_| server.connect()).collect();
    for stream in &mut half {
        stream
            .write_all(b"POST /api/v1/namespaces/d/configmaps HTTP/1.1\r\ncontent-length: 99\r\n")
            .expect("the server takes it");
    }
    assert_eq!(server.get("/readyz").text(), "ok");
    let many = "x: y\r\n".repeat(200);
    let mut stream = server.connect();
    let _ = stream.write_all(format!("GET /readyz HTTP/1.1\r\n{many}\r\n").as_bytes());
    let code = read_head(&mut BufReader::new(stream)).map(|(code, _)| code);
    assert_eq!(code, Some(431), "too many headers");
}

/// A request of its own, mutated or not.
fn draw(seed: &mut Seed) -> Vec<u8> {
    let pick = |seed: &mut Seed, count: usize| seed.below(count as u64) as usize;
    let mut bytes = if seed.below(3) == 0 {
        REQUESTS[pick(seed, REQUESTS.len())].as_bytes().to_vec()
    } else {
        let (method, path, content_type) = TARGETS[pick(seed, TARGETS.len())];
        let mut body = BODIES[pick(seed, BODIES.len())].as_bytes().to_vec();
        mutate(seed, &mut body);
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {content_type}");
        head += &format!("\r\ncontent-length: {}\r\n\r\n", body.len());
        return [head.into_bytes(), body].concat();
    };
    mutate(seed, &mut bytes);
    bytes
}

/// A few bytes changed, cut, doubled or put in.
fn mutate(seed: &mut Seed, bytes: &mut Vec<u8>) {
    const TOKENS: &[&str] =
        &["\0", "%", "%00", "..", "/", "\"", "{", "}", "[", "]", "-1", "1e999", "\u{202e}", "\r\n"];
    for _ in 0..seed.below(4) {
        if bytes.is_empty() {
            return;
        }
        let at = seed.below(bytes.len() as u64) as usize;
        match seed.below(5) {
            0 => bytes[at] = seed.draw() as u8,
            1 => bytes.truncate(at),
            2 => {
                let piece = bytes[at..bytes.len().min(at + 40)].to_vec();
                let to = seed.below(bytes.len() as u64) as usize;
                bytes.splice(to..to, piece);
            }
            3 => drop(bytes.drain(at..bytes.len().min(at + 8))),
            _ => {
                let token = TOKENS[seed.below(TOKENS.len() as u64) as usize];
                bytes.splice(at..at, token.bytes());
            }
        }
    }
}
