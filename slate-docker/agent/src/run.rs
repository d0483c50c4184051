//! The program that work names.

use crate::wire::{Refusal, Work};
use rustix::{
    fs::{Access, access},
    process::{Pid, getuid},
};
use std::{
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Where programs without a path are looked for, when the environment doesn't say.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program that was found and can be started.
pub(crate) struct Program {
    path: PathBuf,
    work: Work,
}

impl Program {
    /// Looks for what the work names; why not, and words for people.
    pub(crate) fn find(work: Work) -> Result<Self, (Refusal, String)> {
        let Some(name) = work.command.first().filter(|name| !name.is_empty()) else {
            return Err((Refusal::NoProgram, "the work names no program, and the image has none".into()));
        };
        if let Some(user) = &work.user
            && !is_me(user)
        {
            return Err((Refusal::NotThisUser, format!("not this user: {user}")));
        }
        let folder = work.folder.clone().map_or_else(|| PathBuf::from("."), PathBuf::from);
        if !folder.is_dir() {
            return Err((Refusal::NoProgram, format!("no such folder: {}", folder.display())));
        }
        let path = work.env.get("PATH").cloned().or_else(|| std::env::var("PATH").ok());
        let candidates = candidates(name, path.as_deref().unwrap_or(DEFAULT_PATH), &folder);
        let found = candidates.into_iter().find(|path| path.is_file() && access(path, Access::EXEC_OK).is_ok());
        match found {
            Some(path) => Ok(Self { path, work }),
            None => Err((Refusal::NoProgram, format!("no such program: {name}"))),
        }
    }

    /// Starts it with the agent's own output and environment, and what the work adds.
    pub(crate) fn start(self) -> io::Result<Pid> {
        use std::os::unix::process::CommandExt;
        let mut command = Command::new(&self.path);
        if let [name, arguments @ ..] = &self.work.command[..] {
            command.arg0(name).args(arguments);
        }
        command.envs(&self.work.env).stdin(Stdio::null());
        if let Some(folder) = &self.work.folder {
            command.current_dir(folder);
        }
        let child = command.spawn()?;
        i32::try_from(child.id())
            .ok()
            .and_then(Pid::from_raw)
            .ok_or_else(|| io::Error::other("a process without number"))
    }
}

/// What a shell ends with where a program can't be run.
pub(crate) fn code_of(error: &io::Error) -> u8 {
    if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 }
}

/// The places where a program may be: without a path in the folders of `PATH`, else from the working folder on.
fn candidates(name: &str, path: &str, folder: &Path) -> Vec<PathBuf> {
    if name.contains('/') {
        return vec![folder.join(name)];
    }
    path.split(':').filter(|place| place.starts_with('/')).map(|place| Path::new(place).join(name)).collect()
}

/// Whether the agent runs as this user, `name` or `number` with or without a group.
fn is_me(user: &str) -> bool {
    let name = user.split(':').next().unwrap_or_default();
    let me = getuid().as_raw();
    if let Ok(number) = name.parse::<u32>() {
        return number == me;
    }
    let known = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    known.lines().any(|line| {
        let mut fields = line.split(':');
        fields.next() == Some(name) && fields.nth(1).and_then(|uid| uid.parse().ok()) == Some(me)
    })
}
