//! Sets of completion indexes, written as Kubernetes writes them: `1,3-5,7`.

use std::fmt::{Display, Formatter};

/// Sorted, disjoint, closed intervals that do not touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Intervals {
    spans: Vec<(u32, u32)>,
}

impl Intervals {
    /// Reads `status.completedIndexes`, `status.failedIndexes` or a rule's `succeededIndexes`; what
    /// lies at or beyond `completions` is cut off (an Indexed Job can be scaled down), and what is
    /// no number is passed over.
    pub fn parse(text: &str, completions: u32) -> Intervals {
        let mut intervals = Intervals::default();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (Ok(first), Ok(last)) = (first.trim().parse(), last.trim().parse::<u32>()) else {
                continue;
            };
            if first < completions {
                intervals.insert(first, last.min(completions - 1));
            }
        }
        intervals
    }

    pub fn has(&self, index: u32) -> bool {
        let after = self.spans.partition_point(|&(first, _)| first <= index);
        after > 0 && index <= self.spans[after - 1].1
    }

    pub fn add(&mut self, index: u32) {
        self.insert(index, index);
    }

    /// How many indexes there are.
    pub fn total(&self) -> u32 {
        self.spans.iter().map(|(first, last)| last - first + 1).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// How many indexes both have.
    pub fn shared(&self, other: &Intervals) -> u32 {
        let overlap =
            |a: &(u32, u32), b: &(u32, u32)| (a.1.min(b.1) + 1).saturating_sub(a.0.max(b.0));
        self.spans.iter().flat_map(|a| other.spans.iter().map(move |b| overlap(a, b))).sum()
    }

    fn insert(&mut self, mut first: u32, mut last: u32) {
        if last < first {
            return;
        }
        // All spans that overlap or touch the new one melt into it.
        let from = self.spans.partition_point(|span| span.1.saturating_add(1) < first);
        let to = self.spans.partition_point(|span| span.0 <= last.saturating_add(1));
        if from < to {
            first = first.min(self.spans[from].0);
            last = last.max(self.spans[to - 1].1);
        }
        self.spans.splice(from..to, [(first, last)]);
    }
}

impl Display for Intervals {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        for (i, &(first, last)) in self.spans.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            match last - first {
                0 => write!(f, "{comma}{first}")?,
                1 => write!(f, "{comma}{first},{last}")?,
                _ => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_read_and_write_as_kubernetes() {
        let check = |text: &str, completions: u32, want: &str, total: u32| {
            let intervals = Intervals::parse(text, completions);
            assert_eq!(intervals.to_string(), want, "{text:?} of {completions}");
            assert_eq!(intervals.total(), total, "{text:?}");
            for index in 0..=completions {
                let listed = Intervals::parse(want, u32::MAX).has(index);
                assert_eq!(intervals.has(index), listed, "{text:?} has {index}");
            }
        };
        check("", 10, "", 0);
        check("0-2", 3, "0-2", 3);
        check("1,3-5,7", 10, "1,3-5,7", 5);
        check("1,3-5,7", 5, "1,3,4", 3);
        check("1,3-5,7", 1, "", 0);
        check("0,1", 10, "0,1", 2);
        check("0,1,2", 10, "0-2", 3);
        check("5,4,0-2,x,9-", 10, "0-2,4,5", 5);
        check("0-4294967295", 3, "0-2", 3);
        check("7-3", 10, "", 0);
    }

    #[test]
    fn adding_melts_neighbours() {
        let mut intervals = Intervals::parse("0,4,8", 10);
        for (index, want) in
            [(1, "0,1,4,8"), (3, "0,1,3,4,8"), (2, "0-4,8"), (2, "0-4,8"), (9, "0-4,8,9")]
        {
            intervals.add(index);
            assert_eq!(intervals.to_string(), want);
        }
    }

    #[test]
    fn shared_counts_what_both_have() {
        let check = |a: &str, b: &str, want: u32| {
            let (a, b) = (Intervals::parse(a, 100), Intervals::parse(b, 100));
            assert_eq!((a.shared(&b), b.shared(&a)), (want, want), "{a} and {b}");
        };
        check("0-9", "5-20", 5);
        check("0,2,4", "1,3,5", 0);
        check("1,3-5,7", "0-3,7-9", 3);
        check("", "0-3", 0);
    }
}
