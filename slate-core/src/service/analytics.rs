use super::{
    Journal,
    task::{Handle, repeat},
};
use crate::{
    Cancel, Result, Timestamp, WorkerId,
    bus::{
        Message,
        event::{AssetEventKind, BuildEventKind, Event, FileEventKind, ProjectEventKind, RuntimeEventKind},
    },
    model::{Counter, StoredEvent},
    store::{Change, ChangeSet, CounterQuery, Cursor, EventQuery, PageRequest},
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

const NAME: &str = "analytics";
/// The counter whose value is the place in the stored events up to which they are counted.
const CURSOR: &str = "analytics.cursor";

/// How the analytics service works.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AnalyticsOptions {
    /// Most events counted at once; default 500.
    pub batch: u32,
    /// Time between two looks at the store; default 1 s.
    pub poll: Duration,
    /// The span that counters cover; default one hour.
    pub span: Duration,
    /// How long one service keeps the others away; default 10 s.
    pub lease: Duration,
}

impl Default for AnalyticsOptions {
    fn default() -> Self {
        Self {
            batch: 500,
            poll: Duration::from_secs(1),
            span: Duration::from_secs(3600),
            lease: Duration::from_secs(10),
        }
    }
}

/// Counts the stored events by kind, project and user, each event once: the counts and the place up to which they go are
/// written in one change. One service counts at a time, by a lease.
#[derive(Debug)]
pub struct Analytics;

impl Analytics {
    /// Starts it.
    pub fn start(journal: Journal, options: AnalyticsOptions) -> Handle {
        let cancel = Cancel::new();
        let worker = WorkerId::unique(NAME);
        Handle::spawn(NAME, cancel.clone(), async move {
            repeat(NAME, &cancel, || async {
                let more = count_some(&journal, &worker, &options).await?;
                Ok(if more { Duration::ZERO } else { options.poll })
            })
            .await;
            while let Ok(true) = count_some(&journal, &worker, &options).await {}
            if let Err(error) = journal.store().release_lease(NAME, &worker).await {
                tracing::warn!(%error, "the analytics lease could not be given back");
            }
        })
    }

    /// The report of the spans that begin in this time.
    ///
    /// # Errors
    /// Those of [`AnalyticsStore::counters`](crate::store::AnalyticsStore::counters).
    pub async fn report(journal: &Journal, since: Timestamp, until: Timestamp) -> Result<AnalyticsReport> {
        let query = CounterQuery::all().since(since).until(until);
        Ok(report(&journal.store().counters(query).await?))
    }
}

/// Counts one batch; whether there may be more.
async fn count_some(journal: &Journal, worker: &WorkerId, options: &AnalyticsOptions) -> Result<bool> {
    let store = journal.store();
    if store.lease(NAME, worker, options.lease).await?.is_none() {
        return Ok(false);
    }
    let place = store.counters(CounterQuery::all().named(CURSOR.into())).await?;
    let place = place.first().map_or(0, |counter| counter.value);
    let after = (place > 0).then(|| Cursor::new(place.to_string()));
    let page = store.events(EventQuery::all(), PageRequest::first(options.batch).after(after)).await?;
    let Some(last) = page.items.last() else { return Ok(false) };
    let moved = last.seq as i64 - place;
    let mut set = ChangeSet::new().change(Change::Count(Counter {
        name: CURSOR.into(),
        label: String::new(),
        bucket: Timestamp::EPOCH,
        value: moved,
    }));
    for counter in counters(&page.items, options.span) {
        set = set.change(Change::Count(counter));
    }
    store.apply(set).await?;
    Ok(page.next.is_some())
}

/// What these events add to the counters: `{resource}.{kind}` for all, for their project and for their user, and
/// `build.milliseconds` of completed builds.
fn counters(events: &[StoredEvent], span: Duration) -> Vec<Counter> {
    let mut sums: BTreeMap<(String, String, Timestamp), i64> = BTreeMap::new();
    let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX).max(1);
    for stored in events {
        let Some(event) = parse(stored) else { continue };
        let bucket = Timestamp::from_micros(stored.event.at.as_micros().div_euclid(micros).saturating_mul(micros));
        let (name, project, user) = describe(&event);
        let labels = [
            Some(String::new()),
            project.map(|project| format!("project:{project}")),
            user.map(|user| format!("user:{user}")),
        ];
        for label in labels.into_iter().flatten() {
            *sums.entry((name.clone(), label, bucket)).or_default() += 1;
        }
    }
    sums.into_iter().map(|((name, label, bucket), value)| Counter { name, label, bucket, value }).collect()
}

fn parse(stored: &StoredEvent) -> Option<Event> {
    let message: Message = stored.to_message().ok()?;
    Event::parse(&message).ok()
}

