//! Blobs: bytes by key, for artifacts, processed assets and large files.

mod folder;
mod staged;

pub use folder::FolderBlobs;
pub use staged::write_file;

use crate::{BoxStream, Component, Error, Result, Timestamp, model::Sha256Hex, wire::checked_text};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Keeps bytes by key: a folder, an object store, memory.
///
/// # Contract
/// - `put` is all or nothing: a reader sees the old bytes or the new ones, never a part; a failed or dropped `put`
///   leaves the old ones.
/// - `put` over an existing key replaces it.
/// - `get` of a range beyond the end yields what there is.
/// - `get` and `head` of a key that isn't there give `NotFound`.
/// - `delete` of a key that isn't there is `Ok`.
/// - `list` yields the keys under the prefix in ascending order.
#[async_trait]
pub trait Blobs: Component {
    /// Stores all bytes of `body` under `key` and tells their size and hash.
    ///
    /// # Errors
    /// The first error of `body`; `ResourceExhausted` where there is no room.
    async fn put(&self, key: &BlobKey, body: BoxStream<Result<Bytes>>) -> Result<BlobInfo>;

    /// The bytes under `key`, or the part of them in `range`, in chunks.
    fn get(&self, key: &BlobKey, range: Option<Range<u64>>) -> BoxStream<Result<Bytes>>;

    /// What is under `key`, without its bytes.
    ///
    /// # Errors
    /// `NotFound`.
    async fn head(&self, key: &BlobKey) -> Result<BlobInfo>;

    /// Removes what is under `key`.
    ///
    /// # Errors
    /// `Unavailable` and the like; never `NotFound`.
    async fn delete(&self, key: &BlobKey) -> Result<()>;

    /// The keys that start with `prefix`, ascending.
    fn list(&self, prefix: &str) -> BoxStream<Result<BlobInfo>>;
}

/// Comfort over [`Blobs`], for whole values.
#[async_trait]
pub trait BlobsExt: Blobs {
    /// Stores `bytes` under `key`.
    ///
    /// # Errors
    /// Those of [`Blobs::put`].
    async fn put_bytes(&self, key: &BlobKey, bytes: Bytes) -> Result<BlobInfo> {
        self.put(key, stream::iter([Ok(bytes)]).boxed()).await
    }

    /// All bytes under `key`, at most `limit` of them.
    ///
    /// # Errors
    /// Those of [`Blobs::get`]; `LimitExceeded` where there are more.
    async fn get_bytes(&self, key: &BlobKey, limit: u64) -> Result<Bytes> {
        let mut chunks = self.get(key, None);
        let mut all = Vec::new();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk?;
            if (all.len() + chunk.len()) as u64 > limit {
                return Err(Error::limit_exceeded("the blob is over its limit").with("key", key).with("limit", limit));
            }
            if all.is_empty() && chunk.len() as u64 == limit {
                all = chunk.into();
            } else {
                all.extend_from_slice(&chunk);
            }
        }
        Ok(all.into())
    }
}

impl<T: Blobs + ?Sized> BlobsExt for T {}

/// What is under a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlobInfo {
    /// The key.
    pub key: BlobKey,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the bytes, where the implementation knows it without reading them.
    pub sha256: Option<Sha256Hex>,
    /// When it was last stored.
    pub modified_at: Timestamp,
}

/// A key: 1 to 512 bytes, parts of ASCII letters, digits and `-_.=+@` joined by `/`; no part is empty, `.` or `..`, or
/// starts with a dot.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BlobKey(Box<str>);

impl BlobKey {
    /// Checks `text` and takes it as a key.
    ///
    /// # Errors
    /// `Invalid` where a rule of the type is broken.
    pub fn new(text: impl AsRef<str>) -> Result<Self> {
        let text = text.as_ref();
        let part_fits = |part: &str| {
            !part.is_empty()
                && !part.starts_with('.')
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.=+@".contains(&b))
        };
        if text.len() <= 512 && text.split('/').all(part_fits) {
            return Ok(Self(text.into()));
        }
        Err(Error::invalid("not a blob key: parts of letters, digits and -_.=+@ joined by / are expected")
            .with("value", text.escape_debug().to_string().chars().take(64).collect::<String>()))
    }

    /// The key for bytes kept by their content: `{prefix}/{first two digits}/{all digits}`.
    ///
    /// # Errors
    /// `Invalid` where `prefix` is no key.
    pub fn for_content(prefix: &str, hash: &Sha256Hex) -> Result<Self> {
        let digits = hash.as_str();
        Self::new(format!("{prefix}/{}/{digits}", &digits[..2]))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

checked_text!(BlobKey);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_can_not_leave_their_folder() {
        for bad in ["", "/a", "a/", "a//b", "../a", "a/..", "a/./b", ".hidden", "a b", "a\\b", "a:b", &"x".repeat(513)]
        {
            assert!(BlobKey::new(bad).is_err(), "{bad:?}");
        }
        assert!(BlobKey::new("cache/ab/abcdef.ktx2").is_ok());
    }
}
