//! Foreign readers: what npm brings for Node.js, and what pip brings for Python.

use std::{path::PathBuf, process::Command};

/// Validates all models below a folder; tells their errors.
pub(crate) const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/validate.js");

/// The folder of the Khronos Group's validator; see [`module`].
pub(crate) fn validator() -> Option<PathBuf> {
    module("gltf-validator", "2.0.0-dev.3.10")
}

/// The folder of a package of npm; none, said aloud, where there is no node, or npm can't fetch it. It isn't among what
/// `dev/servers` brings, so that nothing but the distribution's packages is needed.
pub(crate) fn module(package: &str, version: &str) -> Option<PathBuf> {
    let skipped = |why: &str| {
        println!("skipped: {why}");
        None
    };
    if Command::new("node").arg("--version").output().is_err() {
        return skipped("node is not installed");
    }
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(package);
    let module = folder.join("node_modules").join(package);
    if !module.join("package.json").exists() {
        std::fs::create_dir_all(&folder).unwrap();
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]).arg(&folder);
        let fetched = npm.arg(format!("{package}@{version}")).output();
        if !fetched.is_ok_and(|output| output.status.success()) {
            return skipped(&format!("npm can't fetch {package}"));
        }
    }
    Some(module)
}

/// The folder of a Python package whose module has its name; see [`python_module`].
pub(crate) fn python(package: &str, version: &str) -> Option<PathBuf> {
    python_module(package, version, package)
}

/// The folder of a Python package; none, said aloud, where there is no Python, or pip can't fetch it.
pub(crate) fn python_module(package: &str, version: &str, module: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{package}-{version}"));
    if !folder.join(module).exists() {
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
