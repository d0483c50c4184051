use super::{SqliteStore, error::PLACE, sql::Statement};
use crate::common::{
    Value,
    streams::{LIMITS, USED, limit_values, over_quota, read_quota, usage_values},
};
use async_trait::async_trait;
use slate_core::{
    Result, Timestamp, UserId,
    model::{QuotaLimits, QuotaUsage, Revision, UserQuota},
    store::QuotaStore,
};
use sqlx::{Sqlite, SqliteConnection};

#[async_trait]
impl QuotaStore for SqliteStore {
    async fn quota(&self, user: &UserId) -> Result<Option<UserQuota>> {
        find(&self.readers, user).await.map_err(|error| error.at(PLACE, "quota"))
    }
}

/// Sets the limits; keeps what is held.
pub(super) async fn set(db: &mut SqliteConnection, user: &UserId, limits: QuotaLimits, now: Timestamp) -> Result<()> {
    let quota = match find(&mut *db, user).await? {
        Some(quota) => changed(UserQuota { limits, ..quota }, now),
        None => new(user, limits, QuotaUsage::default(), now),
    };
    put(db, &quota).await
}

/// Adds to what is held. Read and written under the transaction's lock, so nobody comes between.
pub(super) async fn reserve(
    db: &mut SqliteConnection,
    user: &UserId,
    usage: QuotaUsage,
    default: Option<QuotaLimits>,
    now: Timestamp,
) -> Result<()> {
    let quota = match (find(&mut *db, user).await?, default) {
        (Some(quota), _) => changed(UserQuota { used: quota.used.plus(usage), ..quota }, now),
        (None, Some(limits)) => new(user, limits, usage, now),
        (None, None) => return Ok(()),
    };
    if let Some(limit) = quota.used.over(&quota.limits) {
        return Err(over_quota(user, limit));
    }
    put(db, &quota).await
}

/// Takes from what is held.
pub(super) async fn release(db: &mut SqliteConnection, user: &UserId, usage: QuotaUsage, now: Timestamp) -> Result<()> {
    match find(&mut *db, user).await? {
        Some(quota) => put(db, &changed(UserQuota { used: quota.used.minus(usage), ..quota }, now)).await,
        None => Ok(()),
    }
}

fn new(user: &UserId, limits: QuotaLimits, used: QuotaUsage, now: Timestamp) -> UserQuota {
    UserQuota { user_id: user.clone(), limits, used, revision: Revision::first(now) }
}

fn changed(mut quota: UserQuota, now: Timestamp) -> UserQuota {
    quota.revision.version = quota.revision.version.next();
    quota.revision.updated_at = now;
    quota
}

async fn find(db: impl sqlx::Executor<'_, Database = Sqlite>, user: &UserId) -> Result<Option<UserQuota>> {
    let mut select = Statement::new("SELECT * FROM slate_user_quotas WHERE user_id = ");
    select.bind(user.as_str());
    select.row(db).await?.as_ref().map(read_quota).transpose()
}

async fn put(db: &mut SqliteConnection, quota: &UserQuota) -> Result<()> {
    let UserQuota { user_id, limits, used, revision } = quota;
    let mut row = vec![
        Value::text(user_id),
        Value::number(revision.version.0),
        revision.created_at.into(),
        revision.updated_at.into(),
    ];
    row.extend(limit_values(limits));
    row.extend(usage_values(used));
    let mut replace = Statement::new(format!(
        "INSERT OR REPLACE INTO slate_user_quotas (user_id, version, created_at, updated_at, {}, {}) VALUES ",
        LIMITS.join(", "),
        USED.join(", "),
    ));
    replace.bind_rows([row]);
    replace.execute(db).await.map(drop)
}
