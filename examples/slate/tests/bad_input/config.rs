use super::support::slate;
use std::{fs, path::Path};

fn with_config(text: &str, arguments: &[&str]) -> super::support::Ran {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("service.toml");
    fs::write(&file, text).unwrap();
    let file = file.to_string_lossy().into_owned();
    slate(&root.path().join("data"), &[&["--config", &file], arguments].concat())
}

fn project(root: &Path, manifest: &str) -> String {
    let folder = root.join("project");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("slate.toml"), manifest).unwrap();
    folder.to_string_lossy().into_owned()
}

#[test]
fn an_unknown_key_of_the_configuration_is_named_with_its_file_and_line() {
    with_config("[service]\nthreads = 1\ncolour = \"red\"\n", &["doctor"])
        .refused(2, &["colour", "line 3", "service.toml"]);
    with_config("[servcie]\nthreads = 1\n", &["doctor"]).refused(2, &["servcie"]);
}

#[test]
fn a_configuration_that_makes_no_sense_is_refused_before_anything_is_made() {
    with_config("[service\n", &["doctor"]).refused(2, &["malformed"]);
    with_config("[service]\nthreads = \"many\"\n", &["doctor"]).refused(2, &["threads", "line 2"]);
    with_config("[service]\nstore = \"oracle\"\n", &["doctor"]).refused(2, &["store", "sqlite", "oracle"]);
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    slate(&data, &["--config", "nowhere.toml", "doctor"]).refused(3, &["nowhere.toml"]);
    assert!(!data.exists(), "nothing was made");
}

#[test]
fn an_unknown_key_of_a_project_is_named_by_its_session_and_by_its_build() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let folder = project(root.path(), "[build]\ncompile = [[\"true\"]]\ncompil = []\n");
    slate(&data, &["session", "start", &folder]).refused(2, &["compil", "line 3"]);
    // A build that is recorded, and has failed: its manifest is its own matter.
    slate(&data, &["build", &folder]).refused(1, &["compil", "line 3"]);
    let list = slate(&data, &["--json", "session", "list"]);
    assert_eq!(list.json().as_array().unwrap().len(), 0, "no session was recorded");
}

#[test]
fn a_project_without_a_command_starts_no_session() {
    let root = tempfile::tempdir().unwrap();
    let folder = project(root.path(), "[project]\nname = \"Empty\"\n");
    slate(&root.path().join("data"), &["session", "start", &folder]).refused(2, &["command"]);
}
