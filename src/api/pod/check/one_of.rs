//! Fields of which exactly one may be set: the handlers of a probe, the types of a volume.

use crate::check::{Causes, Path};

/// Counts the fields that are set; the first is looked into, the others are forbidden.
pub struct OneOf {
    /// Such as `handler type`.
    what: &'static str,
    is_chosen: bool,
}

impl OneOf {
    pub fn new(what: &'static str) -> OneOf {
        OneOf { what, is_chosen: false }
    }

    /// The source, if it is the first that is set.
    pub fn first<'s, T>(
        &mut self,
        source: &'s Option<T>,
        at: &Path<'_>,
        field: &str,
        causes: &mut Causes,
    ) -> Option<&'s T> {
        let source = source.as_ref()?;
        self.choose(at, field, causes).then_some(source)
    }

    /// Chooses the types that are set, in this order, where a type has no rules of its own.
    pub fn choose_of(&mut self, types: &[(bool, &str)], at: &Path<'_>, causes: &mut Causes) {
        for (_, field) in types.iter().filter(|(is_set, _)| *is_set) {
            self.choose(at, field, causes);
        }
    }

    /// True if nothing was chosen before.
    fn choose(&mut self, at: &Path<'_>, field: &str, causes: &mut Causes) -> bool {
        if self.is_chosen {
            let why = format!("may not specify more than 1 {}", self.what);
            causes.forbidden(&at.child(field), why);
        }
        !std::mem::replace(&mut self.is_chosen, true)
    }

    /// Refuses a choice that was not made.
    pub fn finish(self, at: &Path<'_>, causes: &mut Causes) {
        if !self.is_chosen {
            causes.required(at, &format!("must specify a {}", self.what));
        }
    }
}
