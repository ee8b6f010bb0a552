//! The records file of a pod: what its shims did, one JSON line each, appended before it is told to
//! anyone.
//!
//! The page cache keeps a line through the death of shim and daemon. A power cut is covered by the
//! engine, whose commit on disk precedes each order and follows each report; a line is synced only
//! where no daemon listens. A last line that was torn is passed over. No secret is in a line.

use super::place::Place;
use crate::host::process::boot_id;
use crate::kinds::pod::observed::{
    ContainerObserved, ContainerState, Exit, HookState, News, PodObserved, Report,
};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Record {
    /// A shim began, under this boot.
    Shim {
        boot: String,
        pid: i32,
    },
    /// About to start. Without a later line of the attempt it is unknown whether it ran.
    Intent {
        container: String,
        attempt: u32,
        id: String,
        cgroups: Vec<PathBuf>,
        at: Timestamp,
    },
    /// The program runs.
    Started {
        container: String,
        attempt: u32,
        id: String,
        pid: i32,
        /// With the pid it names the process for good.
        pid_ticks: u64,
        post_start: bool,
        at: Timestamp,
    },
    PostStart {
        container: String,
        attempt: u32,
        error: Option<String>,
    },
    Stopping {
        container: String,
        attempt: u32,
        grace_seconds: i64,
    },
    /// Did not start and left nothing: the attempt may be ordered again.
    Failed {
        container: String,
        attempt: u32,
        reason: String,
        message: String,
        at: Timestamp,
    },
    Exited {
        container: String,
        attempt: u32,
        exit: Exit,
    },
    /// Stands for all earlier lines of the container, when the file was written anew.
    Earlier {
        container: String,
        attempt: u32,
        last: Option<Exit>,
        streak: u32,
    },
}

impl Record {
    /// The container and attempt that it speaks of.
    pub fn about(&self) -> Option<(&str, u32)> {
        match self {
            Record::Shim { .. } => None,
            Record::Intent { container, attempt, .. }
            | Record::Started { container, attempt, .. }
            | Record::PostStart { container, attempt, .. }
            | Record::Stopping { container, attempt, .. }
            | Record::Failed { container, attempt, .. }
            | Record::Exited { container, attempt, .. }
            | Record::Earlier { container, attempt, .. } => Some((container, *attempt)),
        }
    }

    /// What the engine shall hear of it.
    pub fn report(&self, pod_uid: &str) -> Option<Report> {
        let (container, attempt) = self.about()?;
        let news = match self {
            Record::Started { id, pid, post_start, at, .. } => News::Started {
                id: id.clone(),
                pid: pid.unsigned_abs(),
                at: *at,
                post_start: if *post_start { HookState::Running } else { HookState::Done },
            },
            Record::PostStart { error, .. } => News::PostStart(error.clone().map_or(Ok(()), Err)),
            Record::Failed { reason, message, at, .. } => {
                News::Failed { reason: reason.clone(), message: message.clone(), at: *at }
            }
            Record::Exited { exit, .. } => News::Exited(exit.clone()),
            _ => return None,
        };
        let (pod_uid, container) = (pod_uid.to_owned(), container.to_owned());
        Some(Report { pod_uid, container, attempt, news })
    }
}

/// All that the records of a pod say, folded.
#[derive(Debug, Default)]
pub struct Past {
    /// The boot that the last shim lived under.
    pub boot: String,
    pub observed: PodObserved,
    /// By container: the lines of its latest attempt.
    latest: BTreeMap<String, Vec<Record>>,
}

