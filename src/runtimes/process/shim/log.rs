//! A container's log: its output in the CRI log format, rotated, and never in the program's way.
//!
//! A line is `2026-11-23T13:00:00.123456789Z stdout F text`; `P` for a piece of a line that goes on in the next. A
//! disk that is full loses lines, and says how many as soon as there is room again.

use crate::runtimes::process::place::{self, LOG_FILES_MAX};
use crate::time::Timestamp;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Longer lines are written in pieces, as containerd does.
const LINE_BYTES_MAX: usize = 16 << 10;
const FILE_BYTES_MAX: u64 = 10 << 20;

/// One stream of output, cut into lines.
#[derive(Debug)]
pub struct Lines {
    name: &'static str,
    /// The start of a line whose end has not come.
    begun: Vec<u8>,
}

impl Lines {
    pub fn new(name: &'static str) -> Lines {
        Lines { name, begun: Vec::new() }
    }

    /// Cuts `bytes` and what came before into lines, appended to `out` in the log's format.
    pub fn cut(&mut self, mut bytes: &[u8], now: Timestamp, out: &mut Vec<u8>) {
        let stamp = format!("{now:.9} {} ", self.name);
        while !bytes.is_empty() {
            let room = LINE_BYTES_MAX - self.begun.len();
            let head = &bytes[..bytes.len().min(room)];
            match head.iter().position(|byte| *byte == b'\n') {
                Some(end) => {
                    put(out, &stamp, 'F', &[&self.begun, &head[..end]]);
                    self.begun.clear();
                    bytes = &bytes[end + 1..];
                }
                // A line of just the greatest length is whole, if its end follows at once.
                None if bytes.len() > room && bytes[room] != b'\n' => {
                    put(out, &stamp, 'P', &[&self.begun, head]);
                    self.begun.clear();
                    bytes = &bytes[room..];
                }
                None if bytes.len() > room => {
                    put(out, &stamp, 'F', &[&self.begun, head]);
                    self.begun.clear();
                    bytes = &bytes[room + 1..];
                }
                None => {
                    self.begun.extend_from_slice(bytes);
                    return;
                }
            }
        }
        if self.begun.is_empty() {
            self.begun = Vec::new();
        }
    }

    /// The stream has ended: what lacks its line end is a piece, as containerd writes it.
    pub fn end(&mut self, now: Timestamp, out: &mut Vec<u8>) {
        if !self.begun.is_empty() {
            put(out, &format!("{now:.9} {} ", self.name), 'P', &[&self.begun]);
            self.begun = Vec::new();
        }
    }
}

fn put(out: &mut Vec<u8>, stamp: &str, tag: char, pieces: &[&[u8]]) {
    out.extend_from_slice(stamp.as_bytes());
    out.push(tag as u8);
    out.push(b' ');
    pieces.iter().for_each(|piece| out.extend_from_slice(piece));
    out.push(b'\n');
}

/// The files of one attempt.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    file: Option<File>,
    bytes: u64,
    lost_lines: u64,
}

impl Log {
    /// Opens it as far as the disk lets: output that cannot be kept is counted.
    pub fn open(path: PathBuf) -> Log {
        if let Some(folder) = path.parent() {
            let _ = place::make_private(folder);
        }
        let mut log = Log { path, file: None, bytes: 0, lost_lines: 0 };
        log.file = log.append_to().ok();
        log
    }

    fn append_to(&mut self) -> io::Result<File> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?;
        self.bytes = file.metadata()?.len();
        Ok(file)
    }

    /// Writes whole lines.
    pub fn write(&mut self, lines: &[u8]) {
        if lines.is_empty() {
            return;
        }
        let written = self.confess().and_then(|()| self.put(lines));
        if written.is_err() {
            self.lost_lines += lines.iter().filter(|byte| **byte == b'\n').count() as u64;
        }
    }

    /// Says what was lost, where something was.
    fn confess(&mut self) -> io::Result<()> {
        if self.lost_lines == 0 {
            return Ok(());
        }
        let (now, lost) = (Timestamp::now(), self.lost_lines);
        let text = format!("{now:.9} stderr F cronlet: {lost} lines of output were lost here\n");
        self.put(text.as_bytes())?;
        self.lost_lines = 0;
        Ok(())
    }

    fn put(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.bytes > 0 && self.bytes + lines.len() as u64 > FILE_BYTES_MAX {
            self.rotate()?;
        }
        if self.file.is_none() {
            self.file = Some(self.append_to()?);
        }
        let file = self.file.as_mut().expect("opened above");
        if let Err(error) = file.write_all(lines) {
            // A line cut in its middle would spoil the next one.
            let _ = file.set_len(self.bytes);
            return Err(error);
        }
        self.bytes += lines.len() as u64;
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..LOG_FILES_MAX).rev() {
            let from = match number {
                1 => self.path.clone(),
                _ => place::rotated(&self.path, number - 1),
            };
            match std::fs::rename(from, place::rotated(&self.path, number)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.file = None;
        self.bytes = 0;
        Ok(())
    }
}

