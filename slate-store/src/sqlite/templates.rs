use super::{
    SqliteStore,
    error::PLACE,
    sql::{Columns, Statement, Value},
    table::{self, Table},
};
use async_trait::async_trait;
use slate_core::{
    Result, TemplateId,
    model::{Revision, Template},
    store::{Page, PageRequest, TemplateQuery, TemplateStore},
};

impl Table for Template {
    const NAME: &'static str = "slate_container_templates";
    const COLUMNS: &'static [&'static str] =
        &["name", "description", "category", "tags", "config", "is_public", "created_by"];

    fn bits(&self) -> u128 {
        self.id.as_u128()
    }

    fn revision(&self) -> &Revision {
        &self.revision
    }

    fn values(&self) -> Result<Vec<Value>> {
        Ok(vec![
            Value::text(&self.name),
            Value::text(&self.description),
            Value::text(self.category),
            Value::json(&self.tags)?,
            Value::json(&self.config)?,
            self.is_public.into(),
            Value::text(&self.created_by),
        ])
    }

    fn read(row: &Columns<'_>, revision: Revision) -> Result<Self> {
        Ok(Self {
            id: row.id("id", TemplateId::from_u128)?,
            name: row.text("name")?,
            description: row.text("description")?,
            category: row.parse("category")?,
            tags: row.json("tags")?,
            config: row.json("config")?,
            is_public: row.flag("is_public")?,
            created_by: row.parse("created_by")?,
            revision,
        })
    }
}

#[async_trait]
impl TemplateStore for SqliteStore {
    async fn template(&self, id: TemplateId) -> Result<Template> {
        table::get(&self.readers, id).await.map_err(|error| error.with("template", id).at(PLACE, "template"))
    }

    async fn templates(&self, query: TemplateQuery, page: PageRequest) -> Result<Page<Template>> {
        let conditions = |list: &mut Statement| {
            if let Some(user) = &query.visible_to {
                list.sql(" AND (is_public OR created_by = ").bind(Value::text(user)).sql(")");
            }
            list.and_equal("category", query.category.map(Value::text));
        };
        table::list(&self.readers, &page, conditions).await.map_err(|error| error.at(PLACE, "templates"))
    }
}
