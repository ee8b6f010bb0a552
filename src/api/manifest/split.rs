//! A text cut at its `---` lines, so that a broken document does not break the others.

use super::tree::Mark;
use super::yaml::YamlError;

/// A document, or several separated by `...`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Chunk<'s> {
    pub text: &'s str,
    pub lines_before: u32,
}

/// Cuts a text at each line that starts with `---`: in YAML it separates documents wherever it
/// stands, even inside a scalar.
pub(super) fn chunks(text: &str) -> Vec<Chunk<'_>> {
    let mut chunks = Vec::new();
    let (mut start, mut at, mut lines_before, mut line) = (0, 0, 0u32, 0u32);
    for one in text.split_inclusive('\n') {
        let is_marker = one
            .strip_prefix("---")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']));
        if is_marker && at > start && !is_prologue(&text[start..at]) {
            chunks.push(Chunk { text: &text[start..at], lines_before });
            (start, lines_before) = (at, line);
        }
        at += one.len();
        line = line.saturating_add(1);
    }
    if at > start {
        chunks.push(Chunk { text: &text[start..at], lines_before });
    }
    chunks
}

/// True if the text is directives (`%YAML 1.1`) and comments alone, which belong to the next
/// document.
fn is_prologue(text: &str) -> bool {
    text.lines().any(|line| line.starts_with('%'))
        && text.lines().all(|line| {
            line.starts_with('%') || line.trim().is_empty() || line.trim_start().starts_with('#')
        })
}

impl Chunk<'_> {
    /// Returns an error at the first character that neither YAML nor JSON may hold.
    pub(super) fn control_character(&self) -> Option<YamlError> {
        let refused = |byte: u8| (byte < b' ' && !b"\t\n\r".contains(&byte)) || byte == 0x7f;
        let at = self.text.bytes().position(refused)?;
        let before = &self.text[..at];
        let column = before.chars().rev().take_while(|c| *c != '\n').count();
        let line = before.bytes().filter(|byte| *byte == b'\n').count();
        let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let mark = Mark {
            line: self.lines_before.saturating_add(narrow(line + 1)),
            column: narrow(column + 1),
        };
        let byte = self.text.as_bytes()[at];
        let message = if byte == 0 {
            "a NUL byte is not allowed".to_owned()
        } else {
            format!("the control character 0x{byte:02x} is not allowed")
        };
        Some(YamlError { mark, message })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_end_at_markers() {
        let check = |text: &str, want: &[(&str, u32)]| {
            let found: Vec<(&str, u32)> =
                chunks(text).iter().map(|chunk| (chunk.text, chunk.lines_before)).collect();
            assert_eq!(found, want, "{text:?}");
        };
        check("", &[]);
        check("a: 1", &[("a: 1", 0)]);
        check("a: 1\n---\nb: 2\n", &[("a: 1\n", 0), ("---\nb: 2\n", 1)]);
        check("---\na: 1\n--- # two\nb: 2", &[("---\na: 1\n", 0), ("--- # two\nb: 2", 2)]);
        check("a: 1\r\n---\r\nb: 2", &[("a: 1\r\n", 0), ("---\r\nb: 2", 1)]);
        check("a: |\n  x\n ---\n  y\n", &[("a: |\n  x\n ---\n  y\n", 0)]);
        check("---x: 1\n", &[("---x: 1\n", 0)]);
        check("# c\n%YAML 1.1\n---\na: 1\n", &[("# c\n%YAML 1.1\n---\na: 1\n", 0)]);
    }

    #[test]
    fn control_characters_are_placed() {
        let check = |text: &str, want: Option<(u32, u32)>| {
            let found = Chunk { text, lines_before: 10 }.control_character();
            assert_eq!(found.map(|e| (e.mark.line, e.mark.column)), want, "{text:?}");
        };
        check("a: 1\n\tb\r\n", None);
        check("a: 1\né\0", Some((12, 2)));
        check("\u{7f}", Some((11, 1)));
    }
}
