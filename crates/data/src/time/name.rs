//! Which columns are a clock, by their names, and the unit that a name tells.

use super::Unit;

/// A column whose name is a clock's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedClock {
    /// The unit, where the name tells it.
    pub unit: Option<Unit>,
    /// Which of several is the clock: the one of the highest rank.
    pub rank: Rank,
}

/// How plainly a name says that the column is the clock of its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// A part or another form of a stamp, or the time of something else: `raw_timestamp_part_1`, `locationTimestamp`.
    Part,
    /// A letter or a unit alone, or time since a start: `t`, `seconds_elapsed`, `uptime`.
    Relative,
    /// A clock with a word that says which: `loggingTime`, `Creation_Time`.
    Qualified,
    /// A clock and no more: `timestamp`, `Time [s]`, `epoch_ms`.
    Plain,
}

const CLOCK: &[&str] = &[
    "timestamp",
    "timestamps",
    "time",
    "times",
    "ts",
    "t",
    "epoch",
    "epoc",
    "datetime",
    "unixtime",
    "unixtimestamp",
    "uptime",
    "zeit",
    "zeitstempel",
    "uhrzeit",
    "elapsed",
    "clock",
    "stamp",
    "timestampms",
    "timestampns",
];
const PART: &[&str] =
    &["part", "raw", "cvtd", "arrival", "received", "location", "gps", "txt", "iso", "str", "string", "human"];
const RELATIVE: &[&str] = &["t", "elapsed", "uptime", "since", "start", "started", "boot", "reboot", "relative", "rel"];
const QUALIFIER: &[&str] = &[
    "logging",
    "log",
    "creation",
    "event",
    "sensor",
    "system",
    "device",
    "host",
    "phone",
    "watch",
    "utc",
    "local",
    "unix",
    "linux",
    "posix",
    "real",
    "record",
    "recorded",
    "recording",
    "sample",
    "sampling",
    "absolute",
    "abs",
    "date",
    "in",
    "of",
    "the",
    "at",
    "from",
    "tick",
    "accelerometer",
    "accel",
    "acc",
    "gyroscope",
    "gyro",
    "magnetometer",
    "mag",
    "motion",
    "imu",
    "measurement",
    "capture",
    "experiment",
];
const UNITS: [(Unit, &[&str]); 4] = [
    (Unit::Seconds, &["s", "sec", "secs", "second", "seconds", "sekunden"]),
    (Unit::Milliseconds, &["ms", "msec", "msecs", "milli", "millis", "millisec", "millisecond", "milliseconds"]),
    (Unit::Microseconds, &["us", "µs", "μs", "usec", "usecs", "micro", "micros", "microsecond", "microseconds"]),
    (Unit::Nanoseconds, &["ns", "nsec", "nsecs", "nano", "nanos", "nanosec", "nanosecond", "nanoseconds"]),
];

/// What the name of a column says about it as a clock; `None` for anything that has a word no clock has.
///
/// Case, separators, brackets and camel case do not matter: `Timestamp (ms)`, `timestamp_ms` and `timestampMs` are the
/// same.
pub fn clock_name(name: &str) -> Option<NamedClock> {
    let words = words(name);
    let is = |list: &[&str], word: &String| list.contains(&word.as_str());
    // AndroSensor calls its clock by the form of its stamps.
    if words.iter().any(|word| word == "yyyy") && words.iter().any(|word| word == "hh") {
        return Some(NamedClock { unit: None, rank: Rank::Plain });
    }
    let unit_of = |word: &String| UNITS.iter().find(|(_, words)| is(words, word)).map(|(unit, _)| *unit);
    let is_number = |word: &String| word.bytes().all(|byte| byte.is_ascii_digit());
    let known = |word: &String| {
        [CLOCK, PART, RELATIVE, QUALIFIER].iter().any(|list| is(list, word))
            || unit_of(word).is_some()
            || is_number(word)
    };
    let names_clock = words.iter().any(|word| is(CLOCK, word));
    let is_unit = words.len() == 1 && words[0].len() > 2 && unit_of(&words[0]).is_some();
    if !(names_clock || is_unit) || !words.iter().all(known) {
        return None;
    }
    let fused = words.iter().find_map(|word| match word.as_str() {
        "timestampms" => Some(Unit::Milliseconds),
        "timestampns" => Some(Unit::Nanoseconds),
        _ => None,
    });
    let unit = fused.or_else(|| words.iter().rev().find_map(unit_of));
    let any = |list: &[&str]| words.iter().any(|word| is(list, word));
    // `time1` and `time2` number the clocks; an offset such as `timestamp (+0200)` and `since 1970` do not.
    let rank = if any(PART) {
        Rank::Part
    } else if any(RELATIVE) || is_unit {
        Rank::Relative
    } else if any(QUALIFIER) {
        Rank::Qualified
    } else {
        Rank::Plain
    };
    Some(NamedClock { unit, rank })
}

