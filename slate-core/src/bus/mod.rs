//! Events and requests between services: subjects.

mod subject;

pub use subject::{Subject, SubjectFilter};
