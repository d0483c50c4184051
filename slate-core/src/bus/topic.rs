use super::{Subject, SubjectFilter};
use crate::{AssetId, AssetJobId, BuildId, Error, FileId, ProjectId, Result, SessionId, UserId};
use std::str::FromStr;

/// Every subject of SLATE, built by [`subject`](Self::subject) and read back by [`parse`](Self::parse).
///
/// All follow `slate.{resource}.{action}.{identifier}` (seed 003). In an identifier that others name (a user's), a dot is
/// written `%2E` and a per cent sign `%25`, so that it stays one token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Topic {
    /// `slate.project.…`
    Project(ProjectTopic),
    /// `slate.file.…`
    File(FileTopic),
    /// `slate.asset.…`
    Asset(AssetTopic),
    /// `slate.runtime.…`
    Runtime(RuntimeTopic),
    /// `slate.build.…`
    Build(BuildTopic),
    /// `slate.container.…`: commands, answered by the orchestrator.
    Container(ContainerTopic),
    /// `slate.editor.…`
    Editor(EditorTopic),
    /// `slate.collab.…`
    Collab(CollabTopic),
}

impl Topic {
    /// The subject.
    pub fn subject(&self) -> Subject {
        let rest = match self {
            Self::Project(topic) => topic.tokens(),
            Self::File(topic) => topic.tokens(),
            Self::Asset(topic) => topic.tokens(),
            Self::Runtime(topic) => topic.tokens(),
            Self::Build(topic) => topic.tokens(),
            Self::Container(topic) => topic.tokens(),
            Self::Editor(topic) => topic.tokens(),
            Self::Collab(topic) => topic.tokens(),
        };
        // Ids are checked when they are made and escaped here, so what they are joined to is sound.
        Subject::from_checked(format!("slate.{rest}"))
    }

    /// Reads a subject back.
    ///
    /// # Errors
    /// `Invalid` for a subject that isn't one of SLATE's, or whose identifier is malformed.
    pub fn parse(subject: &Subject) -> Result<Self> {
        let tokens: Vec<_> = subject.tokens().collect();
        let found = match tokens.as_slice() {
            ["slate", "project", rest @ ..] => ProjectTopic::read(rest).map(Self::Project),
            ["slate", "file", rest @ ..] => FileTopic::read(rest).map(Self::File),
            ["slate", "asset", rest @ ..] => AssetTopic::read(rest).map(Self::Asset),
            ["slate", "runtime", rest @ ..] => RuntimeTopic::read(rest).map(Self::Runtime),
            ["slate", "build", rest @ ..] => BuildTopic::read(rest).map(Self::Build),
            ["slate", "container", rest @ ..] => ContainerTopic::read(rest).map(Self::Container),
            ["slate", "editor", rest @ ..] => EditorTopic::read(rest).map(Self::Editor),
            ["slate", "collab", rest @ ..] => CollabTopic::read(rest).map(Self::Collab),
            _ => None,
        };
        found.ok_or_else(|| Error::invalid("not a subject of SLATE").with("subject", subject))
    }
}

macro_rules! topics {
    ($($(#[$doc:meta])* $name:ident in $resource:literal {
        $($(#[$vdoc:meta])* $variant:ident($($id:ident: $ty:ty),*) = [$($token:tt),*],)*
    })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$vdoc])* $variant($($ty),*),)*
        }

        impl $name {
            fn tokens(&self) -> String {
                match self {
                    $(Self::$variant($($id),*) => {
                        let mut text = String::from($resource);
                        $(topics!(@write text, $token);)*
                        text
                    })*
                }
            }

            #[allow(unused_variables, reason = "topics without an identifier bind none")]
            fn read(tokens: &[&str]) -> Option<Self> {
                $(if let [$(topics!(@pattern $token)),*] = tokens {
                    if $(topics!(@fits $token))&&* {
                        return Some(Self::$variant($(unescape($id)?),*));
                    }
                })*
                None
            }
        }
    )*};
    (@write $text:ident, $literal:literal) => { $text.push('.'); $text.push_str($literal); };
    (@write $text:ident, $id:ident) => { $text.push('.'); $text.push_str(&escape($id)); };
    (@pattern $literal:literal) => { $literal };
    (@pattern $id:ident) => { $id };
    (@fits $literal:literal) => { true };
    (@fits $id:ident) => { !$id.is_empty() };
}

fn escape(id: &impl ToString) -> String {
    id.to_string().replace('%', "%25").replace('.', "%2E")
}

fn unescape<T: FromStr>(token: &str) -> Option<T> {
    token.replace("%2E", ".").replace("%25", "%").parse().ok()
}

