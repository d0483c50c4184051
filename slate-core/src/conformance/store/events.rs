//! The sentences of [`EventStore`](crate::store::EventStore).

use super::{changes::count_true, fixtures::*};
use crate::{
    ErrorKind, EventId, ProjectId, Version,
    model::StoredEvent,
    store::{ChangeSet, EventQuery, PageRequest, Store},
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

fn ids(events: &[StoredEvent]) -> Vec<EventId> {
    events.iter().map(|event| event.event.id).collect()
}

pub async fn unpublished_yields_the_oldest_events_that_no_mark_published_named(store: Arc<dyn Store>) {
    let events: Vec<_> = (1..=6).map(|version| event_of("session:1", version)).collect();
    for event in &events {
        store.apply(ChangeSet::new().event(event.clone())).await.unwrap();
    }
    let waiting = store.unpublished(100).await.unwrap();
    assert_eq!(waiting.iter().map(|stored| stored.event.clone()).collect::<Vec<_>>(), events);
    assert!(waiting.iter().all(|stored| stored.published_at.is_none()));
    assert!(waiting.windows(2).all(|pair| pair[0].seq < pair[1].seq));
    assert_eq!(ids(&store.unpublished(2).await.unwrap()), [events[0].id, events[1].id]);
    store.mark_published(&[events[0].id, events[2].id]).await.unwrap();
    let waiting = ids(&store.unpublished(100).await.unwrap());
    assert_eq!(waiting, [events[1].id, events[3].id, events[4].id, events[5].id]);
}

pub async fn unpublished_yields_events_of_one_aggregate_in_the_order_of_their_versions(store: Arc<dyn Store>) {
    let project = project(&*store).await;
    // Eight writers change one record and tell of it; each event names the version that its change made.
    let tasks = (0..8).map(|_| {
        let (store, id) = (store.clone(), project.id);
        tokio::spawn(async move {
            for _ in 0..10 {
                change_and_tell(&*store, id).await;
            }
            true
        })
    });
    assert_eq!(count_true(tasks).await, 8);
    let waiting = store.unpublished(1000).await.unwrap();
    let versions: Vec<u64> =
        waiting.iter().filter_map(|event| Some(event.event.aggregate.as_ref()?.version.0)).collect();
    assert_eq!(versions, (2..=81).collect::<Vec<_>>());
}

async fn change_and_tell(store: &dyn Store, id: ProjectId) {
    loop {
        let project = store.project(id).await.unwrap();
        let event = event_of(&format!("project:{id}"), project.revision.version.0 + 1);
        match store.apply(ChangeSet::new().update(project).event(event)).await {
            Ok(_) => return,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}"),
        }
    }
}

pub async fn mark_published_of_an_event_that_is_marked_or_not_there_changes_nothing(store: Arc<dyn Store>) {
    let (one, two) = (event("slate.a"), event("slate.b"));
    store.apply(ChangeSet::new().event(one.clone()).event(two)).await.unwrap();
    store.mark_published(&[one.id]).await.unwrap();
    let before = store.events(EventQuery::all(), PageRequest::default()).await.unwrap().items;
    assert!(before[0].published_at.is_some() && before[1].published_at.is_none());
    store.mark_published(&[one.id, EventId::new()]).await.unwrap();
    store.mark_published(&[]).await.unwrap();
    assert_eq!(store.events(EventQuery::all(), PageRequest::default()).await.unwrap().items, before);
}

pub async fn events_are_found_by_aggregate_and_subject_in_the_order_of_seq(store: Arc<dyn Store>) {
    let (a, b, c) = (event_of("session:1", 1), event("slate.build.started.x"), event_of("session:2", 1));
    store.apply(ChangeSet::new().event(a.clone()).event(b.clone()).event(c.clone())).await.unwrap();
    let found = |query: EventQuery, page: PageRequest| async {
        assert_eq!(
            store.count_events(query.clone()).await.unwrap(),
            store.events(query.clone(), PageRequest::default()).await.unwrap().items.len() as u64
        );
        ids(&store.events(query, page).await.unwrap().items)
    };
    let all = PageRequest::default;
    assert_eq!(found(EventQuery::all(), all()).await, [a.id, b.id, c.id]);
    assert_eq!(found(EventQuery::all(), PageRequest::newest(2)).await, [c.id, b.id]);
    assert_eq!(found(EventQuery::all().of_aggregate("session:2".into()), all()).await, [c.id]);
    assert_eq!(found(EventQuery::all().under("slate.runtime.".into()), all()).await, [a.id, c.id]);
    assert_eq!(found(EventQuery::all().under("slate_".into()), all()).await, []);
    for (mut page, expected) in
        [(PageRequest::first(1), [a.id, b.id, c.id]), (PageRequest::newest(1), [c.id, b.id, a.id])]
    {
        let mut seen = Vec::new();
        loop {
            let got = store.events(EventQuery::all(), page.clone()).await.unwrap();
            seen.extend(ids(&got.items));
            let Some(next) = got.next else { break };
            page = page.after(Some(next));
        }
        assert_eq!(seen, expected);
    }
}

