//! One isolated network for each project.

use crate::{
    backend::Shared,
    error::{PLACE, translate},
    spec::REALM,
    subnets,
};
use bollard::{
    models::{Ipam, IpamConfig, NetworkCreateRequest},
    query_parameters::{ListNetworksOptions, PruneNetworksOptions},
};
use ipnet::Ipv4Net;
use slate_core::{
    Error, ErrorKind, Result,
    policy::Hardening,
    runtime::{NetworkMode, RuntimeSpec, labels},
};
use std::collections::HashMap;

/// Subnets of the pool that are tried for one network before it counts as used up.
const ATTEMPTS: usize = 32;

/// How a container is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NetworkPlan {
    /// Not at all.
    None,
    /// By the host's own network.
    Host,
    /// By a network that somebody made.
    Named(String),
    /// By a network of the backend's own, made where it isn't there.
    Own(String, NetworkOptions),
}

/// What a network of the backend's own lets through. The default lets nothing through.
///
/// `internal` alone is no isolation: containers of such a network still reach the host by the bridge's own address. Without
/// [`published`](Self::published) and [`outbound`](Self::outbound) the bridge therefore gets no address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetworkOptions {
    /// Containers reach each other.
    pub peers: bool,
    /// Ports can be published. The bridge gets an address then, by which containers reach what listens on all of the host's
    /// addresses.
    pub published: bool,
    /// Containers reach other networks.
    pub outbound: bool,
}

impl NetworkOptions {
    /// Sets whether containers reach each other.
    #[must_use]
    pub fn with_peers(mut self, peers: bool) -> Self {
        self.peers = peers;
        self
    }

    /// Sets whether ports can be published.
    #[must_use]
    pub fn with_published(mut self, published: bool) -> Self {
        self.published = published;
        self
    }

    /// Sets whether containers reach other networks.
    #[must_use]
    pub fn with_outbound(mut self, outbound: bool) -> Self {
        self.outbound = outbound;
        self
    }

    /// What the engine is asked; it chooses the addresses where there is no `subnet`.
    fn request(self, name: &str, realm: &str, subnet: Option<Ipv4Net>) -> NetworkCreateRequest {
        let mut options = HashMap::from([("com.docker.network.bridge.enable_icc".to_owned(), self.peers.to_string())]);
        let closed = !self.published && !self.outbound;
        if closed {
            options.insert("com.docker.network.bridge.inhibit_ipv4".into(), "true".into());
        }
        if !self.outbound {
            options.insert("com.docker.network.bridge.enable_ip_masquerade".into(), "false".into());
        }
        NetworkCreateRequest {
            name: name.into(),
            driver: Some("bridge".into()),
            internal: Some(closed),
            attachable: Some(false),
            enable_ipv6: Some(false),
            options: Some(options),
            labels: Some(HashMap::from([(REALM.into(), realm.into())])),
            ipam: subnet.map(|subnet| Ipam {
                config: Some(vec![IpamConfig { subnet: Some(subnet.to_string()), ..IpamConfig::default() }]),
                ..Ipam::default()
            }),
            ..NetworkCreateRequest::default()
        }
    }
}

