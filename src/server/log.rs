//! `pods/NAME/log`: what a container wrote, from its files in the CRI format, once or as it comes.

use super::backend::Backend;
use super::query::Query;
use super::response::{self, Answer};
use cronlet_api::kind::{Key, Object};
use cronlet_api::pod::log::{Reader as Entries, Select, Stream, tail};
use cronlet_api::refused::Refused;
use cronlet_api::time::{Clock, SignedDuration, SystemClock, Timestamp};
use cronlet_engine::store::Reader;
use hyper::body::Bytes;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;

/// How often a log that is followed is looked at.
const FOLLOW_EVERY: Duration = Duration::from_millis(100);
const CHUNK_BYTES: usize = 64 * 1024;
/// Entries are far shorter: what is longer is no log and is passed over.
const ENTRY_BYTES_MAX: usize = 1024 * 1024;
/// The newest file, and `.1` to `.4`.
const ROTATED_MAX: u32 = 4;

pub(crate) fn answer(backend: &Backend, key: &Key, query: &Query) -> Result<Answer, Refused> {
    let object = backend.reader.get(key).ok_or_else(|| Refused::NotFound(key.clone()))?;
    let Object::Pod(pod) = &object else { return Err(Refused::NoSuchPath) };
    let wanted = Wanted::parse(query)?;
    let container = container_name(pod, query.text("container"))?;
    let attempt = attempt(pod, &container, query.flag("previous"))?;
    let folder = backend.pods_folder.join(object.uid());
    let path = folder.join(format!("{container}.{attempt}.log"));
    let (sender, answer) = response::stream("text/plain; charset=utf-8");
    let following = wanted.follow.then(|| Following {
        reader: backend.reader.clone(),
        pod: key.clone(),
        pod_uid: object.uid().to_owned(),
        container,
        attempt,
        seen_version: None,
    });
    tokio::spawn(send(path, wanted, following, sender));
    Ok(answer)
}

/// `PodLogOptions`
struct Wanted {
    select: Select,
    tail_lines: Option<u64>,
    follow: bool,
}

impl Wanted {
    fn parse(query: &Query) -> Result<Wanted, Refused> {
        let wrong = |field: &str, value: i64, least: i64| {
            let why = format!("must be greater than or equal to {least}");
            Refused::BadRequest(format!("{field}: Invalid value: {value}: {why}"))
        };
        let at_least = |field: &str, least: i64| match query.number(field)? {
            Some(value) if value < least => Err(wrong(field, value, least)),
            value => Ok(value.map(i64::unsigned_abs)),
        };
        let stream = match query.text("stream") {
            None | Some("All") => None,
            Some("Stdout") => Some(Stream::Stdout),
            Some("Stderr") => Some(Stream::Stderr),
            Some(other) => {
                let why = format!("stream: Unsupported value: {other:?}");
                return Err(Refused::BadRequest(why));
            }
        };
        let select = Select {
            since: since(query, at_least("sinceSeconds", 1)?)?,
            timestamps: query.flag("timestamps"),
            limit_bytes: at_least("limitBytes", 1)?,
            stream,
        };
        Ok(Wanted { select, tail_lines: at_least("tailLines", 0)?, follow: query.flag("follow") })
    }
}

fn since(query: &Query, seconds: Option<u64>) -> Result<Option<Timestamp>, Refused> {
    match (seconds, query.text("sinceTime")) {
        (Some(_), Some(_)) => {
            let why = "at most one of `sinceTime` or `sinceSeconds` may be specified";
            Err(Refused::BadRequest(why.to_owned()))
        }
        (Some(seconds), None) => {
            let span = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
            Ok(Some(SystemClock.now().checked_sub(span).unwrap_or(Timestamp::MIN)))
        }
        (None, Some(text)) => {
            let wrong = |e| Refused::BadRequest(format!("sinceTime: Invalid value: {text:?}: {e}"));
            text.parse().map(Some).map_err(wrong)
        }
        (None, None) => Ok(None),
    }
}

