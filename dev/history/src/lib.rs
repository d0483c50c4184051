//! A history checker for SLATE's store and bus.
//!
//! Clients ([`client`], one process each) change records, claim and finish jobs and relay events, while a test kills them and
//! the servers, cuts their links and halts them. Each notes what it was *told* as a line of a file ([`Entry`]); what it was
//! not told may have happened or not. Once everything is at rest, [`check`] compares what was told with what is there
//! ([`Held`]) and what was delivered:
//!
//! - no acknowledged change is lost, and no two clients were told to have made the same one;
//! - versions go up by exactly one;
//! - each attempt at a job was given to one worker;
//! - no job was finished twice, or by a worker whose lease was another's by then, and every job was finished;
//! - every event that is held was delivered, and those of one aggregate in order.

mod check;
pub mod client;
mod pieces;

pub use check::{Held, HeldEvent, HeldRecord, Violation, check};
pub use pieces::{open_bus, open_store};

use serde::{Deserialize, Serialize};
use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Write},
    path::Path,
    sync::{Mutex, PoisonError},
};

/// What a client was told, or what was delivered to a subscriber.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    /// A record has this version by a change of this client's.
    Changed {
        /// The record, as its id is displayed.
        record: String,
        /// Its version after the change.
        version: u64,
    },
    /// A job is this client's.
    Claimed {
        /// The job, as its id is displayed.
        job: String,
        /// The attempt.
        attempt: u32,
    },
    /// A job ended by this client's work.
    Finished {
        /// The job.
        job: String,
        /// The attempt that it was finished under.
        attempt: u32,
    },
    /// An event was delivered.
    Delivered {
        /// Its id.
        event: String,
        /// What it is about.
        aggregate: String,
        /// The version of that.
        version: u64,
    },
}

/// A file of entries that many tasks write to. What was written stays when the process is killed.
#[derive(Debug)]
pub struct Notes(Mutex<File>);

impl Notes {
    /// Opens the file for adding to it.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(Mutex::new(OpenOptions::new().create(true).append(true).open(path)?)))
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn add(&self, entry: &Entry) -> io::Result<()> {
        let line = serde_json::to_string(entry)? + "\n";
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes())
    }

    /// The entries of a file, in the order in which they were written; none where there is no file. A last line that is half
    /// written is left out: nobody was told then.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn read(path: &Path) -> io::Result<Vec<Entry>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut entries = Vec::new();
        for line in BufReader::new(file).lines() {
            entries.extend(serde_json::from_str::<Entry>(&line?));
        }
        Ok(entries)
    }
}
