use crate::{
    cli::{Cli, Verb},
    docker::Docker,
    pools::Warm,
};
use serde::{Deserialize, Serialize};
use slate_core::{Error, Result, service::Service};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// How the program is put together: defaults, then `slate.toml`, then the environment (`SLATE_…`), then flags.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Config {
    /// The folder that holds everything.
    pub(crate) data: PathBuf,
    /// `sqlite`, `memory` or `postgres://…`.
    pub(crate) store: String,
    /// A replica of a Postgres store that lists are read from.
    pub(crate) replica: Option<String>,
    /// `memory`, or NATS servers: `nats://…`, `tls://…`, `ws://…`, joined by commas.
    pub(crate) bus: String,
    /// How many servers hold stored events for consumers that must not miss any (JetStream on NATS): 1, 3 or 5; 0 for no such
    /// transport.
    pub(crate) durable: usize,
    /// What records are shown from: `none`, `memory`, `redis://…` or `sentinel://host:port,host:port/name`.
    pub(crate) cache: String,
    /// `process`, `docker` or `memory`.
    pub(crate) runtime: String,
    /// How containers are run.
    pub(crate) docker: Docker,
    /// Warm pools by their names.
    pub(crate) pools: BTreeMap<String, Warm>,
    /// The services of this process.
    pub(crate) services: BTreeSet<Service>,
    /// The folder in which sessions are kept as files, too; none for nowhere.
    pub(crate) archive: Option<PathBuf>,
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
            replica: None,
            bus: "memory".into(),
            durable: 0,
            cache: "none".into(),
            services: Service::ALL.iter().copied().collect(),
            archive: None,
            runtime: "process".into(),
            docker: Docker::default(),
            pools: BTreeMap::new(),
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
    replica: Option<String>,
    bus: Option<String>,
    durable: Option<usize>,
    cache: Option<String>,
    services: Option<BTreeSet<Service>>,
    archive: Option<PathBuf>,
    runtime: Option<String>,
    docker: Docker,
    pools: BTreeMap<String, Warm>,
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
    let services = match &cli.verb {
        Verb::Serve(options) if !options.only.is_empty() => Some(options.only.iter().copied().collect()),
        _ => None,
    };
    let docker = Docker {
        host: cli.docker_host.clone(),
        image: cli.image.clone(),
        network: cli.network.clone(),
        ..Docker::default()
    };
    let (data, runtime, log) = (cli.data.clone(), cli.backend.clone(), cli.log.clone());
    config.take(Layer { data, runtime, docker, log, services, ..Layer::default() });
    config.check()?;
    // Commands that end soon leave the pools to a service that lasts.
    if !matches!(cli.verb, Verb::Serve(_)) {
        config.services.remove(&Service::Pools);
    }
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
        replica: read("SLATE_REPLICA"),
        bus: read("SLATE_BUS"),
        durable: number("SLATE_DURABLE")?.map(|count| usize::try_from(count).unwrap_or(usize::MAX)),
        cache: read("SLATE_CACHE"),
        services: read("SLATE_SERVICES").map(|list| list.split(',').map(str::parse).collect()).transpose()?,
        archive: read("SLATE_ARCHIVE").map(PathBuf::from),
        runtime: read("SLATE_RUNTIME"),
        docker: Docker {
            host: None,
            image: read("SLATE_DOCKER_IMAGE"),
            network: read("SLATE_DOCKER_NETWORK"),
            user: read("SLATE_DOCKER_USER"),
            realm: read("SLATE_DOCKER_REALM"),
            pull: read("SLATE_DOCKER_PULL"),
            subnets: read("SLATE_DOCKER_SUBNETS"),
            agent: read("SLATE_DOCKER_AGENT").map(PathBuf::from),
        },
        pools: BTreeMap::new(),
        threads: number("SLATE_THREADS")?.map(|count| usize::try_from(count).unwrap_or(usize::MAX)),
        projects: read("SLATE_PROJECTS").map(|list| std::env::split_paths(&list).collect()),
        deployment: read("SLATE_DEPLOYMENT"),
        lease: number("SLATE_LEASE")?,
        log: read("SLATE_LOG"),
    })
}

impl Config {
    fn take(&mut self, layer: Layer) {
        let Layer {
            data,
            store,
            replica,
            bus,
            durable,
            cache,
            services,
            archive,
            runtime,
            docker,
            pools,
            threads,
            projects,
            deployment,
            lease,
            log,
        } = layer;
        self.replica = replica.or(self.replica.take());
        self.durable = durable.unwrap_or(self.durable);
        self.cache = cache.unwrap_or(std::mem::take(&mut self.cache));
        self.services = services.unwrap_or(std::mem::take(&mut self.services));
        self.archive = archive.or(self.archive.take());
        self.data = data.unwrap_or(std::mem::take(&mut self.data));
        self.store = store.unwrap_or(std::mem::take(&mut self.store));
        self.bus = bus.unwrap_or(std::mem::take(&mut self.bus));
        self.runtime = runtime.unwrap_or(std::mem::take(&mut self.runtime));
        self.docker = docker.over(std::mem::take(&mut self.docker));
        self.pools.extend(pools);
        self.threads = threads.unwrap_or(self.threads);
        self.projects = projects.unwrap_or(std::mem::take(&mut self.projects));
        self.deployment = deployment.unwrap_or(std::mem::take(&mut self.deployment));
        self.lease = lease.unwrap_or(self.lease);
        self.log = log.unwrap_or(std::mem::take(&mut self.log));
    }

