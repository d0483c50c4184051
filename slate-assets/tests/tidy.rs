//! What must not be in this crate.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The modules that may have unsafe code, each with its reason at its top.
const UNSAFE: [&str; 6] = [
    "src/simd.rs",
    "src/texture/block/narrow/avx2.rs",
    "src/texture/block/narrow/avx512.rs",
    "src/texture/block/narrow/neon.rs",
    "src/texture/block/narrow/sse2.rs",
    "src/texture/block/turn.rs",
];

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn unsafe_code_is_in_the_listed_modules_only() {
    let mut paths = Vec::new();
    sources(&here().join("src"), &mut paths);
    assert!(paths.len() > 50, "only {} files", paths.len());
    let mut found: Vec<String> = paths
        .iter()
        .filter(|path| fs::read_to_string(path).unwrap().contains("unsafe_code"))
        .map(|path| path.strip_prefix(here()).unwrap().to_string_lossy().replace('\\', "/"))
        .collect();
    found.sort();
    assert_eq!(found, UNSAFE);
}

#[test]
fn lints_are_those_of_the_workspace_but_for_unsafe_code() {
    let own = fs::read_to_string(here().join("Cargo.toml")).unwrap();
    let workspace = fs::read_to_string(here().join("../Cargo.toml")).unwrap();
    let table = |text: &str, title: &str| -> Vec<String> {
        let lines = text.lines().skip_while(|line| *line != title).skip(1);
        lines.take_while(|line| !line.starts_with('[')).filter(|line| !line.is_empty()).map(str::to_owned).collect()
    };
    for kind in ["rust", "clippy"] {
        let mut expected = table(&workspace, &format!("[workspace.lints.{kind}]"));
        assert!(!expected.is_empty(), "{kind}");
        for line in &mut expected {
            *line = line.replace("unsafe_code = \"forbid\"", "unsafe_code = \"deny\"");
        }
        assert_eq!(table(&own, &format!("[lints.{kind}]")), expected, "{kind}");
    }
}
