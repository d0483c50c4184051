//! The sentences of the traits that get and list records.

use super::fixtures::*;
use crate::{
    AuditId, Error, ErrorKind, Timestamp, Version,
    asset::AssetKind,
    model::{
        Asset, AssetJobStatus, AuditEntry, AuditOutcome, BuildJob, BuildStatus, Json, Project, RuntimeSession,
        SessionState, TargetPlatform, Template, TemplateCategory,
    },
    store::{
        AssetJobQuery, AssetQuery, AuditQuery, BuildQuery, Change, ChangeSet, CounterQuery, Cursor, FileQuery, Order,
        PageRequest, ProjectQuery, Record, SessionQuery, Store, TemplateQuery,
    },
};
use std::{collections::BTreeSet, sync::Arc};

pub async fn getting_what_is_not_there_gives_not_found(store: Arc<dyn Store>) {
    let project = project(&*store).await;
    for record in one_of_each(project.id) {
        expect_kind(stored(&*store, &record).await, ErrorKind::NotFound);
    }
    expect_kind(store.file_at(project.id, &path("a.txt")).await, ErrorKind::NotFound);
}

pub async fn a_list_holds_every_live_record_once_by_the_time_they_were_made(store: Arc<dyn Store>) {
    let project = project(&*store).await;
    // Made in an order that is neither that of their ids nor that of their times; two at one time.
    let times = [5, 3, 9, 3, 7, 1, 2];
    let mut sessions: Vec<RuntimeSession> = Vec::new();
    for second in times {
        let mut session = session(project.id);
        session.revision.created_at = at(second);
        session.revision.updated_at = at(second);
        sessions.push(session.clone());
        store.apply(ChangeSet::new().create(session)).await.unwrap();
    }
    sessions.sort_by_key(|session| (session.revision.created_at, session.id));
    let page = store.sessions(SessionQuery::all(), PageRequest::default()).await.unwrap();
    assert_eq!((page.items, page.next), (sessions.clone(), None));
    sessions.reverse();
    let page = store.sessions(SessionQuery::all(), PageRequest::newest(7)).await.unwrap();
    assert_eq!((page.items, page.next), (sessions, None));
}

pub async fn every_kind_of_record_is_listed_page_by_page(store: Arc<dyn Store>) {
    let project = project(&*store).await;
    let mut made = vec![Record::from(project.clone())];
    for index in 0..7 {
        let mut records = create_one_of_each_named(&*store, project.id, index).await;
        made.append(&mut records);
    }
    for like in one_of_each(project.id) {
        let mut expected: Vec<Record> = made.iter().filter(|record| is_like(record, &like)).cloned().collect();
        expected.sort_by_key(|record| (record.created_at(), record.id()));
        for limit in [1, 2, 3, 7, 100] {
            let found = all_like(&*store, &like, PageRequest::first(limit)).await.unwrap();
            assert_eq!(found, expected, "in pages of {limit}");
        }
        expected.reverse();
        for limit in [1, 3, 8] {
            let found = all_like(&*store, &like, PageRequest::newest(limit)).await.unwrap();
            assert_eq!(found, expected, "newest first, in pages of {limit}");
        }
    }
}

fn is_like(a: &Record, b: &Record) -> bool {
    std::mem::discriminant(a) == std::mem::discriminant(b)
}

async fn create_one_of_each_named(store: &dyn Store, project: crate::ProjectId, index: usize) -> Vec<Record> {
    let mut records = one_of_each(project);
    for record in &mut records {
        match record {
            Record::File(file) => file.path = path(&format!("{index}.txt")),
            Record::Template(template) => template.name = index.to_string(),
            _ => {}
        }
    }
    store.apply(records.iter().cloned().fold(ChangeSet::new(), ChangeSet::create)).await.unwrap();
    records
}

