//! The wire format of protocol buffers: numbered fields, one after the other.

/// Why bytes are no protocol buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed(pub &'static str);

const CUT_OFF: Malformed = Malformed("it is cut off");
const OTHER_TYPE: Malformed = Malformed("a field is of another type");

/// What a field holds, as far as the wire tells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scalar<'a> {
    Integer(u64),
    Bytes(&'a [u8]),
}

impl<'a> Scalar<'a> {
    pub(super) fn bytes(&self) -> Result<&'a [u8], Malformed> {
        match self {
            Scalar::Bytes(bytes) => Ok(bytes),
            Scalar::Integer(_) => Err(OTHER_TYPE),
        }
    }

    /// Negative numbers are sent as the large ones that have their bits.
    pub(super) fn integer(&self) -> Result<i64, Malformed> {
        match self {
            Scalar::Integer(integer) => Ok(integer.cast_signed()),
            Scalar::Bytes([]) => Ok(0),
            Scalar::Bytes(_) => Err(OTHER_TYPE),
        }
    }
}

/// Goes through the fields of a message.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    /// The next field's number and value.
    pub(super) fn next(&mut self) -> Result<Option<(u32, Scalar<'a>)>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).map_err(|_| Malformed("a field has no number"))?;
        let value = match tag & 7 {
            0 => Scalar::Integer(self.varint()?),
            1 => Scalar::Bytes(self.take(8)?),
            2 => {
                let length = self.varint()?;
                Scalar::Bytes(self.take(usize::try_from(length).map_err(|_| CUT_OFF)?)?)
            }
            5 => Scalar::Bytes(self.take(4)?),
            _ => return Err(Malformed("a field is of no known type")),
        };
        Ok(Some((number, value)))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(CUT_OFF)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Seven bits a byte, the lowest first; the last byte is the one below 128.
    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Malformed("a number is too long"))
    }
}

/// The field of that number, if the message has it.
pub(super) fn first(bytes: &[u8], number: u32) -> Result<Option<Scalar<'_>>, Malformed> {
    let mut fields = Reader::new(bytes);
    while let Some((one, value)) = fields.next()? {
        if one == number {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

pub(super) fn text(bytes: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(bytes).map_err(|_| Malformed("a text is not UTF-8"))
}
