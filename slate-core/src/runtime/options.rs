use super::LogCursor;
use crate::Timestamp;
use std::{collections::BTreeMap, time::Duration};

/// A program and its arguments, to be run in an instance. No shell is involved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The program, then its arguments.
    pub words: Vec<String>,
}

impl Command {
    /// A command of these words.
    pub fn new(words: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { words: words.into_iter().map(Into::into).collect() }
    }
}

macro_rules! options {
    ($($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident / $with:ident: $type:ty = $default:expr,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $name { $($(#[$fdoc])* pub $field: $type,)* }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $name {
            $(
                #[doc = concat!("Sets `", stringify!($field), "`.")]
                #[must_use]
                pub fn $with(mut self, $field: $type) -> Self {
                    self.$field = $field;
                    self
                }
            )*
        }
    )*};
}

options! {
    /// How [`stop`](super::RuntimeBackend::stop) ends an instance.
    StopOptions {
        /// Time between the polite signal and the kill; default 10 s. Zero kills at once.
        grace / with_grace: Duration = Duration::from_secs(10),
    }

    /// How [`remove`](super::RuntimeBackend::remove) takes an instance away.
    RemoveOptions {
        /// Whether a running instance is killed first; default `false`: it is refused with `WrongState`.
        force / with_force: bool = false,
    }

    /// Which instances [`list`](super::RuntimeBackend::list) yields.
    ListOptions {
        /// Labels that an instance must all have, with these values; default: any.
        labels / with_labels: BTreeMap<String, String> = BTreeMap::new(),
        /// Whether stopped instances are among them; default `true`.
        all / with_all: bool = true,
    }

    /// How [`exec`](super::RuntimeBackend::exec) runs a command.
    ExecOptions {
        /// Further environment variables; default none.
        env / with_env: BTreeMap<String, String> = BTreeMap::new(),
        /// The folder it starts in; default: the instance's.
        working_dir / with_working_dir: Option<String> = None,
        /// Whether to attach a terminal; output then comes on one stream; default `false`.
        tty / with_tty: bool = false,
        /// Whether its standard input stays open for writing; default `false`: it is empty.
        stdin / with_stdin: bool = false,
        /// Time that it may take before it is killed; default none.
        timeout / with_timeout: Option<Duration> = None,
    }

    /// Which output [`logs`](super::RuntimeBackend::logs) yields.
    LogOptions {
        /// Starts after this cursor, without gap or repeat; default: at the oldest kept output.
        after / with_after: Option<LogCursor> = None,
        /// Starts with the last so many lines; default: all. `after` wins over it.
        tail / with_tail: Option<u64> = None,
        /// Leaves out what was written before this time; default: nothing.
        since / with_since: Option<Timestamp> = None,
        /// Whether to go on with new output until the instance has ended; default `false`.
        follow / with_follow: bool = false,
    }

    /// How [`stats`](super::RuntimeBackend::stats) measures.
    StatsOptions {
        /// Time between two samples; default 1 s.
        interval / with_interval: Duration = Duration::from_secs(1),
        /// Whether the stream ends after the first sample; default `false`.
        once / with_once: bool = false,
    }

    /// Which changes [`watch`](super::RuntimeBackend::watch) yields.
    WatchOptions {
        /// Labels that an instance must all have, with these values; default: any.
        labels / with_labels: BTreeMap<String, String> = BTreeMap::new(),
    }
}
