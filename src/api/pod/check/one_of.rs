//! Fields of which exactly one may be set: the handlers of a probe, the types of a volume.

use crate::check::{Causes, Path};

/// The choice among such fields: the first that is set is checked, the others are forbidden.
pub struct OneOf {
    /// A noun for the choice, such as `handler type`.
    what: &'static str,
    is_chosen: bool,
}

impl OneOf {
    pub fn new(what: &'static str) -> OneOf {
        OneOf { what, is_chosen: false }
    }

    /// Returns the source if it is the first that is set.
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

    /// Chooses the types that are set, in this order; for types without rules of their own.
    pub fn choose_of(&mut self, types: &[(bool, &str)], at: &Path<'_>, causes: &mut Causes) {
        for (_, field) in types.iter().filter(|(is_set, _)| *is_set) {
            self.choose(at, field, causes);
        }
    }

    /// Chooses a field, or forbids it; returns true if none was chosen before.
    fn choose(&mut self, at: &Path<'_>, field: &str, causes: &mut Causes) -> bool {
        if self.is_chosen {
            let why = format!("may not specify more than 1 {}", self.what);
            causes.forbidden(&at.child(field), why);
        }
        !std::mem::replace(&mut self.is_chosen, true)
    }

    /// Adds a cause if no field was chosen.
    pub fn finish(self, at: &Path<'_>, causes: &mut Causes) {
        if !self.is_chosen {
            causes.required(at, &format!("must specify a {}", self.what));
        }
    }
}
