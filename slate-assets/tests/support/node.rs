//! Foreign readers: what npm brings for Node.js, and what pip brings for Python.

use std::{path::PathBuf, process::Command};

/// Validates all models below a folder; tells their errors.
pub(crate) const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/validate.js");

/// The folder of the Khronos Group's validator; none, said aloud, where there is no node, or npm can't fetch it. It isn't
/// among what `dev/servers` brings, so that nothing but the distribution's packages is needed.
pub(crate) fn validator() -> Option<PathBuf> {
    let skipped = |why: &str| {
        println!("skipped: {why}");
        None
    };
    if Command::new("node").arg("--version").output().is_err() {
        return skipped("node is not installed");
    }
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("gltf-validator");
    let module = folder.join("node_modules/gltf-validator");
    if !module.join("package.json").exists() {
        std::fs::create_dir_all(&folder).unwrap();
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]).arg(&folder);
        let fetched = npm.arg("gltf-validator@2.0.0-dev.3.10").output();
        if !fetched.is_ok_and(|output| output.status.success()) {
            return skipped("npm can't fetch gltf-validator");
        }
    }
    Some(module)
}

/// The folder of a Python package; none, said aloud, where there is no Python, or pip can't fetch it.
pub(crate) fn python(package: &str, version: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{package}-{version}"));
    if !folder.join(package).exists() {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check", "--target"])
            .arg(&folder);
        let fetched = pip.arg(format!("{package}=={version}")).output();
        if !fetched.is_ok_and(|output| output.status.success()) {
            println!("skipped: python3 is not there, or pip can't fetch {package}");
            return None;
        }
    }
    Some(folder)
}
