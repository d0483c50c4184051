use super::{
    SqliteStore,
    error::PLACE,
    sql::{Columns, Value},
    table::{self, Table},
};
use async_trait::async_trait;
use slate_core::{
    ProjectId, Result,
    model::{Project, Revision},
    store::{Page, PageRequest, ProjectQuery, ProjectStore},
};

impl Table for Project {
    const NAME: &'static str = "slate_projects";
    const COLUMNS: &'static [&'static str] = &["name", "description", "owner_id", "settings"];

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
            Value::text(&self.owner_id),
            Value::json(&self.settings)?,
        ])
    }

    fn read(row: &Columns<'_>, revision: Revision) -> Result<Self> {
        Ok(Self {
            id: row.id("id", ProjectId::from_u128)?,
            name: row.text("name")?,
            description: row.text("description")?,
            owner_id: row.parse("owner_id")?,
            settings: row.json("settings")?,
            revision,
        })
    }
}

#[async_trait]
impl ProjectStore for SqliteStore {
    async fn project(&self, id: ProjectId) -> Result<Project> {
        table::get(&self.readers, id).await.map_err(|error| error.with("project", id).at(PLACE, "project"))
    }

    async fn projects(&self, query: ProjectQuery, page: PageRequest) -> Result<Page<Project>> {
        let conditions = |list: &mut super::sql::Statement| {
            list.and_equal("owner_id", query.owner.map(Value::text)).and_equal("name", query.name.map(Value::Text));
        };
        table::list(&self.readers, &page, conditions).await.map_err(|error| error.at(PLACE, "projects"))
    }
}
