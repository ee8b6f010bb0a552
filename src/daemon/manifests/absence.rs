//! When an object that no file has any more is deleted: an absence counts once it has lasted.
//!
//! A file is away for a moment when git rebases, an editor renames or rsync deletes first, and a
//! folder is empty when its mount is missing. An absence therefore has a grace period, and where
//! much of the folder is gone at once nothing is deleted before someone confirms it. All of it is
//! a function of what one look at the folder found and of the time passed in.

use cronlet_api::kind::Key;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long an object must be absent before it is deleted.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// Grace while containers of the object run: stopping them by mistake costs more than waiting.
pub(super) const GRACE_RUNNING: Duration = Duration::from_secs(30);

/// At most this many files may lose more than half of them at once: that is how a small folder is
/// edited.
const FEW_FILES: usize = 4;

/// Findings of one look at the folder.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// Objects that a file had and no file has now.
    pub absent: BTreeSet<Key>,
    /// Objects of `absent` whose file is gone.
    pub of_gone_files: BTreeSet<Key>,
    /// Files that are gone and had objects which no other file has.
    pub files_gone: usize,
    /// Files that had objects before this look, including the gone ones.
    pub files_known: usize,
    /// Manifest files in the folder now.
    pub files_there: usize,
    /// True for the first look after the start.
    pub is_first: bool,
    /// True if the folder is another directory than at the look before.
    pub is_replaced: bool,
    /// True if someone confirmed that what is absent shall be deleted.
    pub is_confirmed: bool,
}

/// Consequences of a look.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Objects to delete now.
    pub expired: BTreeSet<Key>,
    /// Objects whose absence begins with this look.
    pub new: BTreeSet<Key>,
    /// Objects that are back before their absence counted.
    pub back: BTreeSet<Key>,
    /// When to look again though nothing changes.
    pub again_at: Option<Duration>,
    /// True if this look found that much of the folder is gone at once.
    pub is_doubted: bool,
}

/// The absences of which nothing followed so far.
#[derive(Debug, Default)]
pub(super) struct Absences {
    since: BTreeMap<Key, Duration>,
    /// Absent objects that are deleted only when someone confirms it.
    held: BTreeSet<Key>,
}

impl Look {
    fn is_much(&self) -> bool {
        let Look { files_gone, files_known, files_there, .. } = *self;
        if files_gone == 0 {
            return false;
        }
        let all = files_gone == files_known;
        let most = files_known > FEW_FILES && files_gone * 2 > files_known;
        // The only file of a folder may be removed, unless the folder itself went with it.
        let all_counts = files_known > 1 || self.is_replaced;
        let is_less = files_gone > files_there;
        self.is_first && all || is_less && (most || all && all_counts)
    }
}

impl Absences {
    /// Takes in a look at `now`; `runs` is asked of few objects.
    pub(super) fn look(
        &mut self,
        look: &Look,
        now: Duration,
        runs: impl Fn(&Key) -> bool,
    ) -> Verdict {
        let mut verdict = Verdict::default();
        let is_back = |key: &&Key| !look.absent.contains(*key);
        verdict.back = self.since.keys().chain(&self.held).filter(is_back).cloned().collect();
        self.since.retain(|key, _| look.absent.contains(key));
        self.held.retain(|key| look.absent.contains(key));
        if look.is_confirmed {
            self.since.clear();
            self.held.clear();
            verdict.expired.clone_from(&look.absent);
            return verdict;
        }
        if look.is_much() {
            let before = self.held.len();
            self.held.extend(look.of_gone_files.iter().cloned());
            verdict.is_doubted = self.held.len() > before;
            self.since.retain(|key, _| !self.held.contains(key));
        }
        for key in look.absent.iter().filter(|key| !self.held.contains(*key)) {
            let since = *self.since.entry(key.clone()).or_insert_with(|| {
                verdict.new.insert(key.clone());
                now
            });
            let is_over = now >= since + GRACE;
            let until = if is_over && runs(key) { since + GRACE_RUNNING } else { since + GRACE };
            if now >= until {
                verdict.expired.insert(key.clone());
            } else {
                verdict.again_at = verdict.again_at.into_iter().chain([until]).min();
            }
        }
        self.since.retain(|key, _| !verdict.expired.contains(key));
        verdict
    }