topics! {
    /// What happens to projects.
    ProjectTopic in "project" {
        /// A user made a project.
        Created(user: UserId) = ["created", user],
        /// A project changed.
        Updated(project: ProjectId) = ["updated", project],
        /// A project was deleted.
        Deleted(project: ProjectId) = ["deleted", project],
    }

    /// What happens to files.
    FileTopic in "file" {
        /// A file was made in a project.
        Created(project: ProjectId) = ["created", project],
        /// A file's record changed.
        Updated(file: FileId) = ["updated", file],
        /// A file's content changed.
        ContentChanged(file: FileId) = ["content_changed", file],
        /// A file was deleted.
        Deleted(file: FileId) = ["deleted", file],
    }

    /// What happens to assets.
    AssetTopic in "asset" {
        /// An asset came to a project.
        Created(project: ProjectId) = ["created", project],
        /// An asset changed.
        Updated(asset: AssetId) = ["updated", asset],
        /// A component was added to an asset.
        ComponentAdded(asset: AssetId) = ["component", "added", asset],
        /// The processing of an asset goes on.
        Progress(asset: AssetId) = ["progress", asset],
        /// An asset was processed.
        Processed(asset: AssetId) = ["processed", asset],
        /// The processing of an asset failed for good.
        Failed(asset: AssetId) = ["failed", asset],
        /// An asset was deleted.
        Deleted(asset: AssetId) = ["deleted", asset],
        /// There are new jobs; wakes the workers.
        Jobs() = ["jobs"],
        /// A log line of an asset job.
        Log(job: AssetJobId) = [job, "log"],
    }

    /// What happens to runtime sessions.
    RuntimeTopic in "runtime" {
        /// A session runs.
        Started(session: SessionId) = ["started", session],
        /// A session ended as asked.
        Stopped(session: SessionId) = ["stopped", session],
        /// A session's state changed; as a request, asks for the state.
        Status(session: SessionId) = ["status", session],
        /// A log line of a session.
        Log(session: SessionId) = ["log", session],
        /// A session failed or died.
        Error(session: SessionId) = ["error", session],
    }

    /// What happens to builds.
    BuildTopic in "build" {
        /// A worker began.
        Started(project: ProjectId) = ["started", project],
        /// It goes on.
        Progress(project: ProjectId) = ["progress", project],
        /// It is done.
        Completed(project: ProjectId) = ["completed", project],
        /// It failed or was canceled.
        Failed(project: ProjectId) = ["failed", project],
        /// There is a new job; wakes the workers.
        Jobs() = ["jobs"],
        /// A log line of a build.
        Log(build: BuildId) = [build, "log"],
    }

    /// Commands for the orchestrator, each answered.
    ContainerTopic in "container" {
        /// Start the session.
        Start(session: SessionId) = ["start", session],
        /// Stop the session.
        Stop(session: SessionId) = ["stop", session],
        /// Stop the session and start it again.
        Restart(session: SessionId) = ["restart", session],
        /// Run a command in the session.
        Execute(session: SessionId) = ["execute", session],
        /// Measure the session.
        Stats(session: SessionId) = ["stats", session],
    }

    /// What users do in editors.
    EditorTopic in "editor" {
        /// A user opened a file.
        Opened(user: UserId, file: FileId) = ["opened", user, file],
        /// A user's cursor moved.
        Cursor(user: UserId, file: FileId) = ["cursor", user, file],
        /// Many cursors moved, in one message each 100 ms.
        CursorsBatch() = ["cursors", "batch"],
    }

    /// Who works together.
    CollabTopic in "collab" {
        /// A user joined a project.
        Joined(project: ProjectId) = ["joined", project],
        /// A user left a project.
        Left(project: ProjectId) = ["left", project],
        /// A user is still there.
        Presence(project: ProjectId) = ["presence", project],
    }
}

/// The filters that services subscribe with.
pub mod filters {
    use super::SubjectFilter;

