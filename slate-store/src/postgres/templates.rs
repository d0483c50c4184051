use super::{PgStore, error::PLACE};
use async_trait::async_trait;
use slate_core::{
    Result, TemplateId,
    model::Template,
    store::{Page, PageRequest, TemplateQuery, TemplateStore},
};

#[async_trait]
impl TemplateStore for PgStore {
    async fn template(&self, id: TemplateId) -> Result<Template> {
        self.get(id).await.map_err(|error| error.with("template", id).at(PLACE, "template"))
    }

    async fn templates(&self, query: TemplateQuery, page: PageRequest) -> Result<Page<Template>> {
        self.list(query, &page).await.map_err(|error| error.at(PLACE, "templates"))
    }
}
