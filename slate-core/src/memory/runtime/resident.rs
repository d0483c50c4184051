//! Warm instances: a placeholder runs until there is work, and then gives way to it.

use super::{
    MemoryRuntime,
    backend::Start,
    instance::Entry,
    program::{Output, ProgramFn, ProgramIo},
};
use crate::{
    Error, InstanceId, Result,
    runtime::{Assignment, Resident, RuntimeBackendExt, RuntimeSpec},
};
use async_trait::async_trait;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

const PLACE: &str = "runtime.memory";

/// The label by which a warm instance is known when it is started; an instance made with it waits, too.
pub(super) const WARM: &str = "slate.memory.warm";

/// What runs in a warm instance until it is bound.
pub(super) fn placeholder() -> ProgramFn {
    Arc::new(|_io| Box::pin(std::future::pending()))
}

#[async_trait]
impl Resident for MemoryRuntime {
    async fn warm(&self, spec: &RuntimeSpec) -> Result<InstanceId> {
        self.run(&spec.clone().with_label(WARM, true)).await
    }

    async fn bind(&self, id: &InstanceId, work: &Assignment) -> Result<()> {
        let entry = self.entry(id, "bind")?;
        self.bind_entry(&entry, work).map_err(|error| error.with("instance", id).at(PLACE, "bind"))
    }

    async fn ping(&self, id: &InstanceId) -> Result<()> {
        let entry = self.entry(id, "ping")?;
        let life = entry.life();
        if life.running.is_some() && life.waits() {
            return Ok(());
        }
        Err(Error::wrong_state("the instance doesn't wait for work").with("instance", id).at(PLACE, "ping"))
    }
}

impl MemoryRuntime {
    fn bind_entry(&self, entry: &Arc<Entry>, work: &Assignment) -> Result<()> {
        work.validate()?;
        let output = Output::Log { entry: entry.clone(), cutters: Mutex::default() };
        let env: BTreeMap<_, _> =
            work.env.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())).collect();
        let spec = RuntimeSpec { env: BTreeMap::new(), ..entry.spec.clone() };
        let (folder, words) = (work.working_dir.clone(), work.command.as_slice());
        let made = self.process(Start { spec: &spec, words, env, folder, input: None, output });
        let (process, program) = made?;
        let placeholder = entry.change(|life| match life.bound.as_ref() {
            Some(key) if *key == work.key => Ok(None),
            Some(_) => Err(Error::wrong_state("the instance has other work already")),
            None if life.running.is_none() || !life.waits() => {
                Err(Error::wrong_state("the instance doesn't wait for work"))
            }
            None => {
                life.bound = Some(work.key.clone());
                Ok(life.running.replace(process.clone()))
            }
        })?;
        let Some(placeholder) = placeholder else { return Ok(()) };
        let running = process.run(program(ProgramIo(process.clone())));
        tokio::spawn(self.clone().supervise(entry.clone(), process, running));
        placeholder.killed.cancel();
        Ok(())
    }
}
