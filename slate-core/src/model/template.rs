use super::Revision;
use crate::{TemplateId, Timestamp, UserId, runtime::RuntimeSpec, wire::wire_enum};
use serde::{Deserialize, Serialize};

wire_enum! {
    /// What a template is for.
    TemplateCategory {
        /// Programs.
        Runtime = "runtime",
        /// Databases.
        Database = "database",
        /// Static files.
        Static = "static",
        /// Whole systems.
        System = "system",
    }
}

/// A spec to start sessions from (`slate_container_templates`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Template {
    /// Its id.
    pub id: TemplateId,
    /// Its name: 1 to 200 characters, unique among its maker's live templates.
    pub name: String,
    /// What it is about.
    #[serde(default)]
    pub description: String,
    /// What it is for.
    pub category: TemplateCategory,
    /// Words to find it by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// What sessions are made from; its image is the template's.
    pub config: RuntimeSpec,
    /// Whether everybody sees it.
    pub is_public: bool,
    /// Who made it.
    pub created_by: UserId,
    /// Its history.
    #[serde(flatten)]
    pub revision: Revision,
}

impl Template {
    /// A new private template.
    pub fn new(
        name: impl Into<String>,
        category: TemplateCategory,
        config: RuntimeSpec,
        created_by: UserId,
        now: Timestamp,
    ) -> Self {
        Self {
            id: TemplateId::new(),
            name: name.into(),
            description: String::new(),
            category,
            tags: Vec::new(),
            config,
            is_public: false,
            created_by,
            revision: Revision::first(now),
        }
    }
}