pub async fn going_on_from_page_to_page_yields_each_record_that_was_there_throughout_exactly_once(
    store: Arc<dyn Store>,
) {
    let project = project(&*store).await;
    let mut made = Vec::new();
    for second in 0..20 {
        let mut build = build(project.id);
        build.revision.created_at = at(second);
        store.apply(ChangeSet::new().create(build.clone())).await.unwrap();
        made.push(build);
    }
    let (mut seen, mut page) = (Vec::new(), PageRequest::first(4));
    let mut round = 0;
    loop {
        let found = store.builds(BuildQuery::all(), page.clone()).await.unwrap();
        seen.extend(found.items.iter().map(|build| build.id));
        if found.next.is_none() {
            break;
        }
        // Meanwhile one already seen and one not yet seen are deleted, others change, and one is made in between.
        let (old, coming) = (&made[round], &made[19 - round]);
        let mut early = build(project.id);
        early.revision.created_at = at(-1);
        let changed = BuildJob { progress: 1, ..made[10].clone() };
        let mut changed_now = changed.clone();
        changed_now.revision.version = store.build(changed.id).await.unwrap().revision.version;
        let set = ChangeSet::new()
            .delete(old.id, Version::FIRST)
            .delete(coming.id, Version::FIRST)
            .update(changed_now)
            .create(early);
        store.apply(set).await.unwrap();
        round += 1;
        page = page.after(found.next);
    }
    let unique: BTreeSet<_> = seen.iter().copied().collect();
    assert_eq!(unique.len(), seen.len(), "a record was seen twice");
    for there in &made[round..20 - round] {
        assert!(unique.contains(&there.id), "{} was there throughout and wasn't seen", there.id);
    }
}

pub async fn a_page_limit_of_0_gives_invalid_and_one_over_max_limit_limit_exceeded(store: Arc<dyn Store>) {
    use crate::store::{EventQuery, LogQuery, MetricQuery};
    let project = project(&*store).await;
    for (limit, kind) in [(0, ErrorKind::Invalid), (PageRequest::MAX_LIMIT + 1, ErrorKind::LimitExceeded)] {
        for record in one_of_each(project.id) {
            expect_kind(all_like(&*store, &record, PageRequest::first(limit)).await, kind);
        }
        expect_kind(store.logs(LogQuery::all(), PageRequest::first(limit)).await, kind);
        expect_kind(store.metrics(MetricQuery::all(), PageRequest::first(limit)).await, kind);
        expect_kind(store.events(EventQuery::all(), PageRequest::first(limit)).await, kind);
        expect_kind(store.audits(AuditQuery::all(), PageRequest::first(limit)).await, kind);
    }
    all_like(&*store, &project.into(), PageRequest::first(PageRequest::MAX_LIMIT)).await.unwrap();
}

pub async fn a_cursor_that_is_none_gives_invalid(store: Arc<dyn Store>) {
    use crate::store::{EventQuery, LogQuery, MetricQuery};
    let project = project(&*store).await;
    for text in ["", "nonsense", "1:", ":1", "1:xyz", "é:é", "1;DROP TABLE slate_projects"] {
        let page = PageRequest::default().after(Some(Cursor::new(text)));
        for record in one_of_each(project.id) {
            expect_kind(all_like(&*store, &record, page.clone()).await, ErrorKind::Invalid);
        }
        expect_kind(store.logs(LogQuery::all(), page.clone()).await, ErrorKind::Invalid);
        expect_kind(store.metrics(MetricQuery::all(), page.clone()).await, ErrorKind::Invalid);
        expect_kind(store.events(EventQuery::all(), page.clone()).await, ErrorKind::Invalid);
        expect_kind(store.audits(AuditQuery::all(), page).await, ErrorKind::Invalid);
    }
}

/// The ids of what a list yields, newest last.
macro_rules! ids {
    ($store:ident . $list:ident ( $query:expr )) => {
        $store.$list($query, PageRequest::default()).await.unwrap().items.iter().map(|item| item.id).collect::<Vec<_>>()
    };
}

