use crate::{
    Result,
    model::SessionState,
    store::{PageRequest, ProjectQuery, RecordId, SessionQuery, Store},
};
use futures_util::{StreamExt, stream};

/// Records that are read at a time.
const AT_A_TIME: usize = 16;

/// Reads what is likely to be asked for next through `reads`, a store behind a [`Cached`](super::Cached): the sessions that
/// haven't ended and the newest projects, up to `most` of each, at most 1000. So a service that starts finds its cache warm. How
/// many were read.
///
/// # Errors
/// Those of the lists; a record that can't be read is left to whoever asks for it.
pub async fn warm(reads: &dyn Store, most: u32) -> Result<usize> {
    let page = PageRequest::newest(most.clamp(1, PageRequest::MAX_LIMIT));
    let live = SessionState::ALL.iter().copied().filter(|state| !state.is_final()).collect();
    let sessions = reads.sessions(SessionQuery::all().in_states(live), page.clone()).await?.items;
    let projects = reads.projects(ProjectQuery::all(), page).await?.items;
    let ids = sessions.iter().map(|session| RecordId::from(session.id)).chain(projects.iter().map(|p| p.id.into()));
    let read = stream::iter(ids).map(|id| async move {
        match id {
            RecordId::Session(id) => reads.session(id).await.is_ok(),
            RecordId::Project(id) => reads.project(id).await.is_ok(),
            _ => false,
        }
    });
    Ok(read.buffer_unordered(AT_A_TIME).filter(|read| std::future::ready(*read)).count().await)
}
