use slate_core::{engine::LineClass, model::LogLevel};

/// Beginnings of lines after which the exported project is not what was asked for, though Godot goes on and ends with code 0.
const FATAL: [&str; 12] = [
    "SCRIPT ERROR:",
    "USER SCRIPT ERROR:",
    "ERROR: Failed loading resource",
    "ERROR: Failed to load resource",
    "ERROR: Failed to load script",
    "ERROR: Cannot open file",
    "ERROR: Invalid export preset",
    "ERROR: No export template",
    "ERROR: Cannot export project",
    "ERROR: Project export for preset",
    "ERROR: Error loading",
    "ERROR: Parse Error",
];

/// Reads a line of Godot 3 or 4.
pub(crate) fn classify(line: &str) -> LineClass {
    let line = strip_colors(line);
    let line = line.trim_start();
    if FATAL.iter().any(|start| line.starts_with(start)) {
        return LineClass::fatal();
    }
    if let Some(share) = progress(line) {
        return LineClass::progress(share);
    }
    let starts = |words: &[&str]| words.iter().any(|word| line.starts_with(word));
    if starts(&["ERROR:", "USER ERROR:", "SHADER ERROR:"]) {
        LineClass::level(LogLevel::Error)
    } else if starts(&["WARNING:", "USER WARNING:", "SCRIPT WARNING:"]) {
        LineClass::level(LogLevel::Warning)
    } else {
        LineClass::level(LogLevel::Info)
    }
}

/// `[  45% ] reimport | …`, as Godot 4 tells its progress; `reimport: step 3: …` has no total and tells none.
fn progress(line: &str) -> Option<f32> {
    let (inside, _) = line.strip_prefix('[')?.split_once(']')?;
    let percent: f32 = inside.trim().strip_suffix('%')?.trim().parse().ok()?;
    (0.0..=100.0).contains(&percent).then_some(percent / 100.0)
}

/// The line without the colours that Godot puts around its messages on a terminal.
fn strip_colors(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(start) = rest.find('\u{1b}') {
        plain.push_str(&rest[..start]);
        rest = &rest[start + 1..];
        let end = rest.find(|c: char| c.is_ascii_alphabetic()).map_or(rest.len(), |end| end + 1);
        rest = &rest[end..];
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ruins_an_export_is_fatal() {
        for line in [
            "SCRIPT ERROR: Parse Error: Expected end of statement",
            "\u{1b}[1;31mSCRIPT ERROR:\u{1b}[0m Parse error",
            "   ERROR: Failed loading resource: res://missing.png.",
            "ERROR: Invalid export preset name: Nope.",
        ] {
            assert!(classify(line).fatal, "{line}");
        }
    }

    #[test]
    fn what_does_not_is_not() {
        let error = classify("ERROR: 3 resources still in use at exit.");
        assert!(!error.fatal && error.level == LogLevel::Error);
        assert_eq!(classify("WARNING: ObjectDB instances leaked at exit").level, LogLevel::Warning);
        assert_eq!(classify("Godot Engine v4.6.3").level, LogLevel::Info);
    }

    #[test]
    fn progress_is_read() {
        assert_eq!(classify("[  45% ] reimport | hero.png").progress, Some(0.45));
        assert_eq!(classify("[ DONE ] reimport").progress, None);
        assert_eq!(classify("[ 450% ] x").progress, None);
    }
}
