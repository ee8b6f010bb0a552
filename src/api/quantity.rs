//! Kubernetes' `resource.Quantity`: a number with a suffix such as `500m`, `128Mi` or `1e3`, exact
//! to the nano.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// An amount and its notation, which its canonical form keeps: `1024Mi` becomes `1Gi`, `0.5`
/// becomes `500m`.
#[derive(Debug, Clone, Copy)]
pub struct Quantity {
    mantissa: i128,
    /// The value is `mantissa * 10^exponent`; never below [`NANO`].
    exponent: i32,
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// `k`, `M`, `m` …
    Decimal,
    /// `Ki`, `Mi` …
    Binary,
    /// `e3`
    Exponent,
}

/// Reason why a text is no quantity, in Kubernetes' words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    #[error(
        "quantities must match the regular expression \
         '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    )]
    Format,
    #[error("unable to parse numeric part of quantity")]
    Number,
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

/// The finest decimal exponent that a quantity keeps.
const NANO: i32 = -9;
/// At most this decimal exponent: no amount of anything is larger, while Kubernetes would compute
/// with any number of zeros.
const EXPONENT_MAX: i32 = 1000;
/// The decimal exponent of thousandths, the finest that a resource list keeps.
pub const MILLI: i32 = -3;

const DECIMAL_SUFFIXES: [(&str, i32); 10] = [
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];
const BINARY_SUFFIXES: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

impl Quantity {
    pub const ZERO: Quantity = Quantity { mantissa: 0, exponent: 0, format: Format::Decimal };

    pub fn is_zero(&self) -> bool {
        self.mantissa == 0
    }

    pub fn is_negative(&self) -> bool {
        self.mantissa < 0
    }

    /// True if it is a whole number.
    pub fn is_integer(&self) -> bool {
        self.exponent >= 0 || self.mantissa % power_of_ten(-self.exponent) == 0
    }

    /// True if it is a whole number of `unit`s.
    pub fn is_multiple_of(&self, unit: &Quantity) -> bool {
        !unit.is_zero() && {
            let exponent = self.exponent.min(unit.exponent);
            match (self.scaled_to(exponent), unit.scaled_to(exponent)) {
                (Some(amount), Some(unit)) => amount % unit == 0,
                _ => false,
            }
        }
    }

    /// Rounds away from zero to a multiple of `10^exponent`, such as [`MILLI`].
    pub fn round_up(self, exponent: i32) -> Quantity {
        if self.exponent >= exponent {
            return self;
        }
        let divisor = power_of_ten(exponent - self.exponent);
        Quantity { mantissa: divide_away_from_zero(self.mantissa, divisor), exponent, ..self }
    }

    /// Returns the whole number, rounded up (bytes, for memory); the nearest that fits if it is too
    /// large.
    pub fn value(&self) -> i64 {
        self.scaled(0)
    }

    /// Returns the number of thousandths, rounded up; the nearest that fits if it is too large.
    pub fn milli_value(&self) -> i64 {
        self.scaled(MILLI)
    }

    /// Returns the number of `divisor`s in it, rounded up (`resourceFieldRef.divisor`). `None` if
    /// the divisor is zero.
    pub fn divided_by(&self, divisor: &Quantity) -> Option<i64> {
        let exponent = self.exponent.min(divisor.exponent);
        let (amount, divisor) = (self.scaled_to(exponent)?, divisor.scaled_to(exponent)?);
        (divisor != 0).then(|| clamped(divide_away_from_zero(amount, divisor)))
    }

    /// Returns the sum, in the left one's format.
    pub fn plus(self, other: Quantity) -> Quantity {
        let exponent = self.exponent.min(other.exponent);
        match (self.scaled_to(exponent), other.scaled_to(exponent)) {
            (Some(left), Some(right)) => Quantity {
                mantissa: left.saturating_add(right),
                exponent,
                format: if self.is_zero() { other.format } else { self.format },
            },
            _ => self.max(other),
        }
    }

    fn scaled(&self, exponent: i32) -> i64 {
        let rounded = self.round_up(exponent);
        let whole = rounded.scaled_to(exponent);
        whole.map_or(if self.is_negative() { i64::MIN } else { i64::MAX }, clamped)
    }

