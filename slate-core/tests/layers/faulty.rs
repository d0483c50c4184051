use crate::project;
use futures_util::StreamExt;
use slate_core::{
    ErrorKind, ProjectId,
    blob::Blobs,
    decorate::{Faulty, FaultyOptions, Layered},
    memory::{MemoryBlobs, MemoryStore},
    store::{PageRequest, ProjectQuery, ProjectStore, StoreExt},
};
use std::sync::Arc;

/// The kinds of errors of so many reads; `None` where the fault was none and the read found nothing.
async fn fates(seed: u64, others: bool) -> Vec<Option<ErrorKind>> {
    let options = FaultyOptions::default().with_seed(seed).with_errors(0.4);
    let store = Layered::new(Arc::new(MemoryStore::new()), Faulty::new(options));
    let mut fates = Vec::new();
    for _ in 0..500 {
        let kind = store.project(ProjectId::new()).await.unwrap_err().kind();
        fates.push((kind != ErrorKind::NotFound).then_some(kind));
        if others {
            drop(store.projects(ProjectQuery::all(), PageRequest::first(1)).await);
        }
    }
    fates
}

#[tokio::test]
async fn the_same_seed_makes_the_same_faults_whatever_is_called_in_between() {
    let first = fates(7, false).await;
    assert_eq!(fates(7, true).await, first);
    assert_ne!(fates(8, false).await, first);
    let faults = first.iter().flatten().count();
    assert!((150..250).contains(&faults), "two in five of 500 are meant: {faults}");
    assert!(first.contains(&Some(ErrorKind::Unavailable)) && first.contains(&Some(ErrorKind::ResourceExhausted)));
}

#[tokio::test]
async fn a_call_that_fails_is_not_made_and_one_whose_answer_is_lost_is() {
    for (options, made) in
        [(FaultyOptions::default().with_errors(1.0), false), (FaultyOptions::default().with_lost(1.0), true)]
    {
        let store = Arc::new(MemoryStore::new());
        let faulty = Layered::new(Arc::clone(&store), Faulty::new(options));
        let project = project("x");
        let error = faulty.create(project.clone().into()).await.unwrap_err();
        assert_eq!(error.kind() == ErrorKind::TimedOut, made, "only a lost answer leaves it open: {error:?}");
        assert_eq!(store.project(project.id).await.is_ok(), made);
    }
}

#[tokio::test]
async fn streams_break_where_that_is_wanted() {
    let options = FaultyOptions::default().with_broken_streams(1.0);
    let blobs = Layered::new(Arc::new(MemoryBlobs::default()), Faulty::new(options));
    let items: Vec<_> = blobs.list("").collect().await;
    assert_eq!(items.last().unwrap().as_ref().unwrap_err().kind(), ErrorKind::Unavailable);
}