fn container_name(pod: &Pod, wanted: Option<&str>) -> Result<String, Refused> {
    let spec = pod.spec.as_ref();
    let mains = spec.map(|spec| spec.containers.as_slice()).unwrap_or_default();
    let inits = spec.and_then(|spec| spec.init_containers.as_deref()).unwrap_or_default();
    let names = |list: &[k8s_openapi::api::core::v1::Container]| {
        list.iter().map(|one| one.name.clone()).collect::<Vec<_>>()
    };
    let (mains, inits) = (names(mains), names(inits));
    let pod_name = pod.metadata.name.as_deref().unwrap_or_default();
    match (wanted, mains.as_slice()) {
        (Some(name), _) if mains.iter().chain(&inits).any(|one| one == name) => Ok(name.to_owned()),
        (Some(name), _) => {
            Err(Refused::BadRequest(format!("container {name} is not valid for pod {pod_name}")))
        }
        (None, [only]) => Ok(only.clone()),
        (None, _) => {
            let mut why = format!(
                "a container name must be specified for pod {pod_name}, choose one of: [{}]",
                mains.join(" ")
            );
            if !inits.is_empty() {
                why += &format!(" or one of the init containers: [{}]", inits.join(" "));
            }
            Err(Refused::BadRequest(why))
        }
    }
}

fn status<'a>(pod: &'a Pod, container: &str) -> Option<&'a ContainerStatus> {
    let status = pod.status.as_ref()?;
    let inits = status.init_container_statuses.iter().flatten();
    let mut all = status.container_statuses.iter().flatten().chain(inits);
    all.find(|status| status.name == container)
}

/// Which attempt's log is meant; one that waits to be restarted shows its last.
fn attempt(pod: &Pod, container: &str, previous: bool) -> Result<u32, Refused> {
    let pod_name = pod.metadata.name.as_deref().unwrap_or_default();
    let status = status(pod, container);
    let state = status.and_then(|status| status.state.clone()).unwrap_or_default();
    let restarts = status.map_or(0, |status| status.restart_count.unsigned_abs());
    let has_last = status
        .and_then(|status| status.last_state.as_ref())
        .is_some_and(|last| last.terminated.is_some());
    let is_waiting = state.running.is_none() && state.terminated.is_none();
    match (previous, is_waiting) {
        (true, true) if has_last => Ok(restarts),
        (true, false) if restarts > 0 => Ok(restarts - 1),
        (true, _) => Err(Refused::BadRequest(format!(
            "previous terminated container {container:?} in pod {pod_name:?} not found"
        ))),
        (false, true) if !has_last => {
            let reason = state.waiting.and_then(|waiting| waiting.reason);
            let reason = reason.unwrap_or_else(|| "ContainerCreating".to_owned());
            Err(Refused::BadRequest(format!(
                "container {container:?} in pod {pod_name:?} is waiting to start: {reason}"
            )))
        }
        (false, _) => Ok(restarts),
    }
}

/// Sends the files, oldest first, and then what comes. A file that is not there is empty.
async fn send(
    path: PathBuf,
    wanted: Wanted,
    mut following: Option<Following>,
    sender: mpsc::Sender<Bytes>,
) {
    let mut files = open_all(&path);
    if let Some(lines) = wanted.tail_lines {
        skip_to_tail(&mut files, lines);
    }
    let mut output = Output { entries: Entries::new(wanted.select), rest: Vec::new(), sender };
    let newest = files.pop();
    for mut file in files {
        if output.send_rest_of(&mut file).await.is_none() {
            return;
        }
    }
    let mut newest = newest;
    loop {
        // Asked before reading: what was written before the end is then read.
        let is_over = following.as_mut().is_none_or(Following::is_over);
        if let Some(file) = &mut newest
            && output.send_rest_of(file).await.is_none()
        {
            return;
        }
        if rotated(&newest, &path) {
            newest = File::open(&path).ok();
            continue;
        }
        if is_over || output.entries.is_full() {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(FOLLOW_EVERY) => {}
            () = output.sender.closed() => return,
        }
    }
}

