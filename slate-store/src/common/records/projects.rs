use crate::common::{Columns, Dialect, Kind, Statement, Value, table::Table};
use slate_core::{
    ProjectId, Result,
    model::{Project, Revision},
    store::ProjectQuery,
};

impl Table for Project {
    const NAME: &'static str = "slate_projects";
    const COLUMNS: &'static [(&'static str, Kind)] =
        &[("name", Kind::Text), ("description", Kind::Text), ("owner_id", Kind::Text), ("settings", Kind::Json)];
    type Query = ProjectQuery;

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

    fn read<R: Columns>(row: &R, revision: Revision) -> Result<Self> {
        Ok(Self {
            id: row.id("id", ProjectId::from_u128)?,
            name: row.text("name")?,
            description: row.text("description")?,
            owner_id: row.parse("owner_id")?,
            settings: row.json("settings")?,
            revision,
        })
    }

    fn conditions<D: Dialect>(query: ProjectQuery, list: &mut Statement<D>) {
        list.and_equal("owner_id", query.owner.map(Value::text)).and_equal("name", query.name.map(Value::Text));
    }
}
