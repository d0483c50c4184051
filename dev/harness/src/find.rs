//! Where programs are installed.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

/// Where packages put servers that are not on everybody's path.
const FURTHER: [&str; 4] = ["/usr/local/bin", "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin"];

/// The first of `names` that is on the path.
///
/// # Errors
/// `NotFound`, with how to install it.
pub(crate) fn program(names: &[&str], how: &str) -> io::Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = env::split_paths(&path).chain(FURTHER.iter().map(PathBuf::from)).collect();
    let found =
        names.iter().find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file()));
    found.ok_or_else(|| missing(names[0], how))
}

/// The folder of Postgres' programs: `SLATE_PG_BIN`, or the newest installed.
///
/// # Errors
/// `NotFound`, with how to install it.
pub(crate) fn postgres() -> io::Result<PathBuf> {
    if let Some(folder) = env::var_os("SLATE_PG_BIN") {
        return Ok(folder.into());
    }
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort_by_key(|folder| folder.parent().and_then(Path::file_name)?.to_str()?.parse::<u32>().ok());
    let whole = |folder: &PathBuf| ["initdb", "postgres", "psql"].iter().all(|program| folder.join(program).is_file());
    if let Some(folder) = folders.into_iter().rev().find(whole) {
        return Ok(folder);
    }
    let psql = program(&["psql"], "install the package postgresql")?;
    let folder = psql.parent().map(Path::to_owned).unwrap_or_default();
    if whole(&folder) { Ok(folder) } else { Err(missing("postgres", "install the package postgresql")) }
}

/// The folder where `dev/servers` keeps what it fetched.
pub(crate) fn cache() -> PathBuf {
    let base = env::var_os("XDG_CACHE_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    let home = || PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".cache");
    base.unwrap_or_else(home).join("slate-harness")
}

pub(crate) fn missing(what: &str, how: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{what} is not installed; {how}, or run dev/servers"))
}
