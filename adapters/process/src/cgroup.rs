//! Control groups, of version 1, 2 or both, as far as this process may make them.

use crate::{Cgroups, proc::Stat, record::Launch};
use serde::{Deserialize, Serialize};
use slate_core::{Error, InstanceId, Result};
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

const WANTED: [&str; 4] = ["pids", "memory", "cpu", "cpuacct"];

/// The groups under which each instance gets its own; empty where there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Groups(Vec<Group>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Group {
    folder: PathBuf,
    controllers: Vec<String>,
    unified: bool,
}

impl Groups {
    /// Finds out what this process may do, by trying.
    pub(crate) fn detect(wish: &Cgroups) -> Result<Self> {
        let groups: Vec<_> = match wish {
            Cgroups::Off => Vec::new(),
            Cgroups::Auto => own_groups().into_iter().filter_map(probe).collect(),
            Cgroups::Under(folder) => {
                let group = Group { folder: folder.clone(), controllers: Vec::new(), unified: true };
                let refused = || {
                    Error::unsupported("no control group can be made there: is it delegated to this user?")
                        .with("folder", folder.display())
                };
                vec![probe(group).filter(|group| !group.controllers.is_empty()).ok_or_else(refused)?]
            }
        };
        Ok(Self(groups))
    }

    pub(crate) fn enforces(&self, controller: &str) -> bool {
        self.0.iter().any(|group| group.controllers.iter().any(|name| name == controller))
    }

    pub(crate) fn of(&self, id: &InstanceId) -> InstanceGroups {
        let inner = |group: &Group| Group { folder: group.folder.join(format!("slate-{id}")), ..group.clone() };
        InstanceGroups(self.0.iter().map(inner).collect())
    }
}

/// The groups that this process is in.
fn own_groups() -> Vec<Group> {
    let memberships = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let parse = |line: &str| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let unified = controllers.is_empty();
        let controllers: Vec<_> =
            controllers.split(',').filter(|name| WANTED.contains(name)).map(str::to_owned).collect();
        if !unified && controllers.is_empty() {
            return None;
        }
        let folder = mounts.lines().find_map(|mount| {
            let (left, right) = mount.split_once(" - ")?;
            let left: Vec<_> = left.split(' ').collect();
            let mut right = right.split(' ');
            let (kind, options) = (right.next()?, right.nth(1)?);
            let fits = if unified {
                kind == "cgroup2"
            } else {
                kind == "cgroup" && options.split(',').any(|option| *option == *controllers[0])
            };
            let below = path.strip_prefix(left.get(3)?.trim_end_matches('/'))?;
            fits.then(|| Path::new(left[4]).join(below.trim_start_matches('/')))
        })?;
        Some(Group { folder, controllers, unified })
    };
    memberships.lines().filter_map(parse).collect()
}

/// Makes a group below and takes it away again; says which controllers it has.
fn probe(mut group: Group) -> Option<Group> {
    if group.unified {
        for name in ["pids", "memory", "cpu"] {
            // Refused where processes are in the group, or where it is delegated without the controller.
            let _: io::Result<()> = fs::write(group.folder.join("cgroup.subtree_control"), format!("+{name}"));
        }
    }
    let trial = group.folder.join(format!("slate-probe-{}", uuid::Uuid::new_v4().simple()));
    fs::create_dir(&trial).ok()?;
    let writable = |file: &str| fs::OpenOptions::new().write(true).open(trial.join(file)).is_ok();
    if group.unified {
        let limits = [("pids", "pids.max"), ("memory", "memory.max"), ("cpu", "cpu.max")];
        group.controllers =
            limits.iter().filter(|(_, file)| writable(file)).map(|(name, _)| (*name).to_owned()).collect();
    }
    let usable = writable("cgroup.procs");
    fs::remove_dir(&trial).ok()?;
    usable.then_some(group)
}

/// One instance's groups.
#[derive(Clone, Debug, Default)]
pub(crate) struct InstanceGroups(Vec<Group>);