    fn check(&self) -> Result<()> {
        // A word, or the beginning of an address.
        for (key, value, known) in [
            ("store", &self.store, &["sqlite", "memory", "postgres://", "postgresql://"][..]),
            ("bus", &self.bus, &["memory", "nats://", "tls://", "ws://", "wss://"]),
            ("cache", &self.cache, &["none", "memory", "redis://", "rediss://", "sentinel://"]),
            ("runtime", &self.runtime, &["process", "docker", "memory"]),
        ] {
            let fits = |word: &&str| if word.ends_with("://") { value.starts_with(*word) } else { value == word };
            if !known.iter().any(fits) {
                let known: Vec<_> =
                    known.iter().map(|w| if w.ends_with('/') { format!("{w}…") } else { (*w).into() }).collect();
                return Err(
                    Error::invalid(format!("{key} is one of: {}", known.join(", "))).with("value", redacted(value))
                );
            }
        }
        self.docker.check()?;
        self.pools.iter().try_for_each(|(name, pool)| pool.check(name))?;
        if !matches!(self.durable, 0 | 1 | 3 | 5) {
            return Err(Error::invalid("durable is 0, 1, 3 or 5 servers").with("value", self.durable));
        }
        if self.replica.is_some() && !self.store.starts_with("postgres") {
            return Err(Error::invalid("only a Postgres store has a replica"));
        }
        if self.services.is_empty() {
            let all: Vec<_> = Service::ALL.iter().map(|service| service.as_str()).collect();
            return Err(Error::invalid(format!("services name at least one of: {}", all.join(", "))));
        }
        if self.lease == 0 || self.threads > 1024 {
            return Err(Error::invalid("lease is at least 1 second, threads are at most 1024"));
        }
        Ok(())
    }

    /// The configuration as it may be shown: no password or token.
    pub(crate) fn shown(&self) -> Self {
        let mut shown = self.clone();
        for text in [&mut shown.store, &mut shown.bus, &mut shown.cache, &mut shown.runtime] {
            *text = redacted(text);
        }
        shown.replica = shown.replica.as_deref().map(redacted);
        shown
    }
}

/// Addresses without their passwords, and without the values of their queries.
pub(crate) fn redacted(text: &str) -> String {
    text.split(',').map(redacted_one).collect::<Vec<_>>().join(",")
}

fn redacted_one(text: &str) -> String {
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
        for store in ["oracle", "postgres", "sqlite://x"] {
            assert!(Config { store: store.into(), ..Config::default() }.check().is_err(), "{store}");
        }
        assert!(Config { replica: Some("postgres://x".into()), ..Config::default() }.check().is_err());
        assert!(from_env(|name| (name == "SLATE_SERVICES").then(|| "logs,lugs".into())).is_err());
        assert!(from_env(|name| (name == "SLATE_DURABLE").then(|| "perhaps".into())).is_err());
    }

    #[test]
    fn pools_are_of_a_project_or_of_an_image() {
        let read = |text: &str| {
            let mut config = Config::default();
            config.take(from_text(text)?);
            config.check().map(|()| config)
        };
        let config = read("[service.pools.lantern]\nproject = \"a\"\nready = 3\n").unwrap();
        assert_eq!((config.pools["lantern"].ready, config.pools["lantern"].most), (3, 32));
        for wrong in ["", "project = \"a\"\nimage = \"b\"", "image = \"b\"\nready = 33", "image = \"b\"\nmany = 1"] {
            assert!(read(&format!("[service.pools.p]\n{wrong}\n")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn addresses_of_servers_are_taken() {
        let layer = from_text(
            "[service]\nstore = \"postgres://db/slate\"\nbus = \"nats://a,nats://b\"\ndurable = 3\n\
             cache = \"redis://cache\"\nservices = [\"builds\", \"logs\"]\n",
        );
        let mut config = Config::default();
        config.take(layer.unwrap());
        config.check().unwrap();
        assert_eq!(config.services, BTreeSet::from([Service::Logs, Service::Builds]));
        assert_eq!(config.durable, 3);
    }

    #[test]
    fn secrets_are_redacted() {
        assert_eq!(
            redacted("postgres://ada:hunter2@db:5432/slate?sslpassword=x"),
            "postgres://ada:***@db:5432/slate?***"
        );
        assert_eq!(redacted("nats://token@host"), "nats://***@host");
        assert_eq!(redacted("nats://a:b@one,nats://a:b@two"), "nats://a:***@one,nats://a:***@two");
        assert_eq!(redacted("sqlite"), "sqlite");
    }
}