    /// How many absent objects are deleted only when someone confirms it.
    pub(super) fn held_len(&self) -> usize {
        self.held.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cronlet_api::kind::Kind;

    /// A look: second, absent objects (a letter each, upper case if its file is still there), files
    /// gone, known and there, and further words.
    type Step = (u64, &'static str, [usize; 3], &'static str);

    fn key(letter: char) -> Key {
        Key::new(Kind::CronJob, "default", &letter.to_string())
    }

    fn letters(keys: &BTreeSet<Key>) -> String {
        keys.iter().map(|key| &*key.name).collect()
    }

    /// Objects `r` and `R` run; `want` has the deleted objects of each step, `?` where the look is
    /// doubted, and the second of the next look.
    fn check(steps: &[(Step, &str)]) {
        let mut absences = Absences::default();
        for ((second, absent, [files_gone, files_known, files_there], words), want) in steps {
            let look = Look {
                absent: absent.chars().map(key).collect(),
                of_gone_files: absent.chars().filter(|c| c.is_lowercase()).map(key).collect(),
                files_gone: *files_gone,
                files_known: *files_known,
                files_there: *files_there,
                is_first: words.contains("first"),
                is_replaced: words.contains("replaced"),
                is_confirmed: words.contains("confirmed"),
            };
            let runs = |key: &Key| key.name.eq_ignore_ascii_case("r");
            let found = absences.look(&look, Duration::from_secs(*second), runs);
            let mut text = letters(&found.expired);
            text += if found.is_doubted { "?" } else { "" };
            text += &found.again_at.map_or(String::new(), |at| format!(" {}", at.as_secs()));
            assert_eq!(text, *want, "at {second}: {absent} {words}; all of {steps:?}");
        }
    }

    #[test]
    fn an_absence_counts_once_it_has_lasted() {
        // Away for a moment; then for good.
        check(&[
            ((0, "a", [1, 3, 2], ""), " 5"),
            ((4, "", [0, 3, 3], ""), ""),
            ((10, "a", [1, 3, 2], ""), " 15"),
            ((14, "a", [1, 3, 2], ""), " 15"),
            ((15, "a", [1, 3, 2], ""), "a"),
        ]);
        // Each for itself; what runs has longer.
        check(&[
            ((0, "r", [1, 9, 8], ""), " 5"),
            ((3, "br", [2, 9, 7], ""), " 5"),
            ((5, "br", [2, 9, 7], ""), " 8"),
            ((8, "br", [2, 9, 7], ""), "b 30"),
            ((29, "r", [1, 8, 7], ""), " 30"),
            ((30, "r", [1, 8, 7], ""), "r"),
        ]);
        // An object that left a file which is still there.
        check(&[((0, "A", [0, 1, 1], "first"), " 5"), ((5, "A", [0, 1, 1], ""), "A")]);
    }

    #[test]
    fn much_that_is_gone_at_once_is_deleted_on_confirmation_alone() {
        let doubts = |look: Step| {
            let (_, absent, files, _) = look;
            check(&[
                (look, "?"),
                ((60, absent, files, ""), ""),
                ((61, absent, files, "confirmed"), absent),
            ]);
        };
        // All of it: at start, with the folder, or at once.
        doubts((0, "a", [1, 1, 0], "first"));
        doubts((0, "a", [1, 1, 3], "first"));
        doubts((0, "a", [1, 1, 0], "replaced"));
        doubts((0, "ab", [2, 2, 0], ""));
        // More than half of many.
        doubts((0, "abc", [3, 5, 2], ""));
        doubts((0, "abc", [3, 5, 2], "first"));
        let counts = |look: Step| {
            let (_, absent, files, _) = look;
            check(&[(look, " 5"), ((5, absent, files, ""), absent)]);
        };
        counts((0, "a", [1, 1, 0], ""));
        counts((0, "ab", [2, 4, 2], ""));
        counts((0, "abc", [3, 4, 1], ""));
        counts((0, "ab", [2, 5, 3], ""));
        counts((0, "a", [1, 2, 1], "first"));
        // Another branch of the repository, another release of the folder.
        counts((0, "abcde", [5, 5, 6], ""));
        counts((0, "a", [1, 1, 1], "replaced"));
    }

    #[test]
    fn what_was_doubted_stays_so_while_the_rest_comes_back() {
        check(&[
            ((0, "ab", [2, 6, 4], ""), " 5"),
            ((1, "abcd", [4, 6, 2], ""), "?"),
            ((9, "abcd", [4, 6, 2], ""), ""),
            ((10, "a", [1, 6, 5], ""), ""),
            ((30, "aB", [1, 6, 5], ""), " 35"),
            ((35, "aB", [1, 6, 5], ""), "B"),
            ((36, "", [0, 6, 6], ""), ""),
            ((40, "a", [1, 6, 5], ""), " 45"),
            ((45, "a", [1, 6, 5], ""), "a"),
        ]);
    }
}
