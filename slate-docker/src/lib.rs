#![doc = include_str!("../README.md")]

mod audit;
mod backend;
mod binds;
mod connect;
mod error;
mod exec;
mod files;
mod gates;
mod image;
mod instance;
mod log;
mod login;
mod network;
mod options;
mod program;
mod resident;
mod spec;
mod starts;
mod stats;
mod subnets;
mod volume;
mod watch;

pub use backend::DockerBackend;
pub use login::{Credentials, DockerConfig, NoCredentials};
pub use network::NetworkOptions;
pub use options::{Binding, DockerOptions, Endpoint, LogLimits, PullPolicy};
pub use resident::Agent;
pub use spec::{EngineHost, request_body};
pub use subnets::SubnetPool;
