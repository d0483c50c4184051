#![doc = include_str!("../README.md")]

mod cache;
mod entry;
mod link;
mod options;

pub use cache::RedisCache;
pub use options::{RedisOptions, RedisServers};

/// The component's name in errors.
const COMPONENT: &str = "cache.redis";
