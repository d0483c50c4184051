//! One call at a time for each container, where the engine lets several through.

use crate::backend::held;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, Weak},
};

/// A lock for each container that somebody holds or waits for.
#[derive(Default)]
pub(crate) struct Gates(Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>);

impl Gates {
    /// The container's lock.
    pub(crate) fn of(&self, id: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut gates = held(&self.0);
        gates.retain(|_, gate| gate.strong_count() > 0);
        if let Some(gate) = gates.get(id).and_then(Weak::upgrade) {
            return gate;
        }
        let gate = Arc::new(tokio::sync::Mutex::new(()));
        gates.insert(id.into(), Arc::downgrade(&gate));
        gate
    }
}