impl NetworkPlan {
    /// How `spec` is connected: by its project's network; without a project, and without ports, there is nobody to talk to.
    pub(crate) fn of(spec: &RuntimeSpec, hardening: &Hardening, realm: &str) -> Result<Self> {
        let options =
            NetworkOptions { peers: hardening.peers, published: !spec.ports.is_empty(), outbound: hardening.outbound };
        let project = spec.labels.get(labels::PROJECT).map(|project| plain(project));
        match &spec.network {
            NetworkMode::None if options.published => Err(Error::invalid("ports need a network")),
            NetworkMode::None => Ok(Self::None),
            NetworkMode::Host if !hardening.host_network => {
                Err(Error::permission_denied("the host's own network is not granted"))
            }
            NetworkMode::Host => Ok(Self::Host),
            NetworkMode::Named(name) if matches!(name.as_str(), "host" | "none" | "default" | "bridge") => {
                Err(Error::permission_denied("this is no network of its own").with("network", name))
            }
            NetworkMode::Named(name) if name.starts_with("container:") || plain(name) != *name => {
                Err(Error::invalid("a network's name is letters, digits, '_', '.' or '-'")
                    .with("network", name.escape_debug()))
            }
            NetworkMode::Named(name) => Ok(Self::Named(name.clone())),
            _ if project.is_none() && !options.published && !options.outbound => Ok(Self::None),
            _ => {
                // What differs in what it lets through is another network.
                let mut name = format!("{realm}-{}", project.as_deref().unwrap_or("shared"));
                for (on, word) in [(options.published, "-ports"), (options.outbound, "-out"), (options.peers, "-peers")]
                {
                    name.push_str(if on { word } else { "" });
                }
                Ok(Self::Own(name, options))
            }
        }
    }

    /// The engine's word for it.
    pub(crate) fn mode(&self) -> &str {
        match self {
            Self::None => "none",
            Self::Host => "host",
            Self::Named(name) | Self::Own(name, _) => name,
        }
    }
}

/// `text` where it can be a part of a network's name, else a number that stands for it.
fn plain(text: &str) -> String {
    let sound = (1..=100).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
    if sound {
        return text.into();
    }
    format!("x{:016x}", subnets::hash(text))
}

impl Shared {
    /// Makes what `plan` needs.
    pub(crate) async fn prepare_network(&self, plan: &NetworkPlan) -> Result<()> {
        match plan {
            NetworkPlan::Own(name, options) => self.ensure_network(name, *options).await,
            NetworkPlan::Named(name) if !self.networks(Some(name)).await?.contains(name) => {
                Err(Error::not_found("no such network").with("network", name).at(PLACE, "create"))
            }
            _ => Ok(()),
        }
    }

    pub(crate) async fn ensure_network(&self, name: &str, options: NetworkOptions) -> Result<()> {
        // One at a time: the engine makes two networks of one name where it is asked twice at once.
        let _alone = self.network_gate.lock().await;
        if self.networks(Some(name)).await?.iter().any(|there| there == name) {
            return Ok(());
        }
        match self.make_network(name, options, None).await {
            Err(error) if error.kind() == ErrorKind::ResourceExhausted => {}
            made => return made,
        }
        // The engine has no addresses left: those of projects where nothing runs make room.
        self.prune_networks().await?;
        let mut made = self.make_network(name, options, None).await;
        let is_full = |made: &Result<()>| made.as_ref().is_err_and(|e| e.kind() == ErrorKind::ResourceExhausted);
        if is_full(&made) {
            let taken = self.taken_subnets().await?;
            let mut free = self.options.subnets.free(name, &taken).take(ATTEMPTS);
            // Another backend may have taken it in the meantime: the next one then.
            while is_full(&made)
                && let Some(subnet) = free.next()
            {
                made = self.make_network(name, options, Some(subnet)).await;
            }
        }
        made
    }

    async fn make_network(&self, name: &str, options: NetworkOptions, subnet: Option<Ipv4Net>) -> Result<()> {
        let made = self.docker.create_network(options.request(name, &self.options.realm, subnet)).await;
        match made.map_err(|error| translate(error, "network").with("network", name)) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }

    /// What the engine's networks have of addresses, whoever made them.
    async fn taken_subnets(&self) -> Result<Vec<Ipv4Net>> {
        let found = self.docker.list_networks(None).await.map_err(|error| translate(error, "network"))?;
        let configs = found.into_iter().filter_map(|network| network.ipam?.config).flatten();
        Ok(configs.filter_map(|config| config.subnet?.parse().ok()).collect())
    }

