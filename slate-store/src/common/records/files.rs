use crate::common::{Columns, Dialect, Kind, Statement, Value, table::Table};
use slate_core::{
    Error, FileId, ProjectId, Result,
    model::{FileContent, FileRecord, Revision},
    store::FileQuery,
};

impl Table for FileRecord {
    const NAME: &'static str = "slate_files";
    const COLUMNS: &'static [(&'static str, Kind)] = &[
        ("project_id", Kind::Id),
        ("path", Kind::Text),
        ("content", Kind::Text),
        ("blob", Kind::Text),
        ("size", Kind::Int),
        ("sha256", Kind::Text),
        ("mime_type", Kind::Text),
        ("encoding", Kind::Text),
    ];
    const OWNERS: &'static [(&'static str, &'static str)] = &[("project_id", "slate_projects")];
    type Query = FileQuery;

    fn bits(&self) -> u128 {
        self.id.as_u128()
    }

    fn revision(&self) -> &Revision {
        &self.revision
    }

    fn values(&self) -> Result<Vec<Value>> {
        let (content, blob) = match &self.content {
            FileContent::Inline(text) => (Value::text(text), Value::Null),
            FileContent::Blob(key) => (Value::Null, Value::text(key)),
            other => {
                return Err(
                    Error::unsupported("this store can't keep such content").with("content", format!("{other:?}"))
                );
            }
        };
        Ok(vec![
            self.project_id.into(),
            Value::text(&self.path),
            content,
            blob,
            Value::number(self.size),
            Value::text(&self.sha256),
            Value::text(&self.mime_type),
            Value::text(self.encoding),
        ])
    }

    fn read<R: Columns>(row: &R, revision: Revision) -> Result<Self> {
        let content = match row.maybe_parse("blob")? {
            Some(key) => FileContent::Blob(key),
            None => FileContent::Inline(row.text("content")?),
        };
        Ok(Self {
            id: row.id("id", FileId::from_u128)?,
            project_id: row.id("project_id", ProjectId::from_u128)?,
            path: row.parse("path")?,
            content,
            size: row.number("size")?,
            sha256: row.parse("sha256")?,
            mime_type: row.text("mime_type")?,
            encoding: row.parse("encoding")?,
            revision,
        })
    }

    fn conditions<D: Dialect>(query: FileQuery, list: &mut Statement<D>) {
        list.and_equal("project_id", query.project).and_starts_with("path", query.prefix);
    }
}
