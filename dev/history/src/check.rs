use crate::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// What the store holds once everything is at rest.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// The records by their displayed ids.
    pub records: BTreeMap<String, HeldRecord>,
    /// All events, in the store's order.
    pub events: Vec<HeldEvent>,
}

/// A record as it is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldRecord {
    /// Its version.
    pub version: u64,
    /// For a job: the attempt, and whether it has ended.
    pub job: Option<(u32, bool)>,
}

/// An event as it is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldEvent {
    /// Its id.
    pub id: String,
    /// What it is about.
    pub aggregate: String,
    /// The version of that after the change.
    pub version: u64,
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant's sentence tells of its fields")]
pub enum Violation {
    /// A client was told of a change that isn't held, or whose event isn't.
    LostChange { record: String, version: u64 },
    /// Two clients were told to have made the same change.
    SharedChange { record: String, version: u64 },
    /// A record's version isn't the number of its changes and claims.
    Versions { record: String, version: u64, changes: usize, claims: u32 },
    /// Events of one aggregate are held with these versions, one after the other.
    EventOrder { aggregate: String, before: u64, after: u64 },
    /// One attempt at a job was given to two.
    SharedClaim { job: String, attempt: u32 },
    /// A job was finished more than once.
    FinishedTwice { job: String },
    /// A job was finished under an attempt that is not the last.
    FinishedLate { job: String, attempt: u32, last: u32 },
    /// A job has not ended, or nobody knows of it.
    NotFinished { job: String },
    /// An event that is held was never delivered.
    Undelivered { event: String },
    /// An event was delivered that isn't held.
    Unknown { event: String },
    /// An event was delivered first after a later one of the same aggregate.
    DeliveryOrder { aggregate: String, before: u64, after: u64 },
}

/// The promises that this history broke. Entries of kind `Delivered` are in the order of their delivery; the others in any.
///
/// Every change of a record writes one event of the version that it leads to; claims write none and raise the version too.
pub fn check(history: &[Entry], held: &Held) -> Vec<Violation> {
    let mut found = changes(history, held);
    found.extend(versions(held));
    found.extend(claims(history, held));
    found.extend(deliveries(history, held));
    found
}

fn changes(history: &[Entry], held: &Held) -> Vec<Violation> {
    let events: BTreeSet<_> = held.events.iter().map(|event| (&event.aggregate, event.version)).collect();
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for entry in history {
        let Entry::Changed { record, version } = entry else { continue };
        let (record, version) = (record.clone(), *version);
        let there = held.records.get(&record).is_some_and(|held| held.version >= version);
        if !there || !events.contains(&(&record, version)) {
            found.push(Violation::LostChange { record: record.clone(), version });
        }
        if !seen.insert((record.clone(), version)) {
            found.push(Violation::SharedChange { record, version });
        }
    }
    found
}

fn versions(held: &Held) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for event in &held.events {
        let aggregate = event.aggregate.as_str();
        *count.entry(aggregate).or_default() += 1;
        if let Some(before) = last.insert(aggregate, event.version)
            && before >= event.version
        {
            let (aggregate, after) = (aggregate.to_owned(), event.version);
            found.push(Violation::EventOrder { aggregate, before, after });
        }
    }
    for (record, held) in &held.records {
        let changes = count.get(record.as_str()).copied().unwrap_or(0);
        let claims = held.job.map_or(0, |(attempt, _)| attempt);
        if held.version != changes as u64 + u64::from(claims) {
            found.push(Violation::Versions { record: record.clone(), version: held.version, changes, claims });
        }
    }
    found
}

fn claims(history: &[Entry], held: &Held) -> Vec<Violation> {
    let mut found = Vec::new();
    let (mut claimed, mut finished) = (BTreeSet::new(), BTreeSet::new());
    for entry in history {
        match entry {
            Entry::Claimed { job, attempt } if !claimed.insert((job, attempt)) => {
                found.push(Violation::SharedClaim { job: job.clone(), attempt: *attempt });
            }
            Entry::Finished { job, attempt } => {
                if !finished.insert(job) {
                    found.push(Violation::FinishedTwice { job: job.clone() });
                }
                let last = held.records.get(job).and_then(|record| record.job).map_or(0, |(last, _)| last);
                if *attempt != last {
                    found.push(Violation::FinishedLate { job: job.clone(), attempt: *attempt, last });
                }
            }
            _ => {}
        }
    }
    let open = held.records.iter().filter(|(_, record)| record.job.is_some_and(|(_, ended)| !ended));
    found.extend(open.map(|(job, _)| Violation::NotFinished { job: job.clone() }));
    found
}

