//! Redis or Valkey: a server, and a primary with two replicas under three Sentinels.

use crate::{
    START, find,
    net::ask,
    port::Port,
    process::{Launch, Process, folder},
    wait_until,
};
use rustix::process::Signal;
use std::{ffi::OsString, fs, io, path::Path};
use tempfile::TempDir;

/// A Redis (or Valkey) server of its own, which keeps nothing on disk. Dropping it stops it.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    port: Port,
    _folder: TempDir,
}

impl Redis {
    /// Starts a server.
    ///
    /// # Errors
    /// `NotFound` where neither is installed.
    pub fn start() -> io::Result<Self> {
        Self::with(&[])
    }

    /// Starts a server with further arguments, as `["--requirepass", "secret"]`.
    ///
    /// # Errors
    /// `NotFound` where neither is installed.
    pub fn with(further: &[&str]) -> io::Result<Self> {
        let program = program()?;
        let folder = folder(None)?;
        let port = Port::take()?;
        let number = port.to_string();
        let args = ["--port", &number, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no"];
        let args = args.iter().chain(further).map(OsString::from).collect();
        let mut process = Process::start(Launch { program, args, folder: folder.path().to_owned(), user: None })?;
        ready(&mut process, &port)?;
        Ok(Self { process, port, _folder: folder })
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Kills it with SIGKILL and waits until it is gone. What it held is lost.
    ///
    /// # Errors
    /// Those of the system.
    pub fn kill9(&mut self) -> io::Result<()> {
        self.process.kill()
    }

    /// Halts it with SIGSTOP: it takes connections and answers nothing.
    ///
    /// # Errors
    /// Those of the system.
    pub fn stop(&self) -> io::Result<()> {
        self.process.halt()
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// Those of the system.
    pub fn cont(&self) -> io::Result<()> {
        self.process.signal(Signal::CONT)
    }

    /// Starts it again on the same port, empty, after killing it where it still runs.
    ///
    /// # Errors
    /// Where it doesn't start.
    pub fn restart(&mut self) -> io::Result<()> {
        self.process.restart()?;
        ready(&mut self.process, &self.port)
    }

    /// Sends one command as a line, and reads until the answer holds `wanted`.
    ///
    /// # Errors
    /// Those of the connection.
    pub fn ask(&self, command: &str, wanted: &str) -> io::Result<String> {
        ask(self.port.number(), &format!("{command}\r\n"), wanted)
    }
}

/// One primary, two replicas and three Sentinels, which choose a new primary 500 ms after the old one fell silent.
#[derive(Debug)]
pub struct Sentinels {
    servers: Vec<Redis>,
    sentinels: Vec<Sentinel>,
}

#[derive(Debug)]
struct Sentinel {
    _process: Process,
    port: Port,
    _folder: TempDir,
}

impl Sentinels {
    /// The name that the Sentinels know the primary by.
    pub const NAME: &'static str = "slate";

    /// Starts all six, and waits until each Sentinel knows of all.
    ///
    /// # Errors
    /// `NotFound` where neither Redis nor Valkey is installed.
    pub fn start() -> io::Result<Self> {
        let primary = Redis::start()?;
        let port = primary.port.to_string();
        let mut servers = vec![primary];
        for _ in 0..2 {
            servers.push(Redis::with(&["--replicaof", "127.0.0.1", &port, "--repl-diskless-sync-delay", "0"])?);
        }
        let mut sentinels = Vec::new();
        for _ in 0..3 {
            sentinels.push(Sentinel::start(&port)?);
        }
        let group = Self { servers, sentinels };
        wait_until("Sentinels", START, || {
            let replicas = group.servers[0].ask("INFO replication", "master_repl_offset")?;
            if replicas.matches("state=online").count() != 2 {
                return Err(io::Error::other("the replicas don't follow yet"));
            }
            for sentinel in &group.sentinels {
                let told =
                    ask(sentinel.port.number(), &format!("SENTINEL MASTER {}\r\n", Self::NAME), "parallel-syncs")?;
                let fields: Vec<_> = told.split("\r\n").collect();
                let value =
                    |name: &str| fields.iter().position(|field| *field == name).and_then(|at| fields.get(at + 2));
                if value("num-slaves") != Some(&"2") || value("num-other-sentinels") != Some(&"2") {
                    return Err(io::Error::other("they don't know each other yet"));
                }
            }
            Ok(())
        })?;
        Ok(group)
    }

    /// The URLs of the Sentinels.
    pub fn urls(&self) -> Vec<String> {
        self.sentinels.iter().map(|sentinel| format!("redis://127.0.0.1:{}", sentinel.port)).collect()
    }

    /// The server that the Sentinels hold for the primary.
    ///
    /// # Errors
    /// Where they name none of this group's.
    pub fn primary(&mut self) -> io::Result<&mut Redis> {
        let question = format!("SENTINEL GET-MASTER-ADDR-BY-NAME {}\r\n", Self::NAME);
        let told = ask(self.sentinels[0].port.number(), &question, "127.0.0.1\r\n$")?;
        let ports: Vec<_> = self.servers.iter().map(|server| server.port.to_string()).collect();
        let at = ports.iter().position(|port| told.contains(&format!("\r\n{port}\r\n")) || told.ends_with(port));
        at.and_then(|at| self.servers.get_mut(at)).ok_or_else(|| io::Error::other(format!("not of this group: {told}")))
    }

    /// All servers, the first primary first.
    pub fn servers(&mut self) -> &mut [Redis] {
        &mut self.servers
    }
}

impl Sentinel {
    fn start(primary: &str) -> io::Result<Self> {
        let (folder, port) = (folder(None)?, Port::take()?);
        let name = Sentinels::NAME;
        let config = folder.path().join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\nsentinel monitor {name} 127.0.0.1 {primary} 2\n\
             sentinel down-after-milliseconds {name} 500\nsentinel failover-timeout {name} 5000\n"
        );
        fs::write(&config, text)?;
        let args = vec![config.into(), "--sentinel".into()];
        let launch = Launch { program: program()?, args, folder: folder.path().to_owned(), user: None };
        let mut process = Process::start(launch)?;
        ready(&mut process, &port)?;
        Ok(Self { _process: process, port, _folder: folder })
    }
}

fn program() -> io::Result<std::path::PathBuf> {
    let found = find::program(&["redis-server", "valkey-server"], "install the package redis-server or valkey-server")?;
    debug_assert!(Path::new(&found).is_absolute());
    Ok(found)
}

fn ready(process: &mut Process, port: &Port) -> io::Result<()> {
    process.until_ready("Redis", || match ask(port.number(), "PING\r\n", "\r\n")? {
        // One that wants a password is ready too.
        answer if answer.contains("PONG") || answer.contains("NOAUTH") => Ok(()),
        answer => Err(io::Error::other(answer)),
    })
}
