//! The binary with `--json`, as a program runs it.

use serde_json::{Value, json};
use std::{path::Path, process::Command};

/// Whether it ended well, and the document that it wrote; where it wrote none, what it said beside.
pub(crate) fn slate(folder: &Path, arguments: &[&str]) -> (bool, Value) {
    let out =
        Command::new(env!("CARGO_BIN_EXE_slate")).current_dir(folder).arg("--json").args(arguments).output().unwrap();
    let value = serde_json::from_slice(&out.stdout)
        .unwrap_or_else(|_| json!({ "stderr": String::from_utf8_lossy(&out.stderr) }));
    (out.status.success(), value)
}
