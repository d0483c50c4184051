use crate::{
    Error, Result,
    runtime::{MountType, RuntimeSpec},
};

/// Which folders of the host may be mounted. It judges paths as they are written: whoever creates the instance resolves
/// symbolic links first and asks again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MountPolicy {
    roots: Vec<String>,
    any: bool,
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

    /// Checks every bind mount of a spec.
    ///
    /// # Errors
    /// `PermissionDenied`, naming the path and the roots.
    pub fn check(&self, spec: &RuntimeSpec) -> Result<()> {
        for mount in spec.mounts.iter().filter(|mount| mount.kind == MountType::Bind) {
            mount.validate()?;
            if self.any {
                continue;
            }
            let path = mount.host_path.trim_end_matches('/');
            let below = |root: &String| {
                path == root || path.strip_prefix(root.as_str()).is_some_and(|rest| rest.starts_with('/'))
            };
            if !self.roots.iter().any(below) {
                return Err(Error::permission_denied("this folder may not be mounted")
                    .with("hostPath", &mount.host_path)
                    .with("allowed", if self.roots.is_empty() { "none".into() } else { self.roots.join(", ") }));
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
    fn roots_are_checked() {
        for bad in ["", "/", "relative", "/a/../b", "//", "/a//b"] {
            assert!(MountPolicy::none().with_root(bad).is_err(), "{bad:?}");
        }
    }
}