pub async fn projects_are_listed_by_owner_and_name(store: Arc<dyn Store>) {
    let make = |name: &str, owner: &str, second| Project::new(name, user(owner), at(second));
    let (a, b, c) = (make("One", "ada", 1), make("Two", "ada", 2), make("One", "bob", 3));
    store.apply(ChangeSet::new().create(a.clone()).create(b.clone()).create(c.clone())).await.unwrap();
    assert_eq!(ids!(store.projects(ProjectQuery::all())), [a.id, b.id, c.id]);
    assert_eq!(ids!(store.projects(ProjectQuery::all().owned_by(user("ada")))), [a.id, b.id]);
    assert_eq!(ids!(store.projects(ProjectQuery::all().named("One".into()))), [a.id, c.id]);
    assert_eq!(ids!(store.projects(ProjectQuery::all().owned_by(user("ada")).named("One".into()))), [a.id]);
    assert_eq!(ids!(store.projects(ProjectQuery::all().named("one".into()))), []);
}

pub async fn files_are_listed_by_project_and_prefix(store: Arc<dyn Store>) {
    let (project, other) = (project(&*store).await, project(&*store).await);
    let mut made = Vec::new();
    for (index, (project, name)) in
        [(project.id, "a/x"), (project.id, "a%x"), (project.id, "A/x"), (project.id, "a_x"), (other.id, "a/x")]
            .into_iter()
            .enumerate()
    {
        let mut file = file(project, name);
        file.revision.created_at = at(index as i64);
        made.push(file.id);
        store.apply(ChangeSet::new().create(file)).await.unwrap();
    }
    assert_eq!(ids!(store.files(FileQuery::all().of_project(project.id))), made[..4]);
    assert_eq!(ids!(store.files(FileQuery::all().under("a/".into()))), [made[0], made[4]]);
    assert_eq!(ids!(store.files(FileQuery::all().of_project(project.id).under("a/".into()))), made[..1]);
    assert_eq!(ids!(store.files(FileQuery::all().under("a%".into()))), [made[1]]);
    assert_eq!(ids!(store.files(FileQuery::all().under("a_".into()))), [made[3]]);
    assert_eq!(ids!(store.files(FileQuery::all().under(String::new()))), made);
    assert_eq!(store.file_at(other.id, &path("a/x")).await.unwrap().id, made[4]);
}

pub async fn assets_and_their_jobs_are_listed_by_what_they_are_of(store: Arc<dyn Store>) {
    let (project, other) = (project(&*store).await, project(&*store).await);
    let texture = asset(project.id);
    let model = Asset { kind: AssetKind::Model, ..asset(other.id) };
    let first = asset_job(texture.id, project.id);
    let mut second = asset_job(model.id, other.id);
    second.status = AssetJobStatus::Failed;
    let set =
        ChangeSet::new().create(texture.clone()).create(model.clone()).create(first.clone()).create(second.clone());
    store.apply(set).await.unwrap();
    assert_eq!(ids!(store.assets(AssetQuery::all().of_project(project.id))), [texture.id]);
    assert_eq!(ids!(store.assets(AssetQuery::all().of_kind(AssetKind::Model))), [model.id]);
    assert_eq!(ids!(store.asset_jobs(AssetJobQuery::all().of_project(project.id))), [first.id]);
    assert_eq!(ids!(store.asset_jobs(AssetJobQuery::all().of_asset(model.id))), [second.id]);
    assert_eq!(ids!(store.asset_jobs(AssetJobQuery::all().in_states(vec![AssetJobStatus::Failed]))), [second.id]);
    assert_eq!(ids!(store.asset_jobs(AssetJobQuery::all().in_states(vec![]))), []);
}

