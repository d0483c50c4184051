//! How a session gets a member: at once, or in its turn, or not at all.

use super::Pool;
use crate::{
    Result, SessionId,
    model::{PoolMember, Sha256Hex},
    store::{MemberClaim, Store},
};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

/// Time between two tries of the first in the queue.
const LOOK: Duration = Duration::from_millis(20);

/// The queues of those who wait, one for each pool: first come, first served within this process.
#[derive(Debug, Default)]
pub(in crate::service) struct Turns(Mutex<HashMap<String, Arc<Line>>>);

#[derive(Debug, Default)]
struct Line {
    waiting: AtomicUsize,
    /// Fair: it is given to whoever asked first.
    first: tokio::sync::Mutex<()>,
}

impl Turns {
    /// A member of the pool for this session; `None` where none is ready within the pool's time. A session that has one
    /// already gets that.
    pub(in crate::service) async fn claim(
        &self,
        store: &dyn Store,
        pool: &Pool,
        hash: &Sha256Hex,
        session: SessionId,
    ) -> Result<Option<PoolMember>> {
        let deadline = Instant::now() + pool.wait;
        let claim = || store.claim_member(MemberClaim::new(&pool.name, hash.clone(), session));
        let line = self.line(&pool.name);
        // Nobody is passed by who came earlier.
        if line.waiting.load(Ordering::Acquire) == 0
            && let Some(member) = claim().await?
        {
            return Ok(Some(member));
        }
        let _place = Place::take(&line.waiting);
        let Ok(_turn) = tokio::time::timeout_at(deadline, line.first.lock()).await else { return Ok(None) };
        loop {
            if let Some(member) = claim().await? {
                return Ok(Some(member));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            tokio::time::sleep_until(deadline.min(Instant::now() + LOOK)).await;
        }
    }

    fn line(&self, pool: &str) -> Arc<Line> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = lines.get(pool) {
            return Arc::clone(line);
        }
        Arc::clone(lines.entry(pool.to_owned()).or_default())
    }
}

/// A place in a queue, left when this is dropped.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::AcqRel);
        Self(waiting)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Timestamp,
        memory::MemoryStore,
        model::PoolMemberState,
        policy::PoolSpec,
        runtime::RuntimeSpec,
        store::{ChangeSet, ChangeStore},
    };
    use futures_util::poll;

    fn ready(pool: &Pool) -> ChangeSet {
        let mut member = PoolMember::new(&pool.name, pool.spec_hash().unwrap(), "memory", Timestamp::now());
        member.state = PoolMemberState::Ready;
        member.ready_at = Some(Timestamp::now());
        ChangeSet::new().create(member)
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_served_in_turn_and_for_so_long() {
        let (store, turns) = (MemoryStore::new(), Turns::default());
        let pool = Pool::new("p", RuntimeSpec::new("s", ["x"]), PoolSpec::default()).with_wait(Duration::from_secs(1));
        let hash = pool.spec_hash().unwrap();
        let sessions = [SessionId::new(), SessionId::new(), SessionId::new()];
        let mut claims: Vec<_> =
            sessions.iter().map(|session| Box::pin(turns.claim(&store, &pool, &hash, *session))).collect();
        for claim in &mut claims {
            assert!(poll!(claim).is_pending());
        }
        store.apply(ready(&pool)).await.unwrap();
        // One that comes now isn't served before those who wait.
        let mut late = Box::pin(turns.claim(&store, &pool, &hash, SessionId::new()));
        assert!(poll!(&mut late).is_pending());
        let first = claims.remove(0).await.unwrap().unwrap();
        assert_eq!(first.session_id, Some(sessions[0]));
        store.apply(ready(&pool)).await.unwrap();
        assert_eq!(claims.remove(0).await.unwrap().unwrap().session_id, Some(sessions[1]));
        let begin = Instant::now();
        assert_eq!(claims.remove(0).await.unwrap(), None);
        assert!(begin.elapsed() <= Duration::from_secs(1));
        assert_eq!(late.await.unwrap(), None);
    }
}
