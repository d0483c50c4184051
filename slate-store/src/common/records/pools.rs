use crate::common::{Columns, Dialect, Kind, Statement, Value, table::Table};
use slate_core::{
    InstanceId, PoolMemberId, Result, SessionId, WorkerId,
    model::{PoolMember, Revision},
    store::PoolMemberQuery,
};

impl Table for PoolMember {
    const NAME: &'static str = "slate_pool_members";
    const COLUMNS: &'static [(&'static str, Kind)] = &[
        ("pool", Kind::Text),
        ("spec_hash", Kind::Text),
        ("backend", Kind::Text),
        ("instance_id", Kind::Text),
        ("state", Kind::Text),
        ("owner", Kind::Text),
        ("session_id", Kind::Id),
        ("claim_key", Kind::Text),
        ("ready_at", Kind::Time),
        ("claimed_at", Kind::Time),
        ("reason", Kind::Text),
    ];
    type Query = PoolMemberQuery;

    fn bits(&self) -> u128 {
        self.id.as_u128()
    }

    fn revision(&self) -> &Revision {
        &self.revision
    }

    fn values(&self) -> Result<Vec<Value>> {
        Ok(vec![
            Value::text(&self.pool),
            Value::text(&self.spec_hash),
            Value::text(&self.backend),
            self.instance_id.as_ref().map(InstanceId::as_str).into(),
            Value::text(self.state),
            self.owner.as_ref().map(WorkerId::as_str).into(),
            self.session_id.into(),
            self.claim_key.as_deref().into(),
            self.ready_at.into(),
            self.claimed_at.into(),
            self.reason.as_deref().into(),
        ])
    }

    fn read<R: Columns>(row: &R, revision: Revision) -> Result<Self> {
        Ok(Self {
            id: row.id("id", PoolMemberId::from_u128)?,
            pool: row.text("pool")?,
            spec_hash: row.parse("spec_hash")?,
            backend: row.text("backend")?,
            instance_id: row.maybe_parse("instance_id")?,
            state: row.parse("state")?,
            owner: row.maybe_parse("owner")?,
            session_id: row.maybe_id("session_id", SessionId::from_u128)?,
            claim_key: row.maybe_text("claim_key")?,
            ready_at: row.maybe_time("ready_at")?,
            claimed_at: row.maybe_time("claimed_at")?,
            reason: row.maybe_text("reason")?,
            revision,
        })
    }

    fn conditions<D: Dialect>(query: PoolMemberQuery, list: &mut Statement<D>) {
        list.and_equal("pool", query.pool.as_deref())
            .and_in("state", query.state)
            .and_equal("session_id", query.session);
    }
}

/// Selects the member that is claimed under a key.
pub(crate) fn select_claimed<D: Dialect>(key: &str) -> Statement<D> {
    let mut select = Statement::new(
        "SELECT * FROM slate_pool_members WHERE deleted_at IS NULL AND state = 'claimed' AND claim_key = ",
    );
    select.bind(key);
    select
}
