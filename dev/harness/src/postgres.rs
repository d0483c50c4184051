//! Postgres: a server, databases on it, and a streaming replica.

use crate::{
    START, find,
    port::Port,
    process::{Launch, Process, User, folder},
    unique, wait_until,
};
use rustix::process::Signal;
use std::{
    ffi::OsString,
    fs::{File, OpenOptions},
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tempfile::TempDir;

/// How a server is set up.
#[derive(Clone, Debug, Default)]
pub struct PostgresOptions {
    /// Whether commits reach the disk, so that they outlive a crash of the *system*; default no. A killed server loses nothing
    /// either way.
    pub durable: bool,
    /// Further settings, as `("max_connections", "20")`.
    pub settings: Vec<(String, String)>,
}

/// A Postgres server of its own, version 15 or newer, with the superuser `postgres`, who needs no password. Dropping it stops it.
#[derive(Debug)]
pub struct Postgres {
    process: Process,
    address: PostgresAddress,
    _port: Port,
    _folder: TempDir,
}

impl Postgres {
    /// Makes a cluster and starts a server on it.
    ///
    /// # Errors
    /// `NotFound` where Postgres isn't installed.
    pub fn start(options: &PostgresOptions) -> io::Result<Self> {
        Self::with(options, |launch, data| {
            let initdb = launch.program.with_file_name("initdb");
            let args = ["-U", "postgres", "-A", "trust", "--no-locale", "-E", "UTF8", "-N", "-k", "-D"];
            let args: Vec<OsString> = args.map(OsString::from).into_iter().chain([data.into()]).collect();
            launch.run(&initdb, &args).map(drop)
        })
    }

    /// Makes a copy of this server that follows it (`pg_basebackup -R`), and starts it, with the same options.
    ///
    /// # Errors
    /// Those of the programs.
    pub fn replica(&self, options: &PostgresOptions) -> io::Result<Self> {
        let (host, port) = ("127.0.0.1", self.address.port.to_string());
        let slot = unique("replica");
        Self::with(options, |launch, data| {
            let backup = launch.program.with_file_name("pg_basebackup");
            let args = [
                "-h", host, "-p", &port, "-U", "postgres", "-R", "-X", "stream", "-c", "fast", "-C", "-S", &slot, "-D",
            ];
            let args: Vec<OsString> = args.map(OsString::from).into_iter().chain([data.into()]).collect();
            launch.run(&backup, &args).map(drop)
        })
    }

    fn with(options: &PostgresOptions, make: impl FnOnce(&Launch, &Path) -> io::Result<()>) -> io::Result<Self> {
        let bin = find::postgres()?;
        let user = User::not_root()?;
        let folder = folder(user)?;
        let (data, program) = (folder.path().join("data"), bin.join("postgres"));
        let mut launch = Launch { program, args: Vec::new(), folder: folder.path().to_owned(), user };
        make(&launch, &data)?;
        let port = Port::take()?;
        launch.args = arguments(&data, folder.path(), port.number(), options);
        let address = PostgresAddress { bin, folder: folder.path().to_owned(), port: port.number() };
        let mut process = Process::start(launch)?;
        ready(&mut process, &address)?;
        Ok(Self { process, address, _port: port, _folder: folder })
    }

    /// Where it is.
    pub fn address(&self) -> &PostgresAddress {
        &self.address
    }

    /// Kills it with SIGKILL, as a crash would, and waits until it is gone.
    ///
    /// # Errors
    /// Those of the system.
    pub fn kill9(&mut self) -> io::Result<()> {
        self.process.kill()
    }

    /// Halts the postmaster with SIGSTOP: nobody can connect. Connections that are there have processes of their own.
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

    /// Starts it again on the same port and data, after killing it where it still runs.
    ///
    /// # Errors
    /// Where it doesn't start.
    pub fn restart(&mut self) -> io::Result<()> {
        self.process.kill()?;
        // Processes of the old server may hold its memory for a moment yet; the new one refuses to start until they are gone.
        let mut last = Ok(());
        for _ in 0..20 {
            self.process.restart()?;
            last = ready(&mut self.process, &self.address);
            if last.is_ok() {
                break;
            }
        }
        last
    }

    /// Makes a replica a primary, and waits until it takes writes.
    ///
    /// # Errors
    /// Those of `pg_promote`, and `TimedOut`.
    pub fn promote(&self) -> io::Result<()> {
        self.address.psql("postgres", "SELECT pg_promote(true, 60)")?;
        wait_until("promotion", START, || match self.address.psql("postgres", "SELECT pg_is_in_recovery()")?.as_str() {
            "f" => Ok(()),
            other => Err(io::Error::other(format!("is in recovery: {other}"))),
        })
    }

    /// The process id of the postmaster.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }
}

impl Drop for Postgres {
    /// Lets it give its shared memory back before it is killed.
    fn drop(&mut self) {
        if self.process.check().is_ok() && self.process.signal(Signal::QUIT).is_ok() {
            let _gone = wait_until("shutdown", std::time::Duration::from_secs(5), || match self.process.check() {
                Ok(()) => Err(io::Error::other("still runs")),
                Err(_) => Ok(()),
            });
        }
    }
}

fn arguments(data: &Path, socket: &Path, port: u16, options: &PostgresOptions) -> Vec<OsString> {
    let mut settings = vec![
        ("listen_addresses", "127.0.0.1"),
        ("wal_level", "replica"),
        ("wal_log_hints", "on"),
        ("max_connections", "200"),
        ("shared_buffers", "64MB"),
        // Or a killed server would leave files in the system's shared memory.
        ("dynamic_shared_memory_type", "mmap"),
        ("log_min_messages", "fatal"),
    ];
    if !options.durable {
        settings.extend([("fsync", "off"), ("full_page_writes", "off")]);
    }
    settings.extend(options.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let mut args = vec!["-D".into(), data.into(), "-k".into(), socket.into(), "-p".into(), port.to_string().into()];
    for (name, value) in settings {
        args.extend(["-c".into(), format!("{name}={value}").into()]);
    }
    args
}

fn ready(process: &mut Process, address: &PostgresAddress) -> io::Result<()> {
    process.until_ready("Postgres", || address.psql("postgres", "SELECT 1").map(drop))
}

/// Where a Postgres server is.
#[derive(Clone, Debug)]
pub struct PostgresAddress {
    pub(crate) bin: PathBuf,
    /// The folder of its unix socket.
    pub(crate) folder: PathBuf,
    /// Its port, on 127.0.0.1 and in the socket's name.
    pub port: u16,
}

impl PostgresAddress {
    /// The URL of a database, through the unix socket.
    pub fn url(&self, database: &str) -> String {
        let folder = self.folder.to_string_lossy().replace('/', "%2F");
        format!("postgres://postgres@{folder}:{}/{database}", self.port)
    }

    /// The URL of a database, over TCP; for a [`Proxy`](crate::Proxy) with the proxy's port.
    pub fn tcp_url(&self, port: u16, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{port}/{database}")
    }

    /// Runs SQL through `psql`, and returns the rows, one a line.
    ///
    /// # Errors
    /// What the server says.
    pub fn psql(&self, database: &str, sql: &str) -> io::Result<String> {
        let output = Command::new(self.bin.join("psql"))
            .env_clear()
            .env("PGCONNECT_TIMEOUT", "5")
            .arg("-h")
            .arg(&self.folder)
            .args(["-p", &self.port.to_string(), "-U", "postgres", "-d", database])
            .args(["-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-c", sql])
            .stdin(Stdio::null())
            .output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(io::Error::other(text(&output.stderr))) }
    }

    /// An empty database of its own.
    ///
    /// # Errors
    /// What the server says.
    pub fn database(&self) -> io::Result<Database> {
        self.create("template0")
    }

    /// A database of its own that `migrate` has made ready. It runs once for each `template` name on this server, whichever
    /// process asks first; everybody gets a copy.
    ///
    /// # Errors
    /// What the server or `migrate` says.
    pub async fn database_from<F: Future<Output = io::Result<()>>>(
        &self,
        template: &str,
        migrate: impl FnOnce(String) -> F,
    ) -> io::Result<Database> {
        // Held until the template is there; the lock goes with the file, so with the process too.
        let _lock = self.lock(template)?;
        let there = format!("SELECT count(*) FROM pg_database WHERE datname = '{template}' AND datistemplate");
        if self.psql("postgres", &there)? == "0" {
            let sql = [format!("DROP DATABASE IF EXISTS \"{template}\" WITH (FORCE)"), create(template, "template0")];
            for statement in sql {
                self.psql("postgres", &statement)?;
            }
            migrate(self.url(template)).await?;
            self.psql("postgres", &format!("ALTER DATABASE \"{template}\" IS_TEMPLATE true ALLOW_CONNECTIONS false"))?;
            // Whoever migrated may close its connections a little later, and nobody can copy while one is open.
            let close = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{template}'");
            self.psql("postgres", &close)?;
        }
        self.create(template)
    }

    fn lock(&self, name: &str) -> io::Result<File> {
        let path = self.folder.join(format!("{name}.lock"));
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        file.lock()?;
        Ok(file)
    }

    fn create(&self, template: &str) -> io::Result<Database> {
        let name = unique("test");
        self.psql("postgres", &create(&name, template))?;
        Ok(Database { url: self.url(&name), name, address: self.clone() })
    }
}

fn create(name: &str, template: &str) -> String {
    // Copies files: the other way writes each page to the log too.
    format!("CREATE DATABASE \"{name}\" TEMPLATE \"{template}\" STRATEGY file_copy")
}

/// A database of one test. Dropping it drops the database, with whoever is still connected.
#[derive(Debug)]
pub struct Database {
    /// Its URL, through the unix socket.
    pub url: String,
    /// Its name.
    pub name: String,
    /// Its server.
    pub address: PostgresAddress,
}

impl Drop for Database {
    fn drop(&mut self) {
        let dropped = self.address.psql("postgres", &format!("DROP DATABASE IF EXISTS \"{}\" WITH (FORCE)", self.name));
        if let Err(error) = dropped {
            eprintln!("the database {} stays: {error}", self.name);
        }
    }
}