impl InstanceGroups {
    /// Makes the groups with the limits of `launch`.
    pub(crate) fn make(&self, launch: &Launch) -> Result<()> {
        for group in &self.0 {
            match fs::create_dir(&group.folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(Error::io("make a control group", error));
                }
                _ => {}
            }
            group.limit(launch).map_err(|error| Error::io("set a limit of a control group", error))?;
        }
        self.limit_pids(launch.pids.map(u64::from)).map_err(|error| Error::io("set the limit on processes", error))
    }

    /// Calls `spawn` while this process is in the groups, so that its child begins there. Only one thread may do it.
    pub(crate) fn within<T>(&self, launch: &Launch, spawn: impl FnOnce() -> T) -> Result<T> {
        if self.0.is_empty() {
            return Ok(spawn());
        }
        let me = std::process::id();
        // This process counts as long as it is in there, and must not use up the instance's last place.
        let threads = Stat::read(me as i32).map_or(64, |stat| stat.threads);
        let homes = own_groups();
        let moved = self
            .limit_pids(launch.pids.map(|pids| u64::from(pids) + threads + 8))
            .and_then(|()| self.0.iter().try_for_each(|group| group.enter(me)));
        let result = moved.map(|()| spawn());
        let mut back = Ok(());
        for home in homes {
            if self.0.iter().any(|group| group.unified == home.unified && group.same_hierarchy(&home)) {
                back = back.and(home.enter(me));
            }
        }
        let limited = self.limit_pids(launch.pids.map(u64::from));
        back.and(limited).and(Ok(())).map_err(|error| Error::io("leave the control group again", error))?;
        result.map_err(|error| Error::io("enter the control group", error))
    }

    /// Every process in the groups.
    pub(crate) fn members(&self) -> BTreeSet<i32> {
        let me = std::process::id() as i32;
        self.0.iter().flat_map(|group| members_of(&group.folder)).filter(|pid| *pid != me).collect()
    }

    /// Kills every process in the groups at once, where the system can do that.
    pub(crate) fn kill(&self) {
        for group in self.0.iter().filter(|group| group.unified) {
            // An older kernel has no such file; the caller kills one by one as well.
            let _: io::Result<()> = fs::write(group.folder.join("cgroup.kill"), "1");
        }
    }

    /// Whether the system has killed a process for memory.
    pub(crate) fn out_of_memory(&self) -> bool {
        let count = |group: &Group| {
            let file = if group.unified { "memory.events" } else { "memory.oom_control" };
            let text = fs::read_to_string(group.folder.join(file)).unwrap_or_default();
            text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.parse::<u64>().ok()).unwrap_or(0)
        };
        self.0.iter().any(|group| count(group) > 0)
    }

    /// Takes the groups away; one that isn't there is fine.
    pub(crate) fn remove(&self) {
        for group in &self.0 {
            for _ in 0..50 {
                match fs::remove_dir(&group.folder) {
                    // The last process may still be on its way out.
                    Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                        std::thread::sleep(std::time::Duration::from_millis(5));
                    }
                    _ => break,
                }
            }
        }
    }

    fn limit_pids(&self, limit: Option<u64>) -> io::Result<()> {
        let Some(limit) = limit else { return Ok(()) };
        let mut with = self.0.iter().filter(|group| group.has("pids"));
        with.try_for_each(|group| fs::write(group.folder.join("pids.max"), limit.to_string()))
    }
}

impl Group {
    fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|name| name == controller)
    }

    fn same_hierarchy(&self, other: &Self) -> bool {
        self.unified || self.controllers.iter().any(|name| other.has(name))
    }

    fn enter(&self, pid: u32) -> io::Result<()> {
        fs::write(self.folder.join("cgroup.procs"), pid.to_string())
    }

    fn limit(&self, launch: &Launch) -> io::Result<()> {
        let set = |file: &str, value: String| fs::write(self.folder.join(file), value);
        if let Some(memory) = launch.memory.filter(|_| self.has("memory")) {
            if self.unified {
                set("memory.max", memory.to_string())?;
                // Swap would only make it slow; without the file there is none.
                let _: io::Result<()> = set("memory.swap.max", "0".into());
            } else {
                set("memory.limit_in_bytes", memory.to_string())?;
                let _: io::Result<()> = set("memory.memsw.limit_in_bytes", memory.to_string());
            }
        }
        if let Some(millis) = launch.cpu_millis.filter(|_| self.has("cpu")) {
            // The kernel takes no quota below 1 ms a period.
            let quota = (u64::from(millis) * 100).max(1000);
            if self.unified {
                set("cpu.max", format!("{quota} 100000"))?;
            } else {
                set("cpu.cfs_period_us", "100000".into())?;
                set("cpu.cfs_quota_us", quota.to_string())?;
            }
        }
        Ok(())
    }
}

fn members_of(folder: &Path) -> BTreeSet<i32> {
    let own = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    let mut pids: BTreeSet<i32> = own.lines().filter_map(|line| line.parse().ok()).collect();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            pids.extend(members_of(&entry.path()));
        }
    }
    pids
}
