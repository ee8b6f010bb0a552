//! The real server over the real engine and store, in this process, on a socket in a temporary
//! folder; no pod is run.

use cronlet_api::seed::Seed;
use cronlet_api::settings::Settings;
use cronlet_api::time::{Clock, SystemClock};
use cronlet_engine::store::{FileDisk, Store};
use cronlet_engine::{Engine, Event};
use cronlet_server::{Backend, Command, Health, Metrics, PatchLocks, Usage};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// The daemon's own stack for the API: what overflows it is found here.
const STACK_BYTES: usize = 512 * 1024;
/// A server that does not answer fails the test; no time is measured.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Server {
    folder: tempfile::TempDir,
    tell: std::sync::mpsc::Sender<Told>,
}

/// What the engine's thread is told.
enum Told {
    Command(Command),
    Event(Event, std::sync::mpsc::Sender<()>),
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub code: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Server {
    pub fn start() -> Server {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(FileDisk::new(&folder.path().join("state.redb")));
        let store = store.expect("a fresh store");
        let engine = Engine::new(store, Settings::default(), Seed::new(7), Vec::new());
        let engine = engine.expect("a fresh engine");
        let (asks, mut asked) = mpsc::channel(16);
        let backend = Arc::new(Backend {
            reader: engine.reader(),
            asks,
            pods_folder: folder.path().join("pods"),
            metrics: Arc::new(Metrics::default()),
            sources: Default::default(),
            usage: Usage::new(|_| Vec::new(), || None),
            patches: PatchLocks::default(),
            health: started(),
        });
        let (tell, told) = std::sync::mpsc::channel();
        let pass_on = tell.clone();
        std::thread::spawn(move || run(engine, &told));
        std::thread::spawn(move || {
            while let Some(ask) = asked.blocking_recv() {
                if pass_on.send(Told::Command(ask)).is_err() {
                    return;
                }
            }
        });
        let path = folder.path().join("socket");
        let (ready, is_ready) = std::sync::mpsc::channel();
        let serve = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let listener = cronlet_server::bind(&path).expect("the socket is bound");
                ready.send(()).expect("the test waits");
                cronlet_server::serve(listener, backend).await;
            });
        };
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(serve);
        thread.expect("a thread");
        is_ready.recv().expect("the server starts");
        Server { folder, tell }
    }

    /// Something happens in the world; returns when what came of it shows.
    pub fn happens(&self, event: Event) {
        let (done, is_done) = std::sync::mpsc::channel();
        self.tell.send(Told::Event(event, done)).expect("the engine runs");
        is_done.recv().expect("the engine answers");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.path("socket")).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout is set");
        stream
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "", b"")
    }

    pub fn accept(&self, accept: &str, path: &str) -> Answer {
        self.send("GET", path, &format!("x\r\naccept: {accept}"), b"")
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, "application/json", body.to_string().as_bytes())
    }

    pub fn send(&self, method: &str, path: &str, content_type: &str, body: &[u8]) -> Answer {
        let mut stream = self.connect();
        write_request(&mut stream, method, path, content_type, body);
        let mut reader = BufReader::new(stream);
        let (code, head) = read_head(&mut reader).expect("an answer");
        let body = read_body(&mut reader, &head);
        Answer { code, head, body }
    }

    /// A stream of lines, such as a watch; the head is read already.
    pub fn lines(&self, path: &str) -> Lines {
        let mut stream = self.connect();
        write_request(&mut stream, "GET", path, "", b"");
        let mut reader = BufReader::new(stream);
        let (code, _) = read_head(&mut reader).expect("an answer");
        assert_eq!(code, 200, "{path}");
        Lines { reader }
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!("{error}: {}", String::from_utf8_lossy(&self.body));
        })
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A chunked answer, line by line.
pub struct Lines {
    reader: BufReader<UnixStream>,
}

impl Lines {
    /// The next line as JSON; `None` at the end.
    pub fn next(&mut self) -> Option<Value> {
        loop {
            let mut line = String::new();
            if self.reader.read_line(&mut line).expect("a line") == 0 {
                return None;
            }
            // What is no JSON object is the frame of a chunk.
            if line.starts_with('{') {
                return Some(serde_json::from_str(&line).expect("a line is a JSON value"));
            }
            if line == "0\r\n" {
                return None;
            }
        }
    }
}

/// The daemon's part: hands events and requests to the engine, and its answers back.
fn run(mut engine: Engine, told: &std::sync::mpsc::Receiver<Told>) {
    // News may wait for a later commit: here that comes at once.
    let mut turn = |event| {
        let mut effects = engine.handle(vec![event], SystemClock.now()).expect("the disk works");
        while !effects.committed {
            let later = effects.wake_at.expect("what waits has a time");
            effects = engine.handle(Vec::new(), later).expect("the disk works");
        }
        effects
    };
    let mut id = 0;
    while let Ok(told) = told.recv() {
        match told {
            Told::Event(event, done) => {
                turn(event);
                done.send(()).expect("the test waits");
            }
            Told::Command(Command::Change { request, reply }) => {
                id += 1;
                let mut replies = turn(Event::Request { id, request }).replies;
                let (_, answer) = replies.pop().expect("each request is answered");
                // A client may have gone meanwhile.
                let _ = reply.send(answer);
            }
            Told::Command(Command::LargeRead) => {}
            Told::Command(Command::Reload { reply, .. } | Command::Dump { reply }) => {
                let _ = reply.send(Ok(serde_json::json!({ "files": 0 })));
            }
        }
    }
}

fn write_request(to: &mut impl Write, method: &str, path: &str, content_type: &str, body: &[u8]) {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
    if !content_type.is_empty() {
        head += &format!("content-type: {content_type}\r\n");
    }
    head += &format!("content-length: {}\r\n\r\n", body.len());
    // A server that has refused already may not read it all.
    let _ = to.write_all(head.as_bytes()).and_then(|()| to.write_all(body));
}

/// Status code and headers; `None` if the server hung up.
pub fn read_head(reader: &mut impl BufRead) -> Option<(u16, String)> {
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        head += &line.to_lowercase();
    }
    let code = head.split(' ').nth(1)?.parse().ok()?;
    Some((code, head))
}

fn read_body(reader: &mut impl BufRead, head: &str) -> Vec<u8> {
    let mut body = Vec::new();
    if !head.contains("transfer-encoding: chunked") {
        reader.read_to_end(&mut body).expect("a body");
        return body;
    }
    loop {
        let mut size = String::new();
        reader.read_line(&mut size).expect("a chunk's size");
        let size = usize::from_str_radix(size.trim(), 16).expect("a size");
        let mut chunk = vec![0; size + 2];
        reader.read_exact(&mut chunk).expect("a chunk");
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&chunk[..size]);
    }
}

/// Health as after the first reading of the jobs folder.
fn started() -> Arc<Health> {
    let health = Health::default();
    health.started();
    Arc::new(health)
}
