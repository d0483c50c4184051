use super::{
    MemoryStore, PLACE,
    record::UniqueKey,
    records::{Kind, holds},
    state::{State, kind_and_bits},
};
use crate::{
    PoolMemberId, Result, Timestamp,
    model::{PoolMember, PoolMemberState},
    store::{MemberClaim, Page, PageRequest, PoolMemberQuery, PoolStore, RecordId, check::check_member_claim},
};
use async_trait::async_trait;

#[async_trait]
impl PoolStore for MemoryStore {
    async fn pool_member(&self, id: PoolMemberId) -> Result<PoolMember> {
        self.get("pool_member", id)
    }

    async fn pool_members(&self, query: PoolMemberQuery, page: PageRequest) -> Result<Page<PoolMember>> {
        self.list("pool_members", &page, |member: &PoolMember| {
            holds(query.pool.as_ref(), |pool| member.pool == *pool)
                && holds(query.state.as_ref(), |states| states.contains(&member.state))
                && holds(query.session.as_ref(), |session| member.session_id == Some(*session))
        })
    }

    async fn claim_member(&self, claim: MemberClaim) -> Result<Option<PoolMember>> {
        check_member_claim(&claim).map_err(|error| error.at(PLACE, "claim_member"))?;
        let now = self.now();
        let mut state = self.state();
        let key = UniqueKey::Claim(claim.key.clone());
        if let Some(held) = state.keys.get(&key).and_then(|id| state.find(*id)).and_then(PoolMember::of) {
            return Ok(Some(held.clone()));
        }
        let Some(mut member) = longest_ready(&state, &claim).cloned() else { return Ok(None) };
        member.state = PoolMemberState::Claimed;
        member.session_id = Some(claim.session);
        member.claim_key = Some(claim.key);
        member.claimed_at = Some(now);
        member.revision.version = member.revision.version.next();
        member.revision.updated_at = now;
        state.put(member.clone().into());
        state.keys.insert(key, member.id.into());
        Ok(Some(member))
    }
}

fn longest_ready<'a>(state: &'a State, claim: &MemberClaim) -> Option<&'a PoolMember> {
    let (kind, _) = kind_and_bits(RecordId::PoolMember(PoolMemberId::from_u128(0)));
    let all = (kind, Timestamp::from_micros(i64::MIN), 0)..=(kind, Timestamp::from_micros(i64::MAX), u128::MAX);
    let members = state.live.range(all).filter_map(|(_, id)| state.records.get(id).and_then(PoolMember::of));
    members
        .filter(|member| {
            member.state == PoolMemberState::Ready && member.pool == claim.pool && member.spec_hash == claim.spec_hash
        })
        .min_by_key(|member| (member.ready_at, member.id))
}
