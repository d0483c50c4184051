//! Runs inner loops with the vector instructions that this machine has.
//!
//! A [`Kernel`] is written once, in plain Rust, and compiled once for each set of instructions. Rust neither fuses nor
//! reorders operations on floats, whatever the set: each gives the same bytes, and tests hold them to it.

#![allow(
    unsafe_code,
    reason = "code for instructions that not every machine has may be called where it was looked for"
)]

/// An inner loop: it and what it calls is inlined always, so that it is compiled for the instructions of its caller.
pub(crate) trait Kernel {
    /// What it gives.
    type Out;

    /// Does the work; to be marked `#[inline(always)]`.
    fn run(self) -> Self::Out;
}

/// Runs a kernel with AVX2 or SSE4.1 where there is either, else with what every machine of its kind has.
#[inline]
pub(crate) fn run<K: Kernel>(kernel: K) -> K::Out {
    #[cfg(target_arch = "x86_64")]
    if !plain() {
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: this machine has AVX2.
            return unsafe { with_avx2(kernel) };
        }
        if std::arch::is_x86_feature_detected!("sse4.1") {
            // SAFETY: this machine has SSE4.1.
            return unsafe { with_sse41(kernel) };
        }
    }
    kernel.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn with_avx2<K: Kernel>(kernel: K) -> K::Out {
    kernel.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse4.1")]
fn with_sse41<K: Kernel>(kernel: K) -> K::Out {
    kernel.run()
}

#[cfg(all(target_arch = "x86_64", not(test)))]
#[inline(always)]
pub(crate) fn plain() -> bool {
    false
}

#[cfg(test)]
pub(crate) use tests::{plain, plainly};

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    thread_local! {
        static PLAIN: Cell<bool> = const { Cell::new(false) };
    }

    pub(crate) fn plain() -> bool {
        PLAIN.get()
    }

    /// What this work gives on this thread without any vectors beyond those that every machine has.
    pub(crate) fn plainly<T>(work: impl FnOnce() -> T) -> T {
        PLAIN.set(true);
        let out = work();
        PLAIN.set(false);
        out
    }
}