/// Kubernetes' bounds of a termination message that is taken from the log.
const TAIL_LINES: usize = 80;
const TAIL_BYTES: usize = 2048;

/// The end of what the container wrote, for `FallbackToLogsOnError`.
pub fn tail(path: &Path) -> String {
    let mut text = Vec::new();
    if let Ok(mut file) = File::open(path) {
        let length = file.metadata().map_or(0, |m| m.len());
        let stamps = (TAIL_LINES * 64 + TAIL_BYTES + LINE_BYTES_MAX) as u64;
        let _ = file.seek(SeekFrom::Start(length.saturating_sub(stamps)));
        let _ = file.read_to_end(&mut text);
    }
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let whole = text.split_inclusive(|byte| *byte == b'\n');
    for line in whole.collect::<Vec<_>>().into_iter().rev().take(TAIL_LINES) {
        lines.push(content(line));
    }
    lines.reverse();
    let content = lines.concat();
    String::from_utf8_lossy(&content[content.len().saturating_sub(TAIL_BYTES)..]).into_owned()
}

/// What the program wrote, of one line of the log.
fn content(line: &[u8]) -> Vec<u8> {
    let mut fields = line.splitn(4, |byte| *byte == b' ');
    let whole = fields.nth(2) == Some(b"F");
    let mut text = fields.next().unwrap_or_default().to_vec();
    if !whole && text.last() == Some(&b'\n') {
        text.pop();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(pieces: &[&[u8]]) -> Vec<(String, usize)> {
        let (mut lines, mut out) = (Lines::new("stdout"), Vec::new());
        for piece in pieces {
            lines.cut(piece, Timestamp::UNIX_EPOCH, &mut out);
        }
        lines.end(Timestamp::UNIX_EPOCH, &mut out);
        let text = out.split_inclusive(|byte| *byte == b'\n');
        text.map(|line| {
            let head = String::from_utf8_lossy(&line[..39]).into_owned();
            (head, line.len() - 41)
        })
        .collect()
    }

    #[test]
    fn lines_are_cut_as_containerd_cuts_them() {
        let check = |pieces: &[&[u8]], want: &[(char, usize)]| {
            let head = |tag| format!("1970-01-01T00:00:00.000000000Z stdout {tag}");
            let want: Vec<_> = want.iter().map(|(tag, n)| (head(*tag), *n)).collect();
            assert_eq!(lines_of(pieces), want);
        };
        check(&[b"ab\n", b"c", b"d\n"], &[('F', 3), ('F', 3)].map(|(t, n)| (t, n - 1)));
        check(&[b"no end"], &[('P', 6)]);
        check(&[b"\n\n"], &[('F', 0), ('F', 0)]);
        let long = vec![b'x'; LINE_BYTES_MAX];
        check(&[&long, b"\n"], &[('F', LINE_BYTES_MAX)]);
        check(&[&long, b"yz\n"], &[('P', LINE_BYTES_MAX), ('F', 2)]);
        check(&[&[&long[..], b"yz\n"].concat()], &[('P', LINE_BYTES_MAX), ('F', 2)]);
        check(&[&[&long[..], b"\n"].concat()], &[('F', LINE_BYTES_MAX)]);
    }

    #[test]
    fn files_are_rotated_and_the_tail_is_the_newest() {
        let folder = tempfile::tempdir().expect("tempdir");
        let path = folder.path().join("logs/0.log");
        let mut log = Log::open(path.clone());
        let stamp = "1970-01-01T00:00:00.000000000Z stdout F ";
        let line = format!("{stamp}{}\n", "x".repeat(1 << 20));
        for _ in 0..70 {
            log.write(line.as_bytes());
        }
        log.write(format!("{stamp}last\n").as_bytes());
        let sizes: Vec<u64> = (1..=LOG_FILES_MAX)
            .map(|n| std::fs::metadata(place::rotated(&path, n)).map_or(0, |m| m.len()))
            .collect();
        assert!(sizes[..4].iter().all(|n| *n > 9 << 20 && *n <= FILE_BYTES_MAX), "{sizes:?}");
        assert_eq!(sizes[4], 0);
        assert!(tail(&path).ends_with("last\n"));
        assert_eq!(tail(&path).len(), TAIL_BYTES);
    }
}
