use slate_core::{engine::LineClass, model::LogLevel};

/// Beginnings of messages after which the exported project is not what was asked for, though Godot goes on and ends with
/// code 0.
const FATAL: [&str; 23] = [
    "Failed loading resource",
    "Failed loading scene",
    "Failed to load resource",
    "Failed to load script",
    "Failed to instantiate",
    "Cannot open file 'res://",
    "Cannot open resource pack",
    "Cannot load source code from file",
    "Cannot load byte code from file",
    "Can't open",
    "Couldn't open",
    "Couldn't load",
    "Invalid export preset",
    "No export template",
    "Cannot export project",
    "Project export for preset",
    "Error loading",
    "Error importing",
    "Error parsing",
    "Parse Error",
    "ConfigFile parse error at res://",
    "Corrupted header in binary project.binary",
    // A write that failed: the disk is full.
    "Condition \"(int)fwrite(",
];

/// Reads a line of Godot 3 or 4.
///
/// Godot 4 writes `ERROR: message`, Godot 3 `ERROR: function: message`; where it was comes in a line of its own.
pub(crate) fn classify(line: &str) -> LineClass {
    let line = strip_colors(line);
    let line = line.trim_start();
    if let Some(share) = progress(line).or_else(|| pack_progress(line)) {
        return LineClass::progress(share);
    }
    let after = |words: &[&str]| words.iter().find_map(|word| line.strip_prefix(word)).map(str::trim_start);
    if after(&["SCRIPT ERROR:", "USER SCRIPT ERROR:"]).is_some() {
        return LineClass::fatal();
    }
    if let Some(message) = after(&["ERROR:", "USER ERROR:", "SHADER ERROR:"]) {
        let message = without_function(message);
        let in_a_file = message.starts_with("res://") && message.contains("Parse Error:");
        if in_a_file || FATAL.iter().any(|start| message.starts_with(start)) {
            return LineClass::fatal();
        }
        return LineClass::level(LogLevel::Error);
    }
    if after(&["WARNING:", "USER WARNING:", "SCRIPT WARNING:"]).is_some() {
        return LineClass::level(LogLevel::Warning);
    }
    LineClass::level(LogLevel::Info)
}

/// The message without the name of the function that Godot 3 puts before it.
fn without_function(message: &str) -> &str {
    let is_name = |word: &str| word.bytes().all(|b| b.is_ascii_alphanumeric() || b"_:~".contains(&b)) && word != "res";
    match message.split_once(": ") {
        Some((word, rest)) if is_name(word) => rest,
        _ => message,
    }
}

/// `savepack: step 16: Storing File: …`, as Godot 3 tells its progress, of always 102 steps.
fn pack_progress(line: &str) -> Option<f32> {
    let (step, _) = line.strip_prefix("savepack: step ")?.split_once(':')?;
    Some(step.parse::<u8>().ok()?.min(102).into()).map(|step: f32| step / 102.0)
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
    fn the_function_before_a_message_of_godot_3_is_passed_over() {
        assert!(classify("ERROR: _load: Failed loading resource: res://a.tscn. Make sure").fatal);
        assert!(classify("ERROR: poll: res://a.tscn:4 - Parse Error: [ext_resource] referenced nonexistent").fatal);
        assert!(!classify("ERROR: load: Cannot open X509CertificateMbedTLS file '/etc/ssl/certs/x'.").fatal);
    }

    #[test]
    fn progress_is_read() {
        assert_eq!(classify("\tsavepack: step 51: Storing File: res://a").progress, Some(0.5));
        assert_eq!(classify("[  45% ] reimport | hero.png").progress, Some(0.45));
        assert_eq!(classify("[ DONE ] reimport").progress, None);
        assert_eq!(classify("[ 450% ] x").progress, None);
    }
}