    /// Returns the mantissa for another exponent, not above this one's; `None` if it does not fit.
    fn scaled_to(&self, exponent: i32) -> Option<i128> {
        if self.mantissa == 0 {
            return Some(0);
        }
        let factor = 10_i128.checked_pow(u32::try_from(self.exponent - exponent).ok()?)?;
        self.mantissa.checked_mul(factor)
    }

    /// Returns the same value with the smallest mantissa.
    fn reduced(self) -> Quantity {
        if self.mantissa == 0 {
            return Quantity { exponent: 0, ..self };
        }
        let mut reduced = self;
        while reduced.mantissa % 10 == 0 {
            reduced.mantissa /= 10;
            reduced.exponent += 1;
        }
        reduced
    }
}

/// Returns `10^exponent` to divide a mantissa: past i128 the quotient is zero either way.
fn power_of_ten(exponent: i32) -> i128 {
    let exponent = u32::try_from(exponent).expect("a caller compares the exponents first");
    10_i128.checked_pow(exponent).unwrap_or(i128::MAX)
}

fn divide_away_from_zero(amount: i128, divisor: i128) -> i128 {
    let quotient = amount / divisor;
    match amount % divisor {
        0 => quotient,
        _ if (amount < 0) == (divisor < 0) => quotient + 1,
        _ => quotient - 1,
    }
}

fn clamped(number: i128) -> i64 {
    i64::try_from(number).unwrap_or(if number < 0 { i64::MIN } else { i64::MAX })
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Quantity) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Quantity) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Quantity) -> Ordering {
        let signs = self.mantissa.signum().cmp(&other.mantissa.signum());
        if signs != Ordering::Equal {
            return signs;
        }
        let exponent = self.exponent.min(other.exponent);
        match (self.scaled_to(exponent), other.scaled_to(exponent)) {
            (Some(left), Some(right)) => left.cmp(&right),
            // The one that does not fit in so fine a scale is farther from zero.
            (None, _) => self.mantissa.cmp(&0),
            (_, None) => 0.cmp(&other.mantissa),
        }
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Quantity, QuantityError> {
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let number_end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (number, suffix) = unsigned.split_at(number_end.unwrap_or(unsigned.len()));
        if text.is_empty() || !is_suffix_shaped(suffix) || number.matches('.').count() > 1 {
            return Err(QuantityError::Format);
        }
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let magnitude = Magnitude { whole, fraction }.read(suffix)?;
        let sign = if text.starts_with('-') { -1 } else { 1 };
        Ok(Quantity { mantissa: sign * magnitude.mantissa, ..magnitude })
    }
}

/// True if the suffix matches `[eEinumkKMGTP]*[-+]?[0-9]*`.
fn is_suffix_shaped(suffix: &str) -> bool {
    let rest = suffix.trim_start_matches(|c| "eEinumkKMGTP".contains(c));
    let digits = rest.strip_prefix(['+', '-']).unwrap_or(rest);
    digits.bytes().all(|byte| byte.is_ascii_digit())
}

struct Magnitude<'a> {
    whole: &'a str,
    fraction: &'a str,
}

