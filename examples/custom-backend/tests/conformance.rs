//! `PlainBackend` keeps every sentence of the contract of `RuntimeBackend`, save what it says that it can't do.
#![cfg(target_os = "linux")]

use custom_backend::PlainBackend;
use slate_core::conformance::runtime::RuntimeFixture;
use std::{fs, sync::Arc};

slate_core::runtime_conformance!(async {
    RuntimeFixture::new(Arc::new(PlainBackend::new())).with_probe(|mark| living(&format!("SLATE_PROBE={mark}")))
});

/// Counts the processes of this host with such a variable.
fn living(variable: &str) -> usize {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let environments = processes.filter_map(|process| fs::read(process.path().join("environ")).ok());
    environments.filter(|text| text.split(|byte| *byte == 0).any(|found| found == variable.as_bytes())).count()
}
