use crate::{Agent, Credentials, DockerConfig, SubnetPool};
use slate_core::{
    policy::{Hardening, MountPolicy},
    runtime::MemorySize,
};
use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

/// How a [`DockerBackend`](crate::DockerBackend) works.
#[derive(Clone)]
#[non_exhaustive]
pub struct DockerOptions {
    /// Where the engine is; default [`Endpoint::from_env`].
    pub endpoint: Endpoint,
    /// Whose containers, networks and volumes these are: a backend sees and touches only what carries its own word. It also
    /// begins their names. Default `slate`.
    pub realm: String,
    /// What every container is held to; default [`Hardening::default`].
    pub hardening: Hardening,
    /// Folders of the host that may be mounted; default none. `{project}` in a root is the label `slate.project`. A root must be
    /// written without symbolic links, since none is followed on the way to a folder. Those of a list of roots are opened and staged as `binding`
    /// says. With [`MountPolicy::any`] the engine gets each path as the spec has it: for programs that work for the user who
    /// started them.
    pub mounts: MountPolicy,
    /// How folders are handed to the engine; default [`Binding::Staged`].
    pub binding: Binding,
    /// When images are fetched; default [`PullPolicy::Missing`].
    pub pull: PullPolicy,
    /// Who knows the registries' passwords; default [`DockerConfig::of_user`].
    pub credentials: Arc<dyn Credentials>,
    /// What the engine keeps of each container's output.
    pub log: LogLimits,
    /// Containers that are started at once; default 4. The engine starts no more of them a second however many are asked for.
    pub starts: usize,
    /// Starts that may wait for their turn; default 256. Further ones get `ResourceExhausted`.
    pub waiting_starts: usize,
    /// Time that the engine may take to answer; default 60 s. Stopping may take its grace time longer.
    pub timeout: Duration,
    /// Time for which streams (logs, stats, changes) try to find an engine again that went away; default 2 min.
    pub reconnect: Duration,
    /// What waits in warm containers; default none: they idle in a shell, and their work comes by an `exec`.
    pub agent: Option<Agent>,
    /// Addresses of networks for which the engine has none left; default [`SubnetPool::default`].
    pub subnets: SubnetPool,
    /// Driver that hands out graphics processors, `nvidia` or `cdi`; default `nvidia`.
    pub gpu_driver: String,
}

impl Default for DockerOptions {
    fn default() -> Self {
        Self {
            endpoint: Endpoint::from_env(),
            realm: "slate".into(),
            hardening: Hardening::default(),
            mounts: MountPolicy::none(),
            binding: Binding::default(),
            pull: PullPolicy::Missing,
            credentials: Arc::new(DockerConfig::of_user()),
            log: LogLimits::default(),
            starts: 4,
            waiting_starts: 256,
            timeout: Duration::from_secs(60),
            reconnect: Duration::from_secs(120),
            agent: None,
            subnets: SubnetPool::default(),
            gpu_driver: "nvidia".into(),
        }
    }
}

impl DockerOptions {
    /// Sets where the engine is.
    #[must_use]
    pub fn with_endpoint(mut self, endpoint: Endpoint) -> Self {
        self.endpoint = endpoint;
        self
    }

    /// Sets whose containers these are.
    #[must_use]
    pub fn with_realm(mut self, realm: impl Into<String>) -> Self {
        self.realm = realm.into();
        self
    }

    /// Sets what every container is held to.
    #[must_use]
    pub fn with_hardening(mut self, hardening: Hardening) -> Self {
        self.hardening = hardening;
        self
    }

    /// Sets which folders of the host may be mounted.
    #[must_use]
    pub fn with_mounts(mut self, mounts: MountPolicy) -> Self {
        self.mounts = mounts;
        self
    }

    /// Sets how folders are handed to the engine.
    #[must_use]
    pub fn with_binding(mut self, binding: Binding) -> Self {
        self.binding = binding;
        self
    }

    /// Sets when images are fetched.
    #[must_use]
    pub fn with_pull(mut self, pull: PullPolicy) -> Self {
        self.pull = pull;
        self
    }

    /// Sets who knows the registries' passwords.
    #[must_use]
    pub fn with_credentials(mut self, credentials: impl Credentials) -> Self {
        self.credentials = Arc::new(credentials);
        self
    }

    /// Sets what the engine keeps of each container's output.
    #[must_use]
    pub fn with_log(mut self, log: LogLimits) -> Self {
        self.log = log;
        self
    }

    /// Sets how many containers are started at once, and how many more starts may wait.
    #[must_use]
    pub fn with_starts(mut self, at_once: usize, waiting: usize) -> Self {
        (self.starts, self.waiting_starts) = (at_once, waiting);
        self
    }

    /// Sets what waits in warm containers.
    #[must_use]
    pub fn with_agent(mut self, agent: Agent) -> Self {
        self.agent = Some(agent);
        self
    }

    /// Sets which addresses networks get for which the engine has none left.
    #[must_use]
    pub fn with_subnets(mut self, subnets: SubnetPool) -> Self {
        self.subnets = subnets;
        self
    }

    /// Sets for how long streams try to find an engine again that went away.
    #[must_use]
    pub fn with_reconnect(mut self, reconnect: Duration) -> Self {
        self.reconnect = reconnect;
        self
    }
}

