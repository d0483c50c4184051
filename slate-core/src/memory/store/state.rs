use super::{
    events::Events,
    logs::Logs,
    metrics::Metrics,
    record::{UniqueKey, is_open, revision, unique_key},
    stage::Stage,
};
use crate::{
    AuditId, Error, Result, Timestamp, UserId,
    model::{AuditEntry, Counter, Json, Sha256Hex, UserQuota},
    store::{Applied, ChangeSet, Record, RecordId},
};
use std::collections::{BTreeMap, BTreeSet};

/// By kind, then in the order of lists: when it was made, and its id.
pub(super) type Place = (u8, Timestamp, u128);
/// Names a counter; sorts as lists of counters do.
pub(super) type CounterKey = (Timestamp, String, String);

/// All that the store holds.
#[derive(Default)]
pub(super) struct State {
    /// Every record, deleted ones too: their ids are never free again.
    pub(super) records: BTreeMap<RecordId, Record>,
    /// The live records in the order of lists.
    pub(super) live: BTreeMap<Place, RecordId>,
    /// The live jobs and sessions that haven't ended, so that a claim needn't pass by all that ever were.
    pub(super) open: BTreeMap<Place, RecordId>,
    pub(super) keys: BTreeMap<UniqueKey, RecordId>,
    pub(super) quotas: BTreeMap<UserId, UserQuota>,
    pub(super) counters: BTreeMap<CounterKey, i64>,
    pub(super) audits: BTreeMap<(Timestamp, AuditId), AuditEntry>,
    pub(super) audit_ids: BTreeSet<AuditId>,
    pub(super) requests: BTreeMap<(String, String), (Sha256Hex, Json)>,
    pub(super) events: Events,
    pub(super) logs: Logs,
    pub(super) metrics: Metrics,
}

impl State {
    /// What to answer a repetition with; `None` for a new request.
    pub(super) fn replay(&self, set: &ChangeSet) -> Result<Option<Json>> {
        let Some(wanted) = &set.idempotency else { return Ok(None) };
        match self.requests.get(&(wanted.scope.clone(), wanted.key.clone())) {
            None => Ok(None),
            Some((request, result)) if *request == wanted.request => Ok(Some(result.clone())),
            Some(_) => Err(Error::already_exists("another request was made under this idempotency key")
                .with("scope", wanted.scope.escape_debug())
                .with("key", wanted.key.escape_debug())),
        }
    }

    /// The record, where it is live.
    pub(super) fn find(&self, id: RecordId) -> Option<&Record> {
        self.records.get(&id).filter(|record| is_live(record))
    }

    /// Replaces a record that is there, or adds it.
    pub(super) fn put(&mut self, record: Record) {
        let id = record.id();
        let (kind, bits) = kind_and_bits(id);
        let place = (kind, record.created_at(), bits);
        if let Some(old) = self.records.get(&id)
            && let Some(key) = unique_key(old)
            && self.keys.get(&key) == Some(&id)
        {
            self.keys.remove(&key);
        }
        let live = is_live(&record);
        set_member(&mut self.live, place, id, live);
        set_member(&mut self.open, place, id, live && is_open(&record));
        self.records.insert(id, record);
    }

    /// Takes over what was staged. Can't fail: the stage has seen to it.
    pub(super) fn commit(&mut self, stage: Stage) -> Applied {
        let ids: Vec<RecordId> = stage.records.keys().copied().collect();
        stage.records.into_values().for_each(|record| self.put(record));
        // After all records, for one may take over the key of another that comes later.
        for id in ids {
            if let Some(key) = self.find(id).and_then(unique_key) {
                self.keys.insert(key, id);
            }
        }
        self.quotas.extend(stage.quotas);
        self.counters.extend(stage.counters);
        for entry in stage.audits.into_values() {
            self.audit_ids.insert(entry.id);
            self.audits.insert((entry.at, entry.id), entry);
        }
        stage.events.into_iter().for_each(|event| self.events.push(event));
        if let Some(request) = stage.idempotency {
            self.requests.insert((request.scope, request.key), (request.request, request.result));
        }
        Applied { versions: stage.versions, ..Applied::default() }
    }

    /// The counters in the order of lists.
    pub(super) fn counters(&self) -> impl Iterator<Item = Counter> + '_ {
        self.counters.iter().map(|((bucket, name, label), &value)| Counter {
            name: name.clone(),
            label: label.clone(),
            bucket: *bucket,
            value,
        })
    }
}

/// Whether the record isn't deleted.
pub(super) fn is_live(record: &Record) -> bool {
    revision(record).deleted_at.is_none()
}

/// The kind of record as a number, and the id's bits.
pub(super) fn kind_and_bits(id: RecordId) -> (u8, u128) {
    match id {
        RecordId::Project(id) => (0, id.as_u128()),
        RecordId::File(id) => (1, id.as_u128()),
        RecordId::Asset(id) => (2, id.as_u128()),
        RecordId::Session(id) => (3, id.as_u128()),
        RecordId::Build(id) => (4, id.as_u128()),
        RecordId::AssetJob(id) => (5, id.as_u128()),
        RecordId::Template(id) => (6, id.as_u128()),
        RecordId::PoolMember(id) => (7, id.as_u128()),
    }
}

fn set_member(index: &mut BTreeMap<Place, RecordId>, place: Place, id: RecordId, member: bool) {
    if member {
        index.insert(place, id);
    } else {
        index.remove(&place);
    }
}
