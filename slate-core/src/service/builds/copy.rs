//! A copy of a project for one build to work on.

use crate::{BuildId, Error, Result, engine::ProjectView};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Left out of every copy: histories are large, and no build needs them.
const HISTORY: &str = ".git";

/// The folder of a build's copy.
pub(super) fn folder(workspace: &Path, build: BuildId) -> PathBuf {
    workspace.join(format!("{build}.project"))
}

/// Copies a project, without the `ignore`d folders at its top, and gives all of it to `owner`. What lies at `to` is thrown
/// away before.
pub(super) fn copy(from: &Path, to: &Path, ignore: &[&str], owner: Option<(u32, u32)>) -> Result<PathBuf> {
    remove(to)?;
    let mut folders = vec![(from.to_owned(), to.to_owned(), 0)];
    let mut count = 0;
    while let Some((from, to, depth)) = folders.pop() {
        let failed = |error| Error::io("copy the project", error).with("path", from.display());
        if depth > ProjectView::MAX_DEPTH {
            return Err(Error::limit_exceeded("the project's folders are nested too deep").with("path", from.display()));
        }
        fs::create_dir_all(&to).map_err(failed)?;
        hand_over(&to, owner)?;
        for entry in fs::read_dir(&from).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let (kind, name) = (entry.file_type().map_err(failed)?, entry.file_name());
            if name == HISTORY || (depth == 0 && ignore.iter().any(|ignored| name == *ignored)) {
                continue;
            }
            let target = to.join(name);
            if kind.is_dir() {
                folders.push((entry.path(), target, depth + 1));
            } else if kind.is_file() {
                fs::copy(entry.path(), &target).map_err(failed)?;
                hand_over(&target, owner)?;
            }
            count += 1;
            if count > ProjectView::MAX_FILES {
                return Err(
                    Error::limit_exceeded("the project has too many files").with("limit", ProjectView::MAX_FILES)
                );
            }
        }
    }
    fs::canonicalize(to).map_err(|error| Error::io("copy the project", error).with("path", to.display()))
}

/// Removes a copy; one that isn't there is `Ok`.
pub(super) fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("remove a copy of the project", error).with("path", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Gives a file or folder to the user whom steps run as.
pub(super) fn hand_over(path: &Path, owner: Option<(u32, u32)>) -> Result<()> {
    let Some((user, group)) = owner else { return Ok(()) };
    #[cfg(unix)]
    return std::os::unix::fs::chown(path, Some(user), Some(group)).map_err(|error| {
        Error::io("give a folder to the user whom builds run as", error).with("path", path.display())
    });
    #[cfg(not(unix))]
    return Err(Error::unsupported("files have no owner by number here").with("user", user).with("group", group));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_all_but_links_histories_and_what_is_ignored() {
        let root = tempfile::tempdir().unwrap();
        let from = root.path().join("from");
        for folder in ["a/b", ".git", "build", "a/build", ".import"] {
            fs::create_dir_all(from.join(folder)).unwrap();
            fs::write(from.join(folder).join("file"), folder).unwrap();
        }
        #[cfg(unix)]
        std::os::unix::fs::symlink("/etc/passwd", from.join("link")).unwrap();
        let to = root.path().join("to");
        fs::create_dir_all(to.join("old")).unwrap();
        let copied = copy(&from, &to, &["build"], None).unwrap();
        let there = |path: &str| copied.join(path).exists();
        assert!(there("a/b/file") && there("a/build/file") && there(".import/file"));
        assert!(!there(".git") && !there("build") && !there("link") && !there("old"));
        remove(&to).unwrap();
        remove(&to).unwrap();
    }
}
