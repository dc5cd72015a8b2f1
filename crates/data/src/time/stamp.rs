//! One field of a clock, as a number in the clock's own unit.

use crate::Repair;
use jiff::civil::DateTime;
use std::str::FromStr;

/// What a field of a clock says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stamp {
    /// Nothing: the field is empty, or says so (`NaN`, `null`, `NA`).
    Missing,
    /// A number in the clock's own unit.
    Number(f64),
    /// A date with a time of day, or a time of day alone, in seconds since 1970 (UTC) or since midnight.
    Calendar(f64),
}

impl Stamp {
    /// The number, in the clock's own unit (a [`Stamp::Calendar`]'s is the second); NaN where it is missing.
    pub fn value(self) -> f64 {
        match self {
            Self::Missing => f64::NAN,
            Self::Number(value) | Self::Calendar(value) => value,
        }
    }
}

/// Reads a field of a clock, without blanks around it.
///
/// - Numbers in any notation that Rust reads, and with a decimal comma. What is not finite is missing.
/// - ISO 8601 and RFC 3339: `2026-03-01T10:00:00.050Z`, with a blank for the `T`, any offset (none is UTC), a fraction of up to
///   nanoseconds after a point, a comma or (as AndroSensor writes) a colon; slashes between year, month and day.
/// - A time of day `10:00:00.050`, as seconds since midnight.
///
/// # Errors
/// [`Repair::NotANumber`] for any other text; dates that begin with a day or month are among it, since their order is
/// anyone's guess.
pub fn stamp(field: &[u8]) -> Result<Stamp, Repair> {
    let text = std::str::from_utf8(field).map_err(|_| Repair::NotANumber)?;
    if let Ok(number) = text.parse::<f64>() {
        return Ok(if number.is_finite() { Stamp::Number(number) } else { Stamp::Missing });
    }
    if ["", "na", "n/a", "null", "none", "-"].iter().any(|nothing| text.eq_ignore_ascii_case(nothing)) {
        return Ok(Stamp::Missing);
    }
    decimal_comma(text)
        .map(Stamp::Number)
        .or_else(|| date_time(text).or_else(|| time_of_day(text)).map(Stamp::Calendar))
        .ok_or(Repair::NotANumber)
}

fn decimal_comma(text: &str) -> Option<f64> {
    let (whole, fraction) = text.split_once(',')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(whole.strip_prefix('-').unwrap_or(whole)) && digits(fraction))
        .then(|| format!("{whole}.{fraction}").parse().ok())
        .flatten()
}

/// Seconds since 1970 of `year-month-day time`, with or without an offset.
fn date_time(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    if !bytes.get(..4)?.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut text = text.to_owned();
    if bytes.get(4) == Some(&b'/') && bytes.get(7) == Some(&b'/') {
        text = text.replace('/', "-");
    }
    for zone in [" UTC", " GMT", " Z", "UTC", "GMT"] {
        if let Some(rest) = text.strip_suffix(zone) {
            text = format!("{rest}Z");
            break;
        }
    }
    // A blank before the offset, as Ruby and `date` write it.
    for sign in ['+', '-'] {
        text = text.replace(&format!(" {sign}"), &sign.to_string());
    }
    // AndroSensor separates the milliseconds by a colon.
    if text.len() > 19 && text.as_bytes()[19] == b':' {
        text.replace_range(19..20, ".");
    }
    if let Ok(instant) = jiff::Timestamp::from_str(&text) {
        return Some(instant.as_second() as f64 + f64::from(instant.subsec_nanosecond()) * 1e-9);
    }
    // A date without a time of day is no stamp of a sample.
    if !text.contains(':') {
        return None;
    }
    let local = DateTime::from_str(&text).ok()?;
    let instant = local.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    Some(instant.as_second() as f64 + f64::from(instant.subsec_nanosecond()) * 1e-9)
}

/// Seconds since midnight (or since a start) of `hours:minutes:seconds`.
fn time_of_day(text: &str) -> Option<f64> {
    let mut parts = text.split(':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    let digits = |text: &str| (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = seconds.replace(',', ".");
    let whole = seconds.split('.').next()?;
    if parts.next().is_some() || ![hours, minutes, whole].into_iter().all(digits) {
        return None;
    }
    let (hours, minutes, seconds) =
        (hours.parse::<f64>().ok()?, minutes.parse::<f64>().ok()?, seconds.parse::<f64>().ok()?);
    (minutes < 60.0 && seconds < 61.0).then_some(3600.0 * hours + 60.0 * minutes + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_any_notation() {
        for (text, expected) in
            [("12", 12.0), ("-0.5", -0.5), ("1.7e12", 1.7e12), ("1000,05", 1000.05), ("1700000000123456789", 1.7e18)]
        {
            let Ok(Stamp::Number(found)) = stamp(text.as_bytes()) else { panic!("{text}") };
            assert!((found - expected).abs() <= expected.abs() * 1e-8, "{text}: {found}");
        }
    }

    #[test]
    fn iso_8601_and_its_relatives_are_seconds_since_1970() {
        let ten = 1_772_359_200.0;
        for (text, expected) in [
            ("2026-03-01T10:00:00.050Z", ten + 0.05),
            ("2026-03-01T10:00:00.050", ten + 0.05),
            ("2026-03-01 10:00:00", ten),
            ("2026-03-01 10:00:00,050", ten + 0.05),
            ("2026-03-01T12:00:00.05+02:00", ten + 0.05),
            ("2026-03-01T12:00:00+0200", ten),
            ("2026-03-01 05:00:00 -05:00", ten),
            ("2026-03-01T10:00:00.000000500Z", ten),
            ("2026/03/01 10:00:00.5", ten + 0.5),
            ("2026-03-01 10:00:00.5 UTC", ten + 0.5),
            ("2026-03-01 10:00:00:050", ten + 0.05),
            ("20260301T100000Z", ten),
            ("2026-03-01T10:00Z", ten),
            ("10:00:00.5", 36_000.5),
            ("1970-01-01T00:00:00Z", 0.0),
        ] {
            let found = stamp(text.as_bytes());
            let Ok(Stamp::Calendar(found)) = found else { panic!("{text}: {found:?}") };
            assert!((found - expected).abs() < 1e-6, "{text}: {found}, not {expected}");
        }
    }

    #[test]
    fn what_says_nothing_is_missing_and_what_is_in_doubt_is_no_stamp() {
        for text in ["", "nan", "NaN", "inf", "null", "NA", "-"] {
            assert_eq!(stamp(text.as_bytes()), Ok(Stamp::Missing), "{text}");
        }
        for text in
            ["walk", "03/01/2026 10:00:00", "01.03.2026 10:00", "2026-03-01", "10:00", "1,2,3", "2026-13-01T10:00:00Z"]
        {
            assert_eq!(stamp(text.as_bytes()), Err(Repair::NotANumber), "{text}");
        }
        assert_eq!(stamp(b"\xff"), Err(Repair::NotANumber));
    }
}
