use crate::{
    Error, Result,
    runtime::{MountType, RuntimeSpec},
};
use serde::{Deserialize, Serialize};

/// Which folders of the host may be mounted. It judges paths as they are written: whoever creates the instance resolves
/// symbolic links first and asks again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Words", into = "Words")]
pub struct MountPolicy {
    roots: Vec<String>,
    any: bool,
}

/// How a policy is written: `"any"`, or the list of roots.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Words {
    Any(Any),
    Roots(Vec<String>),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Any {
    Any,
}

impl TryFrom<Words> for MountPolicy {
    type Error = Error;

    fn try_from(words: Words) -> Result<Self> {
        match words {
            Words::Any(Any::Any) => Ok(Self::any()),
            Words::Roots(roots) => roots.iter().try_fold(Self::none(), |policy, root| policy.with_root(root)),
        }
    }
}

impl From<MountPolicy> for Words {
    fn from(policy: MountPolicy) -> Self {
        if policy.any { Self::Any(Any::Any) } else { Self::Roots(policy.roots) }
    }
}

impl MountPolicy {
    /// Nothing may be mounted.
    pub fn none() -> Self {
        Self::default()
    }

    /// Any folder may be mounted: for a program that works for the user who started it, never for a service.
    pub fn any() -> Self {
        Self { roots: Vec::new(), any: true }
    }

    /// Folders below `root`, and `root` itself, may be mounted.
    ///
    /// # Errors
    /// `Invalid` for a root that is no absolute path, or is `/` itself.
    pub fn with_root(mut self, root: &str) -> Result<Self> {
        let trimmed = root.trim_end_matches('/');
        let sound = trimmed.starts_with('/') && trimmed.split('/').skip(1).all(|part| !matches!(part, "" | "." | ".."));
        if !sound {
            return Err(
                Error::invalid("an allowed root is an absolute path other than /").with("root", root.escape_debug())
            );
        }
        self.roots.push(trimmed.to_owned());
        Ok(self)
    }

    /// Whether any folder may be mounted.
    pub const fn is_any(&self) -> bool {
        self.any
    }

    /// The root under which `path`, as it is written, lies: the longest where several do. `None` where it isn't allowed, and
    /// under [`any`](Self::any).
    pub fn root_of(&self, path: &str) -> Option<&str> {
        let path = path.trim_end_matches('/');
        let strange = path.split('/').skip(1).any(|part| matches!(part, "" | "." | ".."));
        let below = |root: &&String| {
            path == *root || path.strip_prefix(root.as_str()).is_some_and(|rest| rest.starts_with('/'))
        };
        let found = self.roots.iter().filter(below).max_by_key(|root| root.len());
        found.filter(|_| !strange).map(String::as_str)
    }

    /// Whether `path`, as it is written, may be mounted.
    pub fn allows(&self, path: &str) -> bool {
        self.any || self.root_of(path).is_some()
    }

    /// The allowed roots for people.
    pub(crate) fn describe(&self) -> String {
        if self.roots.is_empty() { "none".into() } else { self.roots.join(", ") }
    }

    /// Checks every bind mount of a spec.
    ///
    /// # Errors
    /// `PermissionDenied`, naming the path and the roots.
    pub fn check(&self, spec: &RuntimeSpec) -> Result<()> {
        for mount in spec.mounts.iter().filter(|mount| mount.kind == MountType::Bind) {
            mount.validate()?;
            if !self.allows(&mount.host_path) {
                return Err(Error::permission_denied("this folder may not be mounted")
                    .with("hostPath", &mount.host_path)
                    .with("allowed", self.describe()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::VolumeMount;

    fn spec(host: &str) -> RuntimeSpec {
        RuntimeSpec::new("s", ["true"]).with_mount(VolumeMount::bind(host, "/app"))
    }

    #[test]
    fn only_what_lies_below_a_root_may_be_mounted() {
        let policy = MountPolicy::none().with_root("/var/slate/projects/").unwrap();
        for good in ["/var/slate/projects", "/var/slate/projects/", "/var/slate/projects/a/b"] {
            policy.check(&spec(good)).unwrap();
        }
        for bad in ["/", "/var/slate", "/var/slate/projects-of-others", "/var/slate/projects/../secret", "/etc"] {
            assert!(policy.check(&spec(bad)).is_err(), "{bad}");
        }
        assert!(MountPolicy::none().check(&spec("/var/slate/projects")).is_err());
        MountPolicy::any().check(&spec("/var/slate/projects")).unwrap();
        assert!(MountPolicy::any().check(&spec("relative")).is_err());
    }

    #[test]
    fn the_longest_root_counts() {
        let policy = MountPolicy::none().with_root("/srv").unwrap().with_root("/srv/a").unwrap();
        assert_eq!(policy.root_of("/srv/a/b/"), Some("/srv/a"));
        assert_eq!(policy.root_of("/srv/ab"), Some("/srv"));
        for bad in ["/srv/../etc", "/srv//a", "/srv/./a", "srv/a"] {
            assert_eq!(policy.root_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn it_is_read_and_written() {
        for policy in [MountPolicy::any(), MountPolicy::none(), MountPolicy::none().with_root("/srv").unwrap()] {
            let text = serde_json::to_string(&policy).unwrap();
            assert_eq!(serde_json::from_str::<MountPolicy>(&text).unwrap(), policy, "{text}");
        }
        assert!(serde_json::from_str::<MountPolicy>(r#"["/"]"#).is_err());
    }

    #[test]
    fn roots_are_checked() {
        for bad in ["", "/", "relative", "/a/../b", "//", "/a//b"] {
            assert!(MountPolicy::none().with_root(bad).is_err(), "{bad:?}");
        }
    }
}
