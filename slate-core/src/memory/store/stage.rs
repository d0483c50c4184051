use super::{
    record::{self, UniqueKey, ends_lease, lease, lease_mut, unique_key},
    state::{CounterKey, State, is_live},
};
use crate::{
    AuditId, Error, Result, Timestamp, UserId, Version,
    model::{AuditEntry, Counter, NewEvent, QuotaLimits, QuotaUsage, Revision, UserQuota},
    store::{Change, ChangeSet, Fence, Idempotency, Record, RecordId},
};
use std::collections::{BTreeMap, BTreeSet};

/// What a set would change, worked out beside the state. Nothing is changed before the whole set is known to fit.
#[derive(Default)]
pub(super) struct Stage {
    pub(super) records: BTreeMap<RecordId, Record>,
    /// Who has these keys after the set; `None` for nobody.
    keys: BTreeMap<UniqueKey, Option<RecordId>>,
    pub(super) quotas: BTreeMap<UserId, UserQuota>,
    pub(super) counters: BTreeMap<CounterKey, i64>,
    pub(super) audits: BTreeMap<AuditId, AuditEntry>,
    pub(super) events: Vec<NewEvent>,
    pub(super) idempotency: Option<Idempotency>,
    pub(super) versions: Vec<(RecordId, Version)>,
}

impl Stage {
    /// Works out what comes of the set.
    pub(super) fn of(state: &State, set: ChangeSet, now: Timestamp) -> Result<Self> {
        set.fences.iter().try_for_each(|fence| check_fence(state, fence))?;
        let mut stage = Self { idempotency: set.idempotency, ..Self::default() };
        for change in set.changes {
            stage.change(state, change, now)?;
        }
        stage.add_events(state, set.events)?;
        Ok(stage)
    }

    fn change(&mut self, state: &State, change: Change, now: Timestamp) -> Result<()> {
        match change {
            Change::Create(record) => self.create(state, record),
            Change::Update(record) => self.update(state, record, now),
            Change::Delete(id, version) => self.delete(state, id, version, now),
            Change::SetQuota(user, limits) => {
                self.set_quota(state, user, limits, now);
                Ok(())
            }
            Change::Reserve { user, usage, default } => self.reserve(state, user, usage, default, now),
            Change::Release { user, usage } => {
                if let Some(mut quota) = self.quota(state, &user) {
                    quota.used = quota.used.minus(usage);
                    self.put_quota(quota, now);
                }
                Ok(())
            }
            Change::Count(counter) => self.count(state, counter),
            Change::Audit(entry) => self.audit(state, entry),
        }
    }

    fn create(&mut self, state: &State, mut record: Record) -> Result<()> {
        let id = record.id();
        let parents = record::owners(&record).into_iter().chain(record::reference(&record));
        for parent in parents {
            self.live(state, parent)?;
        }
        if self.any(state, id).is_some() {
            return Err(Error::already_exists("there is, or was, a record of this id").with("record", id));
        }
        *record.revision_mut() = Revision::first(record.created_at());
        self.take_key(state, &record)?;
        self.put(record);
        Ok(())
    }

    fn update(&mut self, state: &State, mut record: Record, now: Timestamp) -> Result<()> {
        let id = record.id();
        let old = self.current(state, id, record.version())?.clone();
        if record::owners(&record) != record::owners(&old) {
            return Err(Error::invalid("a record stays with its project").with("record", id));
        }
        if let Some(target) = record::reference(&record)
            && self.any(state, target).is_none()
        {
            return Err(Error::not_found("the record that this one points to isn't there").with("record", target));
        }
        let revision = record::revision(&old);
        *record.revision_mut() = Revision { version: revision.version.next(), updated_at: now, ..revision.clone() };
        let ends = ends_lease(&record);
        if let (Some(new), Some(old)) = (lease_mut(&mut record), lease(&old)) {
            *new = old.clone();
            if ends {
                (new.owner, new.until) = (None, None);
            }
        }
        self.free_key(&old);
        self.take_key(state, &record)?;
        self.put(record);
        Ok(())
    }

    fn delete(&mut self, state: &State, id: RecordId, version: Version, now: Timestamp) -> Result<()> {
        let mut record = self.current(state, id, version)?.clone();
        self.free_key(&record);
        let revision = record.revision_mut();
        (revision.version, revision.updated_at, revision.deleted_at) = (version.next(), now, Some(now));
        self.records.insert(id, record);
        Ok(())
    }

    fn put(&mut self, record: Record) {
        self.versions.push((record.id(), record.version()));
        self.records.insert(record.id(), record);
    }

    /// The record as the set has left it so far, deleted or not.
    fn any<'a>(&'a self, state: &'a State, id: RecordId) -> Option<&'a Record> {
        self.records.get(&id).or_else(|| state.records.get(&id))
    }

