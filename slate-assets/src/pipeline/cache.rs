use super::spool::SpooledFile;
use futures_util::{StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};
use slate_core::{
    Cancel, Error, ErrorKind, Result,
    asset::{AssetOutput, CacheKey, OutputFile},
    blob::{BlobKey, Blobs, BlobsExt},
    model::Sha256Hex,
};
use std::sync::Arc;

/// Where the outputs' bytes are, by their hash.
pub(super) const CONTENT: &str = "assets/content";
const INDEX: &str = "assets/index";
/// A record names a few files and reports a few numbers.
const RECORD_BYTES: u64 = 16 << 20;

/// Results by what they were made of: a record for each key, and the bytes it names by their hash.
#[derive(Clone)]
pub(super) struct ResultCache(pub(super) Arc<dyn Blobs>);

impl ResultCache {
    /// The result for `key`, where its record and every byte of its outputs are sound.
    ///
    /// Whatever is missing, damaged or cut short makes it no result, which is then made anew. All bytes are read for
    /// that: much cheaper than any processor, and a damaged asset never gets out.
    pub(super) async fn find(&self, key: CacheKey, cancel: &Cancel) -> Result<Option<AssetOutput>> {
        let record = match self.0.get_bytes(&index_key(key)?, RECORD_BYTES).await {
            Ok(record) => record,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::LimitExceeded) => return Ok(None),
            Err(error) => return Err(error),
        };
        let Ok(output) = serde_json::from_slice::<AssetOutput>(&record) else {
            tracing::warn!(%key, "a damaged record in the asset cache is made anew");
            return Ok(None);
        };
        for file in &output.files {
            cancel.check()?;
            if !self.is_sound(file, cancel).await? {
                tracing::warn!(%key, blob = %file.blob, "a missing or damaged output in the asset cache is made anew");
                return Ok(None);
            }
        }
        Ok(Some(output))
    }

    /// Keeps a result: its bytes first, so that a record never names bytes that aren't there.
    pub(super) async fn keep(
        &self,
        key: CacheKey,
        files: Vec<SpooledFile>,
        record: impl FnOnce(Vec<OutputFile>) -> AssetOutput,
    ) -> Result<AssetOutput> {
        let mut kept = Vec::with_capacity(files.len());
        for file in files {
            let blob = BlobKey::for_content(CONTENT, &file.sha256)?;
            let (name, size, sha256) = (file.name.clone(), file.size, file.sha256.clone());
            let stored = self.0.put(&blob, chunks(file)).await?;
            if stored.size != size {
                return Err(Error::internal("the blobs stored another size than was sent").with("key", &blob));
            }
            kept.push(OutputFile { name, size, sha256, blob });
        }
        let output = record(kept);
        self.0.put_bytes(&index_key(key)?, serde_json::to_vec(&output)?.into()).await?;
        Ok(output)
    }

    async fn is_sound(&self, file: &OutputFile, cancel: &Cancel) -> Result<bool> {
        if BlobKey::for_content(CONTENT, &file.sha256).ok().as_ref() != Some(&file.blob) {
            return Ok(false);
        }
        let (mut chunks, mut hash, mut size) = (self.0.get(&file.blob, None), Sha256::new(), 0u64);
        loop {
            cancel.check()?;
            match chunks.try_next().await {
                Ok(Some(chunk)) => {
                    hash.update(&chunk);
                    size += chunk.len() as u64;
                }
                Ok(None) => {
                    return Ok(size == file.size && Sha256Hex::from_bytes(hash.finalize().into()) == file.sha256);
                }
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Corrupt) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }
}

fn index_key(key: CacheKey) -> Result<BlobKey> {
    let digits = key.to_string();
    BlobKey::new(format!("{INDEX}/{}/{digits}.json", &digits[..2]))
}

/// The spooled bytes as a stream; a file of megabytes is read chunk by chunk.
fn chunks(file: SpooledFile) -> slate_core::BoxStream<Result<bytes::Bytes>> {
    stream::unfold(Some((file, 0)), |state| async move {
        let (file, at) = state?;
        let read = tokio::task::spawn_blocking(move || file.chunk(at).map(|chunk| (chunk, file)));
        match read.await {
            Ok(Ok((chunk, _))) if chunk.is_empty() => None,
            Ok(Ok((chunk, file))) => {
                let next = at + chunk.len() as u64;
                Some((Ok(chunk), Some((file, next))))
            }
            Ok(Err(error)) => Some((Err(error), None)),
            Err(error) => Some((Err(Error::internal("a file task ended early").because(error)), None)),
        }
    })
    .boxed()
}
