//! Records to try a store with.

use crate::{
    AssetId, ErrorKind, EventId, ProjectId, Result, SessionId, Timestamp, UserId, Version, WorkerId,
    asset::{AssetKind, AssetOptions, TextureOptions},
    bus::Subject,
    model::{
        Aggregate, Asset, AssetJob, BuildJob, BuildType, FileRecord, LogEntry, LogLevel, LogSource, MetricSample,
        NewEvent, PoolMember, Project, ProjectPath, RuntimeSession, Sha256Hex, TargetPlatform, Template,
        TemplateCategory,
    },
    runtime::{RuntimeSpec, RuntimeType},
    store::{ChangeSet, PageRequest, Record, Store, StoreExt},
};
use std::time::Duration;

/// Long enough that no lease ends during a test by itself.
pub(super) const LONG: Duration = Duration::from_secs(3600);

/// A fixed time, for what tests compare.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis((1_760_000_000 + seconds) * 1000)
}

pub(super) fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

pub(super) fn worker(name: &str) -> WorkerId {
    WorkerId::new(name).unwrap()
}

pub(super) fn path(text: &str) -> ProjectPath {
    ProjectPath::new(text).unwrap()
}

pub(super) async fn project(store: &dyn Store) -> Project {
    let project = Project::new("Breakout", user("ada"), at(0));
    store.create(project.clone().into()).await.unwrap();
    project
}

pub(super) fn file(project: ProjectId, name: &str) -> FileRecord {
    FileRecord::text(project, path(name), format!("content of {name}"), at(0)).unwrap()
}

pub(super) fn asset(project: ProjectId) -> Asset {
    Asset::new(project, None, AssetKind::Texture, at(0))
}

pub(super) fn spec() -> RuntimeSpec {
    RuntimeSpec::new("game", ["sleep", "1"])
}

pub(super) fn session(project: ProjectId) -> RuntimeSession {
    RuntimeSession::new(project, user("ada"), RuntimeType::Godot, "process", spec(), at(0))
}

pub(super) fn build(project: ProjectId) -> BuildJob {
    BuildJob::new(project, user("ada"), BuildType::Development, TargetPlatform::Linux, at(0))
}

pub(super) fn asset_job(asset: AssetId, project: ProjectId) -> AssetJob {
    AssetJob::new(asset, project, user("ada"), AssetOptions::Texture(TextureOptions::default()), at(0))
}

pub(super) fn template(name: &str) -> Template {
    Template::new(name, TemplateCategory::Runtime, spec(), user("ada"), at(0))
}

pub(super) fn pool_member(pool: &str) -> PoolMember {
    PoolMember::new(pool, Sha256Hex::of(b"spec"), "docker", at(0))
}

pub(super) fn event(subject: &str) -> NewEvent {
    NewEvent {
        id: EventId::new(),
        subject: Subject::new(subject).unwrap(),
        payload: serde_json::json!({ "type": subject }),
        aggregate: None,
        headers: [("traceparent".to_owned(), "00-1".to_owned())].into(),
        at: at(0),
    }
}

pub(super) fn event_of(aggregate: &str, version: u64) -> NewEvent {
    let aggregate = Aggregate { name: aggregate.to_owned(), version: Version(version) };
    NewEvent { aggregate: Some(aggregate), ..event("slate.runtime.status.x") }
}

pub(super) fn source() -> LogSource {
    LogSource::Session(SessionId::new())
}

pub(super) fn line(source: LogSource, message: &str) -> LogEntry {
    LogEntry::new(source, LogLevel::Info, message, at(0))
}

pub(super) fn sample(session: Option<SessionId>, second: i64, value: f64) -> MetricSample {
    MetricSample {
        session_id: session,
        metric_type: "cpu_percent".into(),
        value,
        unit: "percent".into(),
        timestamp: at(second),
    }
}

/// One record of each kind in a project that is there, with what they need; in an order in which they can be made.
pub(super) fn one_of_each(project: ProjectId) -> Vec<Record> {
    let file = file(project, "a.txt");
    let asset = Asset { file_id: Some(file.id), ..asset(project) };
    let job = asset_job(asset.id, project);
    vec![
        Project::new("Another", user("ada"), at(0)).into(),
        file.into(),
        asset.into(),
        session(project).into(),
        build(project).into(),
        job.into(),
        template("Template").into(),
        pool_member("pool").into(),
    ]
}

/// Makes [`one_of_each`].
pub(super) async fn create_one_of_each(store: &dyn Store, project: ProjectId) -> Vec<Record> {
    let records = one_of_each(project);
    store.apply(records.iter().cloned().fold(ChangeSet::new(), ChangeSet::create)).await.unwrap();
    records
}

/// The stored record of the same id.
pub(super) async fn stored(store: &dyn Store, record: &Record) -> Result<Record> {
    Ok(match record {
        Record::Project(record) => store.project(record.id).await?.into(),
        Record::File(record) => store.file(record.id).await?.into(),
        Record::Asset(record) => store.asset(record.id).await?.into(),
        Record::Session(record) => store.session(record.id).await?.into(),
        Record::Build(record) => store.build(record.id).await?.into(),
        Record::AssetJob(record) => store.asset_job(record.id).await?.into(),
        Record::Template(record) => store.template(record.id).await?.into(),
        Record::PoolMember(record) => store.pool_member(record.id).await?.into(),
    })
}

/// Every live record of the same kind, in pages of `limit`.
pub(super) async fn all_like(store: &dyn Store, record: &Record, page: PageRequest) -> Result<Vec<Record>> {
    macro_rules! pages {
        ($list:ident) => {{
            let (mut all, mut page) = (Vec::new(), page);
            loop {
                let found = store.$list(Default::default(), page.clone()).await?;
                all.extend(found.items.into_iter().map(Record::from));
                if found.next.is_none() {
                    return Ok(all);
                }
                page = page.after(found.next);
            }
        }};
    }
    match record {
        Record::Project(_) => pages!(projects),
        Record::File(_) => pages!(files),
        Record::Asset(_) => pages!(assets),
        Record::Session(_) => pages!(sessions),
        Record::Build(_) => pages!(builds),
        Record::AssetJob(_) => pages!(asset_jobs),
        Record::Template(_) => pages!(templates),
        Record::PoolMember(_) => pages!(pool_members),
    }
}

/// Fails unless `result` is an error of this kind.
#[track_caller]
pub(super) fn expect_kind<T>(result: Result<T>, kind: ErrorKind) {
    match result {
        Ok(_) => panic!("expected {kind}, but it went well"),
        Err(error) => assert_eq!(error.kind(), kind, "{error:?}"),
    }
}