/// The attempt's files, oldest first. Opened newest first: one that is renamed meanwhile is open
/// already.
fn open_all(path: &Path) -> Vec<File> {
    let numbered = (1..=ROTATED_MAX).map(|number| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    });
    let mut found: Vec<(u64, File)> = Vec::new();
    for path in std::iter::once(path.to_owned()).chain(numbered) {
        if let Ok(file) = File::open(path)
            && let Ok(meta) = file.metadata()
            && found.iter().all(|(inode, _)| *inode != meta.ino())
        {
            found.push((meta.ino(), file));
        }
    }
    found.into_iter().rev().map(|(_, file)| file).collect()
}

/// Is there another file at the path than the one that is open?
fn rotated(open: &Option<File>, path: &Path) -> bool {
    let Ok(there) = std::fs::metadata(path) else { return false };
    let open = open.as_ref().and_then(|file| file.metadata().ok());
    open.is_none_or(|open| open.ino() != there.ino())
}

/// Drops the files, and moves in them, so that the last `lines` lines remain.
fn skip_to_tail(files: &mut Vec<File>, lines: u64) {
    let mut missing = lines;
    let mut kept = Vec::new();
    while let Some(mut file) = files.pop() {
        let Ok((start, found)) = tail_of(&mut file, missing) else { break };
        if file.seek(SeekFrom::Start(start)).is_err() {
            break;
        }
        // The newest is kept even so, for it may grow.
        if missing > 0 || kept.is_empty() {
            kept.push(file);
        }
        missing = missing.saturating_sub(found);
        if missing == 0 {
            break;
        }
    }
    kept.reverse();
    *files = kept;
}

/// Where the last lines of a file begin, and how many there are; looks at no more of it than it
/// needs.
fn tail_of(file: &mut File, lines: u64) -> std::io::Result<(u64, u64)> {
    let length = file.metadata()?.len();
    let mut window = (CHUNK_BYTES as u64).min(length);
    loop {
        let from = file.seek(SeekFrom::Start(length - window))?;
        let mut bytes = Vec::new();
        (&mut *file).take(window).read_to_end(&mut bytes)?;
        let (start, found) = tail(&bytes, lines);
        if start > 0 || window == length {
            return Ok((from + start as u64, found));
        }
        window = (window * 4).min(length);
    }
}

struct Output {
    entries: Entries,
    /// The start of an entry whose end is not read yet.
    rest: Vec<u8>,
    sender: mpsc::Sender<Bytes>,
}

impl Output {
    /// `None` when the client has gone or has all that it wants.
    async fn send_rest_of(&mut self, file: &mut File) -> Option<()> {
        loop {
            let before = self.rest.len();
            let read = file.take(CHUNK_BYTES as u64).read_to_end(&mut self.rest).ok()?;
            if read == 0 {
                return Some(());
            }
            let mut text = Vec::new();
            let used = self.entries.feed(&self.rest, &mut text);
            self.rest.drain(..used);
            if self.rest.len() > ENTRY_BYTES_MAX {
                self.rest.clear();
            }
            debug_assert!(self.rest.len() <= before + read, "feeding only takes away");
            if !text.is_empty() {
                self.sender.send(text.into()).await.ok()?;
            }
            if self.entries.is_full() {
                return None;
            }
            tokio::task::yield_now().await;
        }
    }
}

/// What tells a follower that nothing more will come.
struct Following {
    reader: Reader,
    pod: Key,
    pod_uid: String,
    container: String,
    attempt: u32,
    seen_version: Option<u64>,
}

impl Following {
    fn is_over(&mut self) -> bool {
        let version = self.reader.version();
        if self.seen_version == Some(version) {
            return false;
        }
        self.seen_version = Some(version);
        match self.reader.get(&self.pod) {
            Some(Object::Pod(pod)) if pod.metadata.uid.as_ref() == Some(&self.pod_uid) => {
                let state = status(&pod, &self.container).map(|status| {
                    let ended = status.state.as_ref().is_some_and(|s| s.running.is_none());
                    ended || status.restart_count.unsigned_abs() > self.attempt
                });
                state.unwrap_or(true)
            }
            _ => true,
        }
    }
}
