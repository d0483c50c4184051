use super::{PgStore, error::PLACE};
use async_trait::async_trait;
use slate_core::{
    Result, SessionId,
    model::RuntimeSession,
    store::{Page, PageRequest, SessionQuery, SessionStore},
};

#[async_trait]
impl SessionStore for PgStore {
    async fn session(&self, id: SessionId) -> Result<RuntimeSession> {
        self.get(id).await.map_err(|error| error.with("session", id).at(PLACE, "session"))
    }

    async fn sessions(&self, query: SessionQuery, page: PageRequest) -> Result<Page<RuntimeSession>> {
        self.list(query, &page).await.map_err(|error| error.at(PLACE, "sessions"))
    }
}
