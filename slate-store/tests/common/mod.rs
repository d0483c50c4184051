//! Records to work with.
#![allow(dead_code, reason = "each test uses its part")]

use slate_core::{
    EventId, ProjectId, Timestamp, UserId, Version, WorkerId,
    bus::Subject,
    model::{Aggregate, BuildJob, BuildType, NewEvent, Project, TargetPlatform},
};

pub(crate) fn user() -> UserId {
    UserId::new("ada").unwrap()
}

pub(crate) fn worker(name: &str) -> WorkerId {
    WorkerId::new(name).unwrap()
}

pub(crate) fn project() -> Project {
    Project::new("Breakout", user(), Timestamp::now())
}

pub(crate) fn build(project: ProjectId) -> BuildJob {
    BuildJob::new(project, user(), BuildType::Development, TargetPlatform::Linux, Timestamp::now())
}

pub(crate) fn event(aggregate: &str, version: u64) -> NewEvent {
    NewEvent {
        id: EventId::new(),
        subject: Subject::new("slate.test").unwrap(),
        payload: serde_json::Value::Null,
        aggregate: Some(Aggregate { name: aggregate.into(), version: Version(version) }),
        headers: Default::default(),
        at: Timestamp::now(),
    }
}
