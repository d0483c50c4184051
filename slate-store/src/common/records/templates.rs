use crate::common::{Columns, Dialect, Kind, Statement, Value, table::Table};
use slate_core::{
    Result, TemplateId,
    model::{Revision, Template},
    store::TemplateQuery,
};

impl Table for Template {
    const NAME: &'static str = "slate_container_templates";
    const COLUMNS: &'static [(&'static str, Kind)] = &[
        ("name", Kind::Text),
        ("description", Kind::Text),
        ("category", Kind::Text),
        ("tags", Kind::Json),
        ("config", Kind::Json),
        ("is_public", Kind::Flag),
        ("created_by", Kind::Text),
    ];
    type Query = TemplateQuery;

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

    fn read<R: Columns>(row: &R, revision: Revision) -> Result<Self> {
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

    fn conditions<D: Dialect>(query: TemplateQuery, list: &mut Statement<D>) {
        if let Some(user) = &query.visible_to {
            list.sql(" AND (is_public OR created_by = ").bind(Value::text(user)).sql(")");
        }
        list.and_equal("category", query.category.map(Value::text));
    }
}
