//! A running `slate serve`, which a test that fails takes along.

use std::process::{Child, Command};

/// Ended politely by [`end`](Self::end), or by force when dropped.
pub(crate) struct Service(pub(crate) Child);

impl Service {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    /// Asks all to end, then waits for each: they end side by side.
    pub(crate) fn end(services: impl IntoIterator<Item = Self>) {
        let services: Vec<_> = services.into_iter().inspect(|service| terminate(&service.0)).collect();
        for mut service in services {
            assert!(service.0.wait().unwrap().success(), "the service ends politely");
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // One that has ended can't be killed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks a process to end.
pub(crate) fn terminate(child: &Child) {
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
}
