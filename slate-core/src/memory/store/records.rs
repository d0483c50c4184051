use super::{
    MemoryStore, PLACE,
    state::{Place, State, kind_and_bits},
};
use crate::{
    AssetId, AssetJobId, BuildId, Error, FileId, PoolMemberId, ProjectId, Result, SessionId, TemplateId, Timestamp,
    UserId,
    model::{
        Asset, AssetJob, AuditEntry, BuildJob, BuildStatistics, BuildStatus, Counter, FileRecord, PoolMember, Project,
        ProjectPath, RuntimeSession, Template, UserQuota,
    },
    store::{
        AnalyticsStore, AssetJobQuery, AssetQuery, AssetStore, AuditQuery, AuditStore, BuildQuery, BuildStore,
        CounterQuery, Cursor, FileQuery, FileStore, Order, Page, PageRequest, ProjectQuery, ProjectStore, QuotaStore,
        Record, RecordId, SessionQuery, SessionStore, TemplateQuery, TemplateStore, check::MAX_BATCH,
    },
};
use async_trait::async_trait;
use std::ops::Bound::{self, Excluded, Included};

/// One kind of record: how it is told from the others.
pub(super) trait Kind: Sized + Clone {
    fn of(record: &Record) -> Option<&Self>;
    /// Any id of the kind.
    const ANY: RecordId;
}

macro_rules! kinds {
    ($($kind:ident($id:ident) $variant:ident),* $(,)?) => {$(
        impl Kind for $kind {
            const ANY: RecordId = RecordId::$variant($id::from_u128(0));

            fn of(record: &Record) -> Option<&Self> {
                match record {
                    Record::$variant(record) => Some(record),
                    _ => None,
                }
            }
        }
    )*};
}

kinds! {
    Project(ProjectId) Project, FileRecord(FileId) File, Asset(AssetId) Asset, RuntimeSession(SessionId) Session,
    BuildJob(BuildId) Build, AssetJob(AssetJobId) AssetJob, Template(TemplateId) Template,
    PoolMember(PoolMemberId) PoolMember,
}

impl MemoryStore {
    pub(super) fn get<K: Kind>(&self, operation: &'static str, id: impl Into<RecordId>) -> Result<K> {
        let id = id.into();
        self.state()
            .find(id)
            .and_then(K::of)
            .cloned()
            .ok_or_else(|| Error::not_found("no such record").with("record", id).at(PLACE, operation))
    }

    pub(super) fn list<K: Kind>(
        &self,
        operation: &'static str,
        page: &PageRequest,
        wanted: impl Fn(&K) -> bool,
    ) -> Result<Page<K>> {
        list_live(&self.state(), page, wanted).map_err(|error| error.at(PLACE, operation))
    }
}

fn list_live<K: Kind>(state: &State, page: &PageRequest, wanted: impl Fn(&K) -> bool) -> Result<Page<K>> {
    let limit = page.checked_limit()?;
    let (kind, _) = kind_and_bits(K::ANY);
    let after = page.after.as_ref().map(parse_place).transpose()?.map(|(time, bits)| (kind, time, bits));
    let (start, end) = ((kind, MIN_TIME, 0), (kind, MAX_TIME, u128::MAX));
    let bounds = bounds(page.order, after, start, end);
    let matching = |(place, id): (&Place, &RecordId)| {
        let record = state.records.get(id).and_then(K::of)?;
        wanted(record).then(|| (*place, record.clone()))
    };
    let range = state.live.range(bounds);
    let found: Vec<(Place, K)> = match page.order {
        Order::Ascending => range.filter_map(matching).take(limit + 1).collect(),
        Order::Descending => range.rev().filter_map(matching).take(limit + 1).collect(),
    };
    let page = Page::from_overfull(found, limit, |((_, time, bits), _)| place_cursor(*time, *bits));
    Ok(Page { items: page.items.into_iter().map(|(_, record)| record).collect(), next: page.next })
}

const MIN_TIME: Timestamp = Timestamp::from_micros(i64::MIN);
const MAX_TIME: Timestamp = Timestamp::from_micros(i64::MAX);

/// What is left of `start..=end` after a cursor.
pub(super) fn bounds<K>(order: Order, after: Option<K>, start: K, end: K) -> (Bound<K>, Bound<K>) {
    match (order, after) {
        (_, None) => (Included(start), Included(end)),
        (Order::Ascending, Some(after)) => (Excluded(after), Included(end)),
        (Order::Descending, Some(after)) => (Included(start), Excluded(after)),
    }
}

