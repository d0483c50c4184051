use super::{SqliteStore, error::PLACE, sql::Statement, writer::Work};
use crate::common::{records::pools::select_claimed, table};
use async_trait::async_trait;
use slate_core::{
    PoolMemberId, Result, Timestamp,
    model::PoolMember,
    store::{MemberClaim, Page, PageRequest, PoolMemberQuery, PoolStore, check::check_member_claim},
};
use sqlx::SqliteConnection;

#[async_trait]
impl PoolStore for SqliteStore {
    async fn pool_member(&self, id: PoolMemberId) -> Result<PoolMember> {
        self.get(id).await.map_err(|error| error.with("member", id).at(PLACE, "pool_member"))
    }

    async fn pool_members(&self, query: PoolMemberQuery, page: PageRequest) -> Result<Page<PoolMember>> {
        self.list(query, &page).await.map_err(|error| error.at(PLACE, "pool_members"))
    }

    async fn claim_member(&self, claim: MemberClaim) -> Result<Option<PoolMember>> {
        check_member_claim(&claim).map_err(|error| error.at(PLACE, "claim_member"))?;
        self.writer.write("claim_member", TakeMember(claim)).await
    }
}

struct TakeMember(MemberClaim);

#[async_trait]
impl Work for TakeMember {
    type Output = Option<PoolMember>;

    /// One writer at a time: nobody comes between the look and the claim.
    async fn run(&self, db: &mut SqliteConnection, now: Timestamp) -> Result<Option<PoolMember>> {
        let Self(claim) = self;
        if let Some(row) = select_claimed(&claim.key).row(&mut *db).await? {
            return table::read(&row).map(Some);
        }
        let mut take = Statement::new("UPDATE slate_pool_members SET state = 'claimed', session_id = ");
        take.bind(claim.session).sql(", claim_key = ").bind(claim.key.as_str()).sql(", claimed_at = ").bind(now);
        take.sql(", version = version + 1, updated_at = ").bind(now);
        // The state is spelt as in the partial index, or SQLite wouldn't see that it fits.
        take.sql(" WHERE id = (SELECT id FROM slate_pool_members WHERE deleted_at IS NULL AND state = 'ready'");
        take.and_equal("pool", Some(claim.pool.as_str())).and_equal("spec_hash", Some(claim.spec_hash.as_str()));
        take.sql(" ORDER BY ready_at, id LIMIT 1) RETURNING *");
        take.row(db).await?.as_ref().map(table::read).transpose()
    }
}
