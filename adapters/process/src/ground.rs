//! The folder that is the truth: `instances/<id>/`, `names/<name>` → id, `new/` and `trash/` for what is half done.

use crate::{
    LogLimits, ProcessOptions,
    cgroup::Groups,
    proc::{self, ProcessKey},
    record::{self, FORMAT, LAUNCH, LOG, MARK, RECORD, Record, STATE, State, WORK},
    spec,
};
use rustix::fs::{FlockOperation, flock};
use slate_core::{
    Error, InstanceId, Result,
    runtime::{ExitStatus, Instance, InstanceState, RuntimeSpec},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink},
    path::{Path, PathBuf},
    time::Duration,
};

/// One backend's folder. Everything here blocks.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) root: PathBuf,
    pub(crate) shim: PathBuf,
    pub(crate) log: LogLimits,
    pub(crate) groups: Groups,
    pub(crate) start_timeout: Duration,
    pub(crate) poll: Duration,
    inherited_env: Vec<String>,
}

/// An instance as it is on disk and in the process table.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) folder: PathBuf,
    pub(crate) record: Record,
    pub(crate) state: Option<State>,
    /// The shim lives.
    pub(crate) supervised: bool,
    /// The shim or the program lives.
    pub(crate) running: bool,
}

impl Ground {
    /// Opens the folder, or makes it, and clears away what others left half done.
    pub(crate) fn open(options: ProcessOptions, shim: PathBuf) -> Result<Self> {
        let groups = Groups::detect(&options.cgroups)?;
        make_folder(&options.root)?;
        let root = options.root.canonicalize().map_err(|error| Error::io("find the root", error))?;
        for name in ["instances", "names", "new", "trash"] {
            make_folder(&root.join(name))?;
        }
        let ground = Self {
            root,
            shim,
            log: options.log,
            groups,
            start_timeout: options.start_timeout,
            poll: options.poll,
            inherited_env: options.inherited_env,
        };
        // While anybody makes an instance, what lies there may be its: then it is left for the next one.
        let Ok(_making) = lock_file(&ground.root.join("making"), FlockOperation::NonBlockingLockExclusive) else {
            return Ok(ground);
        };
        for name in ["new", "trash"] {
            for entry in fs::read_dir(ground.root.join(name)).into_iter().flatten().flatten() {
                // What can't be removed now is tried again by the next one.
                let _: io::Result<()> = fs::remove_dir_all(entry.path());
            }
        }
        Ok(ground)
    }

    /// Guards the names and the folders' coming and going, between processes too. Held for moments.
    fn lock(&self, how: FlockOperation) -> Result<File> {
        lock_file(&self.root.join("lock"), how)
    }

    fn folder(&self, id: &InstanceId) -> PathBuf {
        self.root.join("instances").join(id.as_str())
    }

    /// Makes an instance: aside, then by one rename.
    pub(crate) fn create(&self, spec: &RuntimeSpec) -> Result<InstanceId> {
        let id = InstanceId::new(format!("process-{}", uuid::Uuid::now_v7()))?;
        let folder = self.folder(&id);
        let env = |name: &String| Some((name.clone(), std::env::var(name).ok()?));
        let inherited: BTreeMap<_, _> = self.inherited_env.iter().filter_map(env).collect();
        let (record, launch) =
            spec::translate(spec, &id, inherited, &folder.join(WORK), self.log, self.groups.clone())?;
        let _making = lock_file(&self.root.join("making"), FlockOperation::LockShared)?;
        let aside = self.root.join("new").join(id.as_str());
        let written = (|| {
            make_folder(&aside)?;
            make_folder(&aside.join(WORK))?;
            make_folder(&aside.join(LOG))?;
            record::write(&aside.join(LAUNCH), &launch)?;
            record::write(&aside.join(RECORD), &record)
        })();
        let made = written.and_then(|()| self.publish(&id, &spec.name, &aside));
        if let Err(error) = made {
            let _: io::Result<()> = fs::remove_dir_all(&aside);
            return Err(error);
        }
        Ok(id)
    }

    /// Gives the instance its name and its place.
    fn publish(&self, id: &InstanceId, name: &str, aside: &Path) -> Result<()> {
        let _lock = self.lock(FlockOperation::LockExclusive)?;
        let (folder, link) = (self.folder(id), self.root.join("names").join(name));
        match fs::read_link(&link) {
            Ok(holder) if self.root.join("instances").join(&holder).exists() => {
                return Err(Error::already_exists("an instance of this name is there already").with("name", name));
            }
            // Left by one that died between two steps; under the lock nobody else is at work.
            Ok(_) => fs::remove_file(&link).map_err(|error| Error::io("free a stale name", error))?,
            Err(_) => {}
        }
        symlink(id.as_str(), &link).map_err(|error| Error::io("take the name", error))?;
        let placed = fs::rename(aside, &folder).map_err(|error| Error::io("make the instance's folder", error));
        placed.and_then(|()| self.count_change()).inspect_err(|_| {
            let _: io::Result<()> = fs::remove_dir_all(&folder);
            let _: io::Result<()> = fs::remove_file(&link);
        })
    }

    /// Takes an instance's folder and name away. Its processes have ended, and its lock is held.
    pub(crate) fn forget(&self, found: &Found) -> Result<()> {
        let trash = self.root.join("trash").join(found.record.id.as_str());
        {
            let _lock = self.lock(FlockOperation::LockExclusive)?;
            fs::rename(&found.folder, &trash).map_err(|error| Error::io("take the instance's folder away", error))?;
            fs::remove_file(self.root.join("names").join(&found.record.name))
                .map_err(|error| Error::io("free the name", error))?;
            // Only watchers read it; they look for themselves as well.
            let _: Result<()> = self.count_change();
        }
        self.groups.of(&found.record.id).remove();
        // What is left of it is swept by the next `open`.
        let _: io::Result<()> = fs::remove_dir_all(&trash);
        Ok(())
    }