fn place_cursor(time: Timestamp, bits: u128) -> Cursor {
    Cursor::new(format!("{}:{bits:032x}", time.as_micros()))
}

fn parse_place(cursor: &Cursor) -> Result<(Timestamp, u128)> {
    cursor
        .as_str()
        .split_once(':')
        .and_then(|(time, bits)| Some((time.parse().ok()?, u128::from_str_radix(bits, 16).ok()?)))
        .map(|(time, bits)| (Timestamp::from_micros(time), bits))
        .ok_or_else(|| Error::invalid("not a cursor of this query"))
}

/// Whether a condition that may be missing holds.
pub(super) fn holds<T>(condition: Option<&T>, test: impl FnOnce(&T) -> bool) -> bool {
    condition.is_none_or(test)
}

#[async_trait]
impl ProjectStore for MemoryStore {
    async fn project(&self, id: ProjectId) -> Result<Project> {
        self.get("project", id)
    }

    async fn projects(&self, query: ProjectQuery, page: PageRequest) -> Result<Page<Project>> {
        self.list("projects", &page, |project: &Project| {
            holds(query.owner.as_ref(), |owner| project.owner_id == *owner)
                && holds(query.name.as_ref(), |name| project.name == *name)
        })
    }
}

#[async_trait]
impl FileStore for MemoryStore {
    async fn file(&self, id: FileId) -> Result<FileRecord> {
        self.get("file", id)
    }

    async fn files(&self, query: FileQuery, page: PageRequest) -> Result<Page<FileRecord>> {
        self.list("files", &page, |file: &FileRecord| {
            holds(query.project.as_ref(), |project| file.project_id == *project)
                && holds(query.prefix.as_ref(), |prefix| file.path.as_str().starts_with(prefix.as_str()))
        })
    }

    async fn file_at(&self, project: ProjectId, path: &ProjectPath) -> Result<FileRecord> {
        let state = self.state();
        let id = state.keys.get(&super::record::UniqueKey::File(project, path.clone()));
        id.and_then(|id| state.find(*id)).and_then(FileRecord::of).cloned().ok_or_else(|| {
            Error::not_found("no such file").with("project", project).with("path", path).at(PLACE, "file_at")
        })
    }
}

#[async_trait]
impl AssetStore for MemoryStore {
    async fn asset(&self, id: AssetId) -> Result<Asset> {
        self.get("asset", id)
    }

    async fn assets(&self, query: AssetQuery, page: PageRequest) -> Result<Page<Asset>> {
        self.list("assets", &page, |asset: &Asset| {
            holds(query.project.as_ref(), |project| asset.project_id == *project)
                && holds(query.kind.as_ref(), |kind| asset.kind == *kind)
        })
    }

    async fn asset_job(&self, id: AssetJobId) -> Result<AssetJob> {
        self.get("asset_job", id)
    }

    async fn asset_jobs(&self, query: AssetJobQuery, page: PageRequest) -> Result<Page<AssetJob>> {
        self.list("asset_jobs", &page, |job: &AssetJob| {
            holds(query.project.as_ref(), |project| job.project_id == *project)
                && holds(query.asset.as_ref(), |asset| job.asset_id == *asset)
                && holds(query.status.as_ref(), |states| states.contains(&job.status))
        })
    }
}

#[async_trait]
impl SessionStore for MemoryStore {
    async fn session(&self, id: SessionId) -> Result<RuntimeSession> {
        self.get("session", id)
    }

    async fn sessions(&self, query: SessionQuery, page: PageRequest) -> Result<Page<RuntimeSession>> {
        self.list("sessions", &page, |session: &RuntimeSession| {
            holds(query.project.as_ref(), |project| session.project_id == *project)
                && holds(query.user.as_ref(), |user| session.user_id == *user)
                && holds(query.status.as_ref(), |states| states.contains(&session.status))
        })
    }
}

#[async_trait]
impl BuildStore for MemoryStore {
    async fn build(&self, id: BuildId) -> Result<BuildJob> {
        self.get("build", id)
    }

