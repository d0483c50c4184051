//! Functions whose results are the same bits on every machine; those of std are the platform's.

pub(super) fn powf(base: f64, exponent: f64) -> f64 {
    libm::pow(base, exponent)
}

pub(super) fn sin(angle: f64) -> f64 {
    libm::sin(angle)
}