fn deliveries(history: &[Entry], held: &Held) -> Vec<Violation> {
    let mut found = Vec::new();
    let known: BTreeSet<&str> = held.events.iter().map(|event| event.id.as_str()).collect();
    let mut seen = BTreeSet::new();
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for entry in history {
        let Entry::Delivered { event, aggregate, version } = entry else { continue };
        if !known.contains(event.as_str()) {
            found.push(Violation::Unknown { event: event.clone() });
        }
        // A repeat may come at any time.
        if !seen.insert(event.as_str()) {
            continue;
        }
        let highest = last.entry(aggregate).or_default();
        if *highest > *version {
            let (before, after) = (*highest, *version);
            found.push(Violation::DeliveryOrder { aggregate: aggregate.clone(), before, after });
        }
        *highest = (*highest).max(*version);
    }
    let missed = held.events.iter().filter(|event| !seen.contains(event.id.as_str()));
    found.extend(missed.map(|event| Violation::Undelivered { event: event.id.clone() }));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A project changed twice and a job claimed twice, finished by the second; everything told and delivered.
    fn sound() -> (Vec<Entry>, Held) {
        let changed = |record: &str, version| Entry::Changed { record: record.into(), version };
        let event =
            |id: &str, aggregate: &str, version| HeldEvent { id: id.into(), aggregate: aggregate.into(), version };
        let events = vec![event("a", "p", 1), event("b", "j", 1), event("c", "p", 2), event("d", "j", 4)];
        let delivered = events.iter().map(|event| Entry::Delivered {
            event: event.id.clone(),
            aggregate: event.aggregate.clone(),
            version: event.version,
        });
        let claimed = |attempt| Entry::Claimed { job: "j".into(), attempt };
        let mut history =
            vec![changed("p", 1), changed("j", 1), claimed(1), claimed(2), changed("p", 2), changed("j", 4)];
        history.push(Entry::Finished { job: "j".into(), attempt: 2 });
        history.extend(delivered);
        let records = BTreeMap::from([
            ("p".to_owned(), HeldRecord { version: 2, job: None }),
            ("j".to_owned(), HeldRecord { version: 4, job: Some((2, true)) }),
        ]);
        (history, Held { records, events })
    }

    fn broken(edit: impl FnOnce(&mut Vec<Entry>, &mut Held)) -> Vec<Violation> {
        let (mut history, mut held) = sound();
        edit(&mut history, &mut held);
        check(&history, &held)
    }

    #[test]
    fn a_sound_history_breaks_nothing_even_with_repeats() {
        assert_eq!(broken(|_, _| {}), []);
        assert_eq!(broken(|history, _| history.push(history[7].clone())), []);
        assert_eq!(broken(|history, _| drop(history.remove(0))), [], "not being told is no violation");
    }

    #[test]
    fn a_lost_change_is_seen() {
        let lost = |record: &str, version| Violation::LostChange { record: record.into(), version };
        assert!(broken(|_, held| held.records.clear()).contains(&lost("p", 2)));
        assert!(broken(|_, held| drop(held.events.remove(2))).contains(&lost("p", 2)));
        let found = broken(|_, held| held.records.get_mut("j").unwrap().version = 3);
        assert!(found.contains(&lost("j", 4)), "{found:?}");
        assert!(found.contains(&Violation::Versions { record: "j".into(), version: 3, changes: 2, claims: 2 }));
    }

    #[test]
    fn what_two_were_given_is_seen() {
        let twice = |index: usize| broken(|history, _| history.push(history[index].clone()));
        assert_eq!(twice(0), [Violation::SharedChange { record: "p".into(), version: 1 }]);
        assert_eq!(twice(2), [Violation::SharedClaim { job: "j".into(), attempt: 1 }]);
        assert_eq!(twice(6), [Violation::FinishedTwice { job: "j".into() }]);
    }

    #[test]
    fn a_version_that_nobody_made_is_seen() {
        let found = broken(|_, held| held.records.get_mut("p").unwrap().version = 3);
        assert_eq!(found, [Violation::Versions { record: "p".into(), version: 3, changes: 2, claims: 0 }]);
        let found = broken(|_, held| held.events.swap(0, 2));
        assert_eq!(found, [Violation::EventOrder { aggregate: "p".into(), before: 2, after: 1 }]);
    }

    #[test]
    fn a_worker_that_comes_late_and_a_job_left_open_are_seen() {
        let found = broken(|history, _| history[6] = Entry::Finished { job: "j".into(), attempt: 1 });
        assert_eq!(found, [Violation::FinishedLate { job: "j".into(), attempt: 1, last: 2 }]);
        let found = broken(|_, held| held.records.get_mut("j").unwrap().job = Some((2, false)));
        assert_eq!(found, [Violation::NotFinished { job: "j".into() }]);
    }

    #[test]
    fn deliveries_that_are_missing_invented_or_out_of_order_are_seen() {
        assert_eq!(broken(|history, _| drop(history.pop())), [Violation::Undelivered { event: "d".into() }]);
        let found = broken(|_, held| held.events[3].id = "e".into());
        assert_eq!(found, [Violation::Unknown { event: "d".into() }, Violation::Undelivered { event: "e".into() }]);
        let found = broken(|history, _| history.swap(7, 9));
        assert_eq!(found, [Violation::DeliveryOrder { aggregate: "p".into(), before: 2, after: 1 }]);
    }
}
