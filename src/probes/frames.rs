//! As much of HTTP/2 as one question and its answer need: frames, and header blocks (HPACK).
//!
//! Written out here because a whole implementation would be a twentieth of the binary. The peer is
//! told that it may keep no table of headers, so a block can be read by itself.

use super::huffman;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GO_AWAY: u8 = 7;
pub const CONTINUATION: u8 = 9;

/// Of DATA and HEADERS: the stream ends; of SETTINGS and PING: this answers one.
pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 0x20;

pub const HEADER_BYTES: usize = 9;
/// What a peer may send that was told of no other size.
pub const FRAME_BYTES_MAX: usize = 16 << 10;

pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// The peer speaks something else.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("a frame of {0} bytes")]
    Long(usize),
    #[error("padding longer than its frame")]
    Padding,
    #[error("a header block that cannot be read")]
    Headers,
}

/// Length, kind, flags and stream of the frame that these bytes begin.
pub fn head(bytes: &[u8; HEADER_BYTES]) -> Result<(usize, u8, u8, u32), Broken> {
    let length = u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]) as usize;
    let stream = u32::from_be_bytes([bytes[5], bytes[6], bytes[7], bytes[8]]) & 0x7fff_ffff;
    if length > FRAME_BYTES_MAX {
        return Err(Broken::Long(length));
    }
    Ok((length, bytes[3], bytes[4], stream))
}

/// A frame as it is sent; its payload is short.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a payload of ours is short").to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

impl Frame {
    /// The payload of DATA or HEADERS less padding and priority.
    pub fn content(&self) -> Result<&[u8], Broken> {
        let mut content = self.payload.as_slice();
        if self.flags & PADDED != 0 {
            let (&padding, rest) = content.split_first().ok_or(Broken::Padding)?;
            let kept = rest.len().checked_sub(padding.into()).ok_or(Broken::Padding)?;
            content = &rest[..kept];
        }
        if self.kind == HEADERS && self.flags & PRIORITY != 0 {
            content = content.get(5..).ok_or(Broken::Padding)?;
        }
        Ok(content)
    }
}

/// A header block with every name and value written out, short enough for one frame.
pub fn block(headers: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in headers {
        // Literal, not to be indexed, with its name.
        bytes.push(0);
        for text in [name, value] {
            put_length(text.len(), &mut bytes);
            bytes.extend_from_slice(text.as_bytes());
        }
    }
    bytes
}

/// An integer with a prefix of seven bits, the eighth being zero.
fn put_length(length: usize, bytes: &mut Vec<u8>) {
    if length < 127 {
        return bytes.push(length as u8);
    }
    bytes.push(127);
    let mut rest = length - 127;
    while rest >= 128 {
        bytes.push((rest % 128) as u8 | 128);
        rest /= 128;
    }
    bytes.push(rest as u8);
}

/// Names and values of a header block. Names of the static table that answer nothing here come
/// empty.
pub fn headers(block: &[u8]) -> Result<Vec<(String, String)>, Broken> {
    let mut reader = Reader { bytes: block };
    let mut headers = Vec::new();
    while let Some(&first) = reader.bytes.first() {
        if first & 0x80 != 0 {
            let index = reader.integer(7)?;
            headers.push((name_at(index).to_owned(), value_at(index).to_owned()));
            continue;
        }
        if first & 0xe0 == 0x20 {
            // The table's size: there is none.
            reader.integer(5)?;
            continue;
        }
        let index = reader.integer(if first & 0x40 != 0 { 6 } else { 4 })?;
        let name = if index == 0 { reader.text()? } else { name_at(index).to_owned() };
        headers.push((name, reader.text()?));
    }
    Ok(headers)
}

/// `:status` stands in the static table seven times.
fn name_at(index: usize) -> &'static str {
    if (8..=14).contains(&index) { ":status" } else { "" }
}

fn value_at(index: usize) -> &'static str {
    let statuses = ["200", "204", "206", "304", "400", "404", "500"];
    index.checked_sub(8).and_then(|at| statuses.get(at)).copied().unwrap_or_default()
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8, Broken> {
        let (&first, rest) = self.bytes.split_first().ok_or(Broken::Headers)?;
        self.bytes = rest;
        Ok(first)
    }

    fn integer(&mut self, prefix_bits: u32) -> Result<usize, Broken> {
        let mask = (1usize << prefix_bits) - 1;
        let mut value = usize::from(self.byte()?) & mask;
        if value < mask {
            return Ok(value);
        }
        for shift in [0, 7, 14, 21] {
            let byte = self.byte()?;
            value += usize::from(byte & 127) << shift;
            if byte & 128 == 0 {
                return Ok(value);
            }
        }
        Err(Broken::Headers)
    }

    fn text(&mut self) -> Result<String, Broken> {
        let packed = self.bytes.first().is_some_and(|first| first & 128 != 0);
        let length = self.integer(7)?;
        let (text, rest) = self.bytes.split_at_checked(length).ok_or(Broken::Headers)?;
        self.bytes = rest;
        let text =
            if packed { huffman::decode(text).ok_or(Broken::Headers)? } else { text.to_vec() };
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_read_as_the_standard_writes_them() {
        let check = |hex: &str, want: Result<&[(&str, &str)], Broken>| {
            let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
            let byte = |pair: &[u8]| {
                let pair = std::str::from_utf8(pair).expect("ASCII");
                u8::from_str_radix(pair, 16).expect("hex")
            };
            let bytes: Vec<u8> = digits.chunks(2).map(byte).collect();
            let got = headers(&bytes);
            let got = got.as_ref().map(|all| -> Vec<(&str, &str)> {
                all.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
            });
            assert_eq!(got, want.as_ref().map(|want| want.to_vec()), "{hex}");
        };
        // RFC 7541, C.2.1, C.4.1 and C.6.1, less what needs more of the static table.
        let custom = ("custom-key", "custom-header");
        let plain = "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572";
        check(plain, Ok(&[custom]));
        check("4082 0000", Err(Broken::Headers));
        check("0085 ffff ffff ff 00", Err(Broken::Headers));
        let packed = "40 88 25a8 49e9 5ba9 7d7f 89 25a8 49e9 5bb8 e8b4 bf";
        check(packed, Ok(&[("custom-key", "custom-value")]));
        check("88 3f e11f 8d", Ok(&[(":status", "200"), (":status", "404")]));
        check("48 82 6402", Ok(&[(":status", "302")]));
        check("7f", Err(Broken::Headers));
        check("00 ff ff ff ff ff", Err(Broken::Headers));
        let long = "x".repeat(300);
        let pairs = [("a", long.as_str()), ("b", "")];
        let got = headers(&block(&pairs)).expect("reads");
        assert_eq!(got, pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn padding_and_priority_are_left_out() {
        let check = |kind: u8, flags: u8, payload: &[u8], want: Result<&[u8], Broken>| {
            let frame = Frame { kind, flags, stream: 1, payload: payload.to_vec() };
            assert_eq!(frame.content(), want, "{kind} {flags} {payload:?}");
        };
        check(DATA, 0, &[1, 2], Ok(&[1, 2]));
        check(DATA, PADDED, &[1, 7, 0], Ok(&[7]));
        check(DATA, PADDED, &[3, 7, 0], Err(Broken::Padding));
        check(DATA, PADDED, &[], Err(Broken::Padding));
        check(HEADERS, PADDED | PRIORITY, &[1, 0, 0, 0, 0, 0, 9, 0], Ok(&[9]));
        check(HEADERS, PRIORITY, &[0, 0], Err(Broken::Padding));
    }
}