    async fn builds(&self, query: BuildQuery, page: PageRequest) -> Result<Page<BuildJob>> {
        self.list("builds", &page, |build: &BuildJob| {
            holds(query.project.as_ref(), |project| build.project_id == *project)
                && holds(query.user.as_ref(), |user| build.user_id == *user)
                && holds(query.platform.as_ref(), |platform| build.target_platform == *platform)
                && holds(query.status.as_ref(), |states| states.contains(&build.status))
        })
    }

    async fn build_statistics(&self, project: Option<ProjectId>) -> Result<BuildStatistics> {
        let state = self.state();
        let (kind, _) = kind_and_bits(BuildJob::ANY);
        let builds = state
            .live
            .range((kind, MIN_TIME, 0)..=(kind, MAX_TIME, u128::MAX))
            .filter_map(|(_, id)| state.records.get(id).and_then(BuildJob::of))
            .filter(|build| holds(project.as_ref(), |project| build.project_id == *project));
        Ok(statistics(builds))
    }
}

fn statistics<'a>(builds: impl Iterator<Item = &'a BuildJob>) -> BuildStatistics {
    let mut statistics = BuildStatistics::default();
    let (mut seconds, mut timed) = (0.0, 0_u32);
    for build in builds {
        statistics.total += 1;
        match build.status {
            BuildStatus::Completed => statistics.completed += 1,
            BuildStatus::Failed => statistics.failed += 1,
            BuildStatus::Canceled => statistics.canceled += 1,
            _ => {}
        }
        if let (BuildStatus::Completed, Some(start), Some(end)) = (build.status, build.started_at, build.completed_at) {
            seconds += end.since(start).as_secs_f64();
            timed += 1;
        }
    }
    statistics.average_duration = (timed > 0).then(|| seconds / f64::from(timed));
    statistics
}

#[async_trait]
impl TemplateStore for MemoryStore {
    async fn template(&self, id: TemplateId) -> Result<Template> {
        self.get("template", id)
    }

    async fn templates(&self, query: TemplateQuery, page: PageRequest) -> Result<Page<Template>> {
        self.list("templates", &page, |template: &Template| {
            holds(query.visible_to.as_ref(), |user| template.is_public || template.created_by == *user)
                && holds(query.category.as_ref(), |category| template.category == *category)
        })
    }
}

#[async_trait]
impl QuotaStore for MemoryStore {
    async fn quota(&self, user: &UserId) -> Result<Option<UserQuota>> {
        Ok(self.state().quotas.get(user).cloned())
    }
}

#[async_trait]
impl AuditStore for MemoryStore {
    async fn audits(&self, query: AuditQuery, page: PageRequest) -> Result<Page<AuditEntry>> {
        let list = || {
            let limit = page.checked_limit()?;
            let after = page.after.as_ref().map(parse_place).transpose()?;
            let after = after.map(|(time, bits)| (time, crate::AuditId::from_u128(bits)));
            let ids = (crate::AuditId::from_u128(0), crate::AuditId::from_u128(u128::MAX));
            let state = self.state();
            let range = state.audits.range(bounds(page.order, after, (MIN_TIME, ids.0), (MAX_TIME, ids.1)));
            let wanted = |entry: &&AuditEntry| {
                holds(query.user.as_ref(), |user| entry.user_id.as_ref() == Some(user))
                    && holds(query.target.as_ref(), |target| entry.target == *target)
            };
            let entries = range.map(|(_, entry)| entry);
            let found: Vec<_> = match page.order {
                Order::Ascending => entries.filter(wanted).take(limit + 1).cloned().collect(),
                Order::Descending => entries.rev().filter(wanted).take(limit + 1).cloned().collect(),
            };
            Ok(Page::from_overfull(found, limit, |entry| place_cursor(entry.at, entry.id.as_u128())))
        };
        list().map_err(|error: Error| error.at(PLACE, "audits"))
    }
}

#[async_trait]
impl AnalyticsStore for MemoryStore {
    async fn counters(&self, query: CounterQuery) -> Result<Vec<Counter>> {
        let wanted = |counter: &Counter| {
            holds(query.name.as_ref(), |name| counter.name == *name)
                && holds(query.label.as_ref(), |label| counter.label == *label)
                && holds(query.since.as_ref(), |since| counter.bucket >= *since)
                && holds(query.until.as_ref(), |until| counter.bucket < *until)
        };
        Ok(self.state().counters().filter(wanted).take(MAX_BATCH).collect())
    }
}