impl Magnitude<'_> {
    fn read(&self, suffix: &str) -> Result<Quantity, QuantityError> {
        if let Some(power) = BINARY_SUFFIXES.iter().position(|known| *known == suffix) {
            return self.binary(10 * (power as u32 + 1));
        }
        let (exponent, format) = decimal_exponent(suffix).ok_or(QuantityError::Suffix)?;
        let (mantissa, scale) = self.digits()?;
        Ok(Quantity { mantissa, exponent: exponent.saturating_add(scale), format }
            .rounded_to_nano())
    }

    /// Reads a binary amount: it is capped at what an i64 holds, and a small one is written in
    /// decimals.
    fn binary(&self, bits: u32) -> Result<Quantity, QuantityError> {
        let (mantissa, exponent) = self.digits()?;
        let mantissa = mantissa.checked_mul(1 << bits).ok_or(QuantityError::Number)?;
        let amount = Quantity { mantissa, exponent, format: Format::Binary }.rounded_to_nano();
        let one = Quantity { mantissa: 1, ..Quantity::ZERO };
        let largest = Quantity { mantissa: i64::MAX.into(), exponent: 0, format: Format::Binary };
        let small = Quantity { format: Format::Decimal, ..amount };
        Ok(if amount < one { small } else { amount.min(largest) })
    }

    /// Returns all digits as one number, and the exponent of the fraction's digits; no digits are
    /// zero. Kubernetes reads any number of digits; more than an i128 holds are refused here.
    fn digits(&self) -> Result<(i128, i32), QuantityError> {
        let fraction = self.fraction.trim_end_matches('0');
        let exponent = i32::try_from(fraction.len()).map_err(|_| QuantityError::Number)?;
        match format!("{}{fraction}", self.whole).as_str() {
            "" => Ok((0, 0)),
            digits => Ok((digits.parse().map_err(|_| QuantityError::Number)?, -exponent)),
        }
    }
}

/// Returns the exponent of a decimal suffix, and its format; `None` for an unknown one.
fn decimal_exponent(suffix: &str) -> Option<(i32, Format)> {
    if let Some((_, exponent)) = DECIMAL_SUFFIXES.iter().find(|(known, _)| *known == suffix) {
        return Some((*exponent, Format::Decimal));
    }
    let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    let is_sane = (-EXPONENT_MAX..=EXPONENT_MAX).contains(&exponent);
    is_sane.then_some((exponent, Format::Exponent))
}

impl Quantity {
    /// Rounds up to nanos: any amount but zero is at least one nano.
    fn rounded_to_nano(self) -> Quantity {
        self.reduced().round_up(NANO)
    }
}

/// The canonical form: no fraction, and the largest suffix that keeps the value exact.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return f.write_str("0");
        }
        let kibi = Quantity { mantissa: 1024, ..Quantity::ZERO };
        let is_small = Quantity { mantissa: self.mantissa.abs(), ..*self } < kibi;
        match self.format {
            Format::Binary if !is_small && self.is_integer() => self.fmt_binary(f),
            Format::Exponent => self.fmt_decimal(f, true),
            _ => self.fmt_decimal(f, false),
        }
    }
}

impl Quantity {
    fn fmt_binary(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut amount = self.round_up(0).scaled_to(0).expect("capped when it was read");
        let mut power = 0;
        while amount % 1024 == 0 && power < BINARY_SUFFIXES.len() {
            amount /= 1024;
            power += 1;
        }
        let suffix = if power == 0 { "" } else { BINARY_SUFFIXES[power - 1] };
        write!(f, "{amount}{suffix}")
    }

