//! The Huffman code of HPACK (RFC 7541, appendix B), read.
//!
//! The code is canonical: among codes of one length the bytes stand in their order, so the lengths
//! are all that has to be known.

/// The length in bits of each byte's code.
#[rustfmt::skip]
const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5,
    6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23,
    23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20,
    22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22,
    22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26,
    27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25,
    25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];

const BITS_MAX: usize = 30;

/// The bytes; `None`: no code begins so, or the padding is not made of ones.
pub fn decode(packed: &[u8]) -> Option<Vec<u8>> {
    let (first_codes, starts, by_code) = table();
    let mut bytes = Vec::with_capacity(packed.len() * 8 / 5);
    let (mut code, mut length) = (0u32, 0usize);
    for bit in packed.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)) {
        code = code << 1 | u32::from(bit);
        length += 1;
        if length > BITS_MAX {
            return None;
        }
        let count = starts[length + 1] - starts[length];
        let offset = code.wrapping_sub(first_codes[length]) as usize;
        if offset < count {
            bytes.push(by_code[starts[length] + offset]);
            (code, length) = (0, 0);
        }
    }
    (length < 8 && code + 1 == 1 << length).then_some(bytes)
}

/// For each length its first code, where its bytes begin, and the bytes in their codes' order.
fn table() -> ([u32; BITS_MAX + 1], [usize; BITS_MAX + 2], [u8; 256]) {
    let mut by_code: [u8; 256] = std::array::from_fn(|byte| byte as u8);
    by_code.sort_by_key(|byte| LENGTHS[usize::from(*byte)]);
    let (mut first_codes, mut starts) = ([0; BITS_MAX + 1], [0; BITS_MAX + 2]);
    let mut code = 0u32;
    for length in 1..=BITS_MAX {
        let count = LENGTHS.iter().filter(|one| usize::from(**one) == length).count();
        (first_codes[length], starts[length + 1]) = (code << 1, starts[length] + count);
        code = (code << 1) + count as u32;
    }
    (first_codes, starts, by_code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_standard_are_read() {
        let check = |packed: &[u8], want: Option<&str>| {
            let got = decode(packed);
            assert_eq!(got.as_deref(), want.map(str::as_bytes), "{packed:x?}");
        };
        // RFC 7541, C.4 and C.6.
        let example = [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
        check(&example, Some("www.example.com"));
        check(&[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf], Some("no-cache"));
        check(
            &[
                0x9d, 0x29, 0xad, 0x17, 0x18, 0x63, 0xc7, 0x8f, 0x0b, 0x97, 0xc8, 0xe9, 0xae, 0x82,
                0xae, 0x43, 0xd3,
            ],
            Some("https://www.example.com"),
        );
        check(&[], Some(""));
        // Padding of zeros, padding of a whole byte, and the code that ends nothing.
        check(&[0x00], None);
        check(&[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf, 0xff], None);
        check(&[0xff; 4], None);
    }
}
