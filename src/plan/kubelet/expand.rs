//! `$(VAR)` in commands, arguments, values and paths, expanded as Kubernetes does it.

/// Replaces each `$(NAME)` that `lookup` knows; `$$` stands for `$`, and everything else stays as
/// it is.
pub fn expand<'v>(input: &str, lookup: impl Fn(&str) -> Option<&'v str>) -> String {
    let mut output = String::with_capacity(input.len());
    let mut rest = input;
    while let Some(at) = rest.find('$') {
        output.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(after) = after.strip_prefix('$') {
            output.push('$');
            rest = after;
        } else if let Some((name, after)) = reference(after) {
            match lookup(name) {
                Some(value) => output.push_str(value),
                None => output.extend(["$(", name, ")"]),
            }
            rest = after;
        } else {
            output.push('$');
            rest = after;
        }
    }
    output.push_str(rest);
    output
}

/// The name in `(NAME)` and what follows.
fn reference(input: &str) -> Option<(&str, &str)> {
    input.strip_prefix('(')?.split_once(')')
}

/// The first name in `input` that `lookup` does not know.
pub fn unknown<'i, 'v>(
    input: &'i str,
    lookup: impl Fn(&str) -> Option<&'v str>,
) -> Option<&'i str> {
    let mut rest = input;
    while let Some((_, after)) = rest.split_once('$') {
        rest = after;
        if let Some(after) = rest.strip_prefix('$') {
            rest = after;
        } else if let Some((name, after)) = reference(rest) {
            if lookup(name).is_none() {
                return Some(name);
            }
            rest = after;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<&'static str> {
        match name {
            "A" => Some("a"),
            "EMPTY" => Some(""),
            "NESTED" => Some("$(A)"),
            _ => None,
        }
    }

    #[test]
    fn as_kubernetes() {
        let check = |input: &str, want: &str| assert_eq!(expand(input, lookup), want, "{input}");
        check("", "");
        check("$(A)", "a");
        check("x$(A)y$(A)", "xaya");
        check("$(EMPTY)|", "|");
        check("$(NESTED)", "$(A)");
        check("$$(A)", "$(A)");
        check("$$$(A)", "$a");
        check("$$$$", "$$");
        check("$(B)", "$(B)");
        check("$(A", "$(A");
        check("$((A))", "$((A))");
        check("$A ${A} 5$", "$A ${A} 5$");
        check("größe$é$(A)", "größe$éa");
        check("$()", "$()");
    }

    #[test]
    fn names_what_is_unknown() {
        let check =
            |input: &str, want: Option<&str>| assert_eq!(unknown(input, lookup), want, "{input}");
        check("$(A)/$(EMPTY)/$$(B)", None);
        check("$(A)/$(B)/$(C)", Some("B"));
    }
}
