//! Containers that wait for their work: the ground of warm pools.
//!
//! With an agent ([`DockerOptions::agent`](crate::DockerOptions::agent)) a container's first process is the agent, spoken to
//! over the container's attached standard input: giving it work asks the engine nothing. Without one the container idles in
//! a shell, and its work comes by an `exec`.

mod exec;
mod link;
mod volume;
pub(crate) mod wire;

use crate::{
    DockerBackend,
    backend::{Shared, held},
    error::{PLACE, translate},
    instance,
    network::NetworkPlan,
    spec::container_body,
};
use async_trait::async_trait;
use bollard::models::{ContainerCreateBody, ContainerInspectResponse, Mount, MountType as EngineMountType};
use link::Link;
use slate_core::{
    Error, ErrorKind, InstanceId, Result,
    runtime::{Assignment, EnvValue, InstanceState, Resident, RuntimeSpec},
};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
pub use volume::Agent;
use wire::{Answer, Frame, Refusal, Work};

/// The label that says how a container waits; its value is [`AGENT`] or [`SHELL`].
pub(crate) const WAITS_BY: &str = "slate.waits";
const AGENT: &str = "agent";
const SHELL: &str = "shell";
/// Where the agent is in a container.
const FOLDER: &str = "/.slate";
const PROGRAM: &str = "/.slate/agent";
/// Time that an agent has to answer.
const ANSWER: Duration = Duration::from_secs(10);
/// Links that are kept open; those of containers that wait, and were warmed by this process.
const LINKS: usize = 10_000;

/// The links to agents that wait.
#[derive(Default)]
pub(crate) struct Links {
    open: Mutex<HashMap<String, Arc<Link>>>,
    tokens: AtomicU64,
}

impl Links {
    fn get(&self, id: &str) -> Option<Arc<Link>> {
        let mut open = held(&self.open);
        let link = open.get(id).cloned().filter(|link| link.is_open());
        if link.is_none() {
            open.remove(id);
        }
        link
    }

    fn keep(&self, id: &str, link: &Arc<Link>) {
        let mut open = held(&self.open);
        if open.len() >= LINKS {
            open.retain(|_, link| link.is_open());
        }
        if open.len() < LINKS {
            open.insert(id.into(), Arc::clone(link));
        }
    }

    pub(crate) fn forget(&self, id: &str) {
        held(&self.open).remove(id);
    }

    /// A number that no other request of any process has, in practice.
    fn token(&self) -> u64 {
        let process = u64::from(std::process::id()) << 40;
        let moment = (slate_core::Timestamp::now().as_micros() as u64) << 16;
        (process ^ moment).wrapping_add(self.tokens.fetch_add(1, Ordering::Relaxed))
    }
}

impl Shared {
    async fn warm(self: &Arc<Self>, spec: &RuntimeSpec) -> Result<String> {
        let plan = NetworkPlan::of(spec, &self.options.hardening, &self.options.realm)?;
        if let Some(image) = &spec.image {
            self.provide(image).await?;
        }
        let body = self.waiting_body(spec).await?;
        self.prepare_network(&plan).await?;
        let id = self.make(spec, body).await?;
        let waiting = async {
            let _turn = self.starts.turn().await?;
            // Attached before the start: the agent's first words are not missed.
            let link = match &self.options.agent {
                Some(_) => Some(Link::open(self, &id).await?),
                None => None,
            };
            self.docker.start_container(&id, None).await.map_err(|error| translate(error, "start"))?;
            match link {
                Some(link) => {
                    // An agent that can't be run at all never answers: the link ends with the container.
                    self.ask(&link, Frame::Ping { token: self.links.token() }).await?;
                    self.links.keep(&id, &link);
                }
                None => self.until_idle(&id).await?,
            }
            Ok(())
        };
        match waiting.await {
            Ok(()) => Ok(id),
            Err(error) => {
                self.links.forget(&id);
                if let Err(left) = self.remove(&id, true).await {
                    tracing::warn!(instance = id, error = %left, "a container that doesn't wait could not be removed");
                }
                Err(error)
            }
        }
    }

