use crate::{START, port::Port};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, Instant},
};

/// A container engine of a test's own, by `dev/engine`: everything of it is in one folder and taken away with this value, its
/// containers too.
///
/// It listens on a socket, and under TLS on a port of 127.0.0.1.
#[derive(Debug)]
pub struct Engine {
    folder: tempfile::TempDir,
    port: Port,
    arguments: &'static str,
}

impl Engine {
    /// Starts one.
    ///
    /// # Errors
    /// `NotFound` with the script's words where none can be started on this machine.
    pub fn start() -> io::Result<Self> {
        Self::start_with("")
    }

    /// Starts one whose containers live on while it is away (`dockerd --live-restore`).
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    pub fn start_keeping() -> io::Result<Self> {
        Self::start_with("--live-restore")
    }

    /// Starts one that has addresses for a single network, as where a host's routes cover nearly all private ranges.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    pub fn start_short_of_addresses() -> io::Result<Self> {
        Self::start_with("--default-address-pool base=198.51.100.0/24,size=24")
    }

    fn start_with(arguments: &'static str) -> io::Result<Self> {
        let engine = Self {
            arguments,
            folder: tempfile::Builder::new().prefix("slate-engine-").tempdir()?,
            port: Port::take()?,
        };
        engine.restart()?;
        Ok(engine)
    }

    /// Starts it again, with the containers that it had.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    pub fn restart(&self) -> io::Result<()> {
        let started = self.script("start")?;
        if started.status.success() {
            return Ok(());
        }
        let words = String::from_utf8_lossy(&started.stderr).trim().to_owned();
        Err(io::Error::new(io::ErrorKind::NotFound, format!("no container engine can be started here: {words}")))
    }

    /// Stops it politely and returns when it has ended. Its containers end with it, unless it keeps them.
    ///
    /// # Errors
    /// `TimedOut` where it doesn't end.
    pub fn stop(&self) -> io::Result<()> {
        let text = fs::read_to_string(self.folder().join("pid"))?;
        let malformed = || io::Error::new(io::ErrorKind::InvalidData, "the engine's pid file is malformed");
        let raw: i32 = text.trim().parse().map_err(|_| malformed())?;
        kill_process(Pid::from_raw(raw).ok_or_else(malformed)?, Signal::TERM)?;
        let deadline = Instant::now() + START;
        while lives(raw) {
            if Instant::now() > deadline {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the engine doesn't end"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// The lines that it has written down itself of a container's output, from its own file (`json-file`, not rotated).
    ///
    /// # Errors
    /// Where the file isn't there, or holds something else.
    pub fn log(&self, container: &str) -> io::Result<Vec<String>> {
        #[derive(serde::Deserialize)]
        struct Entry {
            log: String,
        }
        let file = self.folder().join("data/containers").join(container).join(format!("{container}-json.log"));
        let text = fs::read_to_string(file)?;
        // What comes after the last end of a line is being written.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let entries = whole.lines().map(serde_json::from_str::<Entry>);
        Ok(entries.map(|entry| entry.map(|entry| entry.log.trim_end().to_owned())).collect::<Result<_, _>>()?)
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.folder().join("docker.sock")
    }

    /// Where it listens under TLS.
    pub fn tls_address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// `ca.pem`, and `cert.pem` with `key.pem` for a client.
    pub fn certificates(&self) -> PathBuf {
        self.folder().join("certificates")
    }

    fn folder(&self) -> PathBuf {
        self.folder.path().join("engine")
    }

    fn script(&self, verb: &str) -> io::Result<Output> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine");
        let mut command = Command::new(script);
        command.arg(verb).arg(self.folder()).env("SLATE_ENGINE_PORT", self.port.to_string());
        // Engines of one machine share its packet filter: one that starts would take the rules of the others away for a moment.
        command.env("SLATE_ENGINE_ARGUMENTS", format!("--iptables=false {}", self.arguments)).output()
    }
}

/// Whether the process is there and hasn't ended.
fn lives(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

impl Drop for Engine {
    fn drop(&mut self) {
        match self.script("stop") {
            Ok(stopped) if stopped.status.success() => {}
            failed => eprintln!("the engine could not be taken away: {failed:?}"),
        }
    }
}
