//! Annotations in which controllers count what went wrong with the pods of an object.

/// The annotation of an object whose pods admission refuses: how often, and when last.
pub const REFUSED: &str = "cronlet.dev/refused-pods";

/// Annotations that count what went wrong with the pods of one object, and say nothing of another.
pub const COUNTS: &[&str] = &[REFUSED, ENDED];

/// The annotation of a controller that counts the ended pods it has replaced.
pub const ENDED: &str = "cronlet.dev/ended-pods";