    fn live<'a>(&'a self, state: &'a State, id: RecordId) -> Result<&'a Record> {
        self.any(state, id)
            .filter(|record| is_live(record))
            .ok_or_else(|| Error::not_found("no such record").with("record", id))
    }

    fn current<'a>(&'a self, state: &'a State, id: RecordId, version: Version) -> Result<&'a Record> {
        let record = self.live(state, id)?;
        if record.version() == version {
            return Ok(record);
        }
        Err(Error::conflict("the record has changed since it was read")
            .with("record", id)
            .with("version", record.version())
            .with("expected", version))
    }

    fn free_key(&mut self, record: &Record) {
        if let Some(key) = unique_key(record) {
            self.keys.insert(key, None);
        }
    }

    fn take_key(&mut self, state: &State, record: &Record) -> Result<()> {
        let Some(key) = unique_key(record) else { return Ok(()) };
        let holder = self.keys.get(&key).copied().unwrap_or_else(|| state.keys.get(&key).copied());
        if let Some(holder) = holder {
            return Err(Error::already_exists("another record has this path or name").with("record", holder));
        }
        self.keys.insert(key, Some(record.id()));
        Ok(())
    }

    fn quota(&self, state: &State, user: &UserId) -> Option<UserQuota> {
        self.quotas.get(user).or_else(|| state.quotas.get(user)).cloned()
    }

    fn put_quota(&mut self, mut quota: UserQuota, now: Timestamp) {
        quota.revision.version = quota.revision.version.next();
        quota.revision.updated_at = now;
        self.quotas.insert(quota.user_id.clone(), quota);
    }

    fn set_quota(&mut self, state: &State, user: UserId, limits: QuotaLimits, now: Timestamp) {
        match self.quota(state, &user) {
            Some(quota) => self.put_quota(UserQuota { limits, ..quota }, now),
            None => {
                self.quotas.insert(user.clone(), new_quota(user, limits, QuotaUsage::default(), now));
            }
        }
    }

    fn reserve(
        &mut self,
        state: &State,
        user: UserId,
        usage: QuotaUsage,
        default: Option<QuotaLimits>,
        now: Timestamp,
    ) -> Result<()> {
        let quota = self.quota(state, &user);
        let Some(limits) = quota.as_ref().map(|quota| quota.limits).or(default) else { return Ok(()) };
        let used = quota.as_ref().map_or(QuotaUsage::default(), |quota| quota.used).plus(usage);
        if let Some(limit) = used.over(&limits) {
            return Err(Error::resource_exhausted("the user's quota is used up")
                .with("user", user)
                .with("limit", limit));
        }
        match quota {
            Some(quota) => self.put_quota(UserQuota { used, ..quota }, now),
            None => {
                self.quotas.insert(user.clone(), new_quota(user, limits, used, now));
            }
        }
        Ok(())
    }

    fn count(&mut self, state: &State, counter: Counter) -> Result<()> {
        let key = (counter.bucket, counter.name, counter.label);
        let before = self.counters.get(&key).or_else(|| state.counters.get(&key)).copied().unwrap_or(0);
        let value = before
            .checked_add(counter.value)
            .ok_or_else(|| Error::invalid("a counter would leave the range of 64 bits"))?;
        self.counters.insert(key, value);
        Ok(())
    }

    fn audit(&mut self, state: &State, entry: AuditEntry) -> Result<()> {
        if state.audit_ids.contains(&entry.id) || self.audits.contains_key(&entry.id) {
            return Err(Error::already_exists("there is an audit entry of this id").with("audit", entry.id));
        }
        self.audits.insert(entry.id, entry);
        Ok(())
    }

    fn add_events(&mut self, state: &State, events: Vec<NewEvent>) -> Result<()> {
        let mut ids = BTreeSet::new();
        for event in &events {
            if state.events.contains(event.id) || !ids.insert(event.id) {
                return Err(Error::already_exists("there is an event of this id").with("event", event.id));
            }
        }
        self.events = events;
        Ok(())
    }
}

fn check_fence(state: &State, fence: &Fence) -> Result<()> {
    let id = record::job_id(fence.job);
    let held = state.find(id).and_then(lease);
    if held.is_some_and(|held| held.owner.as_ref() == Some(&fence.worker) && held.attempt == fence.attempt) {
        return Ok(());
    }
    Err(Error::conflict("the lease is no longer this worker's")
        .with("record", id)
        .with("worker", &fence.worker)
        .with("attempt", fence.attempt))
}

fn new_quota(user_id: UserId, limits: QuotaLimits, used: QuotaUsage, now: Timestamp) -> UserQuota {
    UserQuota { user_id, limits, used, revision: Revision::first(now) }
}
