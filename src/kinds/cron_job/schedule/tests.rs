//! Schedules as data: what is read, what is refused and why, and when it is due.

use super::*;

#[test]
fn is_small() {
    assert!(size_of::<Schedule>() <= 64, "{} bytes", size_of::<Schedule>());
    assert_eq!(size_of::<Zone>(), size_of::<usize>());
}
