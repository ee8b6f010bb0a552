//! Container logs in the CRI format, `2026-11-23T11:10:42.832383003Z stdout F text`: written by the
//! shim, read by the API.
//!
//! `F` ends a line of the program, `P` is a part of one that continues in the next entry of the
//! same stream. This file opens no files; it works on bytes alone.

use crate::time::Timestamp;
use std::io::Write;

/// The output of a program that an entry was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    pub fn name(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }
}

/// An entry, borrowed from the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The time as written, RFC 3339 with nanoseconds.
    pub stamp: &'a str,
    pub stream: Stream,
    /// True if the line continues in the next entry of the stream.
    pub partial: bool,
    /// Without a newline.
    pub text: &'a [u8],
}

impl<'a> Entry<'a> {
    /// Parses an entry without its newline; `None` if it is none.
    pub fn parse(line: &'a [u8]) -> Option<Entry<'a>> {
        let (stamp, rest) = word(line)?;
        let (stream, rest) = word(rest)?;
        // An empty line may have lost the space at its end.
        let (tags, text) = word(rest).unwrap_or((rest, &[]));
        let stream = match stream {
            b"stdout" => Stream::Stdout,
            b"stderr" => Stream::Stderr,
            _ => return None,
        };
        let partial = match tags.split(|&byte| byte == b':').next() {
            Some(b"F") => false,
            Some(b"P") => true,
            _ => return None,
        };
        let stamp = std::str::from_utf8(stamp).ok().filter(|stamp| !stamp.is_empty())?;
        Some(Entry { stamp, stream, partial, text })
    }

    /// Returns the time at which it was written; `None` if the stamp is no time.
    pub fn at(&self) -> Option<Timestamp> {
        self.stamp.parse().ok()
    }

    /// Appends the entry and its newline to `log`.
    pub fn write(at: Timestamp, stream: Stream, partial: bool, text: &[u8], log: &mut Vec<u8>) {
        let tag = if partial { 'P' } else { 'F' };
        write!(log, "{at:.9} {} {tag} ", stream.name()).expect("writing to memory");
        log.extend_from_slice(text);
        log.push(b'\n');
    }
}

fn word(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|&byte| byte == b' ')?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

/// At most this many bytes per entry; longer lines are written in parts, as containerd does.
pub const LINE_BYTES_MAX: usize = 16 * 1024;

/// Splitter of one output of a program into entries.
#[derive(Debug)]
pub struct Splitter {
    stream: Stream,
    /// The line so far; shorter than [`LINE_BYTES_MAX`].
    rest: Vec<u8>,
}

impl Splitter {
    pub fn new(stream: Stream) -> Splitter {
        Splitter { stream, rest: Vec::new() }
    }

    /// Appends the entries that `chunk` completes to `log`; the start of a line is kept until its
    /// end.
    pub fn feed(&mut self, chunk: &[u8], at: Timestamp, log: &mut Vec<u8>) {
        for piece in chunk.split_inclusive(|&byte| byte == b'\n') {
            let (text, ends) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            self.take(text, at, log);
            if ends {
                Entry::write(at, self.stream, false, &self.rest, log);
                self.rest.clear();
            }
        }
    }

    fn take(&mut self, mut text: &[u8], at: Timestamp, log: &mut Vec<u8>) {
        while self.rest.len() + text.len() > LINE_BYTES_MAX {
            let (part, more) = text.split_at(LINE_BYTES_MAX - self.rest.len());
            self.rest.extend_from_slice(part);
            Entry::write(at, self.stream, true, &self.rest, log);
            self.rest.clear();
            text = more;
        }
        self.rest.extend_from_slice(text);
    }

    /// Writes text without a newline as a part, since the program closed its output.
    pub fn finish(&mut self, at: Timestamp, log: &mut Vec<u8>) {
        if !self.rest.is_empty() {
            Entry::write(at, self.stream, true, &self.rest, log);
            self.rest.clear();
        }
    }
}

/// The part of a log to read (`PodLogOptions`), but for its tail, see [`tail`].
#[derive(Debug, Clone, Default)]
pub struct Select {
    /// `sinceTime`, or now less `sinceSeconds`; older entries are left out.
    pub since: Option<Timestamp>,
    /// True if each line begins with its time.
    pub timestamps: bool,
    /// At most this many bytes are written.
    pub limit_bytes: Option<u64>,
    /// The only output to read; `None` for both.
    pub stream: Option<Stream>,
}

/// Reader of entries back into the program's output. Fed chunk by chunk, it follows a growing log.
#[derive(Debug)]
pub struct Reader {
    select: Select,
    left_bytes: u64,
    inside_line: bool,
}

impl Reader {
    pub fn new(select: Select) -> Reader {
        let left_bytes = select.limit_bytes.unwrap_or(u64::MAX);
        Reader { select, left_bytes, inside_line: false }
    }

