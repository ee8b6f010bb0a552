//! Reads a crontab as cron does: variables, entries with their `%` lines, comments.

use super::days::{self, Cadence};
use std::collections::BTreeMap;

/// How lines are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// `m h dom mon dow command`, as in `crontab -e`.
    User,
    /// With a user before the command, as in `/etc/crontab` and `/etc/cron.d`.
    System,
}

/// What a crontab says, line by line.
#[derive(Debug, Default)]
pub(super) struct Crontab {
    pub entries: Vec<Entry>,
    /// Lines that are no entry that could be read, and why.
    pub refused: Vec<(usize, String)>,
}

/// One entry with all that holds for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// From 1.
    pub line: usize,
    /// The line as written.
    pub text: String,
    pub cadence: Cadence,
    /// In the style `System`.
    pub user: Option<String>,
    /// For the shell, with the `%` signs resolved.
    pub command: String,
    /// What the command reads: the lines behind the first `%`.
    pub input: Option<String>,
    /// The variables set above it.
    pub variables: BTreeMap<String, String>,
    /// The comment lines right above it, without their `#`.
    pub comment: Vec<String>,
}

/// An entry line may be so long; cron itself stops far earlier.
const LINE_LENGTH_MAX: usize = 64 << 10;

pub(super) fn read(bytes: &[u8], style: Style) -> Crontab {
    let mut crontab = Crontab::default();
    let mut variables = BTreeMap::new();
    let mut comment = Vec::new();
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let number = index + 1;
        let line = match text(line) {
            Ok(line) => line,
            Err(why) => {
                crontab.refused.push((number, why.into()));
                continue;
            }
        };
        let content = line.trim_start_matches([' ', '\t']);
        if let Some(text) = content.strip_prefix('#') {
            comment.push(text.trim().to_owned());
        } else if content.trim().is_empty() {
            comment.clear();
        } else if let Some((name, value)) = variable(content) {
            variables.insert(name, value);
            comment.clear();
        } else {
            let comment = std::mem::take(&mut comment);
            match entry(content, style) {
                Ok(entry) => crontab.entries.push(Entry {
                    line: number,
                    text: line.trim().to_owned(),
                    variables: variables.clone(),
                    comment,
                    ..entry
                }),
                Err(why) => crontab.refused.push((number, why)),
            }
        }
    }
    crontab
}

fn text(line: &[u8]) -> Result<&str, &'static str> {
    if line.len() > LINE_LENGTH_MAX {
        return Err("the line is too long");
    }
    let line = std::str::from_utf8(line).map_err(|_| "the line is not UTF-8")?;
    if line.contains('\0') {
        return Err("the line has a NUL byte");
    }
    Ok(line.strip_suffix('\r').unwrap_or(line))
}

/// `NAME = value`, both with quotes at will. What has blanks before its `=` and no quotes is an
/// entry.
fn variable(line: &str) -> Option<(String, String)> {
    let (name, rest) = match line.chars().next()? {
        quote @ ('"' | '\'') => line[1..].split_once(quote)?,
        _ => {
            let end = line.find(|c: char| c == '=' || c.is_whitespace())?;
            line.split_at(end)
        }
    };
    let value = rest.trim_start().strip_prefix('=')?.trim();
    let named = !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit());
    let word = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (named && word).then(|| (name.to_owned(), unquoted(value).to_owned()))
}

fn unquoted(value: &str) -> &str {
    for quote in ['"', '\''] {
        let inner = value.strip_prefix(quote).and_then(|value| value.strip_suffix(quote));
        if let Some(inner) = inner {
            return inner;
        }
    }
    value
}

fn entry(content: &str, style: Style) -> Result<Entry, String> {
    // Some crons take a minus before an entry for: do not log.
    let content = content.strip_prefix('-').unwrap_or(content);
    let fields = if content.starts_with('@') { 1 } else { 5 };
    let mut rest = content;
    let mut words = Vec::new();
    for _ in 0..fields + usize::from(style == Style::System) {
        let (word, after) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
        words.push(word);
        rest = after.trim_start_matches([' ', '\t']);
    }
    let cadence = days::cadence(&words[..fields])?;
    let user = words.get(fields).map(|user| (*user).to_owned());
    if rest.trim().is_empty() {
        return Err(match style {
            Style::User => "there is no command".into(),
            Style::System => "there is no command behind the user".into(),
        });
    }
    let (command, input) = percents(rest);
    let (line, text, variables, comment) = Default::default();
    Ok(Entry { line, text, cadence, user, command, input, variables, comment })
}

/// A `%` is a line break, and what follows the first one is what the command reads; `\%` is a plain
/// `%`.
fn percents(text: &str) -> (String, Option<String>) {
    let mut lines = vec![String::new()];
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.peek() == Some(&'%') => {
                chars.next();
                lines.last_mut().expect("never empty").push('%');
            }
            '%' => lines.push(String::new()),
            c => lines.last_mut().expect("never empty").push(c),
        }
    }
    let command = lines.remove(0);
    (command, (!lines.is_empty()).then(|| lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_told_from_entries() {
        let check = |line: &str, want: Option<(&str, &str)>| {
            let got = variable(line);
            let got = got.as_ref().map(|(name, value)| (name.as_str(), value.as_str()));
            assert_eq!(got, want, "{line}");
        };
        check("MAILTO=root", Some(("MAILTO", "root")));
        check("MAILTO=", Some(("MAILTO", "")));
        check("PATH = /bin:/usr/bin  ", Some(("PATH", "/bin:/usr/bin")));
        check("\"A\" = ' x = y '", Some(("A", " x = y ")));
        check("GREETING='it''s'", Some(("GREETING", "it''s")));
        check("* * * * * X=1 env", None);
        check("@daily X=1 env", None);
        check("5 = x", None);
        check("A-B=x", None);
    }

    #[test]
    fn percents_split_the_command_from_what_it_reads() {
        let check = |text: &str, command: &str, input: Option<&str>| {
            assert_eq!(percents(text), (command.to_owned(), input.map(str::to_owned)), "{text}");
        };
        check("date", "date", None);
        check("date +\\%F", "date +%F", None);
        check("mail -s hi joe%Joe,%%Where?%", "mail -s hi joe", Some("Joe,\n\nWhere?\n"));
        check("cat%", "cat", Some(""));
        check("echo \\\\%x", "echo \\%x", None);
    }
}