    /// The request for a container that waits instead of running its program.
    async fn waiting_body(&self, spec: &RuntimeSpec) -> Result<ContainerCreateBody> {
        let mut body = container_body(spec, &self.options, self.host)?;
        let mut own: Vec<String> =
            body.entrypoint.take().into_iter().flatten().chain(body.cmd.take().into_iter().flatten()).collect();
        if own.is_empty() {
            own = self.program_of_image(body.image.as_deref().unwrap_or_default()).await?;
        }
        let labels = body.labels.get_or_insert_default();
        let host = body.host_config.get_or_insert_default();
        match &self.options.agent {
            Some(agent) => {
                let volume = self.agent_volume(agent, spec).await?;
                host.mounts.get_or_insert_default().push(Mount {
                    target: Some(FOLDER.into()),
                    source: Some(volume),
                    typ: Some(EngineMountType::VOLUME),
                    read_only: Some(true),
                    ..Mount::default()
                });
                // It is the init itself.
                host.init = Some(false);
                labels.insert(WAITS_BY.into(), AGENT.into());
                (body.entrypoint, body.cmd) = (Some(vec![PROGRAM.into()]), Some(own));
                (body.open_stdin, body.stdin_once) = (Some(true), Some(false));
            }
            None => {
                labels.insert(WAITS_BY.into(), SHELL.into());
                let words = ["-c", exec::IDLE, "sh"].map(str::to_owned).into_iter().chain(own);
                (body.entrypoint, body.cmd) = (Some(vec!["sh".into()]), Some(words.collect()));
            }
        }
        Ok(body)
    }

    async fn program_of_image(&self, image: &str) -> Result<Vec<String>> {
        let image = self.docker.inspect_image(image).await.map_err(|error| translate(error, "create"))?;
        let config = image.config.unwrap_or_default();
        Ok(config.entrypoint.into_iter().flatten().chain(config.cmd.into_iter().flatten()).collect())
    }

    async fn bind(self: &Arc<Self>, id: &str, work: &Assignment) -> Result<()> {
        work.validate()?;
        if let Some(link) = self.links.get(id) {
            match self.hand_over(&link, work).await {
                // The link broke, whatever the agent does: it is asked again on a new one.
                Err(error) if error.kind() == ErrorKind::Unavailable => self.links.forget(id),
                done => {
                    self.links.forget(id);
                    return done;
                }
            }
        }
        let container = self.waiting(id).await?;
        if waits_by(&container) == Some(SHELL) {
            return self.bind_by_exec(id, work).await;
        }
        let link = Link::open(self, id).await?;
        self.hand_over(&link, work).await
    }

    async fn hand_over(&self, link: &Link, work: &Assignment) -> Result<()> {
        let token = self.links.token();
        let frames = wire_work(work).frames(token).map_err(too_long)?;
        let mut bytes = Vec::new();
        for frame in &frames {
            bytes.extend(frame.encode().map_err(too_long)?);
        }
        match link.ask(token, bytes, ANSWER).await? {
            Answer::Taken { .. } => Ok(()),
            Answer::Refused { why, text, .. } => Err(refused(why, text)),
            other => Err(Error::internal("the agent answered something else").with("answer", format!("{other:?}"))),
        }
    }

    async fn ask(&self, link: &Link, frame: Frame) -> Result<Answer> {
        let token = match frame {
            Frame::Ping { token } | Frame::Work { token, .. } | Frame::Kill { token, .. } => token,
            Frame::Signal { .. } => 0,
        };
        link.ask(token, frame.encode().map_err(too_long)?, ANSWER).await
    }

