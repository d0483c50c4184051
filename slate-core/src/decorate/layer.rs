use crate::{BoxStream, ComponentKind, Result, store::RecordId};
use futures_core::future::BoxFuture;
use serde::{Serialize, de::DeserializeOwned};
use std::future::Future;

/// What is done around each call of a [`Layered`](super::Layered) component.
///
/// Only [`call`](Self::call) must be written; the other hooks lead to it, or do nothing.
pub trait Layer: Send + Sync + 'static {
    /// Makes one call. `run` starts it; each time it is called it starts the call anew with the same arguments.
    ///
    /// `run` of an operation with [`Repeat::Never`] is called once at most: a second time gives `Internal`.
    fn call<'a, R, F>(&'a self, operation: Operation, run: F) -> impl Future<Output = Result<R>> + Send + 'a
    where
        R: Send + 'a,
        F: Fn() -> BoxFuture<'a, Result<R>> + Send + Sync + 'a;

    /// Reads the record of this id from a store; default: a call like any other.
    fn record<'a, R, F>(
        &'a self,
        operation: Operation,
        id: RecordId,
        run: F,
    ) -> impl Future<Output = Result<R>> + Send + 'a
    where
        R: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
        F: Fn() -> BoxFuture<'a, Result<R>> + Send + Sync + 'a,
    {
        let _: RecordId = id;
        self.call(operation, run)
    }

    /// Changes these records of a store; default: a call like any other.
    fn write<'a, R, F>(
        &'a self,
        operation: Operation,
        touched: Vec<RecordId>,
        run: F,
    ) -> impl Future<Output = Result<R>> + Send + 'a
    where
        R: Send + 'a,
        F: Fn() -> BoxFuture<'a, Result<R>> + Send + Sync + 'a,
    {
        drop(touched);
        self.call(operation, run)
    }

    /// Learns that these records were changed by a call whose answer named them; default: does nothing.
    fn changed(&self, touched: Vec<RecordId>) -> impl Future<Output = ()> + Send {
        drop(touched);
        std::future::ready(())
    }

    /// Passes a stream on; default: as it is.
    fn stream<R: Send + 'static>(&self, operation: Operation, stream: BoxStream<Result<R>>) -> BoxStream<Result<R>> {
        let _: Operation = operation;
        stream
    }
}

/// Which verb of which trait is called, and what a layer must know of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Operation {
    /// The trait.
    pub kind: ComponentKind,
    /// The verb, for example `append_logs`; of a companion with its name, for example `images.exists`.
    pub name: &'static str,
    /// Whether repeating it is safe.
    pub repeat: Repeat,
    /// How long it may take.
    pub pace: Pace,
}

impl Operation {
    /// A quick operation.
    pub const fn new(kind: ComponentKind, name: &'static str, repeat: Repeat) -> Self {
        Self { kind, name, repeat, pace: Pace::Quick }
    }

    /// Sets how long it may take.
    #[must_use]
    pub const fn with_pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }
}

/// Whether calling twice is as good as calling once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Repeat {
    /// It is: a read, or a write that a second time changes nothing more.
    Always,
    /// Only where the first time changed nothing, as `Unavailable` and `ResourceExhausted` say; `TimedOut` doesn't.
    Unapplied,
    /// It can't be called again: its input is used up.
    Never,
}

/// How long a call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Pace {
    /// An answer is due within seconds.
    Quick,
    /// As long as the work takes, or as the call's own arguments say.
    Long,
    /// Until somebody else has answered, perhaps through the same component; it must not keep them from it.
    Waiting,
}
