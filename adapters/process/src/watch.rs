//! Changes, found by comparing what is on disk with what was.

use crate::ground::{Found, Ground};
use slate_core::{
    InstanceId, Result,
    runtime::{ExitStatus, RuntimeChange},
};
use std::collections::{BTreeMap, VecDeque};

/// What a watcher has seen.
pub(crate) struct Watcher {
    labels: BTreeMap<String, String>,
    seen: BTreeMap<InstanceId, Seen>,
    changes: u64,
    pub(crate) found: VecDeque<RuntimeChange>,
}

/// What was last seen of an instance.
#[derive(Clone)]
struct Seen {
    wanted: bool,
    run: u64,
    ended: Option<ExitStatus>,
}

impl Watcher {
    /// Begins with what is there now.
    pub(crate) fn begin(ground: &Ground, labels: BTreeMap<String, String>) -> Result<Self> {
        let (changes, all) = ground.look()?;
        let seen = all.into_iter().map(|found| (found.record.id.clone(), Seen::of(&found, &labels))).collect();
        Ok(Self { labels, seen, changes, found: VecDeque::new() })
    }

    /// Looks again and notes the differences.
    pub(crate) fn look(&mut self, ground: &Ground) -> Result<()> {
        let (changes, all) = ground.look()?;
        let now: BTreeMap<_, _> =
            all.into_iter().map(|found| (found.record.id.clone(), Seen::of(&found, &self.labels))).collect();
        let mut counted = 0;
        for (id, seen) in &now {
            let before = self.seen.get(id);
            counted += u64::from(before.is_none());
            if !seen.wanted {
                continue;
            }
            if before.is_none() {
                self.found.push_back(RuntimeChange::Created(id.clone()));
            }
            let (run, ended) = before.map_or((0, None), |before| (before.run, before.ended));
            if seen.run > run + 1 || (seen.run > run && run > 0 && ended.is_none()) {
                // Ends were missed whose codes are gone.
                self.found.push_back(RuntimeChange::Resync);
            }
            if seen.run > run {
                self.found.push_back(RuntimeChange::Started(id.clone()));
            }
            if let Some(exit) = seen.ended.filter(|_| seen.run > run || ended.is_none()) {
                self.found.push_back(RuntimeChange::Exited(id.clone(), exit));
            }
        }
        for (id, seen) in self.seen.iter().filter(|(id, _)| !now.contains_key(*id)) {
            counted += 1;
            if seen.wanted {
                if seen.run > 0 && seen.ended.is_none() {
                    self.found.push_back(RuntimeChange::Exited(id.clone(), ExitStatus::unknown()));
                }
                self.found.push_back(RuntimeChange::Removed(id.clone()));
            }
        }
        if changes != self.changes + counted {
            // Some came and went in between.
            self.found.push_back(RuntimeChange::Resync);
        }
        (self.seen, self.changes) = (now, changes);
        Ok(())
    }
}

impl Seen {
    fn of(found: &Found, labels: &BTreeMap<String, String>) -> Self {
        let wanted = labels.iter().all(|(key, value)| found.record.labels.get(key) == Some(value));
        let instance = found.instance();
        Self { wanted, run: found.state.as_ref().map_or(0, |state| state.run), ended: instance.exit }
    }
}
