use futures_core::future::BoxFuture;
use slate_core::{
    Error, ErrorKind, Result,
    decorate::{Layer, Operation},
};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::Semaphore;

/// A layer that counts calls, holds back answers, and replaces them by errors.
#[derive(Clone, Default)]
pub(crate) struct Probe(Arc<State>);

#[derive(Default)]
struct State {
    calls: Mutex<HashMap<&'static str, usize>>,
    gates: Mutex<HashMap<&'static str, Arc<Semaphore>>>,
    errors: Mutex<HashMap<&'static str, ErrorKind>>,
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Probe {
    pub(crate) fn calls(&self, name: &str) -> usize {
        self.0.calls.lock().unwrap().get(name).copied().unwrap_or_default()
    }

    /// Most calls at a time so far.
    pub(crate) fn most(&self) -> usize {
        self.0.most.load(Ordering::SeqCst)
    }

    /// Calls under way.
    pub(crate) fn now(&self) -> usize {
        self.0.now.load(Ordering::SeqCst)
    }

    /// Holds back the answers of these calls, which are made at once. Each permit added lets one through.
    pub(crate) fn hold(&self, name: &'static str) -> Arc<Semaphore> {
        Arc::clone(self.0.gates.lock().unwrap().entry(name).or_insert_with(|| Arc::new(Semaphore::new(0))))
    }

    /// From now on these calls are made, and answered by an error; by what they return where `None`.
    pub(crate) fn fail(&self, name: &'static str, kind: impl Into<Option<ErrorKind>>) {
        let mut errors = self.0.errors.lock().unwrap();
        match kind.into() {
            Some(kind) => errors.insert(name, kind),
            None => errors.remove(name),
        };
    }

    /// Returns once so many calls of this name were made.
    pub(crate) async fn until_called(&self, name: &str, times: usize) {
        while self.calls(name) < times {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

impl Layer for Probe {
    async fn call<'a, R, F>(&'a self, operation: Operation, run: F) -> Result<R>
    where
        R: Send + 'a,
        F: Fn() -> BoxFuture<'a, Result<R>> + Send + Sync + 'a,
    {
        let _alive = Alive::new(&self.0);
        let result = run().await;
        *self.0.calls.lock().unwrap().entry(operation.name).or_default() += 1;
        let gate = self.0.gates.lock().unwrap().get(operation.name).cloned();
        if let Some(gate) = gate {
            gate.acquire().await.unwrap().forget();
        }
        match self.0.errors.lock().unwrap().get(operation.name) {
            Some(kind) => Err(Error::new(*kind, "the probe's error")),
            None => result,
        }
    }
}

struct Alive<'a>(&'a State);

impl<'a> Alive<'a> {
    fn new(state: &'a State) -> Self {
        state.most.fetch_max(state.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        Self(state)
    }
}

impl Drop for Alive<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}