pub async fn sessions_are_listed_by_project_user_and_states(store: Arc<dyn Store>) {
    let (project, other) = (project(&*store).await, project(&*store).await);
    let a = session(project.id);
    let b = RuntimeSession { user_id: user("bob"), status: SessionState::Running, ..session(project.id) };
    let c = RuntimeSession { status: SessionState::Stopped, ..session(other.id) };
    store.apply(ChangeSet::new().create(a.clone()).create(b.clone()).create(c.clone())).await.unwrap();
    assert_eq!(ids!(store.sessions(SessionQuery::all().of_project(project.id))), [a.id, b.id]);
    assert_eq!(ids!(store.sessions(SessionQuery::all().of_user(user("ada")))), [a.id, c.id]);
    let states = vec![SessionState::Running, SessionState::Stopped];
    assert_eq!(ids!(store.sessions(SessionQuery::all().in_states(states.clone()))), [b.id, c.id]);
    assert_eq!(ids!(store.sessions(SessionQuery::all().in_states(states).of_project(project.id))), [b.id]);
    assert_eq!(ids!(store.sessions(SessionQuery::all().in_states(vec![]))), []);
}

pub async fn builds_are_listed_by_project_user_platform_and_states(store: Arc<dyn Store>) {
    let (project, other) = (project(&*store).await, project(&*store).await);
    let a = build(project.id);
    let b = BuildJob { user_id: user("bob"), target_platform: TargetPlatform::Webgl, ..build(project.id) };
    let c = BuildJob { status: BuildStatus::Failed, ..build(other.id) };
    store.apply(ChangeSet::new().create(a.clone()).create(b.clone()).create(c.clone())).await.unwrap();
    assert_eq!(ids!(store.builds(BuildQuery::all().of_project(project.id))), [a.id, b.id]);
    assert_eq!(ids!(store.builds(BuildQuery::all().of_user(user("bob")))), [b.id]);
    assert_eq!(ids!(store.builds(BuildQuery::all().for_platform(TargetPlatform::Linux))), [a.id, c.id]);
    assert_eq!(ids!(store.builds(BuildQuery::all().in_states(vec![BuildStatus::Failed]))), [c.id]);
}

pub async fn build_statistics_count_the_live_builds_of_a_project(store: Arc<dyn Store>) {
    let (project, other) = (project(&*store).await, project(&*store).await);
    let ended = |status, seconds: Option<i64>| BuildJob {
        status,
        started_at: seconds.map(|_| at(0)),
        completed_at: seconds.map(at),
        ..build(project.id)
    };
    let deleted = ended(BuildStatus::Completed, Some(1000));
    let set = ChangeSet::new()
        .create(ended(BuildStatus::Completed, Some(10)))
        .create(ended(BuildStatus::Completed, Some(20)))
        .create(ended(BuildStatus::Completed, None))
        .create(ended(BuildStatus::Failed, Some(500)))
        .create(ended(BuildStatus::Canceled, None))
        .create(ended(BuildStatus::Running, None))
        .create(build(project.id))
        .create(deleted.clone())
        .create(BuildJob { status: BuildStatus::Completed, ..build(other.id) })
        .delete(deleted.id, Version::FIRST);
    store.apply(set).await.unwrap();
    let found = store.build_statistics(Some(project.id)).await.unwrap();
    assert_eq!((found.total, found.completed, found.failed, found.canceled), (7, 3, 1, 1));
    assert_eq!(found.average_duration, Some(15.0));
    let found = store.build_statistics(Some(other.id)).await.unwrap();
    assert_eq!((found.total, found.completed, found.average_duration), (1, 1, None));
    let found = store.build_statistics(None).await.unwrap();
    assert_eq!((found.total, found.completed, found.average_duration), (8, 4, Some(15.0)));
}

pub async fn templates_are_listed_by_who_may_see_them_and_purpose(store: Arc<dyn Store>) {
    let private = template("private");
    let public = Template { is_public: true, category: TemplateCategory::Database, ..template("public") };
    store.apply(ChangeSet::new().create(private.clone()).create(public.clone())).await.unwrap();
    assert_eq!(ids!(store.templates(TemplateQuery::all().visible_to(user("ada")))), [private.id, public.id]);
    assert_eq!(ids!(store.templates(TemplateQuery::all().visible_to(user("bob")))), [public.id]);
    assert_eq!(ids!(store.templates(TemplateQuery::all().in_category(TemplateCategory::Runtime))), [private.id]);
}

