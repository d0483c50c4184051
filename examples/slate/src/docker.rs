use serde::{Deserialize, Serialize};
use slate_core::{
    Error, Result,
    policy::MountPolicy,
    runtime::{ImageRef, NetworkMode, RuntimeSpec},
};
use slate_docker::{Agent, DockerBackend, DockerOptions, Endpoint, PullPolicy, SubnetPool};
use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// How containers are run (`[service.docker]`); used with `runtime = "docker"`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub(crate) struct Docker {
    /// The engine, `unix://…` or `tcp://…`; default what `DOCKER_HOST` says.
    pub(crate) host: Option<String>,
    /// What sessions and builds run from, instead of what their engine names.
    pub(crate) image: Option<String>,
    /// `bridge`, `none` or a network's name, instead of what the engine says.
    pub(crate) network: Option<String>,
    /// `uid:gid` that containers run as; default whoever owns the data folder, 10001 where that is root.
    pub(crate) user: Option<String>,
    /// Whose containers these are: a service sees and touches only those of its own realm. Default: one for each store and
    /// deployment.
    pub(crate) realm: Option<String>,
    /// When images are fetched: `missing`, `always` or `never`.
    pub(crate) pull: Option<String>,
    /// Addresses of networks for which the engine has none left, as in `10.200.0.0/16`.
    pub(crate) subnets: Option<String>,
    /// The agent that waits in warm containers (`dev/agent` builds it); without it they wait in a shell of their image.
    pub(crate) agent: Option<PathBuf>,
}

impl Docker {
    /// These settings, and those of `below` where they say nothing.
    pub(crate) fn over(self, below: Self) -> Self {
        Self {
            host: self.host.or(below.host),
            image: self.image.or(below.image),
            network: self.network.or(below.network),
            user: self.user.or(below.user),
            realm: self.realm.or(below.realm),
            pull: self.pull.or(below.pull),
            subnets: self.subnets.or(below.subnets),
            agent: self.agent.or(below.agent),
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        self.image()?;
        self.pull()?;
        self.subnets()?;
        self.user.as_deref().map(ids).transpose().map(drop)
    }

    /// Connects to the engine. Its containers are those of `realm`, unless the settings name another; they mount folders of
    /// `mounts` and of `data` alone.
    pub(crate) async fn open(&self, data: &Path, realm: String, mounts: MountPolicy) -> Result<DockerBackend> {
        let realm = self.realm.clone().unwrap_or(realm);
        let endpoint = self.host.as_deref().map_or_else(Endpoint::from_env, Endpoint::from_host);
        let mut options = DockerOptions::default().with_endpoint(endpoint).with_realm(realm).with_pull(self.pull()?);
        options = options.with_mounts(mounts.with_root(&data.to_string_lossy())?);
        if let Some(subnets) = self.subnets()? {
            options = options.with_subnets(subnets);
        }
        if let Some(agent) = &self.agent {
            options = options.with_agent(Agent::open(agent)?);
        }
        let (user, group) = self.owner(data)?;
        options.hardening.user = format!("{user}:{group}");
        DockerBackend::open(options).await.map_err(|error| {
            if error.retry() == slate_core::Retry::No {
                return error;
            }
            error.with("hint", "is a container engine running here? --docker-host or DOCKER_HOST names another")
        })
    }

    /// Whom containers run as: files that they make in mounted folders belong to this user.
    pub(crate) fn owner(&self, data: &Path) -> Result<(u32, u32)> {
        if let Some(user) = &self.user {
            return ids(user);
        }
        let owner = std::fs::metadata(data).map_err(|error| Error::io("look at the data folder", error))?;
        Ok(if owner.uid() == 0 { (10001, 10001) } else { (owner.uid(), owner.gid()) })
    }

    pub(crate) fn image(&self) -> Result<Option<ImageRef>> {
        self.image.as_deref().map(str::parse).transpose()
    }

    pub(crate) fn network(&self) -> Option<NetworkMode> {
        self.network.as_deref().map(|network| match network {
            "none" => NetworkMode::None,
            "bridge" => NetworkMode::Bridge,
            name => NetworkMode::Named(name.to_owned()),
        })
    }

    /// What a session's spec is made to.
    pub(crate) fn apply(&self, mut spec: RuntimeSpec) -> Result<RuntimeSpec> {
        spec.image = self.image()?.or(spec.image);
        if spec.image.is_none() {
            return Err(Error::invalid("a container is made of an image: name one with --image, or in the project"));
        }
        spec.network = self.network().unwrap_or(spec.network);
        Ok(spec)
    }

    fn subnets(&self) -> Result<Option<SubnetPool>> {
        self.subnets.as_deref().map(str::parse).transpose()
    }

    fn pull(&self) -> Result<PullPolicy> {
        match self.pull.as_deref() {
            None | Some("missing") => Ok(PullPolicy::Missing),
            Some("always") => Ok(PullPolicy::Always),
            Some("never") => Ok(PullPolicy::Never),
            Some(word) => {
                Err(Error::invalid("pull is one of: missing, always, never").with("value", word.escape_debug()))
            }
        }
    }
}

fn ids(user: &str) -> Result<(u32, u32)> {
    let (uid, gid) = user.split_once(':').unwrap_or((user, user));
    match (uid.parse(), gid.parse()) {
        (Ok(uid), Ok(gid)) if uid != 0 => Ok((uid, gid)),
        _ => Err(Error::invalid("the containers' user is UID:GID in numbers, and not root")
            .with("value", user.escape_debug())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_checked_before_anything_is_opened() {
        for (image, pull, user) in [
            (Some("UPPER CASE"), None, None),
            (None, Some("often"), None),
            (None, None, Some("0:0")),
            (None, None, Some("ada")),
        ] {
            let text = |word: Option<&str>| word.map(str::to_owned);
            let docker = Docker { image: text(image), pull: text(pull), user: text(user), ..Docker::default() };
            assert!(docker.check().is_err(), "{docker:?}");
        }
        Docker { user: Some("1000:1000".into()), ..Docker::default() }.check().unwrap();
    }

    #[test]
    fn a_later_layer_wins_where_it_says_something() {
        let file = Docker { image: Some("a".into()), network: Some("none".into()), ..Docker::default() };
        let flags = Docker { image: Some("b".into()), ..Docker::default() };
        let both = flags.over(file);
        assert_eq!((both.image.as_deref(), both.network()), (Some("b"), Some(NetworkMode::None)));
    }

    #[test]
    fn a_container_without_an_image_is_refused_with_advice() {
        let error = Docker::default().apply(RuntimeSpec::new("a", ["b"])).unwrap_err();
        assert!(error.message().contains("--image"), "{error}");
    }
}
