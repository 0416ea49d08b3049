//! Times as they are written: RFC 3339, UTC, six fraction digits, `Z`.
//!
//! All times have the same width, so that comparing their texts compares the times, and the text that was served is
//! the version of a row.

use std::fmt;

use chrono::{
    DateTime, Datelike as _, Duration, NaiveDate, NaiveDateTime, NaiveTime, Timelike as _, Utc,
};
use serde::Serialize;

use crate::{InputCode, InvalidInput};

const FORMAT: &str = "%Y-%m-%dT%H:%M:%S%.6fZ";

/// A time as it is served and stored.
///
/// Rows that were adopted from an older database may hold a text that is no time; it is served as it was found
/// ([`WireTime::stored`]). Everything new is a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct WireTime(String);

impl WireTime {
    /// Reads what a client sent: an RFC 3339 time, a local time without offset or a date (both taken as UTC).
    ///
    /// # Errors
    ///
    /// [`InputCode::Time`] if `raw` is no time, or one outside the years 0 to 9999.
    pub fn parse(field: &'static str, raw: &str) -> Result<Self, InvalidInput> {
        parse(raw).map(Self::from).ok_or_else(|| {
            InvalidInput::new(field, format!("{field} must be a time such as 2026-02-11T15:00:00Z"))
                .with_code(InputCode::Time)
        })
    }

    /// A leap second, or a year that needs more digits or a sign.
    fn rare(time: DateTime<Utc>) -> Self {
        Self(time.format(FORMAT).to_string())
    }

    /// Takes a stored text as it is.
    #[must_use]
    pub fn stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The version that follows `previous` at the time `now`: `now`, or one microsecond after `previous` where the
    /// clock has not moved past it, so that no two versions of a row are alike. After the last time there is, versions
    /// begin again at `now`.
    #[must_use]
    pub fn after(previous: &Self, now: DateTime<Utc>) -> Self {
        match parse(&previous.0) {
            Some(previous) if now <= previous => normal(previous + Duration::microseconds(1))
                .map_or_else(|| Self::from(now), Self::from),
            _ => Self::from(now),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The time, if the text is one.
    #[must_use]
    pub fn instant(&self) -> Option<DateTime<Utc>> {
        parse(&self.0)
    }
}

impl From<DateTime<Utc>> for WireTime {
    fn from(time: DateTime<Utc>) -> Self {
        let Ok(year @ 0..=9999) = u32::try_from(time.year()) else { return Self::rare(time) };
        if time.nanosecond() >= 1_000_000_000 {
            return Self::rare(time);
        }
        // Every change prints some times, and a format that is read each time takes ten times as long.
        let mut text = String::with_capacity("2026-02-11T15:00:00.000000Z".len());
        for (number, divisor, then) in [
            (year, 1_000, '-'),
            (time.month(), 10, '-'),
            (time.day(), 10, 'T'),
            (time.hour(), 10, ':'),
            (time.minute(), 10, ':'),
            (time.second(), 10, '.'),
            (time.nanosecond() / 1_000, 100_000, 'Z'),
        ] {
            let mut divisor = divisor;
            while divisor > 0 {
                text.push(char::from_digit(number / divisor % 10, 10).unwrap_or('0'));
                divisor /= 10;
            }
            text.push(then);
        }
        Self(text)
    }
}

impl fmt::Display for WireTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A time without an offset, or one that fixes an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The text named its offset.
    Instant(DateTime<Utc>),
    /// The text named no offset; whose wall clock it was is for the caller to know.
    Local(NaiveDateTime),
}

/// Reads a time in any of the accepted spellings: `2026-02-11`, `2026-02-11T15:00`, `2026-02-11 15:00:00.5`,
/// each with or without `Z` or an offset.
#[must_use]
pub fn read(raw: &str) -> Option<Reading> {
    let raw = raw.trim();
    if let Ok(time) = DateTime::parse_from_rfc3339(raw) {
        return Some(Reading::Instant(time.to_utc()));
    }
    for format in
        ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]
    {
        if let Ok(time) = NaiveDateTime::parse_from_str(raw, format) {
            return Some(Reading::Local(time));
        }
    }
    for format in ["%Y-%m-%dT%H:%M%:z", "%Y-%m-%d %H:%M%:z", "%Y-%m-%dT%H:%M:%S%.f%z"] {
        if let Ok(time) = DateTime::parse_from_str(raw, format) {
            return Some(Reading::Instant(time.to_utc()));
        }
    }
    let date = NaiveDate::parse_from_str(raw, "%Y-%m-%d").ok()?;
    Some(Reading::Local(date.and_time(NaiveTime::MIN)))
}

/// The instant that a client's text means, truncated to microseconds; naive texts are UTC.
#[must_use]
pub fn parse(raw: &str) -> Option<DateTime<Utc>> {
    let time = match read(raw)? {
        Reading::Instant(time) => time,
        Reading::Local(time) => time.and_utc(),
    };
    normal(time)
}

/// `time` on the grid that is stored: microseconds, no leap second, four digits of year.
#[must_use]
pub fn normal(time: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let micros = (time.nanosecond() / 1_000).min(999_999);
    let time = time.with_nanosecond(micros * 1_000)?;
    (0..=9999).contains(&time.year()).then_some(time)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_accepted_spelling_becomes_the_one_that_is_served() {
        for (raw, served) in [
            ("2026-02-11", "2026-02-11T00:00:00.000000Z"),
            ("2026-02-11T15:00", "2026-02-11T15:00:00.000000Z"),
            ("2026-02-11T15:00:05", "2026-02-11T15:00:05.000000Z"),
            ("2026-02-11 15:00:05.25", "2026-02-11T15:00:05.250000Z"),
            ("2026-02-11T15:00:05.123456789Z", "2026-02-11T15:00:05.123456Z"),
            ("2026-02-11T15:00:05+08:00", "2026-02-11T07:00:05.000000Z"),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999999Z"),
        ] {
            assert_eq!(WireTime::parse("ts", raw).unwrap().as_str(), served, "{raw}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for raw in [
            "",
            "soon",
            "2026-13-01",
            "2026-02-30T00:00:00Z",
            "12026-01-01",
            "0000-01-01T00:00:00+23:00",
        ] {
            assert_eq!(WireTime::parse("ts", raw).unwrap_err().code, InputCode::Time, "{raw}");
        }
    }

    #[test]
    fn a_version_is_later_than_the_one_before_it_even_when_the_clock_stands_or_steps_back() {
        let now = parse("2026-02-11T15:00:00Z").unwrap();
        let first = WireTime::from(now);

        let second = WireTime::after(&first, now);
        let third = WireTime::after(&second, now - Duration::hours(1));

        assert!(first < second && second < third);
        assert_eq!(WireTime::after(&WireTime::stored("9999-12-31T23:59:59.999999Z"), now), first);
        assert_eq!(WireTime::after(&WireTime::stored("yesterday"), now), first);
    }

    proptest! {
        #[test]
        fn reading_a_served_time_changes_nothing(seconds in -62_167_219_200_i64..253_402_300_800, micros in 0..1_000_000_u32) {
            let time = DateTime::from_timestamp(seconds, micros * 1_000).unwrap();
            let served = WireTime::from(time);
            prop_assert_eq!(served.as_str().len(), 27);
            prop_assert_eq!(served.as_str(), time.format(FORMAT).to_string());
            prop_assert_eq!(WireTime::parse("ts", served.as_str()).unwrap(), served);
        }

        #[test]
        fn no_text_panics(raw in any::<String>()) {
            let _ = WireTime::parse("ts", &raw);
        }
    }
}