    macro_rules! filters {
        ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {$(
            $(#[$doc])*
            pub fn $name() -> SubjectFilter {
                SubjectFilter::from_checked($text)
            }
        )*};
    }

    filters! {
        /// Everything.
        all = "slate.>";
        /// What happens to projects.
        projects = "slate.project.>";
        /// What happens to files.
        files = "slate.file.>";
        /// What happens to assets.
        assets = "slate.asset.>";
        /// What happens to sessions.
        runtime = "slate.runtime.>";
        /// What happens to builds.
        builds = "slate.build.>";
        /// Commands for the orchestrator.
        container_commands = "slate.container.*.*";
        /// Log lines of sessions.
        runtime_logs = "slate.runtime.log.*";
        /// Log lines of builds.
        build_logs = "slate.build.*.log";
        /// Log lines of asset jobs.
        asset_logs = "slate.asset.*.log";
        /// Events that are stored and wait for the relay.
        outbox = "slate.outbox.waiting";
        /// New asset jobs.
        asset_jobs = "slate.asset.jobs";
        /// New build jobs.
        build_jobs = "slate.build.jobs";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_topic() -> Vec<Topic> {
        let (user, project, file) = (UserId::new("ada.l%20@x").unwrap(), ProjectId::new(), FileId::new());
        let (asset, session, build, job) = (AssetId::new(), SessionId::new(), BuildId::new(), AssetJobId::new());
        vec![
            Topic::Project(ProjectTopic::Created(user.clone())),
            Topic::Project(ProjectTopic::Updated(project)),
            Topic::Project(ProjectTopic::Deleted(project)),
            Topic::File(FileTopic::Created(project)),
            Topic::File(FileTopic::Updated(file)),
            Topic::File(FileTopic::ContentChanged(file)),
            Topic::File(FileTopic::Deleted(file)),
            Topic::Asset(AssetTopic::Created(project)),
            Topic::Asset(AssetTopic::Updated(asset)),
            Topic::Asset(AssetTopic::ComponentAdded(asset)),
            Topic::Asset(AssetTopic::Progress(asset)),
            Topic::Asset(AssetTopic::Processed(asset)),
            Topic::Asset(AssetTopic::Failed(asset)),
            Topic::Asset(AssetTopic::Deleted(asset)),
            Topic::Asset(AssetTopic::Log(job)),
            Topic::Runtime(RuntimeTopic::Started(session)),
            Topic::Runtime(RuntimeTopic::Stopped(session)),
            Topic::Runtime(RuntimeTopic::Status(session)),
            Topic::Runtime(RuntimeTopic::Log(session)),
            Topic::Runtime(RuntimeTopic::Error(session)),
            Topic::Build(BuildTopic::Started(project)),
            Topic::Build(BuildTopic::Progress(project)),
            Topic::Build(BuildTopic::Completed(project)),
            Topic::Build(BuildTopic::Failed(project)),
            Topic::Asset(AssetTopic::Jobs()),
            Topic::Build(BuildTopic::Jobs()),
            Topic::Build(BuildTopic::Log(build)),
            Topic::Container(ContainerTopic::Start(session)),
            Topic::Container(ContainerTopic::Stop(session)),
            Topic::Container(ContainerTopic::Restart(session)),
            Topic::Container(ContainerTopic::Execute(session)),
            Topic::Container(ContainerTopic::Stats(session)),
            Topic::Editor(EditorTopic::Opened(user.clone(), file)),
            Topic::Editor(EditorTopic::Cursor(user, file)),
            Topic::Editor(EditorTopic::CursorsBatch()),
            Topic::Collab(CollabTopic::Joined(project)),
            Topic::Collab(CollabTopic::Left(project)),
            Topic::Collab(CollabTopic::Presence(project)),
        ]
    }

    #[test]
    fn every_subject_is_sound_and_read_back() {
        for topic in every_topic() {
            let subject = topic.subject();
            assert_eq!(Subject::new(subject.as_str()).unwrap(), subject, "{topic:?} is sound");
            assert_eq!(Topic::parse(&subject).unwrap(), topic);
        }
    }

    #[test]
    fn subjects_are_as_the_seed_has_them() {
        let id = SessionId::from_u128(1);
        let subject = Topic::Runtime(RuntimeTopic::Log(id)).subject();
        assert_eq!(subject.as_str(), format!("slate.runtime.log.{id}"));
        let asset = Topic::Asset(AssetTopic::ComponentAdded(AssetId::from_u128(2))).subject();
        assert!(asset.as_str().starts_with("slate.asset.component.added."));
    }

    #[test]
    fn foreign_subjects_are_refused() {
        for text in
            ["slate", "slate.project.created", "other.project.updated.x", "slate.runtime.log.not-an-id", "slate.x.y.z"]
        {
            assert!(Topic::parse(&Subject::new(text).unwrap()).is_err(), "{text}");
        }
    }

    #[test]
    fn filters_are_sound_and_match_their_topics() {
        let wanted = [
            (filters::container_commands(), 5),
            (filters::runtime_logs(), 1),
            (filters::build_logs(), 1),
            (filters::asset_logs(), 1),
            (filters::asset_jobs(), 1),
            (filters::build_jobs(), 1),
            (filters::runtime(), 5),
            (filters::all(), every_topic().len()),
        ];
        for (filter, count) in wanted {
            assert_eq!(SubjectFilter::new(filter.as_str()).unwrap(), filter);
            let matched = every_topic().iter().filter(|topic| filter.matches(&topic.subject())).count();
            assert_eq!(matched, count, "{filter}");
        }
    }
}