pub(super) fn audit(second: i64, name: &str, target: &str) -> AuditEntry {
    AuditEntry {
        id: AuditId::new(),
        at: at(second),
        user_id: (!name.is_empty()).then(|| user(name)),
        action: "session.start".into(),
        target: target.into(),
        outcome: AuditOutcome::Allowed,
        detail: serde_json::json!({ "from": "test" }),
    }
}

pub async fn audit_entries_are_listed_by_time_user_and_target(store: Arc<dyn Store>) {
    let (a, b, c) = (audit(2, "ada", "session:1"), audit(1, "ada", "session:2"), audit(1, "", "session:1"));
    let set = [&a, &b, &c].into_iter().fold(ChangeSet::new(), |set, entry| set.change(Change::Audit(entry.clone())));
    store.apply(set).await.unwrap();
    let all = store.audits(AuditQuery::all(), PageRequest::default()).await.unwrap().items;
    assert_eq!(all, [b.clone(), c.clone(), a.clone()]);
    assert_eq!(ids!(store.audits(AuditQuery::all().of_user(user("ada")))), [b.id, a.id]);
    assert_eq!(ids!(store.audits(AuditQuery::all().about("session:1".into()))), [c.id, a.id]);
    for (order, expected) in [(Order::Ascending, [&b, &c, &a]), (Order::Descending, [&a, &c, &b])] {
        let mut page = PageRequest { order, ..PageRequest::first(1) };
        let mut seen = Vec::new();
        loop {
            let found = store.audits(AuditQuery::all(), page.clone()).await.unwrap();
            seen.extend(found.items);
            let Some(next) = found.next else { break };
            page = page.after(Some(next));
        }
        assert_eq!(seen.iter().collect::<Vec<_>>(), expected);
    }
}

pub async fn what_looks_like_sql_is_only_text(store: Arc<dyn Store>) {
    let nasty = "'; DROP TABLE slate_projects; -- \" ? $1 :x \\ %_";
    let project = Project { description: nasty.into(), ..Project::new(nasty, user("ada"), at(0)) };
    store.apply(ChangeSet::new().create(project.clone())).await.unwrap();
    let settings = Json::String(nasty.into());
    let changed = Project { settings: serde_json::json!({ nasty: settings }), ..project.clone() };
    store.apply(ChangeSet::new().update(changed.clone())).await.unwrap();
    let found = store.projects(ProjectQuery::all().named(nasty.into()), PageRequest::default()).await.unwrap();
    assert_eq!(found.items.len(), 1);
    assert_eq!((&found.items[0].settings, &found.items[0].description), (&changed.settings, &project.description));
    assert_eq!(store.counters(CounterQuery::all().named(nasty.into())).await.unwrap(), []);
}

pub async fn times_are_kept_to_the_microsecond_before_and_after_the_epoch(store: Arc<dyn Store>) {
    for micros in [-1, 0, 1, 1_760_000_000_123_457, -62_135_596_800_000_000] {
        let project = Project::new("x", user("ada"), Timestamp::from_micros(micros));
        store.apply(ChangeSet::new().create(project.clone())).await.unwrap();
        assert_eq!(store.project(project.id).await.unwrap(), project);
    }
}

pub async fn an_error_names_the_store(store: Arc<dyn Store>) {
    let error: Error = store.project(crate::ProjectId::new()).await.unwrap_err();
    assert!(error.component().starts_with("store."), "{error:?}");
    assert!(!error.operation().is_empty(), "{error:?}");
    store.ping().await.unwrap();
    assert_eq!(store.descriptor().kind, crate::ComponentKind::Store);
}