    /// True if `limit_bytes` is reached.
    pub fn is_full(&self) -> bool {
        self.left_bytes == 0
    }

    /// Appends the text of the whole entries in `log` to `output`, and returns the number of their
    /// bytes in `log`; the rest is to be fed again with the bytes that follow. Lines that are no
    /// entries are left out.
    pub fn feed(&mut self, log: &[u8], output: &mut Vec<u8>) -> usize {
        let mut used = 0;
        for line in log.split_inclusive(|&byte| byte == b'\n') {
            let Some(line_text) = line.strip_suffix(b"\n") else { break };
            used += line.len();
            if self.is_full() {
                continue;
            }
            if let Some(entry) = Entry::parse(line_text).filter(|entry| self.is_wanted(entry)) {
                self.put(&entry, output);
            }
        }
        used
    }

    fn is_wanted(&self, entry: &Entry) -> bool {
        let stream = self.select.stream.is_none_or(|stream| stream == entry.stream);
        // The continuation of a line that was written belongs to it.
        let since = self.select.since.filter(|_| !self.inside_line);
        stream && since.is_none_or(|since| entry.at().is_some_and(|at| at >= since))
    }

    fn put(&mut self, entry: &Entry, output: &mut Vec<u8>) {
        if self.select.timestamps && !self.inside_line {
            self.put_bytes(entry.stamp.as_bytes(), output);
            self.put_bytes(b" ", output);
        }
        self.put_bytes(entry.text, output);
        if !entry.partial {
            self.put_bytes(b"\n", output);
        }
        self.inside_line = entry.partial;
    }

