//! A server's process, which ends when this one does.

use crate::{START, find, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
};
use tempfile::TempDir;

/// Runs the server and waits for it. Where the pipe on its standard input closes first, whoever held it is gone: then the
/// server is killed, and its folder removed. It is asked to quit before, because Postgres then gives its shared memory back.
const GUARD: &str = r#"
folder=$1; shift
ulimit -c 0
exec 3<&0
"$@" 3<&- </dev/null >&2 &
server=$!
{ while read -r _; do :; done <&3; kill -KILL $$; kill -QUIT $server; sleep 0.3; kill -KILL $server; rm -rf "$folder"; } >/dev/null 2>&1 &
watch=$!
exec 3<&- </dev/null
echo $server
exec >/dev/null
wait $server
code=$?
kill -KILL $watch
exit $code
"#;

/// A folder for one server, readable by the user that it runs as.
pub(crate) fn folder(user: Option<User>) -> io::Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("slate-").tempdir()?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    if let Some(user) = user {
        std::os::unix::fs::chown(folder.path(), Some(user.uid), Some(user.gid))?;
    }
    Ok(folder)
}

/// Whom a server runs as.
#[derive(Clone, Copy, Debug)]
pub(crate) struct User {
    uid: u32,
    gid: u32,
}

impl User {
    /// Another user than root, where this process is root's: Postgres refuses to run as root.
    pub(crate) fn not_root() -> io::Result<Option<Self>> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let users = fs::read_to_string("/etc/passwd")?;
        let of = |wanted: &str| {
            let line = users.lines().find(|line| line.split(':').next() == Some(wanted))?;
            let mut ids = line.split(':').skip(2);
            Some(Self { uid: ids.next()?.parse().ok()?, gid: ids.next()?.parse().ok()? })
        };
        let user = of("postgres").or_else(|| of("nobody"));
        user.map(Some).ok_or_else(|| find::missing("a user for Postgres", "make the user postgres"))
    }
}

/// What is to be run.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    pub(crate) folder: PathBuf,
    pub(crate) user: Option<User>,
}

impl Launch {
    /// A command with this launch's user and a bare environment.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env_clear().env("PATH", path).env("LC_ALL", "C").current_dir(&self.folder).process_group(0);
        if let Some(user) = self.user {
            command.uid(user.uid).gid(user.gid);
        }
        command
    }

    /// Runs a tool to its end and returns what it wrote.
    pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(&self, program: &Path, args: &[S]) -> io::Result<String> {
        let output = self.command(program).args(args).stdin(Stdio::null()).output()?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let told = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(io::Error::other(format!("{}: {told}", program.display())))
    }
}

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Process {
    launch: Launch,
    guard: Child,
    pid: Pid,
    /// The guard sees it close when this process ends. Held here, because waiting for a child closes the child's own.
    _alive: Option<ChildStdin>,
}

impl Process {
    pub(crate) fn start(launch: Launch) -> io::Result<Self> {
        let log = OpenOptions::new().create(true).append(true).open(log(&launch.folder))?;
        let mut guard = launch
            .command(Path::new("/bin/sh"))
            .args(["-c", GUARD, "slate-harness"])
            .arg(&launch.folder)
            .arg(&launch.program)
            .args(&launch.args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let mut line = String::new();
        if let Some(stdout) = guard.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let pid = line.trim().parse().ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::other("the guard did not start the server"))?;
        let alive = guard.stdin.take();
        Ok(Self { launch, guard, pid, _alive: alive })
    }

    /// An error once the process has ended, with the end of its log.
    pub(crate) fn check(&mut self) -> io::Result<()> {
        match self.guard.try_wait()? {
            None => Ok(()),
            Some(status) => Err(io::Error::other(format!("ended ({status}): {}", self.tail()))),
        }
    }

    /// Asks `ready` until it says so, or the process has ended.
    pub(crate) fn until_ready(&mut self, what: &str, mut ready: impl FnMut() -> io::Result<()>) -> io::Result<()> {
        let mut ended = None;
        let waited = wait_until(what, START, || match self.check() {
            Ok(()) => ready(),
            Err(error) => {
                ended = Some(io::Error::other(format!("{what} {error}")));
                Ok(())
            }
        });
        ended.map_or(waited, Err)
    }

    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill_process(self.pid, signal)?)
    }

    /// Halts it, and waits until each of its threads stands still: the signal takes a moment.
    pub(crate) fn halt(&self) -> io::Result<()> {
        self.signal(Signal::STOP)?;
        wait_until("halt", START, || {
            for thread in fs::read_dir(format!("/proc/{}/task", self.pid()))? {
                let stat = fs::read_to_string(thread?.path().join("stat"))?;
                // The state follows the name, which may hold anything but ends with the last parenthesis.
                if !stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with(['T', 't'])) {
                    return Err(io::Error::other("it still runs"));
                }
            }
            Ok(())
        })
    }

    /// Kills it and waits until it is gone.
    pub(crate) fn kill(&mut self) -> io::Result<()> {
        if self.guard.try_wait()?.is_none() {
            // It may have ended in between.
            let _ended = self.signal(Signal::KILL);
            self.guard.wait()?;
        }
        Ok(())
    }

    /// Starts the same command again.
    pub(crate) fn restart(&mut self) -> io::Result<()> {
        self.kill()?;
        *self = Self::start(self.launch.clone())?;
        Ok(())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw_pid().unsigned_abs()
    }

    fn tail(&self) -> String {
        let lines = File::open(log(&self.launch.folder)).map(BufReader::new).into_iter().flat_map(BufRead::lines);
        let lines: Vec<_> = lines.map_while(Result::ok).collect();
        lines[lines.len().saturating_sub(5)..].join(" | ")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _killed = self.kill();
    }
}

fn log(folder: &Path) -> PathBuf {
    folder.join("log")
}
