//! The sentences of [`PoolStore`](crate::store::PoolStore).

use super::fixtures::*;
use crate::{
    ErrorKind, PoolMemberId, SessionId, Version,
    model::{PoolMember, PoolMemberState, Sha256Hex},
    store::{ChangeSet, MemberClaim, PageRequest, PoolMemberQuery, Store, StoreExt},
};
use std::{collections::BTreeSet, sync::Arc};

fn hash() -> Sha256Hex {
    Sha256Hex::of(b"spec")
}

fn ready(pool: &str, second: i64) -> PoolMember {
    let mut member = pool_member(pool);
    member.state = PoolMemberState::Ready;
    member.ready_at = Some(at(second));
    member
}

fn claim(session: SessionId) -> MemberClaim {
    MemberClaim::new("p", hash(), session)
}

/// Makes this many ready members of the pool `p`.
async fn filled(store: &dyn Store, count: i64) -> Vec<PoolMember> {
    let members: Vec<_> = (0..count).map(|second| ready("p", second)).collect();
    store.apply(members.iter().cloned().fold(ChangeSet::new(), ChangeSet::create)).await.unwrap();
    members
}

pub async fn claim_member_gives_the_ready_member_that_has_waited_longest(store: Arc<dyn Store>) {
    let (late, early) = (ready("p", 2), ready("p", 1));
    store.apply(ChangeSet::new().create(late.clone()).create(early.clone())).await.unwrap();
    let session = SessionId::new();
    let claimed = store.claim_member(claim(session)).await.unwrap().unwrap();
    assert_eq!((claimed.id, claimed.state), (early.id, PoolMemberState::Claimed));
    assert_eq!((claimed.session_id, claimed.claim_key.as_deref()), (Some(session), Some(&*session.to_string())));
    assert_eq!(claimed.revision.version, Version(2));
    assert!(claimed.claimed_at.is_some());
    assert_eq!(store.pool_member(early.id).await.unwrap(), claimed);
    let second = store.claim_member(claim(SessionId::new())).await.unwrap().unwrap();
    assert_eq!(second.id, late.id);
    assert_eq!(store.claim_member(claim(SessionId::new())).await.unwrap(), None);
}

pub async fn claim_member_passes_by_what_is_not_ready_or_deleted_or_of_another_pool_or_hash(store: Arc<dyn Store>) {
    let deleted = ready("p", 0);
    let mut set = ChangeSet::new()
        .create(deleted.clone())
        .create(ready("q", 0))
        .create(PoolMember { spec_hash: Sha256Hex::of(b"other"), ..ready("p", 0) });
    for &state in PoolMemberState::ALL.iter().filter(|state| **state != PoolMemberState::Ready) {
        set = set.create(PoolMember { state, ..ready("p", 0) });
    }
    store.apply(set.delete(deleted.id, Version::FIRST)).await.unwrap();
    assert_eq!(store.claim_member(claim(SessionId::new())).await.unwrap(), None);
}

pub async fn a_repeated_claim_yields_the_same_member_and_changes_nothing(store: Arc<dyn Store>) {
    filled(&*store, 3).await;
    let session = SessionId::new();
    let first = store.claim_member(claim(session)).await.unwrap();
    assert_eq!(store.claim_member(claim(session)).await.unwrap(), first);
    // Whoever asks: the key decides.
    let again = claim(SessionId::new()).with_key(session.to_string());
    assert_eq!(store.claim_member(again).await.unwrap(), first);
}

pub async fn of_concurrent_claims_each_gets_another_member(store: Arc<dyn Store>) {
    filled(&*store, 12).await;
    let tasks: Vec<_> = (0..30)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.claim_member(claim(SessionId::new())).await.unwrap() })
        })
        .collect();
    let mut got = Vec::new();
    for task in tasks {
        got.extend(task.await.unwrap().map(|member| member.id));
    }
    // One that was passed by while another claimed it is left for the next who asks.
    while let Some(member) = store.claim_member(claim(SessionId::new())).await.unwrap() {
        got.push(member.id);
    }
    assert_eq!(got.len(), 12, "each member is claimed once");
    assert_eq!(got.iter().collect::<BTreeSet<&PoolMemberId>>().len(), 12);
}

pub async fn concurrent_repetitions_of_a_claim_yield_one_member(store: Arc<dyn Store>) {
    filled(&*store, 8).await;
    let session = SessionId::new();
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.claim_member(claim(session)).await.unwrap().unwrap().id })
        })
        .collect();
    let mut got = BTreeSet::new();
    for task in tasks {
        got.insert(task.await.unwrap());
    }
    assert_eq!(got.len(), 1);
    let claimed = PoolMemberQuery::all().in_states(vec![PoolMemberState::Claimed]);
    assert_eq!(store.pool_members(claimed, PageRequest::default()).await.unwrap().items.len(), 1);
}

pub async fn the_key_of_a_member_that_is_no_longer_claimed_is_free_again(store: Arc<dyn Store>) {
    filled(&*store, 2).await;
    let session = SessionId::new();
    let first = store.claim_member(claim(session)).await.unwrap().unwrap();
    let drained = PoolMember { state: PoolMemberState::Draining, ..first.clone() };
    store.update(drained.into()).await.unwrap();
    let second = store.claim_member(claim(session)).await.unwrap().unwrap();
    assert_ne!(second.id, first.id);
}

pub async fn a_member_that_is_drained_and_claimed_at_once_goes_one_way(store: Arc<dyn Store>) {
    for member in filled(&*store, 20).await {
        let drain = PoolMember { state: PoolMemberState::Draining, ..member.clone() };
        let claiming = {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.claim_member(claim(SessionId::new())).await.unwrap() })
        };
        let drained = store.update(drain.into()).await;
        let claimed = claiming.await.unwrap();
        let now = store.pool_member(member.id).await.unwrap();
        match drained {
            Ok(()) => assert_eq!(now.state, PoolMemberState::Draining),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Conflict);
                assert_eq!(now.state, PoolMemberState::Claimed);
            }
        }
        if let Some(claimed) = claimed {
            assert_eq!(store.pool_member(claimed.id).await.unwrap().state, PoolMemberState::Claimed);
        }
    }
}

pub async fn a_claim_whose_key_is_malformed_gives_invalid(store: Arc<dyn Store>) {
    for key in [String::new(), "k".repeat(201)] {
        expect_kind(store.claim_member(claim(SessionId::new()).with_key(key)).await, ErrorKind::Invalid);
    }
    expect_kind(store.create(ready("", 0).into()).await, ErrorKind::Invalid);
}

pub async fn pool_members_are_listed_by_pool_states_and_session(store: Arc<dyn Store>) {
    let (warming, idle, other) = (pool_member("p"), ready("p", 1), ready("q", 1));
    store.apply(ChangeSet::new().create(warming.clone()).create(idle.clone()).create(other.clone())).await.unwrap();
    let ids = async |query| {
        let found = store.pool_members(query, PageRequest::default()).await.unwrap().items;
        found.iter().map(|member| member.id).collect::<BTreeSet<_>>()
    };
    assert_eq!(ids(PoolMemberQuery::all().of_pool("p".into())).await, [warming.id, idle.id].into());
    let of_states = PoolMemberQuery::all().in_states(vec![PoolMemberState::Ready]);
    assert_eq!(ids(of_states).await, [idle.id, other.id].into());
    let session = SessionId::new();
    store.claim_member(claim(session)).await.unwrap().unwrap();
    assert_eq!(ids(PoolMemberQuery::all().of_session(session)).await, [idle.id].into());
}
