use super::{Json, Revision};
use crate::{Error, ProjectId, Result, Timestamp, UserId};
use serde::{Deserialize, Serialize};

/// A game project (`slate_projects`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// Its name: 1 to 200 characters.
    pub name: String,
    /// What it is about; may be empty, up to 10 000 characters.
    #[serde(default)]
    pub description: String,
    /// Who owns it.
    pub owner_id: UserId,
    /// Free settings, for example the engine and the project's folder; an object.
    #[serde(default)]
    pub settings: Json,
    /// Its history.
    #[serde(flatten)]
    pub revision: Revision,
}

impl Project {
    /// A new project.
    pub fn new(name: impl Into<String>, owner_id: UserId, now: Timestamp) -> Self {
        Self {
            id: ProjectId::new(),
            name: name.into(),
            description: String::new(),
            owner_id,
            settings: Json::Object(serde_json::Map::new()),
            revision: Revision::first(now),
        }
    }

    /// Checks the lengths and that the settings are an object.
    ///
    /// # Errors
    /// `Invalid`, naming the field.
    pub fn validate(&self) -> Result<()> {
        let length = self.name.chars().count();
        if !(1..=200).contains(&length) || self.name.trim().is_empty() {
            return Err(Error::invalid("a project's name is 1 to 200 characters").with("length", length));
        }
        if self.description.chars().count() > 10_000 {
            return Err(Error::limit_exceeded("a project's description is up to 10000 characters"));
        }
        if !self.settings.is_object() {
            return Err(Error::invalid("a project's settings are a JSON object"));
        }
        Ok(())
    }
}
