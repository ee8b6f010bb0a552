//! How many answers in a row make a verdict.

use crate::kubelet::probe::Probe;

/// Counts the answers of one probe of one attempt.
#[derive(Debug, Clone)]
pub struct Threshold {
    success: u32,
    failure: u32,
    /// The latest answer and how often it came in a row.
    last: Option<bool>,
    run: u32,
    verdict: Option<bool>,
}

impl Threshold {
    pub fn of(probe: &Probe) -> Threshold {
        let (success, failure) = (probe.success_threshold, probe.failure_threshold);
        Threshold { success, failure, last: None, run: 0, verdict: None }
    }

    /// Takes an answer; gives the verdict where that changed it.
    pub fn note(&mut self, passed: bool) -> Option<bool> {
        self.run = if self.last == Some(passed) { self.run.saturating_add(1) } else { 1 };
        self.last = Some(passed);
        let enough = if passed { self.success } else { self.failure };
        if self.run < enough || self.verdict == Some(passed) {
            return None;
        }
        self.verdict = Some(passed);
        self.verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_in_a_row_make_a_verdict() {
        let check = |success: u32, failure: u32, answers: &str, want: &str| {
            let mut threshold = Threshold { success, failure, last: None, run: 0, verdict: None };
            let verdict = |answer: char| match threshold.note(answer == '+') {
                None => '.',
                Some(true) => '+',
                Some(false) => '-',
            };
            let got: String = answers.chars().map(verdict).collect();
            assert_eq!(got, want, "{success} {failure} {answers}");
        };
        check(1, 3, "+++", "+..");
        check(1, 3, "---", "..-");
        check(1, 3, "--+---", "..+..-");
        check(1, 3, "+--+---+", "+.....-+");
        check(2, 1, "+-++-", ".-.+-");
        check(3, 1, "++-+++", "..-..+");
        check(1, 1, "-----", "-....");
    }
}