    async fn ping_agent(self: &Arc<Self>, id: &str) -> Result<()> {
        let kept = self.links.get(id);
        let link = match kept {
            Some(link) => link,
            None => {
                let container = self.waiting(id).await?;
                if waits_by(&container) == Some(SHELL) {
                    return self.ping_by_exec(id).await;
                }
                let link = Link::open(self, id).await?;
                self.links.keep(id, &link);
                link
            }
        };
        let answer = self.ask(&link, Frame::Ping { token: self.links.token() }).await;
        match answer {
            Ok(Answer::Pong { waits: true, .. }) => Ok(()),
            Ok(_) => {
                self.links.forget(id);
                Err(Error::wrong_state("the instance has work"))
            }
            Err(error) => {
                self.links.forget(id);
                // It ended, or is gone: that says more than that the link broke.
                self.waiting(id).await?;
                Err(error)
            }
        }
    }

    /// Has an agent kill what carries a mark; `None` where the container has no agent.
    pub(crate) async fn kill_by_agent(&self, id: &str, mark: &str) -> Option<Result<()>> {
        let container = match self.owned(id).await {
            Ok(container) => container,
            Err(error) => return Some(Err(error)),
        };
        if !has_agent(&container) || instance::state(&container) != InstanceState::Running {
            return None;
        }
        let kill = async {
            let link = Link::open(self, id).await?;
            match self.ask(&link, Frame::Kill { token: self.links.token(), mark: mark.into() }).await? {
                Answer::Killed { gone: true, .. } => Ok(()),
                _ => Err(Error::internal("the agent could not kill the command")),
            }
        };
        Some(kill.await)
    }

    /// The container, if it runs and is one that waits, or did.
    async fn waiting(&self, id: &str) -> Result<ContainerInspectResponse> {
        let container = self.owned(id).await?;
        if waits_by(&container).is_none() || instance::state(&container) != InstanceState::Running {
            return Err(Error::wrong_state("the instance doesn't wait for work"));
        }
        Ok(container)
    }
}

/// Whether a container's first process is an agent.
pub(crate) fn has_agent(container: &ContainerInspectResponse) -> bool {
    waits_by(container) == Some(AGENT)
}

/// How a container waits, or waited, for its work.
fn waits_by(container: &ContainerInspectResponse) -> Option<&str> {
    container.config.as_ref()?.labels.as_ref()?.get(WAITS_BY).map(String::as_str)
}

fn wire_work(work: &Assignment) -> Work {
    let env = work.env.iter().map(|(name, value)| (name.clone(), EnvValue::expose(value).to_owned()));
    Work {
        key: work.key.clone(),
        command: work.command.clone(),
        env: env.collect(),
        folder: work.working_dir.clone(),
        user: work.user.clone(),
    }
}

fn too_long(_: wire::Malformed) -> Error {
    Error::limit_exceeded("the work is longer than a program can be told").with("limit", wire::MAX_WORK)
}

fn refused(why: Refusal, text: String) -> Error {
    match why {
        Refusal::Busy => Error::wrong_state(text),
        Refusal::NoProgram => Error::not_found(text),
        Refusal::NotThisUser => Error::permission_denied(text),
        Refusal::Malformed => Error::invalid(text),
    }
}

#[async_trait]
impl Resident for DockerBackend {
    async fn warm(&self, spec: &RuntimeSpec) -> Result<InstanceId> {
        let id = Box::pin(self.0.warm(spec)).await.map_err(|error| error.at(PLACE, "warm"))?;
        InstanceId::new(id)
    }

    async fn bind(&self, id: &InstanceId, work: &Assignment) -> Result<()> {
        self.0.bind(id.as_str(), work).await.map_err(|error| crate::backend::told(error, id, "bind"))
    }

    async fn ping(&self, id: &InstanceId) -> Result<()> {
        self.0.ping_agent(id.as_str()).await.map_err(|error| crate::backend::told(error, id, "ping"))
    }
}
