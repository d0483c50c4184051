//! What every pluggable piece has in common: a name, and a sign of life.

use crate::Result;
use async_trait::async_trait;
use futures_core::Stream;
use serde::Serialize;
use std::pin::Pin;

/// A boxed stream that borrows nothing.
pub type BoxStream<T> = Pin<Box<dyn Stream<Item = T> + Send + 'static>>;

/// The supertrait of every pluggable piece. It gives each of them a health check for nothing.
#[async_trait]
pub trait Component: Send + Sync + 'static {
    /// What this piece is. Constant over its life; holds no secret.
    fn descriptor(&self) -> Descriptor;

    /// Returns `Ok` when the piece can do its work now.
    ///
    /// It asks the server behind the piece, not the piece's memory of it, changes nothing, and
    /// answers within a few seconds.
    ///
    /// # Errors
    /// `Unavailable` or `TimedOut`, with a message that says what to do.
    async fn ping(&self) -> Result<()>;
}

/// What a [`Component`] is, for health pages, logs and metrics.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Descriptor {
    /// The trait it implements.
    pub kind: ComponentKind,
    /// The implementation, for example `sqlite`.
    pub name: &'static str,
    /// What it stands on, for people, for example a file's path or a server's address; no secret.
    pub detail: String,
}

impl Descriptor {
    /// A descriptor without detail.
    pub fn new(kind: ComponentKind, name: &'static str) -> Self {
        Self { kind, name, detail: String::new() }
    }

    /// Sets the detail.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }
}

/// The pluggable traits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ComponentKind {
    /// [`RuntimeBackend`](crate::runtime::RuntimeBackend).
    Runtime,
    /// [`Store`](crate::store::Store).
    Store,
    /// [`EventBus`](crate::bus::EventBus).
    Bus,
    /// [`AssetPipeline`](crate::asset::AssetPipeline).
    Assets,
    /// [`Blobs`](crate::blob::Blobs).
    Blobs,
    /// [`Cache`](crate::cache::Cache).
    Cache,
}

impl ComponentKind {
    /// The lower-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Runtime => "runtime",
            Self::Store => "store",
            Self::Bus => "bus",
            Self::Assets => "assets",
            Self::Blobs => "blobs",
            Self::Cache => "cache",
        }
    }
}
