use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// An image: `[registry/]repository` with a tag or a digest.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageRef {
    repository: String,
    version: ImageVersion,
}

/// Which of a repository's images.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ImageVersion {
    /// A name that may be moved to another image.
    Tag(String),
    /// The image with this content: `sha256:` and 64 digits.
    Digest(String),
}

impl ImageRef {
    /// The repository, with its registry where it has one.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag or digest; the tag is `latest` where none was named.
    pub fn version(&self) -> &ImageVersion {
        &self.version
    }

    /// The registry's host and port, where one is named.
    pub fn registry(&self) -> Option<&str> {
        let (first, _) = self.repository.split_once('/')?;
        (first.contains(['.', ':']) || first == "localhost").then_some(first)
    }
}

impl FromStr for ImageRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse_image(text).ok_or_else(|| {
            Error::invalid("not an image: [registry/]repository[:tag|@sha256:digest] is expected")
                .with("value", text.escape_debug().to_string().chars().take(128).collect::<String>())
        })
    }
}

fn parse_image(text: &str) -> Option<ImageRef> {
    let (repository, version) = if let Some((repository, digest)) = text.split_once('@') {
        let digits = digest.strip_prefix("sha256:")?;
        let sound = digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        sound.then_some(())?;
        // `name:tag@digest` names the digest; the tag is decoration.
        (without_tag(repository).0, ImageVersion::Digest(digest.into()))
    } else {
        let (repository, tag) = without_tag(text);
        let tag = tag.unwrap_or("latest");
        let sound = (1..=128).contains(&tag.len())
            && !tag.starts_with(['.', '-'])
            && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
        sound.then_some(())?;
        (repository, ImageVersion::Tag(tag.into()))
    };
    let mut parts = repository.split('/');
    let path_fits = |part: &str| {
        !part.is_empty()
            && part.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_.-".contains(&b))
    };
    let host_fits = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:".contains(&b))
            && !part.ends_with(':')
    };
    let first = parts.next()?;
    let sound = if repository.contains('/') { host_fits(first) || path_fits(first) } else { path_fits(first) };
    (sound && parts.all(path_fits) && repository.len() <= 255)
        .then(|| ImageRef { repository: repository.into(), version })
}

fn without_tag(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
        _ => (text, None),
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            ImageVersion::Tag(tag) => write!(f, "{}:{tag}", self.repository),
            ImageVersion::Digest(digest) => write!(f, "{}@{digest}", self.repository),
        }
    }
}

impl fmt::Debug for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for ImageRef {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<ImageRef> for String {
    fn from(image: ImageRef) -> Self {
        image.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_parse() {
        let digest = "a".repeat(64);
        for (text, printed, registry) in [
            ("busybox", "busybox:latest".to_owned(), None),
            ("slate/unity-runtime:2022.3", "slate/unity-runtime:2022.3".into(), None),
            ("localhost:5000/slate/godot", "localhost:5000/slate/godot:latest".into(), Some("localhost:5000")),
            (&format!("r.example/x@sha256:{digest}"), format!("r.example/x@sha256:{digest}"), Some("r.example")),
            (&format!("r.example/x:1@sha256:{digest}"), format!("r.example/x@sha256:{digest}"), Some("r.example")),
        ] {
            let image: ImageRef = text.parse().unwrap();
            assert_eq!(image.to_string(), printed);
            assert_eq!(image.registry(), registry, "{text}");
        }
        for bad in ["", "UPPER", "a b", "a:", "a@sha256:12", "a//b", "/a", "a:tag:tag", "-a", "a:\n"] {
            assert!(bad.parse::<ImageRef>().is_err(), "{bad:?}");
        }
    }
}
