//! Values as people write them: `15m`, `4MiB`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use model::Timestamp;
use thiserror::Error;

/// A text that is no value of its kind.
#[derive(Debug, Error, PartialEq, Eq, Clone)]
pub enum BadValue {
    /// No span of time.
    #[error("{0:?} is no span of time; write one like 90s, 15m, 12h or 30d")]
    Span(String),
    /// No day.
    #[error("{0:?} is no day; write one like 2027-03-01")]
    Day(String),
    /// No size.
    #[error("{0:?} is no size; write one like 512KiB or 4MiB")]
    Size(String),
    /// No number of times.
    #[error("{0:?} is no rate; write one like 600/1m, which is 600 in a minute")]
    Frequency(String),
}

/// A span of time: `90s`, `15m`, `1h 30m`, `30d`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = BadValue;
    fn from_str(text: &str) -> Result<Self, BadValue> {
        let bad = || BadValue::Span(text.to_owned());
        let span: jiff::Span = text.trim().parse().map_err(|_| bad())?;
        let length = span
            .to_duration(jiff::SpanRelativeTo::days_are_24_hours())
            .map_err(|_| bad())?;
        Duration::try_from(length).map(Self).map_err(|_| bad())
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match seconds {
            0 => write!(f, "{}ms", self.0.as_millis()),
            _ if seconds.is_multiple_of(86_400) => write!(f, "{}d", seconds / 86_400),
            _ if seconds.is_multiple_of(3600) => write!(f, "{}h", seconds / 3600),
            _ if seconds.is_multiple_of(60) => write!(f, "{}m", seconds / 60),
            _ => write!(f, "{seconds}s"),
        }
    }
}

/// A day of the calendar, as `2027-03-01`; its first moment is that of UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub Timestamp);

impl FromStr for Day {
    type Err = BadValue;
    fn from_str(text: &str) -> Result<Self, BadValue> {
        let bad = || BadValue::Day(text.to_owned());
        let day: jiff::civil::Date = text.trim().parse().map_err(|_| bad())?;
        let midnight = day.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| bad())?;
        Ok(Self(Timestamp::from_millis(
            midnight.timestamp().as_millisecond(),
        )))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        f.write_str(text.split('T').next().unwrap_or_default())
    }
}

/// A number of bytes: `65536`, `512KiB`, `4MiB`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub usize);

const UNITS: [(&str, usize); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

impl FromStr for Size {
    type Err = BadValue;
    fn from_str(text: &str) -> Result<Self, BadValue> {
        let text = text.trim();
        let unit = UNITS.iter().find(|(unit, _)| text.ends_with(unit));
        let (digits, factor) = match unit {
            Some((unit, factor)) => (text.trim_end_matches(unit).trim_end(), *factor),
            None => (text, 1),
        };
        let count: Option<usize> = digits.parse().ok();
        let bytes = count.and_then(|count| count.checked_mul(factor));
        bytes.map(Self).ok_or_else(|| BadValue::Size(text.to_owned()))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = UNITS
            .iter()
            .find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor));
        match fits {
            Some((unit, factor)) => write!(f, "{}{unit}", self.0 / factor),
            None => write!(f, "{}", self.0),
        }
    }
}

macro_rules! written {
    ($name:ident, $pattern:literal) => {
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": $pattern })
            }
        }
    };
}

pub(crate) use written;

written!(Span, "^[0-9]+(ms|s|m|h|d)( ?[0-9]+(ms|s|m|h|d))*$");
written!(Day, "^[0-9]{4}-[0-9]{2}-[0-9]{2}$");
written!(Size, "^[0-9]+ ?(KiB|MiB|GiB)?$");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        for (text, seconds, again) in [
            ("15m", 900, "15m"),
            ("1h30m", 5400, "90m"),
            ("1h 30m", 5400, "90m"),
            ("30d", 30 * 86_400, "30d"),
            ("90s", 90, "90s"),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.0.as_secs(), seconds, "{text}");
            assert_eq!(span.to_string(), again);
        }
        for text in ["", "15", "-5m", "soon", "1 fortnight"] {
            assert_eq!(text.parse::<Span>(), Err(BadValue::Span(text.to_owned())));
        }
    }

    #[test]
    fn days() {
        let day: Day = "2027-03-01".parse().unwrap();
        assert_eq!(day.0.to_string(), "2027-03-01T00:00:00Z");
        assert_eq!(day.to_string(), "2027-03-01");
        for text in ["", "2027-02-30", "soon", "1.3.2027"] {
            assert_eq!(text.parse::<Day>(), Err(BadValue::Day(text.to_owned())));
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes, again) in [
            ("65536", 65_536, "64KiB"),
            ("4MiB", 4 << 20, "4MiB"),
            ("512 KiB", 512 << 10, "512KiB"),
            ("1000", 1000, "1000"),
        ] {
            let size: Size = text.parse().unwrap();
            assert_eq!(size.0, bytes);
            assert_eq!(size.to_string(), again);
        }
        for text in ["", "4MB", "-1", "99999999999999GiB"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }
}
