//! The log's lines about the folder: one for each change that took effect.

use super::absence::{GRACE, GRACE_RUNNING, Verdict};
use super::claims::Records;
use cronlet_api::kind::Key;
use cronlet_engine::FileEffect;

/// At most this many lines of one look are logged; the rest is counted.
const LINES_MAX: usize = 1000;

/// Follows the refusal of a Job whose spec changed while it runs.
pub(super) const AWAITED: &str =
    ". The Job is made again, as the file then says, when it has ended";

/// Logs what came true: file, object, and what of it.
pub(super) fn say_effects(effects: &[(String, Key, FileEffect)]) {
    for (file, key, effect) in effects.iter().take(LINES_MAX) {
        tracing::info!("{file}: {key} {}", shown(effect));
    }
    if let Some(more) = effects.len().checked_sub(LINES_MAX).filter(|more| *more > 0) {
        tracing::info!("and {more} more objects added, changed or removed");
    }
}

fn shown(effect: &FileEffect) -> String {
    match effect {
        FileEffect::Added => "added".to_owned(),
        FileEffect::Changed(fields) => format!("changed: {}", fields.join(", ")),
        FileEffect::Replaced(fields) => {
            format!("deleted and made again, as its spec changed: {}", fields.join(", "))
        }
        FileEffect::Removed(ran_on) if ran_on.is_empty() => "removed".to_owned(),
        FileEffect::Removed(ran_on) => {
            let jobs: Vec<&str> = ran_on.iter().map(|job| &*job.name).collect();
            format!("removed; what runs goes on to its end: job {}", jobs.join(", "))
        }
    }
}

/// Logs absences that begin, and those that end in time.
pub(super) fn say_absences(verdict: &Verdict, records: &Records) {
    if verdict.new.is_empty() && verdict.back.is_empty() {
        return;
    }
    let mut left = LINES_MAX;
    for (file, record) in records {
        for (key, _) in record.all() {
            if left == 0 {
                return;
            }
            if verdict.new.contains(key) {
                let (grace, running) = (GRACE.as_secs(), GRACE_RUNNING.as_secs());
                tracing::info!(
                    "{file}: {key} is no longer there: it is removed in {grace} s, or {running} s \
                     while it runs, unless a file has it again"
                );
            } else if verdict.back.contains(key) {
                tracing::info!("{file}: {key} is there again");
            } else {
                continue;
            }
            left -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cronlet_api::kind::Kind;

    #[test]
    fn a_line_says_what_of_an_object_changed() {
        let check = |effect: FileEffect, want: &str| assert_eq!(shown(&effect), want);
        check(FileEffect::Added, "added");
        let fields = || vec!["spec.suspend true -> false".to_owned(), "data.a".to_owned()];
        check(FileEffect::Changed(fields()), "changed: spec.suspend true -> false, data.a");
        let again =
            "deleted and made again, as its spec changed: spec.suspend true -> false, data.a";
        check(FileEffect::Replaced(fields()), again);
        check(FileEffect::Removed(Vec::new()), "removed");
        let job = Key::new(Kind::Job, "default", "backup-1");
        let on = "removed; what runs goes on to its end: job backup-1";
        check(FileEffect::Removed(vec![job]), on);
    }
}
