use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A number of bytes of memory or disk, written as Docker writes it: `"4g"`, `"512M"`, `"1048576"`.
///
/// A unit is one of `b k m g t` in either case, optionally followed by `b` or `ib`, and means powers of 1024. It is printed
/// with the largest unit that divides it: `4g`, `1536m`, `100` (bytes). In JSON it is that text; a number is read as bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "TextOrNumber", into = "String")]
pub struct MemorySize(u64);

impl MemorySize {
    /// This many bytes.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// This many mebibytes (2^20 bytes); saturates.
    pub const fn from_mib(mib: u64) -> Self {
        Self(mib.saturating_mul(1 << 20))
    }

    /// This many gibibytes (2^30 bytes); saturates.
    pub const fn from_gib(gib: u64) -> Self {
        Self(gib.saturating_mul(1 << 30))
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

const UNITS: [(char, u32); 4] = [('t', 40), ('g', 30), ('m', 20), ('k', 10)];

impl fmt::Display for MemorySize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, shift) in UNITS {
            if self.0 != 0 && self.0.trailing_zeros() >= shift {
                return write!(f, "{}{unit}", self.0 >> shift);
            }
        }
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for MemorySize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MemorySize {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse(text).map(Self).ok_or_else(|| {
            Error::invalid("not a memory size: a whole number and a unit are expected, like 512m or 4g")
                .with("value", text.escape_debug().to_string().chars().take(32).collect::<String>())
        })
    }
}

fn parse(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let digits = lower.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = lower.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let mut letters = unit.chars();
    let shift = match letters.next() {
        None => return Some(number),
        Some('b') => return letters.next().is_none().then_some(number),
        Some(unit) => UNITS.iter().find(|(letter, _)| *letter == unit)?.1,
    };
    matches!(letters.as_str(), "" | "b" | "ib").then_some(())?;
    number.checked_mul(1 << shift)
}

#[derive(Deserialize)]
#[serde(untagged)]
enum TextOrNumber {
    Number(u64),
    Text(String),
}

impl TryFrom<TextOrNumber> for MemorySize {
    type Error = Error;

    fn try_from(value: TextOrNumber) -> Result<Self> {
        match value {
            TextOrNumber::Number(bytes) => Ok(Self(bytes)),
            TextOrNumber::Text(text) => text.parse(),
        }
    }
}

impl From<MemorySize> for String {
    fn from(size: MemorySize) -> Self {
        size.to_string()
    }
}

/// A share of processor time, in thousandths of a core. In JSON a number of cores: `2`, `0.5`. The default is none.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Cpus(u32);

impl Cpus {
    /// This many whole cores; saturates.
    pub const fn cores(cores: u32) -> Self {
        Self(cores.saturating_mul(1000))
    }

    /// This many thousandths of a core.
    pub const fn from_millis(millis: u32) -> Self {
        Self(millis)
    }

    /// Thousandths of a core.
    pub const fn millis(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&f64::from(*self), f)
    }
}

impl fmt::Debug for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Cpus> for f64 {
    fn from(cpus: Cpus) -> Self {
        Self::from(cpus.0) / 1000.0
    }
}

impl TryFrom<f64> for Cpus {
    type Error = Error;

    fn try_from(cores: f64) -> Result<Self> {
        let millis = (cores * 1000.0).round();
        if (1.0..=4_096_000.0).contains(&millis) {
            return Ok(Self(millis as u32));
        }
        Err(Error::invalid("cpus is a number of cores from 0.001 to 4096").with("value", cores))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_parse_and_print_back() {
        for (text, bytes, printed) in [
            ("4g", 4 << 30, "4g"),
            ("4G", 4 << 30, "4g"),
            ("512M", 512 << 20, "512m"),
            ("1536mb", 1536 << 20, "1536m"),
            ("2GiB", 2 << 30, "2g"),
            ("100", 100, "100"),
            ("100b", 100, "100"),
            ("0", 0, "0"),
            ("1t", 1 << 40, "1t"),
        ] {
            let size: MemorySize = text.parse().unwrap();
            assert_eq!(size.bytes(), bytes, "{text}");
            assert_eq!(size.to_string(), printed);
            assert_eq!(printed.parse::<MemorySize>().unwrap(), size);
        }
    }

    #[test]
    fn bad_sizes_are_refused() {
        for bad in ["", "g", "-1", "4 g", "4x", "4gg", "1.5g", "4bb", "99999999999999999999", "17000000t", "4gı"] {
            assert!(bad.parse::<MemorySize>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn json_takes_text_and_bytes() {
        assert_eq!(serde_json::from_str::<MemorySize>("1024").unwrap(), serde_json::from_str("\"1k\"").unwrap());
        assert_eq!(serde_json::to_string(&MemorySize::from_gib(4)).unwrap(), "\"4g\"");
        assert_eq!(serde_json::from_str::<Cpus>("2").unwrap(), Cpus::cores(2));
        for bad in ["0", "-1", "1e99", "0.0001"] {
            assert!(serde_json::from_str::<Cpus>(bad).is_err(), "{bad}");
        }
    }
}