/// The columns among `names` that are clocks by their names, the one to read first: of the highest rank the first. The
/// others tell the same time in another way, and are channels of no network.
pub fn clock_columns<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<(usize, NamedClock)> {
    let names = names.into_iter().enumerate();
    let mut clocks: Vec<_> = names.filter_map(|(column, name)| Some((column, clock_name(name)?))).collect();
    clocks.sort_by_key(|(_, clock)| std::cmp::Reverse(clock.rank));
    clocks
}

/// The words of a name, in lower case: separated by anything but letters and digits, at a capital after a small letter, and
/// between letters and digits.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for letter in name.chars() {
        let hump = before.is_lowercase() && letter.is_uppercase();
        let number = before.is_alphanumeric() && before.is_ascii_digit() != letter.is_ascii_digit();
        if !letter.is_alphanumeric() || hump || number {
            words.push(String::new());
        }
        if letter.is_alphanumeric() {
            words.last_mut().expect("never empty").extend(letter.to_lowercase());
        }
        before = letter;
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use Unit::{Microseconds as Us, Milliseconds as Ms, Nanoseconds as Ns, Seconds as S};

    #[test]
    fn clocks_are_known_under_the_names_that_loggers_write() {
        for (names, unit) in [
            (
                "timestamp|time|ts|t|epoch|datetime|date_time|DateTime|unix_time|Arrival_Time|Creation_Time|loggingTime|uptime|Zeit",
                None,
            ),
            (
                "TIMESTAMP|Date Time|timestamp (+0200)|loggingTime(txt)|raw_timestamp_part_1|cvtd_timestamp|event_timestamp",
                None,
            ),
            ("YYYY-MO-DD HH-MI-SS_SSS|unixTimestamp|clock", None),
            (
                "timestamp_s|timestamp_sec|time [s]|Time (s)|seconds_elapsed|elapsed (s)|time_s|sec|seconds|timestamp/s|t[s]",
                Some(S),
            ),
            ("accelerometerTimestamp_sinceReboot(s)|locationTimestamp_since1970(s)", Some(S)),
            (
                "timestamp_ms|Timestamp (ms)|Timestamp [ms]|epoch_ms|epoc (ms)|millis|timeMillis|timestampMs|Time since start in ms",
                Some(Ms),
            ),
            ("timestampms|t_ms|elapsed_millis|TIME_MS|time.ms", Some(Ms)),
            ("timestamp_us|time (µs)|micros|time_microseconds", Some(Us)),
            ("timestamp_ns|timestamp (ns)|time_ns|nanos|elapsedNanos|timestampNanos", Some(Ns)),
        ] {
            for name in names.split('|') {
                let found = clock_name(name);
                assert_eq!(found.map(|clock| clock.unit), Some(unit), "{name}: {found:?}");
            }
        }
    }

    #[test]
    fn channels_are_no_clocks() {
        for name in [
            "",
            "x",
            "s",
            "ms",
            "ns",
            "acc_x",
            "temperature",
            "T_body",
            "lifetime",
            "step_time",
            "subject",
            "activity",
            "start",
            "since",
            "date",
            "timezone",
            "reaction time",
            "tx",
            "heart_rate",
            "unix",
            "part_1",
            "1",
            "y1",
            "t_x",
            "gyro",
            "sensor",
            "sample",
            "tick",
        ] {
            assert_eq!(clock_name(name), None, "{name}");
        }
    }

    #[test]
    fn of_several_clocks_one_is_the_clock() {
        fn chosen(names: &str) -> Vec<&str> {
            let names: Vec<&str> = names.split('|').collect();
            clock_columns(names.iter().copied()).iter().map(|(column, _)| names[*column]).collect()
        }
        assert_eq!(chosen("seconds_elapsed|z|time|y"), ["time", "seconds_elapsed"]);
        assert_eq!(
            chosen("user|raw_timestamp_part_1|raw_timestamp_part_2|cvtd_timestamp|timestamp|x"),
            ["timestamp", "raw_timestamp_part_1", "raw_timestamp_part_2", "cvtd_timestamp"]
        );
        assert_eq!(chosen("Index|Arrival_Time|Creation_Time|x"), ["Creation_Time", "Arrival_Time"]);
        assert_eq!(chosen("loggingTime(txt)|loggingSample|motionTimestamp_sinceReboot(s)|x").len(), 2);
        assert_eq!(chosen("timestamp|time"), ["timestamp", "time"]);
        assert!(chosen("x|y").is_empty());
    }
}