impl Past {
    pub fn read(place: &Place) -> io::Result<Past> {
        let mut past = Past::default();
        match std::fs::read(place.records()) {
            Ok(bytes) => {
                for line in bytes.split(|byte| *byte == b'\n') {
                    if let Ok(record) = serde_json::from_slice(line) {
                        past.add(record);
                    }
                }
                Ok(past)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(past),
            Err(error) => Err(error),
        }
    }

    pub fn add(&mut self, record: Record) {
        if let Record::Shim { boot, .. } = &record {
            self.boot.clone_from(boot);
        }
        let Some((container, attempt)) = record.about() else { return };
        let lines = self.latest.entry(container.to_owned()).or_default();
        match &record {
            Record::Intent { .. } => {
                *lines = Vec::new();
                let before = self.observed.containers.remove(container);
                let next =
                    before.map_or_else(|| ContainerObserved::new(attempt), |b| after(b, attempt));
                self.observed.containers.insert(container.to_owned(), next);
            }
            Record::Earlier { last, streak, .. } => {
                let mut seen = ContainerObserved::new(attempt);
                (seen.last, seen.streak) = (last.clone(), *streak);
                self.observed.containers.insert(container.to_owned(), seen);
            }
            Record::Stopping { grace_seconds, .. } => {
                if let Some(seen) = self.observed.containers.get_mut(container) {
                    seen.stopping = Some(*grace_seconds);
                }
            }
            _ => {
                if let Some(report) = record.report("") {
                    self.observed.reported(&report);
                }
            }
        }
        lines.push(record);
    }

    /// The lines of the latest attempt of every container.
    pub fn latest(&self) -> impl Iterator<Item = &Record> {
        self.latest.values().flatten()
    }

    /// Was this attempt, or a later one, begun? A failed start does not count: it left nothing.
    pub fn begun(&self, container: &str, attempt: u32) -> bool {
        self.observed.containers.get(container).is_some_and(|seen| {
            let failed = matches!(seen.state, ContainerState::Failed { .. });
            seen.attempt > attempt || (seen.attempt == attempt && !failed)
        })
    }

    /// Lines that tell what the containers are now, short enough to replace a file that grew.
    fn summary(&self) -> impl Iterator<Item = Record> {
        self.latest.iter().flat_map(|(container, lines)| {
            let seen = &self.observed.containers[container];
            let ended = matches!(seen.state, ContainerState::Exited(_));
            // The end of this attempt, which follows, counts itself.
            let streak = seen.streak.saturating_sub(u32::from(ended));
            let earlier = Record::Earlier {
                container: container.clone(),
                attempt: seen.attempt,
                last: seen.last.clone(),
                streak,
            };
            [earlier].into_iter().chain(lines.iter().filter(|r| !r.is_earlier()).cloned())
        })
    }

    /// Attempts begun whose end is not recorded.
    pub fn unsettled(&self) -> Vec<Unsettled> {
        let open = |lines: &Vec<Record>| {
            let mut found: Option<Unsettled> = None;
            for line in lines {
                match line {
                    Record::Intent { container, attempt, id, cgroups, at } => {
                        found = Some(Unsettled {
                            container: container.clone(),
                            attempt: *attempt,
                            id: id.clone(),
                            cgroups: cgroups.clone(),
                            at: *at,
                            process: None,
                        });
                    }
                    Record::Started { pid, pid_ticks, .. } => {
                        if let Some(found) = &mut found {
                            found.process = Some((*pid, *pid_ticks));
                        }
                    }
                    Record::Exited { .. } | Record::Failed { .. } => found = None,
                    _ => {}
                }
            }
            found
        };
        self.latest.values().filter_map(open).collect()
    }
}

/// A container whose attempt begins, after what it was before.
fn after(before: ContainerObserved, attempt: u32) -> ContainerObserved {
    let last = match before.state {
        ContainerState::Exited(exit) if before.attempt < attempt => Some(exit),
        _ => before.last,
    };
    ContainerObserved { last, streak: before.streak, ..ContainerObserved::new(attempt) }
}

impl Record {
    fn is_earlier(&self) -> bool {
        matches!(self, Record::Earlier { .. })
    }
}

/// An attempt that was begun and not seen to end.
#[derive(Debug)]
pub struct Unsettled {
    pub container: String,
    pub attempt: u32,
    pub id: String,
    pub cgroups: Vec<PathBuf>,
    pub at: Timestamp,
    /// Pid and start in ticks, where it is known to have run.
    pub process: Option<(i32, u64)>,
}

/// The file, open for appending, and what it says.
#[derive(Debug)]
pub struct Records {
    place: Place,
    file: File,
    bytes: u64,
    pub past: Past,
}

/// A crash loop of years must not fill the disk: beyond this the file is written anew, short.
const BYTES_MAX: u64 = 256 << 10;

impl Records {
    pub fn open(place: &Place) -> io::Result<Records> {
        let past = Past::read(place)?;
        let mut options = OpenOptions::new();
        let file = options.append(true).create(true).mode(0o600).open(place.records())?;
        let bytes = file.metadata()?.len();
        let mut records = Records { place: place.clone(), file, bytes, past };
        if bytes > 0 {
            // Ends a line that a power cut may have torn.
            records.file.write_all(b"\n")?;
        }
        let pid = rustix::process::getpid().as_raw_pid();
        records.append(Record::Shim { boot: boot_id().to_owned(), pid }, false)?;
        Ok(records)
    }