impl fmt::Debug for DockerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DockerOptions")
            .field("endpoint", &self.endpoint)
            .field("realm", &self.realm)
            .field("hardening", &self.hardening)
            .field("mounts", &self.mounts)
            .field("binding", &self.binding)
            .field("pull", &self.pull)
            .field("log", &self.log)
            .field("starts", &self.starts)
            .finish_non_exhaustive()
    }
}

/// Where an engine listens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Endpoint {
    /// A socket in the file system.
    Unix(PathBuf),
    /// TCP without protection, `host:port`: for a loopback address or a tunnel.
    Tcp(String),
    /// TCP under TLS, where both sides show a certificate.
    Tls {
        /// `host:port`.
        address: String,
        /// The folder with `ca.pem`, `cert.pem` and `key.pem`.
        certificates: PathBuf,
    },
}

impl Endpoint {
    /// What `DOCKER_HOST`, `DOCKER_TLS_VERIFY` and `DOCKER_CERT_PATH` say, as for the `docker` command; without them
    /// `/var/run/docker.sock`.
    pub fn from_env() -> Self {
        Self::from_words(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    /// What this `DOCKER_HOST` would say, with the other variables as they are.
    pub fn from_host(host: &str) -> Self {
        Self::from_words(|name| match name {
            "DOCKER_HOST" => Some(host.to_owned()),
            name => std::env::var(name).ok().filter(|value| !value.is_empty()),
        })
    }

    fn from_words(word: impl Fn(&str) -> Option<String>) -> Self {
        let Some(host) = word("DOCKER_HOST") else { return Self::Unix("/var/run/docker.sock".into()) };
        if let Some(path) = host.strip_prefix("unix://") {
            return Self::Unix(path.into());
        }
        if host.starts_with('/') {
            return Self::Unix(host.into());
        }
        let address = ["tcp://", "http://", "https://"].iter().find_map(|scheme| host.strip_prefix(scheme));
        let address = address.unwrap_or(&host).trim_end_matches('/').to_owned();
        if word("DOCKER_TLS_VERIFY").is_none() && !host.starts_with("https://") {
            return Self::Tcp(address);
        }
        let home = || PathBuf::from(word("HOME").unwrap_or_default()).join(".docker");
        let certificates = word("DOCKER_CERT_PATH").map_or_else(home, PathBuf::from);
        Self::Tls { address, certificates }
    }
}

/// How a folder below an allowed root is handed to the engine, once it is known that no symbolic link leads to it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Binding {
    /// The opened folder is mounted in a staging folder, and the engine gets the staged path: whoever swaps the folder
    /// afterwards changes nothing. Needs a service that may mount (root) and an engine on the same host, behind a socket,
    /// that sees the service's mounts.
    Staged {
        /// The staging folder, of which others may write nothing; made where it isn't there. Default `/run/slate/mounts`.
        folder: PathBuf,
    },
    /// The engine gets the path that was checked, and opens it a moment later: whoever can write to the folders above it in
    /// between can have something else mounted. For services that aren't root, where nobody else writes under the roots
    /// while instances are made.
    CheckedPaths,
}

impl Default for Binding {
    fn default() -> Self {
        Self::Staged { folder: "/run/slate/mounts".into() }
    }
}

/// When [`create`](slate_core::runtime::RuntimeBackend::create) fetches a spec's image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PullPolicy {
    /// Where the engine doesn't have it.
    #[default]
    Missing,
    /// Each time, so that a tag that was moved is noticed. An image named by its digest isn't fetched twice.
    Always,
    /// Never: one that isn't there gives `NotFound`.
    Never,
}

/// How much the engine keeps of a container's output. The oldest file goes first.
///
/// A writer that is faster than its follower is held back while at least about 8 MiB are kept in all; with less, lines may be
/// gone before they are read, and the follower says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogLimits {
    /// Size of one file; default 16 MiB. The engine writes about twice the bytes of short lines.
    pub file: MemorySize,
    /// Number of files; default 4.
    pub files: u32,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self { file: MemorySize::from_mib(16), files: 4 }
    }
}

impl LogLimits {
    /// Limits of these sizes; a file has at least 64 KiB, and there are at least two.
    pub fn new(file: MemorySize, files: u32) -> Self {
        Self { file: file.max(MemorySize::from_bytes(64 << 10)), files: files.max(2) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(words: &[(&str, &str)]) -> Endpoint {
        Endpoint::from_words(|name| words.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn the_environment_says_where_the_engine_is() {
        assert_eq!(endpoint(&[]), Endpoint::Unix("/var/run/docker.sock".into()));
        assert_eq!(endpoint(&[("DOCKER_HOST", "unix:///tmp/d.sock")]), Endpoint::Unix("/tmp/d.sock".into()));
        assert_eq!(endpoint(&[("DOCKER_HOST", "tcp://127.0.0.1:2375/")]), Endpoint::Tcp("127.0.0.1:2375".into()));
        let tls = [("DOCKER_HOST", "tcp://e:2376"), ("DOCKER_TLS_VERIFY", "1"), ("DOCKER_CERT_PATH", "/certs")];
        assert_eq!(endpoint(&tls), Endpoint::Tls { address: "e:2376".into(), certificates: "/certs".into() });
        let home = [("DOCKER_HOST", "tcp://e:2376"), ("DOCKER_TLS_VERIFY", "1"), ("HOME", "/h")];
        assert_eq!(endpoint(&home), Endpoint::Tls { address: "e:2376".into(), certificates: "/h/.docker".into() });
    }
}