/// The counter's name, and the project and user that the event is about.
fn describe(event: &Event) -> (String, Option<String>, Option<String>) {
    let name = |resource: &str, kind: &str| format!("{resource}.{kind}");
    match event {
        Event::Project(e) => {
            (name("project", e.kind.as_str()), Some(e.project_id.to_string()), Some(e.user_id.to_string()))
        }
        Event::File(e) => (name("file", e.kind.as_str()), Some(e.project_id.to_string()), Some(e.user_id.to_string())),
        Event::Asset(e) => {
            (name("asset", e.kind.as_str()), Some(e.project_id.to_string()), Some(e.user_id.to_string()))
        }
        Event::Runtime(e) => (name("runtime", e.kind.as_str()), Some(e.project_id.to_string()), None),
        Event::Build(e) => {
            (name("build", e.kind.as_str()), Some(e.project_id.to_string()), Some(e.user_id.to_string()))
        }
        Event::Editor(e) => (name("editor", e.kind.as_str()), None, Some(e.user_id.to_string())),
        Event::Collab(e) => {
            (name("collab", e.kind.as_str()), Some(e.project_id.to_string()), Some(e.user_id.to_string()))
        }
    }
}

/// The seeds' metrics over a time.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AnalyticsReport {
    /// Projects made, changed and deleted.
    pub projects: [u64; 3],
    /// Files made, changed and deleted.
    pub files: [u64; 3],
    /// Assets added, processed, and failed.
    pub assets: [u64; 3],
    /// Sessions that ran, ended well, and failed or died.
    pub sessions: [u64; 3],
    /// Builds that began, are done, and failed.
    pub builds: [u64; 3],
    /// Users who did something.
    pub active_users: u64,
    /// What each of them did, by user.
    pub events_per_user: BTreeMap<String, u64>,
    /// The share of ended sessions that ended well, 0.0 to 1.0; `None` without any.
    pub runtime_success_rate: Option<f64>,
    /// The share of ended builds that are done, 0.0 to 1.0; `None` without any.
    pub build_success_rate: Option<f64>,
}

/// Sums counters up.
fn report(counters: &[Counter]) -> AnalyticsReport {
    let total = |resource: &str, kinds: &[&str]| -> u64 {
        let named = |counter: &&Counter| {
            counter.label.is_empty()
                && counter.name.split_once('.').is_some_and(|(r, kind)| r == resource && kinds.contains(&kind))
        };
        counters.iter().filter(named).map(|counter| counter.value.max(0) as u64).sum()
    };
    let rate = |good: u64, bad: u64| (good + bad > 0).then(|| good as f64 / (good + bad) as f64);
    let mut events_per_user: BTreeMap<String, u64> = BTreeMap::new();
    for counter in counters {
        if let Some(user) = counter.label.strip_prefix("user:") {
            *events_per_user.entry(user.to_owned()).or_default() += counter.value.max(0) as u64;
        }
    }
    let (p, f, a) = (ProjectEventKind::ALL, FileEventKind::ALL, AssetEventKind::ALL);
    debug_assert!(p.len() == 3 && f.len() == 4 && a.len() == 7, "a new kind of event wants a place in the report");
    let kind = |kind: RuntimeEventKind| total("runtime", &[kind.as_str()]);
    let sessions = [kind(RuntimeEventKind::Started), kind(RuntimeEventKind::Stopped), kind(RuntimeEventKind::Error)];
    let kind = |kind: BuildEventKind| total("build", &[kind.as_str()]);
    let builds = [kind(BuildEventKind::Started), kind(BuildEventKind::Completed), kind(BuildEventKind::Failed)];
    AnalyticsReport {
        projects: [total("project", &["created"]), total("project", &["updated"]), total("project", &["deleted"])],
        files: [
            total("file", &["created"]),
            total("file", &["updated", "content_changed"]),
            total("file", &["deleted"]),
        ],
        assets: [total("asset", &["created"]), total("asset", &["processed"]), total("asset", &["failed"])],
        sessions,
        builds,
        active_users: events_per_user.keys().collect::<BTreeSet<_>>().len() as u64,
        events_per_user,
        runtime_success_rate: rate(sessions[1], sessions[2]),
        build_success_rate: rate(builds[1], builds[2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter(name: &str, label: &str, value: i64) -> Counter {
        Counter { name: name.into(), label: label.into(), bucket: Timestamp::EPOCH, value }
    }

    #[test]
    fn the_report_has_the_seeds_metrics() {
        let counters = [
            counter("project.created", "", 2),
            counter("project.created", "user:ada", 2),
            counter("runtime.stopped", "", 3),
            counter("runtime.error", "", 1),
            counter("build.completed", "", 1),
            counter("build.completed", "user:bob", 1),
            counter("file.content_changed", "", 4),
        ];
        let report = report(&counters);
        assert_eq!(report.projects, [2, 0, 0]);
        assert_eq!(report.files, [0, 4, 0]);
        assert_eq!(report.active_users, 2);
        assert_eq!(report.events_per_user["ada"], 2);
        assert_eq!(report.runtime_success_rate, Some(0.75));
        assert_eq!(report.build_success_rate, Some(1.0));
        assert_eq!(super::report(&[]).build_success_rate, None);
    }
}