    /// Writes the line, then counts it as past. `sync`: onto the disk itself.
    pub fn append(&mut self, record: Record, sync: bool) -> io::Result<()> {
        if self.bytes > BYTES_MAX {
            self.rewrite()?;
        }
        let line = line_of(&record);
        let written = self.file.write_all(&line);
        if written.is_err() {
            // A torn line is ended by the next one's newline, where there is room again.
            let _ = self.file.set_len(self.bytes);
        }
        written?;
        self.bytes += line.len() as u64;
        if sync {
            self.file.sync_data()?;
        }
        self.past.add(record);
        Ok(())
    }

    fn rewrite(&mut self) -> io::Result<()> {
        let fresh_path = self.place.folder.join("records.new");
        let mut options = OpenOptions::new();
        let mut fresh =
            options.write(true).create(true).truncate(true).mode(0o600).open(&fresh_path)?;
        let pid = rustix::process::getpid().as_raw_pid();
        let mut text = line_of(&Record::Shim { boot: self.past.boot.clone(), pid });
        self.past.summary().for_each(|record| text.extend(line_of(&record)));
        fresh.write_all(&text)?;
        fresh.sync_data()?;
        std::fs::rename(&fresh_path, self.place.records())?;
        self.file = OpenOptions::new().append(true).open(self.place.records())?;
        self.bytes = text.len() as u64;
        Ok(())
    }
}

fn line_of(record: &Record) -> Vec<u8> {
    let mut line = serde_json::to_vec(record).expect("records are plain data");
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(id: &str, code: i32) -> Exit {
        let at = Timestamp::UNIX_EPOCH;
        Exit {
            id: id.into(),
            code,
            signal: None,
            reason: "Error".into(),
            message: String::new(),
            started_at: at,
            finished_at: at,
        }
    }

    fn intent(attempt: u32) -> Record {
        let (container, id) = ("main".into(), format!("id-{attempt}"));
        Record::Intent { container, attempt, id, cgroups: Vec::new(), at: Timestamp::UNIX_EPOCH }
    }

    fn exited(attempt: u32) -> Record {
        let exit = exit(&format!("id-{attempt}"), 1);
        Record::Exited { container: "main".into(), attempt, exit }
    }

    #[test]
    fn a_file_that_grew_is_written_anew_and_says_the_same() {
        let folder = tempfile::tempdir().expect("tempdir");
        let place = Place { folder: folder.path().into() };
        let mut records = Records::open(&place).expect("open");
        for attempt in 0..2000 {
            records.append(intent(attempt), false).expect("append");
            records.append(exited(attempt), false).expect("append");
        }
        let length = std::fs::metadata(place.records()).expect("there").len();
        assert!(length <= BYTES_MAX + 1000, "{length}");
        let past = Past::read(&place).expect("read");
        assert_eq!(past.observed, records.past.observed);
        let seen = &past.observed.containers["main"];
        assert_eq!((seen.attempt, seen.streak), (1999, 2000));
        assert_eq!(seen.last, Some(exit("id-1998", 1)));
        assert!(past.begun("main", 0) && past.begun("main", 1999) && !past.begun("main", 2000));
        assert!(past.unsettled().is_empty());
    }

    #[test]
    fn a_torn_line_is_passed_over_and_ended() {
        let folder = tempfile::tempdir().expect("tempdir");
        let place = Place { folder: folder.path().into() };
        let mut records = Records::open(&place).expect("open");
        records.append(intent(0), false).expect("append");
        drop(records);
        let whole = std::fs::read(place.records()).expect("read");
        let torn = &line_of(&exited(0))[..20];
        std::fs::write(place.records(), [&whole, torn].concat()).expect("write");
        let mut records = Records::open(&place).expect("open");
        assert_eq!(records.past.unsettled().len(), 1);
        records.append(exited(0), true).expect("append");
        assert!(Past::read(&place).expect("read").unsettled().is_empty());
    }
}