    /// Counts creations and removals, so that a watcher knows when it has missed one. The lock is held.
    fn count_change(&self) -> Result<()> {
        record::write(&self.root.join("changes"), &(self.changes()? + 1))
    }

    fn changes(&self) -> Result<u64> {
        Ok(record::read(&self.root.join("changes"))?.unwrap_or(0))
    }

    /// The instances, and the count of creations and removals that fits them.
    pub(crate) fn look(&self) -> Result<(u64, Vec<Found>)> {
        let _lock = self.lock(FlockOperation::LockShared)?;
        Ok((self.changes()?, self.all()?))
    }

    /// Guards an instance's start and removal, between processes too.
    pub(crate) fn lock_instance(&self, id: &InstanceId) -> Result<File> {
        let folder = self.find(id)?.folder;
        let lock = lock_file(&folder.join("lock"), FlockOperation::LockExclusive)?;
        // It may have been removed while this one waited.
        self.find(id)?;
        Ok(lock)
    }

    /// How an instance is now.
    pub(crate) fn find(&self, id: &InstanceId) -> Result<Found> {
        let missing = || Error::not_found("no such instance").with("instance", id);
        let folder = self.folder(id);
        let record: Record = record::read(&folder.join(RECORD))?.ok_or_else(missing)?;
        if record.format != FORMAT {
            return Err(Error::corrupt("an instance's record is of another format").with("format", record.format));
        }
        let path = folder.join(STATE);
        let mut state: Option<State> = record::read(&path)?;
        let open = |state: &Option<State>| state.as_ref().is_some_and(|state| state.finished.is_none());
        let (mut supervised, mut running) = (false, false);
        if open(&state) {
            let lives = |of: fn(&State) -> &ProcessKey, state: &Option<State>| {
                state.as_ref().is_some_and(|state| of(state).is_alive())
            };
            supervised = lives(|state| &state.shim, &state);
            if !supervised {
                // It may have written the end between the two looks: only what is read now counts.
                state = record::read(&path)?;
                running = open(&state) && lives(|state| &state.program, &state);
            }
            running |= supervised;
        }
        Ok(Found { folder, record, state, supervised, running })
    }

    /// Every instance, in no particular order.
    pub(crate) fn all(&self) -> Result<Vec<Found>> {
        let entries = fs::read_dir(self.root.join("instances"));
        let entries = entries.map_err(|error| Error::io("list the instances", error))?;
        let ids = entries.flatten().filter_map(|entry| InstanceId::new(entry.file_name().to_str()?).ok());
        let found = ids.map(|id| self.find(&id));
        // One may be removed while the others are read.
        found.filter(|found| !matches!(found, Err(error) if error.kind() == slate_core::ErrorKind::NotFound)).collect()
    }

    /// Whether the root can be written.
    pub(crate) fn ping(&self) -> Result<()> {
        let trial = self.root.join("new").join(format!("ping-{}", uuid::Uuid::new_v4().simple()));
        let tried = fs::write(&trial, b"ping").and_then(|()| fs::remove_file(&trial));
        tried.map_err(|error| {
            let _: io::Result<()> = fs::remove_file(&trial);
            Error::unavailable("the root can't be written: check its disk and its owner")
                .with("root", self.root.display())
                .because(error)
        })
    }
}

impl Found {
    pub(crate) fn instance(&self) -> Instance {
        let mut instance = Instance::created(self.record.id.clone(), &self.record.name, self.record.created_at);
        instance.labels.clone_from(&self.record.labels);
        instance.ports.clone_from(&self.record.ports);
        let Some(state) = &self.state else { return instance };
        instance.started_at = Some(state.started_at);
        if self.running {
            instance.state = InstanceState::Running;
            instance.process_id = u32::try_from(state.program.pid).ok();
        } else {
            instance.state = InstanceState::Exited;
            // Without an end written down the shim was killed, and nobody could learn the exit code.
            let (at, exit) = state.finished.unwrap_or((state.started_at, ExitStatus::unknown()));
            instance.finished_at = state.finished.map(|_| at);
            instance.exit = Some(exit);
        }
        instance
    }

    /// The living processes of the instance, by every sign it leaves: its groups, its marks, its process group, their
    /// descendants. The shim isn't among them.
    pub(crate) fn members(&self, groups: &Groups, all: &BTreeMap<i32, proc::Stat>) -> BTreeSet<i32> {
        let mut found = groups.of(&self.record.id).members();
        let shim = self.state.as_ref().filter(|_| self.supervised).map(|state| state.shim.pid);
        match shim {
            Some(shim) => found.extend(proc::descendants(all, &BTreeSet::from([shim]))),
            None => {
                found.extend(proc::marked(all, &format!("{MARK}={}", self.record.id)));
                if let Some(program) = self.state.as_ref().map(|state| &state.program).filter(|key| key.is_alive()) {
                    found.extend(all.values().filter(|stat| stat.group == program.pid).map(|stat| stat.pid));
                }
                found.extend(proc::descendants(all, &found));
            }
        }
        found.retain(|pid| Some(*pid) != shim && all.get(pid).is_some_and(proc::Stat::is_alive));
        found
    }
}

fn make_folder(path: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| Error::io("make a folder", error).with("path", path.display()))
}

fn lock_file(path: &Path, how: FlockOperation) -> Result<File> {
    let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    let file = opened.map_err(|error| Error::io("open a lock", error))?;
    flock(&file, how).map_err(|error| Error::io("take a lock", error.into()))?;
    Ok(file)
}
