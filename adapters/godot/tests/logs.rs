//! The real output of Godot on sound and on faulty projects: `data/` says how it came about.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use slate_core::engine::{Engine, ProjectView};
use slate_godot::Godot;
use std::{collections::BTreeMap, fs, path::Path};

/// The faults that the output tells nothing of; the pack does.
const SILENT: [&str; 1] = ["missing-texture"];

fn fatal_lines() -> BTreeMap<String, Vec<String>> {
    let classify = Godot::new().classifier(&ProjectView::default()).unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/godot-3.2.3");
    let logs = fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path());
    logs.filter(|path| path.extension().is_some_and(|ending| ending == "log"))
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let fatal = text.lines().filter(|line| classify(line).fatal).map(str::to_owned).collect();
            (path.file_stem().unwrap().to_string_lossy().into_owned(), fatal)
        })
        .collect()
}

#[test]
fn every_fault_that_is_told_is_read() {
    let mut fatal = fatal_lines();
    assert_eq!(fatal.len(), 12);
    let sound = fatal.remove("sound").unwrap();
    assert!(sound.is_empty(), "{sound:#?}");
    for (fault, lines) in fatal {
        assert_eq!(lines.is_empty(), SILENT.contains(&fault.as_str()), "{fault}: {lines:#?}");
    }
}

#[test]
fn the_first_line_says_what_is_wrong() {
    let fatal = fatal_lines();
    for (fault, word) in [
        ("syntax-error", "':' expected at end of line"),
        ("corrupt-texture", "res://textures/boat.png"),
        ("broken-main-scene", "res://scenes/beacon.tscn"),
        ("missing-script", "res://scripts/boat.gd"),
        ("wrong-preset", "Invalid export preset name: Nope"),
        ("disk-full", "fwrite"),
        ("runtime-error", "null instance"),
    ] {
        assert!(fatal[fault][0].contains(word), "{fault}: {:?}", fatal[fault][0]);
    }
}