    fn fmt_decimal(&self, f: &mut fmt::Formatter<'_>, as_exponent: bool) -> fmt::Result {
        let reduced = self.reduced();
        let extra = reduced.exponent.rem_euclid(3);
        let mut exponent = reduced.exponent - extra;
        let mut zeros = usize::try_from(extra).expect("a remainder of 3");
        let largest = DECIMAL_SUFFIXES.last().expect("not empty").1;
        if !as_exponent && exponent > largest {
            zeros += usize::try_from(exponent - largest).expect("compared above");
            exponent = largest;
        }
        write!(f, "{}{:0<zeros$}", reduced.mantissa, "")?;
        if !as_exponent {
            let suffix = DECIMAL_SUFFIXES.iter().find(|(_, known)| *known == exponent);
            return f.write_str(suffix.expect("every third exponent from nano to exa").0);
        }
        if exponent == 0 { Ok(()) } else { write!(f, "e{exponent}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantity(text: &str) -> Quantity {
        text.parse().unwrap_or_else(|error| panic!("{text:?}: {error}"))
    }

    #[test]
    fn canonical_form() {
        let check = |text: &str, want: &str| assert_eq!(quantity(text).to_string(), want, "{text}");
        check("0", "0");
        check("0Ki", "0");
        check("-0", "0");
        check("m", "0");
        check("0.1", "100m");
        check(".5", "500m");
        check("1.", "1");
        check("+1", "1");
        check("-1", "-1");
        check("1000", "1k");
        check("10000", "10k");
        check("100m", "100m");
        check("1000m", "1");
        check("1500M", "1500M");
        check("64M", "64M");
        check("1024Mi", "1Gi");
        check("1.5Gi", "1536Mi");
        check("0.5Ki", "512");
        check("1Ki", "1Ki");
        check("1023", "1023");
        check("0.1Gi", "107374182400m");
        check("100Ei", "9223372036854775807");
        check("1e3", "1e3");
        check("1E6", "1e6");
        check("12e-1", "1200e-3");
        check("0.1n", "1n");
        check("1.0000000001", "1000000001n");
        check("1000E", "1000E");
        check("5000000000000000000000", "5000E");
    }

    #[test]
    fn what_is_no_quantity() {
        use QuantityError::{Format, Number, Suffix};
        let check = |text: &str, want| assert_eq!(text.parse::<Quantity>(), Err(want), "{text}");
        check("", Format);
        check("abc", Format);
        check("1.5.5", Format);
        check("1 Gi", Format);
        check("1Gib", Format);
        check("--1", Suffix);
        check("1GiB", Format);
        check("1K", Suffix);
        check("1mi", Suffix);
        check("1e", Suffix);
        check("1Mi2", Suffix);
        check("1e2147483647", Suffix);
        check(&"9".repeat(40), Number);
    }

    #[test]
    fn rounding_up() {
        let check = |text: &str, want: &str| {
            assert_eq!(quantity(text).round_up(MILLI).to_string(), want, "{text}");
        };
        check("1.0005", "1001m");
        check("0.1m", "1m");
        check("-1.0005", "-1001m");
        check("100m", "100m");
        check("1n", "1m");
        check("0.1Gi", "107374182400m");
    }

    #[test]
    fn order_and_arithmetic() {
        let check = |left: &str, right: &str, want: Ordering| {
            assert_eq!(quantity(left).cmp(&quantity(right)), want, "{left} {right}");
            assert_eq!(quantity(right).cmp(&quantity(left)), want.reverse(), "{right} {left}");
        };
        check("500m", "1", Ordering::Less);
        check("1", "1000m", Ordering::Equal);
        check("1Gi", "1G", Ordering::Greater);
        check("-1", "0", Ordering::Less);
        check("1e60", "1n", Ordering::Greater);
        check("-1e60", "1n", Ordering::Less);
        check("-1e60", "-1n", Ordering::Less);
        assert_eq!(quantity("1Gi").plus(quantity("1G")).value(), 2_073_741_824);
        assert_eq!(quantity("0").plus(quantity("1Gi")).to_string(), "1Gi");
        assert_eq!(quantity("1500m").value(), 2);
        assert_eq!(quantity("1.5").milli_value(), 1500);
        assert_eq!(quantity("1e60").value(), i64::MAX);
        assert_eq!(quantity("1500m").divided_by(&quantity("1")), Some(2));
        assert_eq!(quantity("128Mi").divided_by(&quantity("1Mi")), Some(128));
        assert_eq!(quantity("1").divided_by(&quantity("0")), None);
        assert!(quantity("2").is_integer() && !quantity("1500m").is_integer());
        assert!(quantity("4Mi").is_multiple_of(&quantity("2Mi")));
        assert!(!quantity("3Mi").is_multiple_of(&quantity("2Mi")));
    }

    proptest::proptest! {
        #[test]
        fn the_canonical_form_reads_as_the_same_amount(
            text in "[+-]?[0-9]{1,12}(\\.[0-9]{0,12})?([num kMGTPE]|[KMGTPE]i|e-?[0-9]{1,3})?"
        ) {
            let Ok(amount) = text.parse::<Quantity>() else { return Ok(()) };
            let canonical = amount.to_string();
            proptest::prop_assert_eq!(quantity(&canonical), amount, "{} as {}", text, canonical);
            proptest::prop_assert_eq!(quantity(&canonical).to_string(), canonical);
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            let _ = text.parse::<Quantity>().map(|amount| amount.round_up(MILLI).to_string());
        }
    }
}
