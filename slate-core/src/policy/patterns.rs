use super::mounts::{PROJECT, is_name};
use crate::{
    Error, Result,
    runtime::{ImageRef, ImageVersion},
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A name, or with a `*` at its end all names that begin like it. `{project}` in it stands for the id of the project that an
/// instance belongs to, as in `{project}-*`; until it is filled in nothing is like it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NamePattern(String);

impl NamePattern {
    /// Whether `name` is one of those.
    pub fn matches(&self, name: &str) -> bool {
        !self.0.contains(PROJECT) && self.0.strip_suffix('*').map_or(self.0 == name, |start| name.starts_with(start))
    }

    /// The same with `project` in the place of `{project}`.
    pub(super) fn of_project(&self, project: &str) -> Self {
        if is_name(project) { Self(self.0.replace(PROJECT, project)) } else { self.clone() }
    }
}

impl FromStr for NamePattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let sound = (1..=256).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_graphic())
            && text.find('*').is_none_or(|at| at + 1 == text.len());
        if sound {
            return Ok(Self(text.into()));
        }
        Err(Error::invalid("a pattern of names is printable, with '*' nowhere but at its end")
            .with("value", text.escape_debug().to_string().chars().take(128).collect::<String>()))
    }
}

/// Which images may be run: a repository (`slate/godot-runtime`), one of its tags (`node:18-alpine`), or with `/*` at its end
/// all repositories below (`registry.example/team/*`).
///
/// Names are compared whole and in full: `node` is `docker.io/library/node`, and `slate/*` is nothing of
/// `registry.example/slate/`. A repository with a tag admits that tag alone, no digest: a digest says nothing of its tag.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImagePattern {
    text: String,
    /// In full; ends with `/` where everything below is meant.
    repository: String,
    tag: Option<String>,
}

impl ImagePattern {
    /// Whether this image is one of those.
    pub fn matches(&self, image: &ImageRef) -> bool {
        let repository = in_full(image.repository());
        let fits = if self.repository.ends_with('/') {
            repository.starts_with(&self.repository)
        } else {
            repository == self.repository
        };
        fits && self.tag.as_ref().is_none_or(|tag| matches!(image.version(), ImageVersion::Tag(of) if of == tag))
    }
}

impl FromStr for ImagePattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let malformed = || {
            Error::invalid("a pattern of images is like slate/godot, node:18-alpine or registry.example/team/*")
                .with("value", text.escape_debug().to_string().chars().take(128).collect::<String>())
        };
        if let Some(folder) = text.strip_suffix("/*") {
            // What is sound before a last part is sound alone.
            let image: ImageRef = format!("{folder}/x").parse().map_err(|_| malformed())?;
            let repository = in_full(image.repository());
            let repository = repository.strip_suffix('x').unwrap_or_default().to_owned();
            return Ok(Self { text: text.into(), repository, tag: None });
        }
        let image: ImageRef = text.parse().map_err(|_| malformed())?;
        let tag = match image.version() {
            ImageVersion::Tag(tag) if text.ends_with(&format!(":{tag}")) => Some(tag.clone()),
            ImageVersion::Tag(_) => None,
            ImageVersion::Digest(_) => return Err(malformed()),
        };
        Ok(Self { text: text.into(), repository: in_full(image.repository()), tag })
    }
}

/// The repository with its registry, as the engine completes it.
fn in_full(repository: &str) -> String {
    let first = repository.split_once('/').map(|(first, _)| first);
    let named = first.is_some_and(|first| first.contains(['.', ':']) || first == "localhost");
    match (named, first) {
        (true, _) => match repository.strip_prefix("index.docker.io/") {
            Some(rest) => in_full(rest),
            None => repository
                .strip_prefix("docker.io/")
                .filter(|rest| !rest.contains('/'))
                .map_or_else(|| repository.to_owned(), |rest| format!("docker.io/library/{rest}")),
        },
        (false, Some(_)) => format!("docker.io/{repository}"),
        (false, None) => format!("docker.io/library/{repository}"),
    }
}

macro_rules! as_text {
    ($($name:ident: $text:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.$text())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.$text())
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;

            fn try_from(text: String) -> Result<Self> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(pattern: $name) -> Self {
                pattern.$text().to_owned()
            }
        }
    )*};
}

impl NamePattern {
    fn text(&self) -> &str {
        &self.0
    }
}

impl ImagePattern {
    fn text(&self) -> &str {
        &self.text
    }
}

as_text!(NamePattern: text, ImagePattern: text);

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(pattern: &str, image: &str) -> bool {
        pattern.parse::<ImagePattern>().unwrap().matches(&image.parse().unwrap())
    }

    #[test]
    fn images_are_compared_whole_and_in_full() {
        for (pattern, image) in [
            ("node", "node:18-alpine"),
            ("node", "docker.io/library/node"),
            ("docker.io/library/*", "node"),
            ("index.docker.io/library/node", "docker.io/node"),
            ("node:18-alpine", "node:18-alpine"),
            ("slate/*", "slate/godot/runtime:4"),
            ("localhost:5000/slate/*", "localhost:5000/slate/godot"),
        ] {
            assert!(admits(pattern, image), "{pattern} {image}");
        }
        let pinned = format!("node@sha256:{}", "a".repeat(64));
        assert!(admits("node", &pinned) && !admits("node:18", &pinned));
        for (pattern, image) in [
            ("node", "evil.example/node"),
            ("node", "nodes"),
            ("node:18", "node:18-alpine"),
            ("slate/*", "evil.example/slate/godot"),
            ("slate/*", "slate-of-others/godot"),
            ("slate/*", "slate"),
            ("registry.example/team/*", "registry.example/teams/x"),
        ] {
            assert!(!admits(pattern, image), "{pattern} {image}");
        }
        let digest = format!("node@sha256:{}", "a".repeat(64));
        for bad in ["", "*", "a*", "a/*/b", "slate/go*", "UPPER", &digest] {
            assert!(bad.parse::<ImagePattern>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_begin_as_the_pattern_says() {
        let pattern: NamePattern = "NVIDIA_*".parse().unwrap();
        assert!(pattern.matches("NVIDIA_VISIBLE_DEVICES") && !pattern.matches("NVIDIA"));
        let whole: NamePattern = "LD_PRELOAD".parse().unwrap();
        assert!(whole.matches("LD_PRELOAD") && !whole.matches("LD_PRELOADED"));
        for bad in ["", "a*b", "**", "a b"] {
            assert!(bad.parse::<NamePattern>().is_err(), "{bad:?}");
        }
        assert_eq!(serde_json::to_string(&pattern).unwrap(), "\"NVIDIA_*\"");
    }
}
