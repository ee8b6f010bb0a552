//! Rust source as the house rules see it: its words and its braces, not its strings and
//! comments.

/// Rust source with strings, characters and comments blanked out; lines and columns stay where they
/// were.
pub struct Code {
    pub text: String,
}

pub struct Word<'a> {
    pub text: &'a str,
    pub start: usize,
    pub end: usize,
    pub line: usize,
}

impl Code {
    pub fn read(source: &str) -> Code {
        let mut text = String::with_capacity(source.len());
        let mut rest = source;
        while let Some(first) = rest.chars().next() {
            let opaque = opaque_length(rest, text.chars().next_back());
            let length = opaque.unwrap_or(first.len_utf8());
            for character in rest[..length].chars() {
                let kept = opaque.is_none() || character == '\n';
                text.push(if kept && character.is_ascii() { character } else { ' ' });
            }
            rest = &rest[length..];
        }
        Code { text }
    }

    pub fn words(&self) -> impl Iterator<Item = Word<'_>> {
        let bytes = self.text.as_bytes();
        let (mut at, mut line) = (0, 1);
        std::iter::from_fn(move || {
            while at < bytes.len() && !is_word(bytes[at]) {
                line += usize::from(bytes[at] == b'\n');
                at += 1;
            }
            let start = at;
            while at < bytes.len() && is_word(bytes[at]) {
                at += 1;
            }
            (start < at).then(|| Word { text: &self.text[start..at], start, end: at, line })
        })
    }

    fn line_of(&self, at: usize) -> usize {
        1 + self.text[..at].matches('\n').count()
    }

    /// The lines of the first brace after `from` and of the brace that closes it; `None` where `;`
    /// comes first.
    pub fn body_lines(&self, from: usize) -> Option<(usize, usize)> {
        let mut nested = 0_usize;
        for (at, byte) in self.text.bytes().enumerate().skip(from) {
            match byte {
                b'(' | b'[' => nested += 1,
                b')' | b']' => nested -= 1,
                b';' if nested == 0 => return None,
                b'{' if nested == 0 => {
                    return Some((self.line_of(at), self.line_of(self.closing(at))));
                }
                _ => {}
            }
        }
        None
    }

    /// Where the brace at `open` is closed.
    fn closing(&self, open: usize) -> usize {
        let mut depth = 0_usize;
        for (at, byte) in self.text.bytes().enumerate().skip(open) {
            match byte {
                b'{' => depth += 1,
                b'}' => depth -= 1,
                _ => continue,
            }
            if depth == 0 {
                return at;
            }
        }
        self.text.len()
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The length of the comment, string or character that `rest` begins with. `before` is the
/// character before it: an `r` or `b` within a word opens no string.
fn opaque_length(rest: &str, before: Option<char>) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(block_comment_length(rest));
    }
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let prefix = rest.bytes().take_while(|byte| b"rbc".contains(byte)).count();
    let prefix = if in_word || prefix > 2 { 0 } else { prefix };
    let (marks, body) = rest.split_at(prefix);
    if marks.ends_with('r') {
        let hashes = body.bytes().take_while(|byte| *byte == b'#').count();
        if body[hashes..].starts_with('"') {
            let close = format!("\"{}", "#".repeat(hashes));
            let start = prefix + hashes + 1;
            let end = rest[start..].find(&close).map(|at| start + at + close.len());
            return Some(end.unwrap_or(rest.len()));
        }
        return None;
    }
    if body.starts_with('"') {
        return Some(prefix + quoted_length(body, '"'));
    }
    if body.starts_with('\'') && (prefix == 0 || marks == "b") {
        let mut inside = body.chars().skip(1);
        let (one, two) = (inside.next(), inside.next());
        // A lifetime has no closing quote right after one character.
        let is_character = one == Some('\\') || two == Some('\'');
        return is_character.then(|| prefix + quoted_length(body, '\''));
    }
    None
}

fn block_comment_length(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest.as_bytes()[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.as_bytes()[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

fn quoted_length(body: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in body.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return at + 1,
            _ => {}
        }
    }
    body.len()
}
