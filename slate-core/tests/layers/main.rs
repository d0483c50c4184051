//! What each layer adds. That it keeps the contracts otherwise is in `layered_conformance.rs`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod cached;
mod faulty;
mod limited;
mod observed;
mod probe;
mod retrying;

use slate_core::{
    Timestamp, UserId,
    model::{Project, QuotaLimits, QuotaUsage, Sha256Hex},
    store::{Change, ChangeSet, Idempotency},
};

fn user() -> UserId {
    UserId::new("ada").unwrap()
}

fn project(name: &str) -> Project {
    Project::new(name, user(), Timestamp::from_millis(1_760_000_000_000))
}

/// A set that, applied twice, would show it: it adds to what the user holds.
fn adding() -> ChangeSet {
    let usage = QuotaUsage { containers: 1, ..QuotaUsage::default() };
    let limits = QuotaLimits { max_containers: 100, ..QuotaLimits::default() };
    ChangeSet::new().change(Change::Reserve { user: user(), usage, default: Some(limits) })
}

fn once(set: ChangeSet, key: &str) -> ChangeSet {
    let request = Sha256Hex::of(key.as_bytes());
    set.once(Idempotency { scope: "test".into(), key: key.into(), request, result: "done".into() })
}
