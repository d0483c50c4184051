use crate::{
    Error, Result,
    runtime::{MountType, RuntimeSpec},
};
use serde::{Deserialize, Serialize};

/// Which folders of the host may be mounted. It judges paths as they are written: whoever creates the instance resolves
/// symbolic links first and asks again.
///
/// A root may hold `{project}` for the id of the project that an instance belongs to, as in `/srv/projects/{project}`: then
/// one project's instances mount nothing of another's. Until [`of_project`](Self::of_project) has filled it in, such a root
/// allows nothing.
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

    /// The same with `project` in the place of `{project}`. One that can't be a folder's name leaves those roots closed.
    #[must_use]
    pub fn of_project(&self, project: &str) -> Self {
        let name = is_name(project).then_some(project);
        let fill = |root: &String| name.map_or_else(|| root.clone(), |name| root.replace(PROJECT, name));
        Self { roots: self.roots.iter().map(fill).collect(), any: self.any }
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
        let open = self.roots.iter().filter(|root| !root.contains(PROJECT));
        let found = open.filter(below).max_by_key(|root| root.len());
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

/// What stands for a project's id in roots and patterns.
pub(super) const PROJECT: &str = "{project}";

/// Whether a project's id can be a part of a path and of a name.
pub(super) fn is_name(project: &str) -> bool {
    (1..=128).contains(&project.len())
        && project.starts_with(|c: char| c.is_ascii_alphanumeric())
        && project.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
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
    fn a_root_may_be_each_project_s_own() {
        let policy = MountPolicy::none().with_root("/srv/{project}/files").unwrap();
        assert!(!policy.allows("/srv/{project}/files") && !policy.allows("/srv/p1/files"));
        let of_one = policy.of_project("p1");
        assert!(of_one.allows("/srv/p1/files/a") && !of_one.allows("/srv/p2/files/a"));
        for bad in ["", "..", ".", "a/b", "../p2", "{project}", "a\0"] {
            let policy = policy.of_project(bad);
            assert!(!policy.allows("/srv/p2/files") && !policy.allows(&format!("/srv/{bad}/files")), "{bad:?}");
        }
        assert!(MountPolicy::any().of_project("p1").is_any());
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
