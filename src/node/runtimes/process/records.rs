//! The records of a pod: what its shims did, appended to the journal before it is told to anyone.
//! No secret is in them.

use super::journal::{self, Segment};
use super::paths::Place;
use cronlet_api::time::Timestamp;
use cronlet_host::process::boot_id;
use cronlet_plan::order::{
    ContainerEvent, ContainerObserved, ContainerState, Exit, HookState, PodObserved, Report,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Record {
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
    /// The pod was removed with all that it had.
    Cleaned,
    /// Stands for all earlier lines of the container, when they were written anew.
    Earlier {
        container: String,
        attempt: u32,
        last: Option<Exit>,
        streak: u32,
    },
}

impl Record {
    /// The container and attempt that it speaks of.
    pub(super) fn about(&self) -> Option<(&str, u32)> {
        match self {
            Record::Shim { .. } | Record::Cleaned => None,
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
    pub(super) fn report(&self, pod_uid: &str) -> Option<Report> {
        let (container, attempt) = self.about()?;
        let event = match self {
            Record::Started { id, pid, post_start, at, .. } => ContainerEvent::Started {
                id: id.clone(),
                pid: pid.unsigned_abs(),
                at: *at,
                post_start: if *post_start { HookState::Running } else { HookState::Done },
            },
            Record::PostStart { error, .. } => {
                ContainerEvent::PostStart(error.clone().map_or(Ok(()), Err))
            }
            Record::Failed { reason, message, at, .. } => {
                ContainerEvent::Failed { reason: reason.clone(), message: message.clone(), at: *at }
            }
            Record::Exited { exit, .. } => ContainerEvent::Exited(exit.clone()),
            _ => return None,
        };
        let (pod_uid, container) = (pod_uid.to_owned(), container.to_owned());
        Some(Report { pod_uid, container, attempt, event })
    }
}

/// All that the records of a pod say, folded.
#[derive(Debug, Default)]
pub(super) struct PodHistory {
    /// The boot that the last shim lived under.
    pub boot: String,
    pub observed: PodObserved,
    /// The pod was removed.
    pub cleaned: bool,
    /// By container: the lines of its latest attempt.
    latest: BTreeMap<String, Vec<Record>>,
}

impl PodHistory {
    pub(super) fn read(place: &Place) -> io::Result<PodHistory> {
        let mut past = PodHistory::default();
        journal::read(&place.journal, |_, uid, json| {
            if uid == place.uid {
                past.add_line(json);
            }
        })?;
        Ok(past)
    }

    /// One that is not understood is passed over.
    pub(super) fn add_line(&mut self, json: &[u8]) {
        if let Ok(record) = serde_json::from_slice(json) {
            self.add(record);
        }
    }

    pub(super) fn add(&mut self, record: Record) {
        match &record {
            Record::Shim { boot, .. } => self.boot.clone_from(boot),
            Record::Cleaned => *self = PodHistory { cleaned: true, ..PodHistory::default() },
            _ => {}
        }
        let Some((container, attempt)) = record.about() else { return };
        self.cleaned = false;
        let lines = self.latest.entry(container.to_owned()).or_default();
        match &record {
            Record::Intent { .. } => {
                lines.clear();
                let before = self.observed.containers.remove(container);
                let next =
                    before.map_or_else(|| ContainerObserved::new(attempt), |b| after(*b, attempt));
                self.observed.containers.insert(container.to_owned(), Box::new(next));
            }
            Record::Earlier { last, streak, .. } => {
                lines.clear();
                let mut seen = ContainerObserved::new(attempt);
                (seen.last, seen.streak) = (last.clone(), *streak);
                self.observed.containers.insert(container.to_owned(), Box::new(seen));
            }
            Record::Stopping { grace_seconds, .. } => {
                if let Some(seen) = self.observed.containers.get_mut(container) {
                    seen.stopping = Some(*grace_seconds);
                }
            }
            _ => {
                if let Some(report) = record.report("") {
                    self.observed.apply_report(&report);
                }
            }
        }
        lines.push(record);
    }

    /// The lines of the latest attempt of every container.
    pub(super) fn latest(&self) -> impl Iterator<Item = &Record> {
        self.latest.values().flatten()
    }

    /// Was this attempt, or a later one, begun? A failed start does not count: it left nothing.
    pub(super) fn begun(&self, container: &str, attempt: u32) -> bool {
        self.observed.containers.get(container).is_some_and(|seen| {
            let failed = matches!(seen.state, ContainerState::Failed { .. });
            seen.attempt > attempt || (seen.attempt == attempt && !failed)
        })
    }

    /// Was any container started more than once? Then how often counts for its next start.
    pub(super) fn restarted(&self) -> bool {
        self.observed.containers.values().any(|seen| seen.attempt > 0)
    }

    /// The lines that stand for all earlier ones of the pod.
    pub(super) fn told_again(&self, uid: &str) -> Vec<u8> {
        let pid = rustix::process::getpid().as_raw_pid();
        let shim = Record::Shim { boot: self.boot.clone(), pid };
        let records = [shim].into_iter().chain(self.summary());
        records.flat_map(|record| journal::line(uid, &record)).collect()
    }

    fn summary(&self) -> impl Iterator<Item = Record> {
        let all = self.latest.iter().filter_map(|(container, lines)| {
            // Of what was removed with earlier segments there may be a rest.
            let seen = self.observed.containers.get(container)?;
            let ended = matches!(seen.state, ContainerState::Exited(_));
            // The end of this attempt, which follows, counts itself.
            let streak = seen.streak.saturating_sub(u32::from(ended));
            let earlier = Record::Earlier {
                container: container.clone(),
                attempt: seen.attempt,
                last: seen.last.clone(),
                streak,
            };
            Some([earlier].into_iter().chain(lines.iter().filter(|r| !r.is_earlier()).cloned()))
        });
        all.flatten()
    }

    /// Attempts begun whose end is not recorded.
    pub(super) fn unsettled(&self) -> Vec<Unsettled> {
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
pub(super) struct Unsettled {
    pub container: String,
    pub attempt: u32,
    pub id: String,
    pub cgroups: Vec<PathBuf>,
    pub at: Timestamp,
    /// Pid and start in ticks, where it is known to have run.
    pub process: Option<(i32, u64)>,
}

/// A pod's records: the segment that its shim appends to, and all that was said so far.
#[derive(Debug)]
pub(super) struct Records {
    place: Place,
    file: File,
    /// What this shim has written to that segment.
    bytes: u64,
    pub past: PodHistory,
}

/// A crash loop of years must not fill the disk: who has written so much into a segment is given a
/// new one.
const BYTES_MAX: u64 = 256 << 10;

impl Records {
    /// `fresh`: nothing is on record of the pod.
    pub(super) fn open(place: &Place, segment: Segment, fresh: bool) -> io::Result<Records> {
        let past = if fresh { PodHistory::default() } else { PodHistory::read(place)? };
        let file = journal::open(&place.journal, segment)?;
        let mut records = Records { place: place.clone(), file, bytes: 0, past };
        let pid = rustix::process::getpid().as_raw_pid();
        records.append(Record::Shim { boot: boot_id().to_owned(), pid }, false)?;
        Ok(records)
    }

    /// Writes the line, then counts it as past. `sync`: onto the disk itself.
    pub(super) fn append(&mut self, record: Record, sync: bool) -> io::Result<()> {
        let line = journal::line(&self.place.uid, &record);
        self.file.write_all(&line)?;
        self.bytes += line.len() as u64;
        if sync {
            self.file.sync_data()?;
        }
        self.past.add(record);
        Ok(())
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes > BYTES_MAX
    }

    /// Goes on in another segment, with what still counts: the earlier ones may then go.
    pub(super) fn move_to(&mut self, segment: Segment) -> io::Result<()> {
        let mut file = journal::open(&self.place.journal, segment)?;
        let text = self.past.told_again(&self.place.uid);
        file.write_all(&text)?;
        (self.file, self.bytes) = (file, text.len() as u64);
        Ok(())
    }
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
            left: 0,
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

    fn place(folder: &tempfile::TempDir) -> Place {
        let place = Place::new(folder.path(), "uid");
        std::fs::create_dir(&place.journal).expect("a folder");
        place
    }

    #[test]
    fn who_moves_to_another_segment_says_the_same_there_and_shorter() {
        let folder = tempfile::tempdir().expect("tempdir");
        let place = place(&folder);
        let mut records = Records::open(&place, 1, true).expect("open");
        for attempt in 0..2000 {
            records.append(intent(attempt), false).expect("append");
            records.append(exited(attempt), false).expect("append");
        }
        assert!(records.is_full());
        records.move_to(2).expect("move");
        assert!(!records.is_full());
        let both = PodHistory::read(&place).expect("read");
        assert_eq!(both.observed, records.past.observed);
        journal::remove(&place.journal, 1).expect("removed");
        let past = PodHistory::read(&place).expect("read");
        assert_eq!(past.observed, records.past.observed);
        let seen = &past.observed.containers["main"];
        assert_eq!((seen.attempt, seen.streak), (1999, 2000));
        assert_eq!(seen.last, Some(exit("id-1998", 1)));
        assert!(past.begun("main", 0) && past.begun("main", 1999) && !past.begun("main", 2000));
        assert!(past.unsettled().is_empty());
    }

    #[test]
    fn a_torn_line_is_passed_over_and_spoils_no_other() {
        let folder = tempfile::tempdir().expect("tempdir");
        let place = place(&folder);
        let mut records = Records::open(&place, 1, true).expect("open");
        records.append(intent(0), false).expect("append");
        let torn = &journal::line("uid", &exited(0))[..20];
        journal::open(&place.journal, 1).expect("open").write_all(torn).expect("write");
        assert_eq!(PodHistory::read(&place).expect("read").unsettled().len(), 1);
        records.append(exited(0), true).expect("append");
        assert!(PodHistory::read(&place).expect("read").unsettled().is_empty());
        let other = Place { uid: "other".into(), ..place };
        assert_eq!(PodHistory::read(&other).expect("read").observed, PodObserved::default());
    }
}
