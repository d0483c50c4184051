//! What lies in the cache: a record's JSON, or `null` where there is no record.

use crate::Version;
use serde::Deserialize;

#[derive(Deserialize)]
struct Head {
    version: Version,
}

/// The version of a cached record; `None` where there is no record, or none that can be read.
pub(super) fn version(value: &[u8]) -> Option<Version> {
    let head: Option<Head> = serde_json::from_slice(value).ok()?;
    head.map(|head| head.version)
}

/// What becomes of a value that is to be cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Put,
    Keep,
    Remove,
}

/// Decides between what is cached and what was just read. Which came first isn't known: another process may have put the
/// one while this one read the other.
pub(super) fn decide(there: Option<&[u8]>, new: &[u8]) -> Decision {
    let Some(there) = there else { return Decision::Put };
    match (version(there), version(new)) {
        (Some(there), Some(new)) if there > new => Decision::Keep,
        (Some(_), Some(_)) | (None, None) => Decision::Put,
        // Made or deleted in between: the store will tell.
        (Some(_), None) | (None, Some(_)) => Decision::Remove,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_higher_version_stays() {
        let (old, new, none) = (br#"{"version":1}"#.as_slice(), br#"{"version":2}"#.as_slice(), b"null".as_slice());
        assert_eq!(decide(None, old), Decision::Put);
        assert_eq!(decide(Some(old), new), Decision::Put);
        assert_eq!(decide(Some(old), old), Decision::Put);
        assert_eq!(decide(Some(new), old), Decision::Keep);
        assert_eq!(decide(Some(none), none), Decision::Put);
        assert_eq!(decide(Some(none), new), Decision::Remove);
        assert_eq!(decide(Some(new), none), Decision::Remove);
    }
}
