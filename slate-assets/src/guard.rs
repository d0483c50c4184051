use slate_core::{Error, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a decoder that others wrote: should it panic, the input is at fault and gives `Corrupt`.
#[cfg(any(feature = "texture", feature = "audio", feature = "model"))]
pub(crate) fn decoder<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    caught(work).unwrap_or_else(|why| Err(Error::corrupt(format!("the {what} decoder gave up on this input: {why}"))))
}

/// Runs a processor: should it panic, the mistake is ours and gives `Internal`.
pub(crate) fn processor<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    caught(work).unwrap_or_else(|why| Err(Error::internal(format!("a processor panicked: {why}"))))
}

/// What is touched by `work` is thrown away after a panic, so that none of it is seen half-changed.
fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
    })
}
