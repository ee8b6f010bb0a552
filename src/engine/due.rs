//! The queue of what is due when: one wake for each object, the earliest first.

use cronlet_api::kind::{Key, Map};
use cronlet_api::time::Timestamp;
use std::collections::BTreeSet;

#[derive(Default)]
pub(super) struct Due {
    order: BTreeSet<(Timestamp, Key)>,
    at: Map<Key, Timestamp>,
}

impl Due {
    /// Replaces the object's wake; `None` takes it away.
    pub(crate) fn set(&mut self, key: &Key, wake_at: Option<Timestamp>) {
        let before = match wake_at {
            Some(at) => self.at.insert(key.clone(), at),
            None => self.at.remove(key),
        };
        if before == wake_at {
            return;
        }
        if let Some(before) = before {
            self.order.remove(&(before, key.clone()));
        }
        if let Some(at) = wake_at {
            self.order.insert((at, key.clone()));
        }
    }

    /// Takes out what is due at `now`, the earliest first and no more than so many.
    pub(crate) fn pop(&mut self, now: Timestamp, count_max: usize) -> Vec<Key> {
        let mut due = Vec::new();
        while due.len() < count_max && self.next().is_some_and(|at| at <= now) {
            let (_, key) = self.order.pop_first().expect("next() saw one");
            self.at.remove(&key);
            due.push(key);
        }
        due
    }

    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.order.first().map(|(at, _)| *at)
    }

    /// The earliest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &(Timestamp, Key)> {
        self.order.iter()
    }

    pub(crate) fn clear(&mut self) {
        *self = Due::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cronlet_api::kind::Kind;

    #[test]
    fn the_latest_wake_of_an_object_counts() {
        let at = |second| Timestamp::from_second(second).expect("in range");
        let key = |name| Key::new(Kind::Job, "default", name);
        let mut due = Due::default();
        due.set(&key("a"), Some(at(10)));
        due.set(&key("b"), Some(at(5)));
        due.set(&key("a"), Some(at(3)));
        due.set(&key("b"), Some(at(7)));
        assert_eq!(due.next(), Some(at(3)));
        assert_eq!(due.pop(at(6), 9), [key("a")]);
        due.set(&key("b"), None);
        assert_eq!(due.pop(at(100), 9), []);
    }

    #[test]
    fn what_is_due_beyond_the_count_stays_due() {
        let at = |second| Timestamp::from_second(second).expect("in range");
        let key = |name| Key::new(Kind::Job, "default", name);
        let mut due = Due::default();
        for (name, second) in [("a", 7), ("b", 5), ("c", 5), ("d", 9)] {
            due.set(&key(name), Some(at(second)));
        }
        assert_eq!(due.pop(at(8), 2), [key("b"), key("c")]);
        assert_eq!(due.next(), Some(at(7)));
        assert_eq!(due.pop(at(8), 2), [key("a")]);
        assert_eq!(due.next(), Some(at(9)));
    }
}