    /// The names of this realm's networks, of `name` alone where it is given.
    pub(crate) async fn networks(&self, name: Option<&str>) -> Result<Vec<String>> {
        let mut filters = HashMap::from([("label".to_owned(), vec![format!("{REALM}={}", self.options.realm)])]);
        if let Some(name) = name {
            filters.insert("name".into(), vec![name.into()]);
        }
        let options = ListNetworksOptions { filters: Some(filters) };
        let found = self.docker.list_networks(Some(options)).await.map_err(|error| translate(error, "network"))?;
        let mut names: Vec<_> = found.into_iter().filter_map(|network| network.name).collect();
        names.sort_unstable();
        Ok(names)
    }

    pub(crate) async fn remove_network(&self, name: &str) -> Result<()> {
        if !self.networks(Some(name)).await?.iter().any(|there| there == name) {
            return Ok(());
        }
        match self.docker.remove_network(name).await.map_err(|error| translate(error, "network").with("network", name))
        {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                Err(Error::wrong_state("instances are connected to this network").with("network", name).because(error))
            }
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Removes this realm's networks that no container uses.
    pub(crate) async fn prune_networks(&self) -> Result<Vec<String>> {
        let filters = HashMap::from([("label".to_owned(), vec![format!("{REALM}={}", self.options.realm)])]);
        let options = PruneNetworksOptions { filters: Some(filters) };
        let pruned = self.docker.prune_networks(Some(options)).await.map_err(|error| translate(error, "network"))?;
        Ok(pruned.networks_deleted.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slate_core::runtime::{PortMapping, Protocol};

    fn plan(change: impl FnOnce(&mut RuntimeSpec, &mut Hardening)) -> Result<NetworkPlan> {
        let mut spec = RuntimeSpec::new("a", ["b"]).with_label(labels::PROJECT, "p1");
        let mut hardening = Hardening::default();
        change(&mut spec, &mut hardening);
        NetworkPlan::of(&spec, &hardening, "slate")
    }

    #[test]
    fn each_project_has_a_network_of_its_own() {
        let closed = NetworkOptions::default();
        assert_eq!(plan(|_, _| {}).unwrap(), NetworkPlan::Own("slate-p1".into(), closed));
        assert_eq!(plan(|spec, _| spec.labels.clear()).unwrap(), NetworkPlan::None);
        assert_eq!(
            plan(|_, hardening| hardening.peers = true).unwrap(),
            NetworkPlan::Own("slate-p1-peers".into(), closed.with_peers(true))
        );
        let port = PortMapping { container: 80, host: None, protocol: Protocol::Tcp };
        assert_eq!(
            plan(|spec, _| spec.ports.push(port)).unwrap(),
            NetworkPlan::Own("slate-p1-ports".into(), closed.with_published(true))
        );
        let odd = plan(|spec, _| drop(spec.labels.insert(labels::PROJECT.into(), "a/../b".into()))).unwrap();
        assert!(!odd.mode().contains('/'), "{odd:?}");
    }

    #[test]
    fn what_reaches_the_host_is_refused() {
        for mode in [
            NetworkMode::Host,
            NetworkMode::Named("host".into()),
            NetworkMode::Named("bridge".into()),
            NetworkMode::Named("container:abc".into()),
        ] {
            assert!(plan(|spec, _| spec.network = mode.clone()).is_err(), "{mode:?}");
        }
        let granted = plan(|spec, hardening| {
            spec.network = NetworkMode::Host;
            hardening.host_network = true;
        });
        assert_eq!(granted.unwrap(), NetworkPlan::Host);
    }

    #[test]
    fn a_closed_network_has_no_address_on_the_host() {
        let request = NetworkOptions::default().request("n", "slate", None);
        let options = request.options.unwrap();
        assert_eq!(request.internal, Some(true));
        assert_eq!(options["com.docker.network.bridge.inhibit_ipv4"], "true");
        assert_eq!(options["com.docker.network.bridge.enable_icc"], "false");
        let open = NetworkOptions::default().with_published(true).request("n", "slate", None);
        assert_eq!(open.internal, Some(false));
        assert_eq!(open.options.unwrap()["com.docker.network.bridge.enable_ip_masquerade"], "false");
    }
}
