use super::Journal;
use crate::{
    BuildId, ErrorKind, PoolMemberId, Result, SessionId, Timestamp,
    runtime::{Instance, ListOptions, RuntimeBackend, RuntimeBackendExt, labels},
};
use std::{collections::BTreeMap, time::Duration};

/// Removes instances of this deployment that nobody needs: of sessions and builds that have ended or aren't there, of members
/// of pools that aren't there, and of earlier attempts at a build. Younger ones than `grace` are spared: their record may just be being written.
///
/// Doing it twice, or from two services at a time, is as good as once.
pub(super) async fn sweep(
    journal: &Journal,
    runtime: &dyn RuntimeBackend,
    deployment: &str,
    grace: Duration,
) -> Result<usize> {
    let ours = BTreeMap::from([(labels::DEPLOYMENT.to_owned(), deployment.to_owned())]);
    let old = journal.now() - grace;
    let mut removed = 0;
    for instance in runtime.list_all(ListOptions::default().with_labels(ours)).await? {
        if is_orphan(journal, &instance, old).await? {
            tracing::info!(instance = %instance.id, name = instance.name, "removes an orphaned instance");
            runtime.remove_if_there(&instance.id).await?;
            metrics::counter!("slate_orphans_removed_total").increment(1);
            removed += 1;
        }
    }
    Ok(removed)
}

async fn is_orphan(journal: &Journal, instance: &Instance, old: Timestamp) -> Result<bool> {
    if instance.created_at > old {
        return Ok(false);
    }
    let store = journal.store();
    if let Some(id) = label::<SessionId>(instance, labels::SESSION) {
        return match store.session(id).await {
            Ok(session) => Ok(session.status.is_final()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error),
        };
    }
    if let Some(id) = label::<BuildId>(instance, labels::BUILD) {
        let generation = label::<u32>(instance, labels::GENERATION);
        return match store.build(id).await {
            Ok(build) => Ok(build.status.is_final() || generation != Some(build.lease.attempt)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error),
        };
    }
    if let Some(id) = label::<PoolMemberId>(instance, labels::MEMBER) {
        // One that has a record is its keeper's.
        return match store.pool_member(id).await {
            Ok(_) => Ok(false),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error),
        };
    }
    Ok(true)
}

fn label<T: std::str::FromStr>(instance: &Instance, key: &str) -> Option<T> {
    instance.labels.get(key)?.parse().ok()
}
