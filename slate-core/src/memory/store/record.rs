//! What a record of any kind says about its place among the others.

use crate::{
    ProjectId, UserId,
    model::{AssetJobStatus, BuildStatus, Lease, PoolMemberState, ProjectPath, Revision},
    store::{JobRef, Record, RecordId},
};

/// What no two live records share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum UniqueKey {
    /// A file's path in its project.
    File(ProjectId, ProjectPath),
    /// A template's name among those of its maker.
    Template(UserId, String),
    /// The key under which a member of a pool is claimed.
    Claim(String),
}

pub(super) fn unique_key(record: &Record) -> Option<UniqueKey> {
    match record {
        Record::File(file) => Some(UniqueKey::File(file.project_id, file.path.clone())),
        Record::Template(template) => Some(UniqueKey::Template(template.created_by.clone(), template.name.clone())),
        Record::PoolMember(member) if member.state == PoolMemberState::Claimed => {
            member.claim_key.clone().map(UniqueKey::Claim)
        }
        _ => None,
    }
}

/// The records that this one belongs to for good.
pub(super) fn owners(record: &Record) -> Vec<RecordId> {
    match record {
        Record::Project(_) | Record::Template(_) | Record::PoolMember(_) => Vec::new(),
        Record::File(file) => vec![file.project_id.into()],
        Record::Asset(asset) => vec![asset.project_id.into()],
        Record::Session(session) => vec![session.project_id.into()],
        Record::Build(build) => vec![build.project_id.into()],
        Record::AssetJob(job) => vec![job.project_id.into(), job.asset_id.into()],
    }
}

/// The record that this one points to, but may stop pointing to.
pub(super) fn reference(record: &Record) -> Option<RecordId> {
    match record {
        Record::Asset(asset) => asset.file_id.map(RecordId::File),
        _ => None,
    }
}

pub(super) const fn revision(record: &Record) -> &Revision {
    match record {
        Record::Project(record) => &record.revision,
        Record::File(record) => &record.revision,
        Record::Asset(record) => &record.revision,
        Record::Session(record) => &record.revision,
        Record::Build(record) => &record.revision,
        Record::AssetJob(record) => &record.revision,
        Record::Template(record) => &record.revision,
        Record::PoolMember(record) => &record.revision,
    }
}

pub(super) fn lease(record: &Record) -> Option<&Lease> {
    match record {
        Record::Session(session) => Some(&session.lease),
        Record::Build(build) => Some(&build.lease),
        Record::AssetJob(job) => Some(&job.lease),
        _ => None,
    }
}

pub(super) fn lease_mut(record: &mut Record) -> Option<&mut Lease> {
    match record {
        Record::Session(session) => Some(&mut session.lease),
        Record::Build(build) => Some(&mut build.lease),
        Record::AssetJob(job) => Some(&mut job.lease),
        _ => None,
    }
}

/// Whether this is a job or session that hasn't ended.
pub(super) fn is_open(record: &Record) -> bool {
    match record {
        Record::Session(session) => !session.status.is_final(),
        Record::Build(build) => !build.status.is_final(),
        Record::AssetJob(job) => !job.status.is_final(),
        _ => false,
    }
}

/// Whether a job that an update brings into this state loses its owner.
pub(super) fn ends_lease(record: &Record) -> bool {
    let waits = match record {
        Record::Build(build) => build.status == BuildStatus::Queued,
        Record::AssetJob(job) => job.status == AssetJobStatus::Queued,
        _ => false,
    };
    waits || !is_open(record)
}

pub(super) fn job_id(job: JobRef) -> RecordId {
    match job {
        JobRef::Build(id) => id.into(),
        JobRef::AssetJob(id) => id.into(),
        JobRef::Session(id) => id.into(),
    }
}
