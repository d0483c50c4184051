use super::{Layer, Operation, Pace, Repeat};
use crate::{Component, ComponentKind, Descriptor, Result};
use async_trait::async_trait;
use std::{fmt, sync::Arc};

/// A component with a layer around it. It implements whatever of SLATE's traits the component implements.
///
/// The descriptor is the component's own: a layer isn't told apart from outside. Arguments are cloned for each attempt.
pub struct Layered<T: ?Sized, L> {
    pub(super) inner: Arc<T>,
    pub(super) layer: L,
}

impl<T: ?Sized, L> Layered<T, L> {
    /// `inner` with `layer` around it.
    pub const fn new(inner: Arc<T>, layer: L) -> Self {
        Self { inner, layer }
    }

    /// What is wrapped.
    pub const fn inner(&self) -> &Arc<T> {
        &self.inner
    }

    /// The layer.
    pub const fn layer(&self) -> &L {
        &self.layer
    }
}

impl<T: ?Sized, L: Clone> Clone for Layered<T, L> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), layer: self.layer.clone() }
    }
}

impl<T: Component + ?Sized, L: fmt::Debug> fmt::Debug for Layered<T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layered").field("inner", &self.inner.descriptor()).field("layer", &self.layer).finish()
    }
}

#[async_trait]
impl<T: Component + ?Sized, L: Layer> Component for Layered<T, L> {
    fn descriptor(&self) -> Descriptor {
        self.inner.descriptor()
    }

    async fn ping(&self) -> Result<()> {
        let operation = Operation::new(self.inner.descriptor().kind, "ping", Repeat::Always);
        self.layer.call(operation, || self.inner.ping()).await
    }
}

pub(super) const fn quick(kind: ComponentKind, name: &'static str, repeat: Repeat) -> Operation {
    Operation::new(kind, name, repeat)
}

pub(super) const fn long(kind: ComponentKind, name: &'static str, repeat: Repeat) -> Operation {
    quick(kind, name, repeat).with_pace(Pace::Long)
}
