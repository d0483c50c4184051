//! The truth: [`Store`], one small trait for each subject, and [`ChangeSet`], by which everything is written.

mod changes;
pub mod check;
mod page;
mod query;
mod traits;

pub use changes::{Applied, Change, ChangeSet, Fence, Idempotency, Record, RecordId};
pub use page::{Cursor, Order, Page, PageRequest};
pub use query::{
    AssetJobQuery, AssetQuery, AuditQuery, BuildQuery, Claim, CounterQuery, EventQuery, FileQuery, Held, JobRef,
    LogQuery, MemberClaim, MetricQuery, PoolMemberQuery, ProjectQuery, Queue, SessionQuery, TemplateQuery,
};
pub use traits::{
    AnalyticsStore, AssetStore, AuditStore, BuildStore, ChangeStore, EventStore, FileStore, JobStore, LogStore,
    MetricStore, PoolStore, ProjectStore, QuotaStore, SessionStore, Store, StoreExt, TemplateStore,
};
