//! The engine's log entries: pure.

use crate::resident::wire::without_answers;
use bollard::container::LogOutput;
use bytes::Bytes;
use slate_core::{
    Timestamp,
    runtime::{LogChunk, LogCursor, LogStream},
};

/// Bytes of a line that the engine keeps in one entry; a longer line comes in several, all but the last full.
const FULL: usize = 16 * 1024;

/// Gives each entry of a log its cursor: its time in nanoseconds since the epoch, or one more than the entry before it where
/// that is greater.
///
/// The engine keeps no other number with a line. Reading again from a little earlier gives the same cursors, in any process:
/// that is what makes resuming exact. Two streams are written down side by side, so that times may be equal or swapped.
#[derive(Debug, Default)]
pub(crate) struct Numbering {
    last: u64,
    has_agent: bool,
}

impl Numbering {
    /// For the log of a container in which an agent may have answered: its answers are left out.
    pub(crate) fn of(has_agent: bool) -> Self {
        Self { last: 0, has_agent }
    }

    /// Takes an entry as the engine sent it; `None` for what isn't one.
    pub(crate) fn take(&mut self, output: LogOutput) -> Option<LogChunk> {
        let (stream, message) = match output {
            LogOutput::StdErr { message } => (LogStream::Stderr, message),
            LogOutput::StdOut { message } | LogOutput::Console { message } => (LogStream::Stdout, message),
            LogOutput::StdIn { .. } => return None,
        };
        let space = memchr(&message)?;
        let nanos = nanos(&message[..space])?;
        self.last = nanos.max(self.last + 1);
        let at = Timestamp::from_micros(i64::try_from(nanos / 1000).ok()?);
        let (mut line, partial) = text(message.slice(space + 1..));
        if self.has_agent && stream == LogStream::Stdout {
            line = without_answers(&line)?.into();
        }
        let mut chunk = LogChunk::line(LogCursor(self.last), at, stream, line);
        chunk.partial = partial;
        Some(chunk)
    }
}

/// Where the time ends; it is at most 35 bytes long.
fn memchr(message: &Bytes) -> Option<usize> {
    message.iter().take(40).position(|byte| *byte == b' ')
}

/// The text without its break, and whether the line goes on. One that was cut off by the end of its program is shorter
/// than a full part.
fn text(message: Bytes) -> (Bytes, bool) {
    match message.strip_suffix(b"\n") {
        Some(line) => (message.slice(..line.len()), false),
        None => {
            let partial = message.len() >= FULL;
            (message, partial)
        }
    }
}

/// Nanoseconds since the epoch of a time like `2026-11-21T07:36:20.504523584Z`.
fn nanos(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (date, time) = text.split_once('T')?;
    let mut date = date.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut time = time.split(':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    if fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    let fraction = fraction.fold(0_i64, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    let seconds = ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    u64::try_from(seconds.checked_mul(1_000_000_000)?.checked_add(fraction)?).ok()
}

/// Days since the epoch, after Howard Hinnant's `days_from_civil`.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out(text: &str) -> LogOutput {
        LogOutput::StdOut { message: Bytes::from(text.to_owned()) }
    }

    #[test]
    fn the_time_is_kept_to_the_nanosecond() {
        let chunk = Numbering::default().take(out("2026-11-21T07:36:20.504523584Z hello there\n")).unwrap();
        assert_eq!(chunk.cursor, LogCursor(1_795_246_580_504_523_584));
        assert_eq!(chunk.at.to_string(), "2026-11-21T07:36:20.504523Z");
        assert_eq!((chunk.text().as_ref(), chunk.partial), ("hello there", false));
        assert_eq!(nanos(b"1970-01-01T00:00:01Z"), Some(1_000_000_000));
        assert_eq!(nanos(b"2024-02-29T00:00:00.5Z"), Some(1_709_164_800_500_000_000));
    }

    #[test]
    fn cursors_grow_even_where_times_do_not() {
        let mut numbering = Numbering::default();
        let times = ["00:00:00.000000005", "00:00:00.000000005", "00:00:00.000000003", "00:00:01.000000000"];
        let cursors: Vec<_> = times
            .iter()
            .map(|time| numbering.take(out(&format!("1970-01-01T{time}Z x\n"))).unwrap().cursor.0)
            .collect();
        assert_eq!(cursors, [5, 6, 7, 1_000_000_000]);
    }

    #[test]
    fn long_lines_go_on_and_cut_off_ones_do_not() {
        let long = |bytes: usize, end: &str| {
            let entry = format!("1970-01-01T00:00:00.1Z {}{end}", "x".repeat(bytes));
            let chunk = Numbering::default().take(out(&entry)).unwrap();
            (chunk.line.len(), chunk.partial)
        };
        assert_eq!(long(FULL, ""), (FULL, true));
        assert_eq!(long(FULL, "\n"), (FULL, false));
        assert_eq!(long(5, ""), (5, false));
        assert_eq!(long(0, "\n"), (0, false));
    }

    #[test]
    fn what_is_no_entry_is_left_out() {
        for text in ["", "x", "no time here", "2026-11-21 07:36:20 x", "2026-11-21T07:36:20.1234567890Z x"] {
            assert!(Numbering::default().take(out(text)).is_none(), "{text:?}");
        }
    }
}
