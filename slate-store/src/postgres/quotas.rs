use super::{PgStore, error::PLACE, sql::Statement};
use crate::common::{
    Value,
    streams::{LIMITS, USED, limit_values, over_quota, read_quota, usage_values},
};
use async_trait::async_trait;
use slate_core::{
    Error, Result, UserId,
    model::{QuotaLimits, QuotaUsage, UserQuota},
    store::QuotaStore,
};
use sqlx::PgConnection;

#[async_trait]
impl QuotaStore for PgStore {
    async fn quota(&self, user: &UserId) -> Result<Option<UserQuota>> {
        let read = async { self.primary_row(&select(user)).await?.as_ref().map(read_quota).transpose() };
        read.await.map_err(|error: Error| error.at(PLACE, "quota"))
    }
}

fn select(user: &UserId) -> Statement {
    let mut select = Statement::new("SELECT * FROM slate_user_quotas WHERE user_id = ");
    select.bind(user.as_str());
    select
}

/// Begins the making of a quota, with `(…)` of its values.
fn make(user: &UserId, limits: &QuotaLimits, used: &QuotaUsage) -> Statement {
    let mut make = Statement::new(format!(
        "INSERT INTO slate_user_quotas AS q (user_id, version, created_at, updated_at, {}, {}) VALUES (",
        LIMITS.join(", "),
        USED.join(", ")
    ));
    make.bind(user.as_str()).sql(", 1, now(), now(), ");
    make.bind_all(limit_values(limits)).sql(", ").bind_all(usage_values(used)).sql(")");
    make
}

/// Sets the limits; keeps what is held.
pub(super) async fn set(db: &mut PgConnection, user: &UserId, limits: &QuotaLimits) -> Result<()> {
    let mut set = make(user, limits, &QuotaUsage::default());
    set.sql(" ON CONFLICT (user_id) DO UPDATE SET version = q.version + 1, updated_at = now()");
    for limit in LIMITS {
        set.sql(format_args!(", {limit} = excluded.{limit}"));
    }
    set.execute(db).await.map(drop)
}

/// Adds to what is held, where that stays within the limits: asked and done by one statement, so nobody comes between.
pub(super) async fn reserve(
    db: &mut PgConnection,
    user: &UserId,
    usage: &QuotaUsage,
    default: Option<&QuotaLimits>,
) -> Result<()> {
    let mut reserve = Statement::new("UPDATE slate_user_quotas SET version = version + 1, updated_at = now()");
    for (used, value) in USED.iter().zip(usage_values(usage)) {
        reserve.sql(format_args!(", {used} = {used} + ")).bind(value);
    }
    reserve.sql(" WHERE user_id = ").bind(user.as_str());
    for ((used, limit), value) in USED.iter().zip(LIMITS).zip(usage_values(usage)) {
        // This way round, the sum can't be too large for its type.
        reserve.sql(format_args!(" AND {used} <= {limit} - ")).bind(value);
    }
    // Once more where another made the quota in between.
    for _ in 0..2 {
        if reserve.execute(db).await? == 1 {
            return Ok(());
        }
        if let Some(row) = select(user).row(db).await? {
            let quota = read_quota(&row)?;
            return Err(over_quota(user, quota.used.plus(*usage).over(&quota.limits).unwrap_or("changing")));
        }
        let Some(limits) = default else { return Ok(()) };
        if let Some(limit) = usage.over(limits) {
            return Err(over_quota(user, limit));
        }
        let mut made = make(user, limits, usage);
        made.sql(" ON CONFLICT DO NOTHING");
        if made.execute(db).await? == 1 {
            return Ok(());
        }
    }
    Err(Error::unavailable("the quota changes too quickly").with("user", user))
}

/// Takes from what is held.
pub(super) async fn release(db: &mut PgConnection, user: &UserId, usage: &QuotaUsage) -> Result<()> {
    let mut release = Statement::new("UPDATE slate_user_quotas SET version = version + 1, updated_at = now()");
    for (used, value) in USED.iter().zip(usage_values(usage)) {
        release.sql(format_args!(", {used} = greatest({used} - ")).bind(Value::clone(&value)).sql(", 0)");
    }
    release.sql(" WHERE user_id = ").bind(user.as_str());
    release.execute(db).await.map(drop)
}
