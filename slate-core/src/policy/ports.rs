use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, ops::RangeInclusive};

/// Which ports of the host a spec may name. A port that the backend chooses is always free to ask for, while `publish` holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PortRules {
    /// Whether ports may be published at all; default `true`.
    pub publish: bool,
    /// The lowest port of the host that may be named; default 1024: those below belong to the host's own services.
    pub lowest: u16,
    /// The highest; default 65535.
    pub highest: u16,
    /// Ports of the host that may not be named, whatever the range says; default those by which hosts, engines and clusters
    /// are governed: a program that sits there first answers in their place.
    pub blocked: BTreeSet<u16>,
}

/// Remote shells and desktops, name services, file shares, and the doors of engines, clusters and their stores.
const BLOCKED: [u16; 29] = [
    22, 23, 25, 53, 111, 135, 137, 138, 139, 389, 445, 2049, 2375, 2376, 2377, 2379, 2380, 3389, 4194, 4789, 5900,
    5985, 5986, 6443, 7946, 8472, 10_250, 10_255, 10_256,
];

impl Default for PortRules {
    fn default() -> Self {
        Self { publish: true, lowest: 1024, highest: u16::MAX, blocked: BLOCKED.into() }
    }
}

impl PortRules {
    /// Any port that isn't 0.
    pub fn any() -> Self {
        Self { publish: true, lowest: 1, highest: u16::MAX, blocked: BTreeSet::new() }
    }

    /// None at all.
    pub fn none() -> Self {
        Self { publish: false, ..Self::default() }
    }

    /// Sets which ports may be named.
    #[must_use]
    pub fn with_range(mut self, range: RangeInclusive<u16>) -> Self {
        (self.lowest, self.highest) = range.into_inner();
        self
    }

    /// Why the host's `port` may not be named, with what would grant it.
    pub(super) fn refusal(&self, port: u16) -> Option<(String, String)> {
        if port < self.lowest || port > self.highest {
            let reason = format!("port {port} is outside of {}-{}", self.lowest, self.highest);
            let (field, of) = if port < self.lowest { ("lowest", self.lowest) } else { ("highest", self.highest) };
            return Some((reason, format!("ports.{field}: {port}, not {of}")));
        }
        self.blocked.contains(&port).then(|| {
            let reason = format!("port {port} is blocked: the host's own services are governed by it");
            (reason, format!("ports.blocked without {port}"))
        })
    }
}
