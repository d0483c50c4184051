use crate::cli::Cli;
use serde::{Deserialize, Serialize};
use slate_core::{Error, Result};
use std::path::{Path, PathBuf};

/// How the program is put together: defaults, then `slate.toml`, then the environment (`SLATE_…`), then flags.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Config {
    /// The folder that holds everything.
    pub(crate) data: PathBuf,
    /// `sqlite` or `memory`.
    pub(crate) store: String,
    /// `memory`.
    pub(crate) bus: String,
    /// `process` or `memory`.
    pub(crate) runtime: String,
    /// Threads that process assets; 0 for one a core.
    pub(crate) threads: usize,
    /// Folders that projects may lie in; none for any.
    pub(crate) projects: Vec<PathBuf>,
    /// Whose instances these are.
    pub(crate) deployment: String,
    /// Seconds that work stays with a process that is heard of no more, at least 1.
    pub(crate) lease: u64,
    /// What to tell of the work inside.
    pub(crate) log: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: ".slate".into(),
            store: "sqlite".into(),
            bus: "memory".into(),
            runtime: "process".into(),
            threads: 0,
            projects: Vec::new(),
            deployment: "default".into(),
            lease: 15,
            log: "warn".into(),
        }
    }
}

/// A `slate.toml`: its `[service]` part is the program's; the others are a project's, and not looked at here.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(dead_code, reason = "the project's parts are named so that other words are refused")]
struct File {
    service: Layer,
    project: toml::Table,
    session: toml::Table,
    build: toml::Table,
    log: toml::Table,
}

/// One layer of the configuration: what it doesn't set is left to the layer below.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
struct Layer {
    data: Option<PathBuf>,
    store: Option<String>,
    bus: Option<String>,
    runtime: Option<String>,
    threads: Option<usize>,
    projects: Option<Vec<PathBuf>>,
    deployment: Option<String>,
    lease: Option<u64>,
    log: Option<String>,
}

pub(crate) fn load(cli: &Cli) -> Result<Config> {
    let mut config = Config::default();
    let path = cli.config.clone().or_else(|| Path::new("slate.toml").is_file().then(|| "slate.toml".into()));
    if let Some(path) = path {
        let text = std::fs::read_to_string(&path)
            .map_err(|error| Error::io("read the configuration", error).with("path", path.display()))?;
        config.take(from_text(&text).map_err(|error| error.with("path", path.display()))?);
    }
    config.take(from_env(|name| std::env::var(name).ok())?);
    config.take(Layer { data: cli.data.clone(), log: cli.log.clone(), ..Layer::default() });
    config.check()?;
    Ok(config)
}

fn from_text(text: &str) -> Result<Layer> {
    let file: File = toml::from_str(text)
        .map_err(|error| Error::invalid(format!("malformed configuration: {}", error.to_string().trim())))?;
    Ok(file.service)
}

fn from_env(read: impl Fn(&str) -> Option<String>) -> Result<Layer> {
    let number = |name: &str| {
        let parse = |text: String| {
            let refused = || Error::invalid(format!("{name} is a whole number")).with("value", text.escape_debug());
            text.parse::<u64>().map_err(|_| refused())
        };
        read(name).map(parse).transpose()
    };
    Ok(Layer {
        data: read("SLATE_DATA").map(PathBuf::from),
        store: read("SLATE_STORE"),
        bus: read("SLATE_BUS"),
        runtime: read("SLATE_RUNTIME"),
        threads: number("SLATE_THREADS")?.map(|count| usize::try_from(count).unwrap_or(usize::MAX)),
        projects: read("SLATE_PROJECTS").map(|list| std::env::split_paths(&list).collect()),
        deployment: read("SLATE_DEPLOYMENT"),
        lease: number("SLATE_LEASE")?,
        log: read("SLATE_LOG"),
    })
}

impl Config {
    fn take(&mut self, layer: Layer) {
        let Layer { data, store, bus, runtime, threads, projects, deployment, lease, log } = layer;
        self.data = data.unwrap_or(std::mem::take(&mut self.data));
        self.store = store.unwrap_or(std::mem::take(&mut self.store));
        self.bus = bus.unwrap_or(std::mem::take(&mut self.bus));
        self.runtime = runtime.unwrap_or(std::mem::take(&mut self.runtime));
        self.threads = threads.unwrap_or(self.threads);
        self.projects = projects.unwrap_or(std::mem::take(&mut self.projects));
        self.deployment = deployment.unwrap_or(std::mem::take(&mut self.deployment));
        self.lease = lease.unwrap_or(self.lease);
        self.log = log.unwrap_or(std::mem::take(&mut self.log));
    }

    fn check(&self) -> Result<()> {
        for (key, value, known) in [
            ("store", &self.store, &["sqlite", "memory"][..]),
            ("bus", &self.bus, &["memory"]),
            ("runtime", &self.runtime, &["process", "memory"]),
        ] {
            if !known.contains(&value.as_str()) {
                return Err(
                    Error::invalid(format!("{key} is one of: {}", known.join(", "))).with("value", redacted(value))
                );
            }
        }
        if self.lease == 0 || self.threads > 1024 {
            return Err(Error::invalid("lease is at least 1 second, threads are at most 1024"));
        }
        Ok(())
    }

    /// The configuration as it may be shown: no password or token.
    pub(crate) fn shown(&self) -> Self {
        let mut shown = self.clone();
        for text in [&mut shown.store, &mut shown.bus, &mut shown.runtime] {
            *text = redacted(text);
        }
        shown
    }
}

/// An address without its password, and without the values of its query.
fn redacted(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (authority, path) = rest.split_once('/').map_or((rest, None), |(a, p)| (a, Some(p)));
    let authority = match authority.rsplit_once('@') {
        // A lone name may be a token.
        Some((user, host)) => match user.split_once(':') {
            Some((name, _)) => format!("{name}:***@{host}"),
            None => format!("***@{host}"),
        },
        None => authority.to_owned(),
    };
    let path =
        path.map(|path| format!("/{}", path.split_once('?').map_or(path.to_owned(), |(p, _)| format!("{p}?***"))));
    format!("{scheme}://{authority}{}", path.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_layers_win() {
        let mut config = Config::default();
        config.take(from_text("[service]\ndata = \"/a\"\nthreads = 3\n[project]\nname = \"x\"\n").unwrap());
        config.take(from_env(|name| (name == "SLATE_DATA").then(|| "/b".into())).unwrap());
        assert_eq!((config.data, config.threads, config.store.as_str()), ("/b".into(), 3, "sqlite"));
    }

    #[test]
    fn unknown_keys_and_values_are_named() {
        let error = from_text("[service]\ndat = \"/a\"\n").err().unwrap();
        assert!(error.to_string().contains("dat"), "{error}");
        assert!(from_text("[servcie]\n").is_err());
        assert!(from_env(|name| (name == "SLATE_THREADS").then(|| "many".into())).is_err());
        assert!(Config { store: "oracle".into(), ..Config::default() }.check().is_err());
    }

    #[test]
    fn secrets_are_redacted() {
        assert_eq!(
            redacted("postgres://ada:hunter2@db:5432/slate?sslpassword=x"),
            "postgres://ada:***@db:5432/slate?***"
        );
        assert_eq!(redacted("nats://token@host"), "nats://***@host");
        assert_eq!(redacted("sqlite"), "sqlite");
    }
}