pub async fn purge_events_removes_published_events_only(store: Arc<dyn Store>) {
    let events: Vec<_> = (0..6).map(|second| crate::model::NewEvent { at: at(second), ..event("slate.a") }).collect();
    store.apply(ChangeSet::new().events(events.clone())).await.unwrap();
    store.mark_published(&[events[0].id, events[1].id, events[3].id, events[5].id]).await.unwrap();
    assert_eq!(store.purge_events(at(5), 2).await.unwrap(), 2);
    assert_eq!(store.purge_events(at(5), 100).await.unwrap(), 1);
    let left = store.events(EventQuery::all(), PageRequest::default()).await.unwrap().items;
    assert_eq!(ids(&left), [events[2].id, events[4].id, events[5].id]);
    assert_eq!(ids(&store.unpublished(10).await.unwrap()), [events[2].id, events[4].id]);
}

pub async fn a_seq_is_never_given_twice(store: Arc<dyn Store>) {
    let first = event("slate.a");
    store.apply(ChangeSet::new().event(first.clone())).await.unwrap();
    let seq = store.unpublished(1).await.unwrap()[0].seq;
    store.mark_published(&[first.id]).await.unwrap();
    assert_eq!(store.purge_events(at(1), 1).await.unwrap(), 1);
    store.apply(ChangeSet::new().event(event("slate.b"))).await.unwrap();
    assert!(store.unpublished(1).await.unwrap()[0].seq > seq, "whoever reads on from a seq would miss it");
}

pub async fn of_several_workers_at_most_one_holds_the_lease_of_a_name(store: Arc<dyn Store>) {
    let tasks = (0..16).map(|index| {
        let store = store.clone();
        tokio::spawn(async move { store.lease("relay", &worker(&format!("w{index}")), LONG).await.unwrap().is_some() })
    });
    assert_eq!(count_true(tasks).await, 1);
    assert!(store.lease("another", &worker("w0"), LONG).await.unwrap().is_some());
}

pub async fn whoever_gets_a_lease_anew_gets_a_greater_term(store: Arc<dyn Store>) {
    let (a, b) = (worker("a"), worker("b"));
    let first = store.lease("relay", &a, LONG).await.unwrap().unwrap();
    assert_eq!(store.lease("relay", &a, LONG).await.unwrap(), Some(first), "extending keeps the term");
    assert_eq!(store.lease("relay", &b, LONG).await.unwrap(), None);
    store.release_lease("relay", &b).await.unwrap();
    assert_eq!(store.lease("relay", &b, LONG).await.unwrap(), None, "only the holder can give it up");
    store.release_lease("relay", &a).await.unwrap();
    store.release_lease("nobody's", &a).await.unwrap();
    let second = store.lease("relay", &b, LONG).await.unwrap().unwrap();
    assert!(second > first);
    store.release_lease("relay", &b).await.unwrap();
    let third = store.lease("relay", &b, Duration::from_millis(50)).await.unwrap().unwrap();
    assert!(third > second);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let fourth = store.lease("relay", &a, LONG).await.unwrap().unwrap();
    assert!(fourth > third);
    assert_eq!(store.lease("relay", &b, LONG).await.unwrap(), None);
}

pub async fn every_event_of_concurrent_sets_is_stored_once(store: Arc<dyn Store>) {
    let project = project(&*store).await;
    let tasks = (0..16).map(|_| {
        let (store, id) = (store.clone(), project.id);
        tokio::spawn(async move {
            for _ in 0..5 {
                store.apply(ChangeSet::new().create(build(id)).event(event("slate.a"))).await.unwrap();
            }
            true
        })
    });
    assert_eq!(count_true(tasks).await, 16);
    let stored = store.unpublished(1000).await.unwrap();
    assert_eq!(ids(&stored).into_iter().collect::<BTreeSet<_>>().len(), 80);
    assert_eq!(stored.iter().map(|event| event.seq).collect::<BTreeSet<_>>().len(), 80);
    assert_eq!(store.build_statistics(Some(project.id)).await.unwrap().total, 80);
    assert_eq!(store.project(project.id).await.unwrap().revision.version, Version::FIRST);
}

pub async fn whoever_reads_on_in_the_order_of_seq_misses_no_event_of_concurrent_sets(store: Arc<dyn Store>) {
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..6 {
        let store = store.clone();
        writers.spawn(async move {
            for version in 1..=20 {
                let set = ChangeSet::new().event(event_of(&format!("session:{writer}"), version));
                // Every other set is a larger one: what takes its number first isn't always committed first.
                let larger = (0..version % 2 * 5)
                    .fold(set, |set, _| set.create(crate::model::Project::new("Breakout", user("ada"), at(0))));
                store.apply(larger).await.unwrap();
            }
        });
    }
    let (mut seen, mut page) = (Vec::new(), PageRequest::first(7));
    loop {
        let written = loop {
            match writers.try_join_next() {
                Some(joined) => joined.unwrap(),
                None => break writers.is_empty(),
            }
        };
        let found = store.events(EventQuery::all(), page.clone()).await.unwrap().items;
        match found.last() {
            Some(last) => page = page.after(Some(crate::store::Cursor::new(last.seq.to_string()))),
            None if written => break,
            None => tokio::task::yield_now().await,
        }
        seen.extend(found);
    }
    assert_eq!(ids(&seen).into_iter().collect::<BTreeSet<_>>().len(), 120, "an event was missed");
    assert!(seen.windows(2).all(|pair| pair[0].seq < pair[1].seq));
}
