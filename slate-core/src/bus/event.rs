//! The events of the seeds as types: envelopes with `type`, ids, `timestamp` in milliseconds, and free `data`.

use super::{
    AssetTopic, BuildTopic, CollabTopic, EditorTopic, FileTopic, Message, ProjectTopic, RuntimeTopic, Topic, headers,
};
use crate::{
    AssetId, BuildId, Error, EventId, FileId, ProjectId, Result, SessionId, Timestamp, UserId,
    model::{Aggregate, Json, NewEvent, StoredEvent},
    unix_millis,
    wire::wire_enum,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident: $kind:ident { $($(#[$fdoc:meta])* $field:ident: $ty:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            /// What happened.
            #[serde(rename = "type")]
            pub kind: $kind,
            $($(#[$fdoc])* pub $field: $ty,)*
            /// When it happened.
            #[serde(with = "unix_millis")]
            pub timestamp: Timestamp,
            /// What more there is to say.
            #[serde(default, skip_serializing_if = "Json::is_null")]
            pub data: Json,
        }

        impl $name {
            /// An event without further data.
            pub fn new(kind: $kind, $($field: $ty,)* timestamp: Timestamp) -> Self {
                Self { kind, $($field,)* timestamp, data: Json::Null }
            }

            /// Sets what more there is to say.
            #[must_use]
            pub fn with_data(mut self, data: Json) -> Self {
                self.data = data;
                self
            }
        }
    )*};
}

wire_enum! {
    /// What happened to a project.
    ProjectEventKind {
        /// It was made.
        Created = "created",
        /// It changed.
        Updated = "updated",
        /// It was deleted.
        Deleted = "deleted",
    }
}

wire_enum! {
    /// What happened to a file.
    FileEventKind {
        /// It was made.
        Created = "created",
        /// Its record changed.
        Updated = "updated",
        /// It was deleted.
        Deleted = "deleted",
        /// Its content changed.
        ContentChanged = "content_changed",
    }
}

wire_enum! {
    /// What happened to an asset.
    AssetEventKind {
        /// It was added.
        Created = "created",
        /// It changed.
        Updated = "updated",
        /// A component was added to it.
        ComponentAdded = "component_added",
        /// Its processing goes on; `data.percent`.
        Progress = "progress",
        /// It was processed; `data.jobId`, `data.outputs`.
        Processed = "processed",
        /// Its processing failed for good; `data.error`.
        Failed = "failed",
        /// It was deleted.
        Deleted = "deleted",
    }
}

wire_enum! {
    /// What happened to a session.
    RuntimeEventKind {
        /// It runs.
        Started = "started",
        /// It ended as asked.
        Stopped = "stopped",
        /// Its state changed; `data.status`.
        Status = "status",
        /// It wrote a line; `data.level`, `data.message`.
        Log = "log",
        /// It failed or died; `data.error`.
        Error = "error",
    }
}

wire_enum! {
    /// What happened to a build.
    BuildEventKind {
        /// A worker began.
        Started = "started",
        /// It goes on; `data.percent`, `data.stage`, `data.message`.
        Progress = "progress",
        /// It is done; `data.outputPath`, `data.artifacts`.
        Completed = "completed",
        /// It failed, or was canceled (`data.canceled`); `data.error`, `data.errors`.
        Failed = "failed",
    }
}

wire_enum! {
    /// What a user did in an editor.
    EditorEventKind {
        /// Opened a file.
        Opened = "opened",
        /// Moved the cursor; `data.position`.
        Cursor = "cursor",
    }
}

wire_enum! {
    /// What a user did with others.
    CollabEventKind {
        /// Joined a project.
        Joined = "joined",
        /// Left a project.
        Left = "left",
        /// Is still there, each 5 s; `data.location`.
        Presence = "presence",
    }
}

events! {
    /// Something happened to a project.
    ProjectEvent: ProjectEventKind {
        /// The project.
        project_id: ProjectId,
        /// Who did it.
        user_id: UserId,
    }

    /// Something happened to a file.
    FileEvent: FileEventKind {
        /// The file.
        file_id: FileId,
        /// Its project.
        project_id: ProjectId,
        /// Who did it.
        user_id: UserId,
    }

    /// Something happened to an asset.
    AssetEvent: AssetEventKind {
        /// The asset.
        asset_id: AssetId,
        /// Its project.
        project_id: ProjectId,
        /// Who did it.
        user_id: UserId,
    }

    /// Something happened to a runtime session.
    RuntimeEvent: RuntimeEventKind {
        /// The session.
        session_id: SessionId,
        /// Its project.
        project_id: ProjectId,
    }

    /// Something happened to a build.
    BuildEvent: BuildEventKind {
        /// The build.
        build_id: BuildId,
        /// Its project.
        project_id: ProjectId,
        /// Who asked for it.
        user_id: UserId,
    }

    /// Somebody did something in an editor.
    EditorEvent: EditorEventKind {
        /// Who.
        user_id: UserId,
        /// In which file.
        file_id: FileId,
    }

    /// Somebody did something with others.
    CollabEvent: CollabEventKind {
        /// The project.
        project_id: ProjectId,
        /// Who.
        user_id: UserId,
    }
}

/// Any event.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Event {
    /// About a project.
    Project(ProjectEvent),
    /// About a file.
    File(FileEvent),
    /// About an asset.
    Asset(AssetEvent),
    /// About a session.
    Runtime(RuntimeEvent),
    /// About a build.
    Build(BuildEvent),
    /// About an editor.
    Editor(EditorEvent),
    /// About people.
    Collab(CollabEvent),
}

macro_rules! into_event {
    ($($variant:ident($name:ident)),*) => {$(
        impl From<$name> for Event {
            fn from(event: $name) -> Self {
                Self::$variant(event)
            }
        }
    )*};
}

into_event!(
    Project(ProjectEvent),
    File(FileEvent),
    Asset(AssetEvent),
    Runtime(RuntimeEvent),
    Build(BuildEvent),
    Editor(EditorEvent),
    Collab(CollabEvent)
);

impl Event {
    /// Where it is published.
    pub fn topic(&self) -> Topic {
        match self {
            Self::Project(e) => Topic::Project(match e.kind {
                ProjectEventKind::Created => ProjectTopic::Created(e.user_id.clone()),
                ProjectEventKind::Updated => ProjectTopic::Updated(e.project_id),
                ProjectEventKind::Deleted => ProjectTopic::Deleted(e.project_id),
            }),
            Self::File(e) => Topic::File(match e.kind {
                FileEventKind::Created => FileTopic::Created(e.project_id),
                FileEventKind::Updated => FileTopic::Updated(e.file_id),
                FileEventKind::Deleted => FileTopic::Deleted(e.file_id),
                FileEventKind::ContentChanged => FileTopic::ContentChanged(e.file_id),
            }),
            Self::Asset(e) => Topic::Asset(match e.kind {
                AssetEventKind::Created => AssetTopic::Created(e.project_id),
                AssetEventKind::Updated => AssetTopic::Updated(e.asset_id),
                AssetEventKind::ComponentAdded => AssetTopic::ComponentAdded(e.asset_id),
                AssetEventKind::Progress => AssetTopic::Progress(e.asset_id),
                AssetEventKind::Processed => AssetTopic::Processed(e.asset_id),
                AssetEventKind::Failed => AssetTopic::Failed(e.asset_id),
                AssetEventKind::Deleted => AssetTopic::Deleted(e.asset_id),
            }),
            Self::Runtime(e) => Topic::Runtime(match e.kind {
                RuntimeEventKind::Started => RuntimeTopic::Started(e.session_id),
                RuntimeEventKind::Stopped => RuntimeTopic::Stopped(e.session_id),
                RuntimeEventKind::Status => RuntimeTopic::Status(e.session_id),
                RuntimeEventKind::Log => RuntimeTopic::Log(e.session_id),
                RuntimeEventKind::Error => RuntimeTopic::Error(e.session_id),
            }),
            Self::Build(e) => Topic::Build(match e.kind {
                BuildEventKind::Started => BuildTopic::Started(e.project_id),
                BuildEventKind::Progress => BuildTopic::Progress(e.project_id),
                BuildEventKind::Completed => BuildTopic::Completed(e.project_id),
                BuildEventKind::Failed => BuildTopic::Failed(e.project_id),
            }),
            Self::Editor(e) => Topic::Editor(match e.kind {
                EditorEventKind::Opened => EditorTopic::Opened(e.user_id.clone(), e.file_id),
                EditorEventKind::Cursor => EditorTopic::Cursor(e.user_id.clone(), e.file_id),
            }),
            Self::Collab(e) => Topic::Collab(match e.kind {
                CollabEventKind::Joined => CollabTopic::Joined(e.project_id),
                CollabEventKind::Left => CollabTopic::Left(e.project_id),
                CollabEventKind::Presence => CollabTopic::Presence(e.project_id),
            }),
        }
    }

    /// When it happened.
    pub const fn timestamp(&self) -> Timestamp {
        match self {
            Self::Project(e) => e.timestamp,
            Self::File(e) => e.timestamp,
            Self::Asset(e) => e.timestamp,
            Self::Runtime(e) => e.timestamp,
            Self::Build(e) => e.timestamp,
            Self::Editor(e) => e.timestamp,
            Self::Collab(e) => e.timestamp,
        }
    }

    /// Reads the event that a message carries, and checks that it is of the message's subject.
    ///
    /// # Errors
    /// `Invalid` for a subject that carries no event, a malformed payload, or one that belongs to another subject.
    pub fn parse(message: &Message) -> Result<Self> {
        fn read<T: DeserializeOwned + Into<Event>>(message: &Message) -> Result<Event> {
            message.parse::<T>().map(Into::into)
        }
        let event = match Topic::parse(&message.subject)? {
            Topic::Project(_) => read::<ProjectEvent>(message),
            Topic::File(_) => read::<FileEvent>(message),
            Topic::Asset(AssetTopic::Log(_) | AssetTopic::Jobs())
            | Topic::Build(BuildTopic::Log(_) | BuildTopic::Jobs())
            | Topic::Container(_) => {
                Err(Error::invalid("this subject carries no event").with("subject", &message.subject))
            }
            Topic::Asset(_) => read::<AssetEvent>(message),
            Topic::Runtime(_) => read::<RuntimeEvent>(message),
            Topic::Build(_) => read::<BuildEvent>(message),
            Topic::Editor(_) => read::<EditorEvent>(message),
            Topic::Collab(_) => read::<CollabEvent>(message),
        }?;
        if event.topic().subject() != message.subject {
            return Err(Error::invalid("the event belongs to another subject").with("subject", &message.subject));
        }
        Ok(event)
    }

    /// The message that carries it, without an id: for events that nobody stored.
    ///
    /// # Errors
    /// `Invalid` where its data is no JSON.
    pub fn to_message(&self) -> Result<Message> {
        Message::json(self.topic().subject(), self)
    }

    /// The event in the form in which it is stored with the change that it tells of.
    ///
    /// # Errors
    /// `Invalid` where its data is no JSON.
    pub fn to_stored(&self, aggregate: Option<Aggregate>) -> Result<NewEvent> {
        let payload = serde_json::to_value(self).map_err(|e| Error::invalid("the event is no JSON").because(e))?;
        Ok(NewEvent {
            id: EventId::new(),
            subject: self.topic().subject(),
            payload,
            aggregate,
            headers: std::collections::BTreeMap::new(),
            at: self.timestamp(),
        })
    }
}

impl StoredEvent {
    /// The message by which the relay publishes it: the envelope, and its id, aggregate and version as headers.
    ///
    /// # Errors
    /// `Invalid` where the payload is no JSON.
    pub fn to_message(&self) -> Result<Message> {
        let mut message = Message::json(self.event.subject.clone(), &self.event.payload)?;
        message.headers.clone_from(&self.event.headers);
        message.headers.insert(headers::ID.into(), self.event.id.to_string());
        if let Some(aggregate) = &self.event.aggregate {
            message.headers.insert(headers::AGGREGATE.into(), aggregate.name.clone());
            message.headers.insert(headers::VERSION.into(), aggregate.version.to_string());
        }
        Ok(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::Subject;

    #[test]
    fn envelopes_are_as_the_seed_has_them() {
        let event = ProjectEvent::new(
            ProjectEventKind::Created,
            ProjectId::from_u128(1),
            UserId::new("user456").unwrap(),
            Timestamp::from_millis(1_761_748_200_123),
        );
        let message = Event::from(event).to_message().unwrap();
        assert_eq!(message.subject.as_str(), "slate.project.created.user456");
        let json: Json = message.parse().unwrap();
        assert_eq!(json["type"], "created");
        assert_eq!(json["projectId"], "00000000-0000-0000-0000-000000000001");
        assert_eq!(json["timestamp"], 1_761_748_200_123_i64);
        assert!(json.get("data").is_none());
    }

    #[test]
    fn every_kind_of_event_is_read_back() {
        let (user, now) = (UserId::new("u").unwrap(), Timestamp::from_millis(5));
        let (project, file, asset) = (ProjectId::new(), FileId::new(), AssetId::new());
        let mut events: Vec<Event> = Vec::new();
        events.extend(ProjectEventKind::ALL.iter().map(|&k| ProjectEvent::new(k, project, user.clone(), now).into()));
        events.extend(FileEventKind::ALL.iter().map(|&k| FileEvent::new(k, file, project, user.clone(), now).into()));
        events
            .extend(AssetEventKind::ALL.iter().map(|&k| AssetEvent::new(k, asset, project, user.clone(), now).into()));
        events
            .extend(RuntimeEventKind::ALL.iter().map(|&k| RuntimeEvent::new(k, SessionId::new(), project, now).into()));
        events.extend(
            BuildEventKind::ALL.iter().map(|&k| BuildEvent::new(k, BuildId::new(), project, user.clone(), now).into()),
        );
        events.extend(EditorEventKind::ALL.iter().map(|&k| EditorEvent::new(k, user.clone(), file, now).into()));
        events.extend(CollabEventKind::ALL.iter().map(|&k| CollabEvent::new(k, project, user.clone(), now).into()));
        assert_eq!(events.len(), 28);
        for event in events {
            assert_eq!(Event::parse(&event.to_message().unwrap()).unwrap(), event);
        }
    }

    #[test]
    fn an_event_on_a_foreign_subject_is_refused() {
        let event = RuntimeEvent::new(RuntimeEventKind::Started, SessionId::new(), ProjectId::new(), Timestamp::EPOCH);
        let mut message = Event::from(event).to_message().unwrap();
        message.subject = Subject::new(format!("slate.runtime.started.{}", SessionId::new())).unwrap();
        assert!(Event::parse(&message).is_err());
        message.payload = "{}".into();
        assert!(Event::parse(&message).is_err());
    }
}
