use slate_core::{Error, Result};
use std::collections::BTreeMap;

/// A file in Godot's configuration format (`project.godot`, `export_presets.cfg`): sections of `key=value` lines, where a
/// value is a Variant as text and may go on over several lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigFile {
    values: BTreeMap<(String, String), String>,
}

impl ConfigFile {
    /// Reads such a file. Values are kept as they are written; only where they end is looked for.
    ///
    /// # Errors
    /// `Invalid` for a line that is none, or a string or bracket that never ends, with its line number.
    pub fn parse(text: &str) -> Result<Self> {
        let mut values = BTreeMap::new();
        let mut section = String::new();
        let mut lines = text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            let line = line.trim();
            if line.is_empty() || line.starts_with(';') {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = name.to_owned();
                continue;
            }
            let (key, value) =
                line.split_once('=').ok_or_else(|| malformed(number, "neither [section] nor key=value"))?;
            let mut value = value.trim().to_owned();
            while !is_whole(&value) {
                let (_, next) = lines.next().ok_or_else(|| malformed(number, "the value never ends"))?;
                value.push('\n');
                value.push_str(next);
            }
            values.insert((section.clone(), key.trim().to_owned()), value);
        }
        Ok(Self { values })
    }

    /// The value as it is written.
    pub fn raw(&self, section: &str, key: &str) -> Option<&str> {
        self.values.get(&(section.to_owned(), key.to_owned())).map(String::as_str)
    }

    /// The value of a string, with `\"` and `\\` kept as they are written; `None` for other values.
    pub fn text(&self, section: &str, key: &str) -> Option<&str> {
        self.raw(section, key)?.strip_prefix('"')?.strip_suffix('"').filter(|text| !text.is_empty())
    }

    /// The value of a whole number.
    pub fn number(&self, section: &str, key: &str) -> Option<i64> {
        self.raw(section, key)?.parse().ok()
    }

    /// The names of the sections, ascending.
    pub fn sections(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.values.keys().map(|(section, _)| section.as_str()).collect();
        names.dedup();
        names
    }
}

/// Whether every string and bracket of a value has ended.
fn is_whole(value: &str) -> bool {
    let (mut in_string, mut escaped, mut depth) = (false, false, 0_i64);
    for c in value.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            '{' | '[' | '(' if !in_string => depth += 1,
            '}' | ']' | ')' if !in_string => depth -= 1,
            _ => {}
        }
    }
    !in_string && depth <= 0
}

fn malformed(line: usize, what: &'static str) -> Error {
    Error::invalid(what).with("line", line + 1)
}

/// An export preset of `export_presets.cfg`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Preset {
    /// Its name.
    pub name: String,
    /// Its platform in Godot's words, for example `Linux` or `Windows Desktop`.
    pub platform: String,
    /// Whether it is the one that the editor runs.
    pub runnable: bool,
    /// The path that it exports to by itself.
    pub export_path: Option<String>,
}

impl Preset {
    /// Every preset of the file, in order.
    ///
    /// # Errors
    /// Those of [`ConfigFile::parse`]; `Invalid` for a preset without name or platform.
    pub fn read_all(text: &str) -> Result<Vec<Self>> {
        let file = ConfigFile::parse(text)?;
        let mut presets = Vec::new();
        for index in 0_usize.. {
            let section = format!("preset.{index}");
            if !file.sections().contains(&section.as_str()) {
                break;
            }
            let text = |key| {
                let missing =
                    || Error::invalid("an export preset lacks a value").with("preset", index).with("key", key);
                file.text(&section, key).map(str::to_owned).ok_or_else(missing)
            };
            presets.push(Self {
                name: text("name")?,
                platform: text("platform")?,
                runnable: file.raw(&section, "runnable") == Some("true"),
                export_path: text("export_path").ok(),
            });
        }
        Ok(presets)
    }

    /// Whether it exports a resource pack alone, without an executable.
    pub fn is_pack(&self) -> bool {
        self.export_path.as_ref().is_some_and(|path| path.ends_with(".pck"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_may_span_lines() {
        let file = ConfigFile::parse("a={\n\"x\": [1,\n2]\n}\n[s]\nb=\"one\ntwo ; no comment\"\nc=7\n").unwrap();
        assert_eq!(file.text("s", "b"), Some("one\ntwo ; no comment"));
        assert_eq!(file.number("s", "c"), Some(7));
        assert!(file.raw("", "a").unwrap().ends_with('}'));
    }

    #[test]
    fn what_never_ends_is_refused() {
        for bad in ["a=\"x", "a={", "no equals sign", "a=\"x\\\""] {
            assert!(ConfigFile::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn presets_come_in_order() {
        let text = "[preset.0]\nname=\"A\"\nplatform=\"Linux\"\nexport_path=\"out/a.pck\"\n[preset.1]\nname=\"B\"\nplatform=\"Web\"\nrunnable=true\n";
        let presets = Preset::read_all(text).unwrap();
        assert_eq!(presets.len(), 2);
        assert!(presets[0].is_pack() && !presets[0].runnable && presets[1].runnable);
        assert!(Preset::read_all("[preset.0]\nname=\"A\"\n").is_err());
    }
}
