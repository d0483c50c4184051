//! What must not be there: dependencies that go the wrong way, clients in the core, one machine's paths, empty promises.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The workspace's packages with their normal dependencies, by name.
fn packages() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let dependencies = |package: &serde_json::Value| {
        let all = package["dependencies"].as_array().unwrap().iter();
        all.filter(|dependency| dependency["kind"].is_null())
            .map(|dependency| dependency["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let all = metadata["packages"].as_array().unwrap().iter();
    all.map(|package| (package["name"].as_str().unwrap().to_owned(), dependencies(package))).collect()
}

#[test]
fn pieces_depend_on_the_core_and_never_on_each_other() {
    let packages = packages();
    assert!(packages.contains_key("slate-core") && packages.contains_key("slate-store"), "{packages:?}");
    let pieces: BTreeSet<_> = packages.keys().filter(|name| name.starts_with("slate-")).cloned().collect();
    // Programs that measure or check several pieces together, and that nobody depends on.
    let programs = ["slate-benches", "slate-history"];
    for piece in pieces.iter().filter(|piece| !programs.contains(&piece.as_str())) {
        let wrong: Vec<_> = packages[piece].intersection(&pieces).filter(|other| *other != "slate-core").collect();
        assert!(
            wrong.is_empty(),
            "{piece} depends on {wrong:?}; only examples, benches and checkers see several pieces"
        );
    }
    assert!(packages["slate-core"].intersection(&pieces).next().is_none(), "the core depends on no piece");
}

#[test]
fn the_core_knows_no_client_and_no_server() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "-p", "slate-core", "--edges", "normal", "--prefix", "none", "--format", "{p}", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).unwrap();
    let names: BTreeSet<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains("tokio"), "the tree was read: {names:?}");
    for banned in ["bollard", "sqlx", "sqlx-core", "async-nats", "axum", "redis", "hyper", "image", "symphonia", "kube"]
    {
        assert!(!names.contains(banned), "{banned} is in the core's tree");
    }
}

#[test]
fn no_file_names_a_place_of_one_machine() {
    // Written in parts, or this file would name them.
    let banned = [concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/wo", "rk/"), concat!("192", ".168.")];
    each_source(|path, text| {
        for word in banned {
            for (number, line) in text.lines().enumerate().filter(|(_, line)| line.contains(word)) {
                // The seeds' own example of a Wine prefix.
                let example = line.contains(concat!("/ho", "me/retro"));
                assert!(example, "{}:{}: {word}", path.display(), number + 1);
            }
        }
    });
}

#[test]
fn nothing_is_left_to_be_done_in_code() {
    let banned = [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("FIX", "ME"), concat!("TO", "DO")];
    each_source(|path, text| {
        for word in banned {
            assert!(!text.contains(word), "{}: {word}", path.display());
        }
    });
}

#[test]
fn a_file_is_a_page() {
    each_source(|path, text| {
        let tests = text.find("#[cfg(test)]").unwrap_or(text.len());
        let lines = text[..tests].lines().count();
        let long = path.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "conformance");
        let limit = if long { 700 } else { 520 };
        assert!(lines <= limit, "{} has {lines} lines: split it by subject", path.display());
    });
}

fn each_source(mut look: impl FnMut(&Path, &str)) {
    let mut folders = vec![root()];
    let mut count = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            let kind = entry.file_type().unwrap();
            if kind.is_dir() && !name.starts_with('.') && name != "target" && !name.starts_with("mutants.out") {
                folders.push(path);
            } else if kind.is_file()
                && matches!(path.extension().and_then(|e| e.to_str()), Some("rs" | "toml" | "sql" | "sh"))
            {
                let text = fs::read_to_string(&path).unwrap();
                look(path.strip_prefix(root()).unwrap(), &text);
                count += 1;
            }
        }
    }
    assert!(count > 100, "only {count} files were looked at");
}
