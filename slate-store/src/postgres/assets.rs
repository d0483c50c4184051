use super::{PgStore, error::PLACE};
use async_trait::async_trait;
use slate_core::{
    AssetId, AssetJobId, Result,
    model::{Asset, AssetJob},
    store::{AssetJobQuery, AssetQuery, AssetStore, Page, PageRequest},
};

#[async_trait]
impl AssetStore for PgStore {
    async fn asset(&self, id: AssetId) -> Result<Asset> {
        self.get(id).await.map_err(|error| error.with("asset", id).at(PLACE, "asset"))
    }

    async fn assets(&self, query: AssetQuery, page: PageRequest) -> Result<Page<Asset>> {
        self.list(query, &page).await.map_err(|error| error.at(PLACE, "assets"))
    }

    async fn asset_job(&self, id: AssetJobId) -> Result<AssetJob> {
        self.get(id).await.map_err(|error| error.with("job", id).at(PLACE, "asset_job"))
    }

    async fn asset_jobs(&self, query: AssetJobQuery, page: PageRequest) -> Result<Page<AssetJob>> {
        self.list(query, &page).await.map_err(|error| error.at(PLACE, "asset_jobs"))
    }
}
