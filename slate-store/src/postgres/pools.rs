use super::{PgStore, error::PLACE, sql::Statement};
use crate::common::{records::pools::select_claimed, table};
use async_trait::async_trait;
use slate_core::{
    ErrorKind, PoolMemberId, Result,
    model::PoolMember,
    store::{MemberClaim, Page, PageRequest, PoolMemberQuery, PoolStore, check::check_member_claim},
};

#[async_trait]
impl PoolStore for PgStore {
    async fn pool_member(&self, id: PoolMemberId) -> Result<PoolMember> {
        self.get(id).await.map_err(|error| error.with("member", id).at(PLACE, "pool_member"))
    }

    async fn pool_members(&self, query: PoolMemberQuery, page: PageRequest) -> Result<Page<PoolMember>> {
        self.list(query, &page).await.map_err(|error| error.at(PLACE, "pool_members"))
    }

    async fn claim_member(&self, claim: MemberClaim) -> Result<Option<PoolMember>> {
        let claimed = async {
            check_member_claim(&claim)?;
            // Again where the same claim was made at the same time: the unique key lets only one of them through.
            for _ in 0..2 {
                if let Some(row) = self.primary_row(&select_claimed(&claim.key)).await? {
                    return table::read(&row).map(Some);
                }
                match self.write_rows(&take(&claim)).await {
                    Ok(rows) => return rows.first().map(table::read).transpose(),
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                    Err(error) => return Err(error),
                }
            }
            self.primary_row(&select_claimed(&claim.key)).await?.as_ref().map(table::read).transpose()
        };
        claimed.await.map_err(|error: slate_core::Error| error.at(PLACE, "claim_member"))
    }
}

fn take(claim: &MemberClaim) -> Statement {
    let mut take = Statement::new("UPDATE slate_pool_members SET state = 'claimed', session_id = ");
    take.bind(claim.session).sql(", claim_key = ").bind(claim.key.as_str());
    take.sql(", claimed_at = now(), version = version + 1, updated_at = now() WHERE id = ANY (ARRAY(");
    take.sql("SELECT id FROM slate_pool_members WHERE deleted_at IS NULL AND state = 'ready'");
    take.and_equal("pool", Some(claim.pool.as_str())).and_equal("spec_hash", Some(claim.spec_hash.as_str()));
    // One that another is just claiming is passed by, not waited for.
    take.sql(" ORDER BY ready_at, id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)) RETURNING *");
    take
}
