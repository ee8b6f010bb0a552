//! What the runs come to: who overlaps whom, what was left out and why, how many at once.

use super::marks::{self, Marks};
use super::{Foreseen, Scene, Subject};
use crate::times::how_long;
use cronlet_api::run::{Outcome, Run};
use cronlet_api::time::{SignedDuration, Timestamp};
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

/// Of those that a run overlaps, so many are named.
const OVERLAPS_NAMED_MAX: usize = 10;

pub(super) struct Tally<'a> {
    /// In the order of their slots.
    pub lines: Vec<Line<'a>>,
    /// One for each CronJob.
    pub sums: Vec<(&'a Subject, Sum)>,
    pub total: Sum,
    pub stopped_at: Option<Timestamp>,
}

/// One slot and what became of it.
pub(super) struct Line<'a> {
    pub subject: &'a Subject,
    pub run: Run,
    /// How many runs of the same CronJob still ran when this one started.
    pub overlaps: usize,
    /// Jobs of those, the latest last.
    pub overlapped: Vec<String>,
    pub notes: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sum {
    /// Jobs that were made.
    pub runs: usize,
    /// Runs that started while another of the same CronJob ran.
    pub overlaps: usize,
    pub skips: usize,
    pub replaced: usize,
    pub failed: usize,
    pub most_at_once: usize,
}

impl<'a> Tally<'a> {
    pub(super) fn new(scene: &'a Scene, foreseen: Foreseen, runs_max: usize) -> Tally<'a> {
        let Foreseen { runs, mut stopped_at } = foreseen;
        let until = stopped_at.unwrap_or(scene.to);
        let (mut lines, mut sums) = (Vec::new(), Vec::new());
        for subject in &scene.subjects {
            let is_of =
                |run: &&Run| run.namespace == subject.namespace && run.cron_job == subject.name;
            let mut own: Vec<Run> = runs.iter().filter(is_of).cloned().collect();
            let marks = Marks::new(subject, scene, until, runs_max);
            if subject.suspended {
                let slots = marks::slots(subject, subject.timing.dst, scene, until, runs_max);
                if slots.len() == runs_max {
                    stopped_at = stopped_at.into_iter().chain(slots.last().copied()).min();
                }
                own.extend(slots.iter().map(|slot| subject.skipped(*slot, "suspended")));
            }
            let left_out = marks.left_out.iter();
            own.extend(left_out.map(|(slot, why)| subject.skipped(*slot, why)));
            let of_subject = lines_of(subject, own, &marks);
            sums.push((subject, sum(&of_subject)));
            lines.extend(of_subject);
        }
        lines.sort_by(|a, b| a.place().cmp(&b.place()));
        let total = sum(&lines);
        Tally { lines, sums, total, stopped_at }
    }
}

impl Line<'_> {
    fn place(&self) -> (Timestamp, &str, &str) {
        (self.run.scheduled, &self.subject.namespace, &self.subject.name)
    }

    /// From when to when it ran.
    fn span(&self) -> Option<(Timestamp, Timestamp)> {
        span(&self.run)
    }

    pub(super) fn outcome(&self) -> &'static str {
        match self.run.outcome {
            Outcome::Succeeded if self.overlaps > 0 => "Overlaps",
            Outcome::Succeeded => "Ran",
            Outcome::Failed => "Failed",
            Outcome::Skipped => "Skipped",
            Outcome::Replaced => "Replaced",
            Outcome::Running => "Unfinished",
        }
    }
}

impl Subject {
    fn skipped(&self, slot: Timestamp, why: &str) -> Run {
        Run {
            namespace: self.namespace.clone(),
            cron_job: self.name.clone(),
            scheduled: slot,
            job: String::new(),
            outcome: Outcome::Skipped,
            started: None,
            ended: None,
            exit_code: None,
            attempts: 0,
            message: why.to_owned(),
            manual: false,
        }
    }
}

fn lines_of<'a>(subject: &'a Subject, runs: Vec<Run>, marks: &Marks) -> Vec<Line<'a>> {
    let mut lines: Vec<Line> = runs
        .into_iter()
        .map(|run| Line { subject, run, overlaps: 0, overlapped: Vec::new(), notes: Vec::new() })
        .collect();
    find_overlaps(&mut lines);
    for line in &mut lines {
        line.notes = notes(line, marks);
    }
    lines
}

fn notes(line: &Line, marks: &Marks) -> Vec<String> {
    let mut notes = Vec::new();
    if line.overlaps > 0 {
        let unnamed = line.overlaps - line.overlapped.len();
        let more = if unnamed > 0 { format!(" and {unnamed} more") } else { String::new() };
        notes.push(format!("overlaps {}{more}", line.overlapped.join(", ")));
    }
    if !line.run.message.is_empty() {
        notes.push(line.run.message.clone());
    }
    notes.extend(marks.on.get(&line.run.scheduled).cloned());
    let jitter = line.subject.timing.jitter;
    let late = line.run.started.map(|at| at.duration_since(line.run.scheduled) - jitter);
    if let Some(late) = late.filter(|late| *late >= SignedDuration::from_secs(1)) {
        notes.push(format!("{} late", how_long(late)));
    }
    notes
}

fn span(run: &Run) -> Option<(Timestamp, Timestamp)> {
    Some((run.started?, run.ended.unwrap_or(Timestamp::MAX)))
}

/// Tells the runs of one CronJob which of them still ran when they started.
fn find_overlaps(lines: &mut [Line]) {
    lines.sort_by_key(|line| (line.run.started, line.run.scheduled));
    let mut running: BTreeSet<usize> = BTreeSet::new();
    let mut ends: BinaryHeap<Reverse<(Timestamp, usize)>> = BinaryHeap::new();
    for at in 0..lines.len() {
        let Some((start, end)) = lines[at].span() else { continue };
        while let Some(Reverse((_, over))) = ends.peek().filter(|Reverse((end, _))| *end <= start) {
            running.remove(over);
            ends.pop();
        }
        let named = running.iter().rev().take(OVERLAPS_NAMED_MAX).rev();
        lines[at].overlapped = named.map(|other| lines[*other].run.job.clone()).collect();
        lines[at].overlaps = running.len();
        running.insert(at);
        ends.push(Reverse((end, at)));
    }
}

fn sum(lines: &[Line]) -> Sum {
    let count = |outcome: Outcome| lines.iter().filter(|line| line.run.outcome == outcome).count();
    let skips = count(Outcome::Skipped);
    Sum {
        runs: lines.len() - skips,
        overlaps: lines.iter().filter(|line| line.overlaps > 0).count(),
        skips,
        replaced: count(Outcome::Replaced),
        failed: count(Outcome::Failed),
        most_at_once: most_at_once(lines),
    }
}

fn most_at_once(lines: &[Line]) -> usize {
    let spans = lines.iter().filter_map(Line::span);
    // One that ends when another starts does not run beside it.
    let mut changes: Vec<(Timestamp, i64)> =
        spans.flat_map(|(start, end)| [(start, 1), (end, -1)]).collect();
    changes.sort_unstable();
    let (mut now, mut most) = (0, 0);
    for (_, change) in changes {
        now += change;
        most = most.max(now);
    }
    usize::try_from(most).unwrap_or(0)
}
