//! Conformance suites: one function for each sentence of a trait's contract.
//!
//! An implementor writes one line in a test file, for example
//! `slate_core::blobs_conformance!(async { make_blobs() });`, and gets one named test for each sentence. A case fails by
//! panicking with the difference. Needs the feature `conformance`, and `tokio` among the implementor's dev-dependencies.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a case fails by panicking")]
#![allow(missing_docs, clippy::missing_panics_doc, reason = "a case's name is its sentence")]
#![allow(clippy::needless_pass_by_value, reason = "a case owns its subject")]

pub mod assets;
pub mod blobs;

pub mod bus;
pub mod cache;
pub mod durable;
pub mod store;

pub mod runtime;

/// Makes one `#[tokio::test]` for each named case of a suite. The suites' own macros call it.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_tests {
    ($suite:ident, $make:expr, [$($case:ident),* $(,)?]) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            // A factory yields `None` where its server is missing, after it has said so.
            if let Some(subject) = Option::from($make.await) {
                $crate::conformance::$suite::$case(subject).await;
            }
        }
    )*};
}