    fn put_bytes(&mut self, bytes: &[u8], output: &mut Vec<u8>) {
        let room = usize::try_from(self.left_bytes).unwrap_or(usize::MAX);
        let fits = &bytes[..bytes.len().min(room)];
        output.extend_from_slice(fits);
        self.left_bytes -= fits.len() as u64;
    }
}

/// Returns where the last `lines` lines of a log begin, and how many were found: fewer if the log
/// has fewer, so that the rest may be sought in the file before. The parts of a line count as one.
pub fn tail(log: &[u8], lines: u64) -> (usize, u64) {
    let mut found = 0;
    let mut start = log.len();
    while start > 0 && found <= lines {
        let before = log[..start - 1].iter().rposition(|&byte| byte == b'\n');
        let line_start = before.map_or(0, |newline| newline + 1);
        let line = log[line_start..start].strip_suffix(b"\n").unwrap_or(&log[line_start..start]);
        let ends_line = Entry::parse(line).is_none_or(|entry| !entry.partial);
        // A part at the very end is a line that continues.
        if ends_line || start == log.len() {
            if found == lines {
                break;
            }
            found += 1;
        }
        start = line_start;
    }
    (start, found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LOG: &str = "\
2026-11-23T11:10:40.000000000Z stdout F one
2026-11-23T11:10:41.5Z stderr F two
not an entry
2026-11-23T11:10:42.000000001Z stdout P th
2026-11-23T11:10:42.000000002Z stdout F ree
2026-11-23T11:10:43Z stdout F 
2026-11-23T11:10:44Z stdout P open";

    fn log() -> Vec<u8> {
        format!("{LOG}\n").into_bytes()
    }

    #[test]
    fn selects_as_asked() {
        let check = |select: Select, want: &str| {
            let mut output = Vec::new();
            let log = log();
            assert_eq!(Reader::new(select.clone()).feed(&log, &mut output), log.len());
            assert_eq!(String::from_utf8_lossy(&output), want, "{select:?}");
        };
        let all = Select::default;
        let at = |stamp: &str| Some(stamp.parse::<Timestamp>().expect("a time"));
        check(all(), "one\ntwo\nthree\n\nopen");
        check(Select { stream: Some(Stream::Stderr), ..all() }, "two\n");
        check(Select { since: at("2026-11-23T11:10:41.5Z"), ..all() }, "two\nthree\n\nopen");
        check(Select { since: at("2026-11-23T11:10:43Z"), ..all() }, "\nopen");
        check(Select { limit_bytes: Some(6), ..all() }, "one\ntw");
        check(Select { limit_bytes: Some(0), ..all() }, "");
        let stamped = "2026-11-23T11:10:42.000000001Z three\n2026-11-23T11:10:43Z \n\
                       2026-11-23T11:10:44Z open";
        let since = at("2026-11-23T11:10:42Z");
        check(Select { timestamps: true, since, ..all() }, stamped);
    }

    #[test]
    fn a_reader_waits_for_the_end_of_an_entry() {
        let log = log();
        let cut = log.len() - 3;
        let (mut reader, mut output) = (Reader::new(Select::default()), Vec::new());
        let used = reader.feed(&log[..cut], &mut output);
        assert_eq!(output, b"one\ntwo\nthree\n\n");
        reader.feed(&log[used..], &mut output);
        assert_eq!(output, b"one\ntwo\nthree\n\nopen");
    }

    #[test]
    fn the_tail_counts_whole_lines() {
        let check = |lines: u64, want: &str, found: u64| {
            let log = log();
            let (start, count) = tail(&log, lines);
            let mut output = Vec::new();
            Reader::new(Select::default()).feed(&log[start..], &mut output);
            assert_eq!((&*String::from_utf8_lossy(&output), count), (want, found), "{lines}");
        };
        check(0, "", 0);
        check(1, "open", 1);
        check(2, "\nopen", 2);
        check(3, "three\n\nopen", 3);
        // Text that is no entry counts as a line of its own.
        check(5, "two\nthree\n\nopen", 5);
        check(9, "one\ntwo\nthree\n\nopen", 6);
        assert_eq!(tail(b"", 3), (0, 0));
    }

    #[test]
    fn entries_are_written_with_nine_digits() {
        let at = "2026-11-23T11:10:42.5Z".parse().expect("a time");
        let mut log = Vec::new();
        Entry::write(at, Stream::Stderr, true, b"x y", &mut log);
        assert_eq!(log, b"2026-11-23T11:10:42.500000000Z stderr P x y\n");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..400), lines in 0u64..9,
        ) {
            let (start, _) = tail(&bytes, lines);
            let mut output = Vec::new();
            let mut reader = Reader::new(Select { timestamps: true, ..Select::default() });
            prop_assert!(reader.feed(&bytes[start..], &mut output) <= bytes.len());
            for line in bytes.split(|&byte| byte == b' ') {
                let _ = Entry::parse(line).and_then(|entry| entry.at());
            }
        }

        #[test]
        fn almost_entries_are_read_without_panic(
            text in "(2026-11-23T11:10:4[0-9]Z|[0-9TZ:]{0,9}) ?\
                     (stdout|stderr|x) ?[FPX]?:? ?.{0,9}\n?",
        ) {
            let mut output = Vec::new();
            let since = Some(Timestamp::UNIX_EPOCH);
            Reader::new(Select { since, ..Select::default() }).feed(text.as_bytes(), &mut output);
            let (start, found) = tail(text.as_bytes(), 1);
            prop_assert!(start == 0 || found == 1);
        }

        #[test]
        fn what_was_written_comes_back(
            chunks in proptest::collection::vec("[a-z\n]{0,40}", 0..9), long in 0usize..40_000,
        ) {
            let at = Timestamp::UNIX_EPOCH;
            let mut chunks: Vec<Vec<u8>> = chunks.into_iter().map(String::into_bytes).collect();
            chunks.push(vec![b'x'; long]);
            let (mut splitter, mut log) = (Splitter::new(Stream::Stdout), Vec::new());
            chunks.iter().for_each(|chunk| splitter.feed(chunk, at, &mut log));
            splitter.finish(at, &mut log);
            let longest = log.split(|&byte| byte == b'\n').map(<[u8]>::len).max();
            prop_assert!(longest.unwrap_or_default() < LINE_BYTES_MAX + 64);
            let mut output = Vec::new();
            Reader::new(Select::default()).feed(&log, &mut output);
            prop_assert_eq!(output, chunks.concat());
        }
    }
}
