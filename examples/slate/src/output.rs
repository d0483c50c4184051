use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde::Serialize;
use slate_core::{Error, Result, Retry};
use std::{
    error::Error as _,
    io::{IsTerminal, Write},
};

/// Where the program speaks: people read lines and bars, machines one JSON document.
pub(crate) struct Output {
    json: bool,
    bars: Option<MultiProgress>,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        let bars = (!json && std::io::stderr().is_terminal()).then(MultiProgress::new);
        Self { json, bars }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// A line for people.
    pub(crate) fn line(&self, text: impl AsRef<str>) {
        if self.json {
            return;
        }
        match &self.bars {
            Some(bars) => bars.suspend(|| write_line(text.as_ref())),
            None => write_line(text.as_ref()),
        }
    }

    /// The document for machines.
    pub(crate) fn document(&self, value: &impl Serialize) -> Result<()> {
        if self.json {
            let text = serde_json::to_string_pretty(value)
                .map_err(|error| Error::internal("the answer is no JSON").because(error))?;
            write_line(&text);
        }
        Ok(())
    }

    /// A bar of `total` steps; on a terminal it moves, elsewhere [`Bar::step`] writes lines now and then.
    pub(crate) fn bar(&self, name: &str, total: u64) -> Bar {
        let style = ProgressStyle::with_template("{prefix:>10} {bar:30} {pos:>4}/{len} {msg}");
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new(total));
            if let Ok(style) = style {
                bar.set_style(style);
            }
            bar.set_prefix(name.to_owned());
            bar
        });
        Bar { bar, name: name.to_owned(), silent: self.json, told: None }
    }

    /// What went wrong, why, and what to do next.
    pub(crate) fn error(&self, error: &Error) {
        let next = match error.retry() {
            Retry::Backoff | Retry::After(_) => "it may pass: try again in a moment, or ask `slate doctor`",
            Retry::Reread => "somebody else changed it meanwhile: look at it again",
            _ => "correct the request; `slate --help` tells what it takes",
        };
        if self.json {
            let value = serde_json::json!({
                "error": { "kind": error.kind().as_str(), "message": error.to_string(), "next": next }
            });
            write_line(&value.to_string());
            return;
        }
        let mut text = format!("error: {error}");
        let mut source = error.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !text.contains(&cause_text) {
                text.push_str(&format!("\n  because: {cause_text}"));
            }
            source = cause.source();
        }
        let _ = writeln!(std::io::stderr(), "{text}\n  next: {next}");
    }
}

/// Standard output that was closed (`slate … | head`) is no reason to fail.
fn write_line(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// How far something is.
pub(crate) struct Bar {
    bar: Option<ProgressBar>,
    name: String,
    silent: bool,
    told: Option<(u64, String)>,
}

impl Bar {
    pub(crate) fn step(&mut self, position: u64, message: &str) {
        let now = (position, message.to_owned());
        if self.told.as_ref() == Some(&now) {
            return;
        }
        match &self.bar {
            Some(bar) => {
                bar.set_position(position);
                bar.set_message(message.to_owned());
            }
            None if !self.silent => write_line(&format!("{:>10} {position:>4} {message}", self.name)),
            None => {}
        }
        self.told = Some(now);
    }

    pub(crate) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Bytes for people: `1.5 MiB`.
pub(crate) fn bytes(count: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} B") } else { format!("{value:.1} {}", units[unit]) }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn bytes_are_readable() {
        assert_eq!([0, 1023, 1024, 1536, 5 << 30].map(bytes), ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "5.0 GiB"]);
    }
}
