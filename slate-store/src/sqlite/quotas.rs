use super::{
    SqliteStore,
    error::PLACE,
    sql::{Columns, Statement, Value},
};
use async_trait::async_trait;
use slate_core::{
    Error, Result, Timestamp, UserId, Version,
    model::{QuotaLimits, QuotaUsage, Revision, UserQuota},
    runtime::{Cpus, MemorySize},
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
        return Err(Error::resource_exhausted("the user's quota is used up").with("user", user).with("limit", limit));
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
    let Some(row) = select.bind(user.as_str()).row(db).await? else { return Ok(None) };
    let row = Columns(&row);
    Ok(Some(UserQuota {
        user_id: row.parse("user_id")?,
        limits: QuotaLimits {
            max_containers: row.number("max_containers")?,
            max_memory: MemorySize::from_bytes(row.number("max_memory")?),
            max_cpu: Cpus::from_millis(row.number("max_cpu_millis")?),
            max_storage: MemorySize::from_bytes(row.number("max_storage")?),
        },
        used: QuotaUsage {
            containers: row.number("used_containers")?,
            memory: row.number("used_memory")?,
            cpu_millis: row.number("used_cpu_millis")?,
            storage: row.number("used_storage")?,
        },
        revision: Revision {
            version: Version(row.number("version")?),
            created_at: row.time("created_at")?,
            updated_at: row.time("updated_at")?,
            deleted_at: None,
        },
    }))
}

async fn put(db: &mut SqliteConnection, quota: &UserQuota) -> Result<()> {
    let UserQuota { user_id, limits, used, revision } = quota;
    let row = vec![
        Value::text(user_id),
        Value::number(revision.version.0),
        revision.created_at.into(),
        revision.updated_at.into(),
        Value::Int(limits.max_containers.into()),
        Value::number(limits.max_memory.bytes()),
        Value::Int(limits.max_cpu.millis().into()),
        Value::number(limits.max_storage.bytes()),
        Value::Int(used.containers.into()),
        Value::number(used.memory),
        Value::number(used.cpu_millis),
        Value::number(used.storage),
    ];
    let mut replace = Statement::new(
        "INSERT OR REPLACE INTO slate_user_quotas (user_id, version, created_at, updated_at, \
         max_containers, max_memory, max_cpu_millis, max_storage, \
         used_containers, used_memory, used_cpu_millis, used_storage) VALUES ",
    );
    replace.bind_rows([row]).execute(db).await.map(drop)
}
