//! Durations as Go writes them (`time.ParseDuration`), for `@every 1h30m`.

/// Reason why a duration was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    #[error("it is no duration")]
    Malformed,
    #[error("a unit is missing")]
    UnitMissing,
    #[error("the unit {0:?} is unknown")]
    UnitUnknown(String),
    #[error("it is longer than 292 years")]
    TooLong,
}

const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// The magnitude of the least duration, as in Go: one nanosecond more than the longest.
const LIMIT: u64 = 1 << 63;

/// Parses a duration into nanoseconds, negative after a minus sign.
pub fn parse(text: &str) -> Result<i64, DurationError> {
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(DurationError::Malformed);
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (part, after) = part(rest)?;
        total = total.checked_add(part).filter(|&t| t <= LIMIT).ok_or(DurationError::TooLong)?;
        rest = after;
    }
    if negative {
        return Ok((total as i64).wrapping_neg());
    }
    i64::try_from(total).map_err(|_| DurationError::TooLong)
}

/// Parses a number with its unit; returns its nanoseconds and the text after it.
fn part(text: &str) -> Result<(u64, &str), DurationError> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let (whole, mut rest) = text.split_at(digits(text));
    let mut fraction = "";
    if let Some(after) = rest.strip_prefix('.') {
        (fraction, rest) = after.split_at(digits(after));
    }
    if whole.is_empty() && fraction.is_empty() {
        return Err(DurationError::Malformed);
    }
    let end = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(end);
    if unit.is_empty() {
        return Err(DurationError::UnitMissing);
    }
    let nanoseconds = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, n)| *n);
    let nanoseconds =
        nanoseconds.ok_or_else(|| DurationError::UnitUnknown(super::zone::shorten(unit)))?;
    let whole: u64 = match whole {
        "" => 0,
        whole => whole.parse().map_err(|_| DurationError::TooLong)?,
    };
    let whole = whole.checked_mul(nanoseconds).filter(|&w| w <= LIMIT);
    let total = whole.and_then(|whole| whole.checked_add(part_of(fraction, nanoseconds)));
    Ok((total.filter(|&t| t <= LIMIT).ok_or(DurationError::TooLong)?, rest))
}

/// Returns `.fraction` of a unit, rounded down. Digits beyond the eighteenth do not count, as in
/// Go.
fn part_of(fraction: &str, unit_nanoseconds: u64) -> u64 {
    let counted = &fraction[..fraction.len().min(18)];
    let Ok(digits) = counted.parse::<u64>() else { return 0 };
    // Go multiplies in floating point; so do we, to the same nanosecond.
    (digits as f64 * (unit_nanoseconds as f64 / 10f64.powi(counted.len() as i32))) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_go_reads() {
        let check = |text: &str, want: Result<i64, DurationError>| {
            assert_eq!(parse(text), want, "{text:?}");
        };
        check("0", Ok(0));
        check("-0", Ok(0));
        check("1h30m", Ok(5_400_000_000_000));
        check("+1.5s", Ok(1_500_000_000));
        check("-.5s", Ok(-500_000_000));
        check("1.s", Ok(1_000_000_000));
        check("1µs2μs3us4ns", Ok(6_004));
        check("2540400h10m10.000000000s", Ok(9_145_440_610_000_000_000));
        check("9223372036854775807ns", Ok(i64::MAX));
        check("-9223372036854775808ns", Ok(i64::MIN));
        check("9223372036854775808ns", Err(DurationError::TooLong));
        check("99999999999999999999s", Err(DurationError::TooLong));
        check("3000000h", Err(DurationError::TooLong));
        check("", Err(DurationError::Malformed));
        check("-", Err(DurationError::Malformed));
        check(".s", Err(DurationError::Malformed));
        check(" 1s", Err(DurationError::Malformed));
        check("3", Err(DurationError::UnitMissing));
        check("1d", Err(DurationError::UnitUnknown("d".into())));
        check("1s ", Err(DurationError::UnitUnknown("s ".into())));
        check("1H", Err(DurationError::UnitUnknown("H".into())));
    }
}
