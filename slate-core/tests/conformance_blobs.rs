//! Blobs in a folder keep the contract of blobs.
#![cfg(feature = "conformance")]

use slate_core::blob::{Blobs, FolderBlobs};
use std::sync::Arc;

slate_core::blobs_conformance!(async {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap().keep();
    Some(Arc::new(FolderBlobs::open(folder).unwrap()) as Arc<dyn Blobs>)
});
