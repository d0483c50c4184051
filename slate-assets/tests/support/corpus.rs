//! Models of other hands, as `dev/models` fetches them.

use std::path::{Path, PathBuf};

/// The files with these extensions in a corpus, sorted; none, said aloud, where the corpus isn't there.
///
/// They are looked for in the folder that `SLATE_MODELS` names, or where `dev/models` puts them. A corpus is never
/// demanded, not even by `SLATE_REQUIRE_SERVICES`: some have no package to fetch.
pub(crate) fn files(name: &str, extensions: &[&str]) -> Option<Vec<PathBuf>> {
    let mut found = Vec::new();
    collect(&folder(name)?, extensions, &mut found);
    found.sort();
    Some(found)
}

/// Where a corpus is.
pub(crate) fn folder(name: &str) -> Option<PathBuf> {
    let home = |variable: &str| std::env::var_os(variable).map(PathBuf::from);
    let cache = home("XDG_CACHE_HOME").or_else(|| home("HOME").map(|home| home.join(".cache")));
    let all = home("SLATE_MODELS").or_else(|| cache.map(|cache| cache.join("slate-harness/models")));
    let folder = all.map(|all| all.join(name)).filter(|folder| folder.is_dir());
    if folder.is_none() {
        println!("skipped: the corpus {name} is not there; dev/models tells where it is looked for");
    }
    folder
}

fn collect(folder: &Path, extensions: &[&str], found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            collect(&path, extensions, found);
        } else if path.extension().is_some_and(|own| extensions.iter().any(|wanted| own.eq_ignore_ascii_case(wanted))) {
            found.push(path);
        }
    }
}
