use std::{fmt, sync::Arc};

/// Where work reports how far it is. Clones report to the same place.
#[derive(Clone)]
pub struct Progress(Option<Arc<dyn Fn(f32) + Send + Sync>>);

impl Progress {
    /// Reports go nowhere.
    pub const fn ignored() -> Self {
        Self(None)
    }

    /// Calls `report` with the share that is done, 0.0 to 1.0, from whichever thread the work is on.
    pub fn new(report: impl Fn(f32) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(report)))
    }

    /// Reports that this share of the work is done; values outside 0.0 to 1.0 are clamped.
    pub fn report(&self, share: f32) {
        if let Some(report) = &self.0 {
            report(if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) });
        }
    }

    /// A reporter for the part of the work that lies between `from` and `to`.
    #[must_use]
    pub fn part(&self, from: f32, to: f32) -> Self {
        let Some(report) = self.0.clone() else { return Self(None) };
        Self::new(move |share| report(from + (to - from) * share))
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::ignored()
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Progress" } else { "Progress(ignored)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn parts_map_into_the_whole() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let progress = Progress::new({
            let seen = Arc::clone(&seen);
            move |share| seen.lock().unwrap().push(share)
        });
        progress.part(0.5, 1.0).report(0.5);
        progress.report(7.0);
        progress.report(f32::NAN);
        assert_eq!(*seen.lock().unwrap(), [0.75, 1.0, 0.0]);
    }
}
