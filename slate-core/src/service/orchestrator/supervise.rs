use super::{
    Context,
    output::{follow_logs, samples_of},
};
use crate::{
    Error, ErrorKind, InstanceId, Result, SessionId, Timestamp,
    bus::event::{RuntimeEvent, RuntimeEventKind},
    model::{LogEntry, LogLevel, LogSource, NewEvent, RuntimeSession, SessionState},
    runtime::{ExitStatus, Instance, InstanceState, ListOptions, RuntimeBackendExt, StatsOptions, StopOptions, labels},
    service::{LogSink, journal::event_about, leases::Work, sessions::status_event, task::Backoff},
    session::{self, Observed, Recovery, Step, next_step},
    store::{Change, ChangeSet, Fence, JobRef},
};
use futures_util::StreamExt;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinHandle;

const RETRY: Backoff = Backoff { first: Duration::from_millis(100), most: Duration::from_secs(5) };
/// Failures in a row after which a session that can't be made or started has failed.
const MAX_FAILURES: u32 = 5;
/// Longest wait for a further line of an instance that has ended.
const DRAIN: Duration = Duration::from_secs(30);

/// Time from a session's start to the first look at what it uses. The first value takes a second anyway.
const SETTLED: Duration = Duration::from_millis(250);

/// Takes care of one session, from wherever it is to its end.
pub(super) struct Supervisor {
    pub(super) context: Arc<Context>,
    id: SessionId,
    /// Takes the session's lines.
    logs: LogSink,
    work: Work,
    follower: Option<Follower>,
    sampler: Option<JoinHandle<()>>,
    /// Whether the session was looked at before.
    looked: bool,
}

/// Carries an instance's output to the log aggregator.
struct Follower {
    task: JoinHandle<Result<()>>,
    /// The run of the instance that it follows.
    of: Option<Timestamp>,
    carried: Arc<Carried>,
}

#[derive(Default)]
struct Carried {
    lines: AtomicU64,
    /// Whether the run's output was carried to its end.
    whole: AtomicBool,
}

impl Supervisor {
    pub(super) fn new(context: Arc<Context>, session: &RuntimeSession, work: Work) -> Self {
        let logs = context.logs.for_project(session.project_id);
        Self { context, id: session.id, logs, work, follower: None, sampler: None, looked: false }
    }

    pub(super) async fn run(mut self) {
        let mut failures = 0;
        loop {
            // Asked apart from the step: only the store's word says that the record is gone, whatever else isn't found.
            let step = match self.context.journal.store().session(self.id).await {
                Ok(session) => self.advance(session, failures).await,
                Err(error) if error.kind() == ErrorKind::NotFound => return,
                Err(error) => Err(error),
            };
            match step {
                Ok(true) => return,
                Ok(false) => failures = 0,
                Err(error) if error.kind() == ErrorKind::Conflict => {
                    // The record changed meanwhile, or the lease is another's: it is read again, and seen.
                }
                Err(error) => {
                    failures += 1;
                    tracing::warn!(session = %self.id, failures, %error, "a step failed and will be tried again");
                    self.pause(RETRY.wait(failures)).await;
                }
            }
        }
    }

    /// Takes one step; whether it was the last.
    async fn advance(&mut self, session: RuntimeSession, failures: u32) -> Result<bool> {
        if session.lease.attempt != self.work.attempt {
            return Ok(true);
        }
        // Nobody can have made anything for a session that was never taken care of: the engine isn't asked.
        let untouched = session.status == SessionState::Creating && session.lease.attempt == 1 && !self.looked;
        self.looked = true;
        let observed = if untouched { Observed::Missing } else { self.observe(&session).await? };
        if let Observed::Present(instance) = &observed
            && instance.started_at.is_some()
        {
            self.follow(instance);
        }
        match next_step(&session, &observed, self.context.journal.now()) {
            Step::Create => self.create(&session, failures).await,
            Step::Start => self.start(&session, &observed, failures).await,
            Step::Stop => self.stop(&observed).await.map(|()| false),
            Step::Record(state) => {
                if let Observed::Present(instance) = &observed
                    && (session.status, state) == (SessionState::Starting, SessionState::Running)
                    && instance.state == InstanceState::Running
                    && session::is_pooled(instance)
                    && let Err(error) = self.bind_again(&session, &instance.id).await
                {
                    return self.give_up_or(&session, error, failures).await;
                }
                // Written down while the engine stops it: the request for it is there for whoever comes after a crash.
                let stop = async { if state == SessionState::Stopping { self.stop(&observed).await } else { Ok(()) } };
                let (recorded, stopped) = tokio::join!(self.record(session, state, &observed), stop);
                recorded?;
                stopped.map(|()| false)
            }
            Step::Finish(state, message, exit) => {
                self.finish(session, state, message, exit, &observed, failures).await.map(|()| true)
            }
            Step::Doom(why) => self.doom(session, why).await.map(|()| false),
            Step::Again { reason, row, not_before } => {
                self.again(session, reason, row, not_before).await.map(|()| false)
            }
            Step::WaitUntil(time) => {
                let now = self.context.journal.now();
                self.pause(time.since(now).min(self.context.options.watch)).await;
                Ok(false)
            }
            Step::Wait if session.status.is_final() => Ok(true),
            Step::Wait => {
                self.sample(&session);
                self.wait().await;
                Ok(false)
            }
        }
    }

    async fn observe(&self, session: &RuntimeSession) -> Result<Observed> {
        let runtime = &self.context.runtime;
        if let Some(id) = &session.container_id {
            return match runtime.inspect(id).await {
                Ok(instance) => Ok(Observed::Present(instance)),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(Observed::Missing),
                Err(error) => Err(error),
            };
        }
        // Made but not recorded: found by its label.
        let ours = BTreeMap::from([(labels::SESSION.to_owned(), session.id.to_string())]);
        let mut found = runtime.list_all(ListOptions::default().with_labels(ours)).await?;
        let instance = match found.pop() {
            Some(instance) => Some(instance),
            None if session.status == SessionState::Creating => self.claimed_before(session).await?,
            None => None,
        };
        Ok(instance.map_or(Observed::Missing, Observed::Present))
    }

    async fn create(&self, session: &RuntimeSession, failures: u32) -> Result<bool> {
        let context = &self.context;
        let mut asked = session.container_config.clone();
        // Before SLATE's own labels are added, which no spec may bring.
        let policy = context.options.policy.of_project(session.project_id);
        let judged = policy.check(&asked);
        policy.tighten(&mut asked);
        let spec = asked
            .with_label(labels::SESSION, session.id)
            .with_label(labels::PROJECT, session.project_id)
            .with_label(labels::DEPLOYMENT, &context.options.deployment)
            .with_label(labels::OWNER, context.leases.worker())
            .with_label(labels::GENERATION, self.work.attempt);
        let warm = match judged {
            Ok(()) => self.take_from_pool(session).await,
            Err(error) => Err(error),
        };
        let made = match warm {
            Ok(Some(instance)) => {
                let mut session = session.clone();
                session.container_id = Some(instance);
                let session = self.record(session, SessionState::Starting, &Observed::Missing).await?;
                self.record(session, SessionState::Running, &Observed::Missing).await?;
                return Ok(false);
            }
            Ok(None) => context.runtime.create(&spec).await,
            Err(error) => Err(error),
        };
        match made {
            // Made before, and its reply was lost, or being made by the orchestrator before this one: it is found by its
            // label as soon as it is whole.
            Err(error) if error.kind() == ErrorKind::AlreadyExists && failures < MAX_FAILURES => Err(error),
            Err(error) => self.give_up_or(session, error, failures).await,
            Ok(instance) => {
                let mut session = session.clone();
                session.container_id = Some(instance.clone());
                // Written down while the engine starts it. Whoever comes after a crash between the two sees that it ran.
                let recorded = self.record(session, SessionState::Starting, &Observed::Missing);
                let (session, started) = tokio::join!(recorded, context.runtime.start(&instance));
                let session = session?;
                match started {
                    Ok(()) => self.record(session, SessionState::Running, &Observed::Missing).await.map(|_| false),
                    Err(error) => self.not_started(&session, &instance, error, failures).await,
                }
            }
        }
    }

    async fn start(&self, session: &RuntimeSession, observed: &Observed, failures: u32) -> Result<bool> {
        let Observed::Present(instance) = observed else { return Ok(false) };
        match self.context.runtime.start(&instance.id).await {
            // The next look records it, and gives an instance of a pool its work again.
            Ok(()) => Ok(false),
            Err(error) => self.not_started(session, &instance.id, error, failures).await,
        }
    }

    async fn not_started(
        &self,
        session: &RuntimeSession,
        instance: &InstanceId,
        error: Error,
        failures: u32,
    ) -> Result<bool> {
        // Somebody else started it since it was looked at.
        if error.kind() == ErrorKind::WrongState {
            return Ok(false);
        }
        let given_up = self.give_up_or(session, error, failures).await?;
        self.take_away(instance.clone()).await?;
        Ok(given_up)
    }

    async fn stop(&self, observed: &Observed) -> Result<()> {
        let Observed::Present(instance) = observed else { return Ok(()) };
        if !matches!(instance.state, InstanceState::Running | InstanceState::Paused) {
            return Ok(());
        }
        let options = StopOptions::default().with_grace(self.context.options.stop_grace);
        self.context.runtime.stop(&instance.id, options).await
    }

    /// Fails the session for an error that another try wouldn't mend, or after too many tries.
    async fn give_up_or(&self, session: &RuntimeSession, error: Error, failures: u32) -> Result<bool> {
        let may_pass = error.retry() != crate::Retry::No;
        if may_pass && failures < MAX_FAILURES {
            return Err(error);
        }
        let mut ended = session.clone();
        ended.error_message = Some(error.to_string());
        self.end(ended, SessionState::Failed).await?;
        Ok(true)
    }

    /// Records a state; the session as it is then.
    async fn record(
        &self,
        mut session: RuntimeSession,
        state: SessionState,
        observed: &Observed,
    ) -> Result<RuntimeSession> {
        session::check(session.status, state)?;
        let now = self.context.journal.now();
        if let Observed::Present(instance) = observed {
            session.container_id = Some(instance.id.clone());
        }
        let restarted = session.status == SessionState::Running && state == SessionState::Starting;
        session.status = state;
        let mut kinds = Vec::new();
        match state {
            SessionState::Starting => {
                // What ran already though nobody wrote that down was started since it was made, not from now on.
                let ran = match observed {
                    Observed::Present(instance) if !restarted && !session::is_pooled(instance) => {
                        instance.started_at.map(|_| instance.created_at - Duration::from_micros(1))
                    }
                    _ => None,
                };
                session.starting_at = Some(ran.map_or(now, |made| made.min(now)));
                session.restart_requested = false;
                session.restarts += u32::from(restarted);
                if restarted {
                    // Whoever asks for a restart begins a new row.
                    Recovery::default().keep(&mut session);
                }
            }
            SessionState::Running => {
                session.started_at = session.started_at.or(Some(now));
                kinds.push(RuntimeEventKind::Started);
            }
            _ => {}
        }
        let set = self.guarded(session.clone(), &kinds, now)?;
        self.apply(set).await?;
        session.revision.version = session.revision.version.next();
        Ok(session)
    }

    /// Records that the instance is to be ended, before it is: whoever comes after a crash knows why.
    async fn doom(&self, mut session: RuntimeSession, why: String) -> Result<()> {
        let mut recovery = Recovery::of(&session);
        recovery.doomed = Some(why);
        recovery.keep(&mut session);
        let set = self.guarded(session, &[], self.context.journal.now())?;
        self.apply(set).await
    }

    async fn again(&self, mut session: RuntimeSession, reason: String, row: u32, not_before: Timestamp) -> Result<()> {
        session::check(session.status, SessionState::Starting)?;
        let now = self.context.journal.now();
        let text = format!("its instance ended ({reason}) and is started again, number {row} in a row");
        Recovery { row, not_before: Some(not_before), doomed: None }.keep(&mut session);
        session.status = SessionState::Starting;
        session.starting_at = Some(now);
        session.restarts += 1;
        session.error_message = Some(reason);
        metrics::counter!("slate_sessions_restarted_total").increment(1);
        let set = self.guarded(session, &[], now)?;
        self.apply(set).await?;
        let entry = LogEntry::new(LogSource::Session(self.id), LogLevel::Warning, text, now);
        self.logs.submit(vec![entry]).await
    }

    async fn finish(
        &mut self,
        mut session: RuntimeSession,
        state: SessionState,
        message: Option<String>,
        exit: Option<ExitStatus>,
        observed: &Observed,
        failures: u32,
    ) -> Result<()> {
        self.sampler.take().inspect(JoinHandle::abort);
        // The instance's last lines are stored before it, and its own log, are taken away.
        if let Err(error) = self.drain().await {
            if failures < MAX_FAILURES {
                // The next look takes the log up again from where the store's ends.
                return Err(error);
            }
            let text = format!("the last lines could not be read: {error}");
            tracing::error!(session = %self.id, %error, "the session's last log lines could not be read");
            let entry = LogEntry::new(LogSource::Session(self.id), LogLevel::Error, text, self.context.journal.now());
            self.logs.submit(vec![entry]).await?;
        }
        self.logs.barrier().await?;
        session.error_message = message;
        session.exit = exit;
        self.end(session, state).await?;
        match observed {
            Observed::Present(instance) => self.take_away(instance.id.clone()).await,
            Observed::Missing => Ok(()),
        }
    }

    /// Removes the instance of a session that has ended. It is done to its end whatever becomes of the supervisor: an ended
    /// session is nobody's any more, so its lease counts as lost.
    async fn take_away(&self, instance: InstanceId) -> Result<()> {
        let context = Arc::clone(&self.context);
        let going_on = Arc::clone(&context.removals).read_owned().await;
        let removal = tokio::spawn(async move {
            let removed = context.runtime.remove_if_there(&instance).await;
            drop(going_on);
            removed
        });
        removal.await.map_err(|error| Error::internal("the removal ended by a mistake").because(error))?
    }

    /// Waits for the instance's last lines, as long as some come.
    async fn drain(&mut self) -> Result<()> {
        let Some(Follower { mut task, carried, .. }) = self.follower.take() else { return Ok(()) };
        let mut seen = carried.lines.load(Ordering::Relaxed);
        loop {
            match tokio::time::timeout(DRAIN, &mut task).await {
                Ok(Ok(read)) => return read,
                Ok(Err(error)) => return Err(Error::internal("the log's follower ended by a mistake").because(error)),
                Err(_) => {}
            }
            let now = carried.lines.load(Ordering::Relaxed);
            if std::mem::replace(&mut seen, now) == now {
                task.abort();
                return Err(Error::timed_out("the last log lines didn't come in time"));
            }
        }
    }

    async fn end(&self, mut session: RuntimeSession, state: SessionState) -> Result<()> {
        session::check(session.status, state)?;
        let now = self.context.journal.now();
        let kind = if state == SessionState::Stopped { RuntimeEventKind::Stopped } else { RuntimeEventKind::Error };
        session.status = state;
        session.stopped_at = Some(now);
        let release = Change::Release { user: session.user_id.clone(), usage: std::mem::take(&mut session.reserved) };
        let set = self.guarded(session, &[kind], now)?.change(release);
        metrics::counter!("slate_sessions_ended_total", "state" => state.as_str()).increment(1);
        self.apply(set).await
    }

    async fn apply(&self, set: ChangeSet) -> Result<()> {
        self.context.journal.apply(set).await?;
        // Nobody waiting for it is no error.
        let _ = self.context.recorded.send(self.id);
        Ok(())
    }

    /// The change to this record, with its events, that only the lease's holder may make.
    fn guarded(&self, mut session: RuntimeSession, kinds: &[RuntimeEventKind], now: Timestamp) -> Result<ChangeSet> {
        session.revision.updated_at = now;
        let version = session.revision.version.next();
        let mut events: Vec<NewEvent> = vec![status_event(&session, version)?];
        for &kind in kinds {
            let data = serde_json::json!({
                "status": session.status, "containerId": session.container_id, "error": session.error_message,
                "exitCode": session.exit.and_then(|exit| exit.code),
            });
            let event = RuntimeEvent::new(kind, session.id, session.project_id, now).with_data(data);
            events.push(event_about(event, session.id, version)?);
        }
        let worker = self.context.leases.worker().clone();
        let fence = Fence { job: JobRef::Session(session.id), worker, attempt: self.work.attempt };
        Ok(ChangeSet::new().update(session).events(events).fence(fence))
    }

    /// Carries the instance's output to the log aggregator, from where the store's ends.
    fn follow(&mut self, instance: &Instance) {
        let of = instance.started_at;
        if let Some(follower) = &self.follower
            && (!follower.task.is_finished() || (follower.of == of && follower.carried.whole.load(Ordering::Acquire)))
        {
            return;
        }
        let (context, logs, session) = (Arc::clone(&self.context), self.logs.clone(), self.id);
        let instance = instance.id.clone();
        let bell = Arc::clone(&self.work.bell);
        let carried = Arc::new(Carried::default());
        let told = Arc::clone(&carried);
        let task = tokio::spawn(async move {
            let read = follow_logs(&context, &logs, session, &instance, &told.lines).await;
            match &read {
                Ok(()) => {
                    told.whole.store(true, Ordering::Release);
                    // The log ends with the instance: look at once.
                    bell.notify_one();
                }
                Err(error) => {
                    tracing::warn!(%session, %error, "the session's log broke off and will be taken up again");
                }
            }
            read
        });
        self.follower = Some(Follower { task, of, carried });
    }

    /// Measures the running session now and then.
    fn sample(&mut self, session: &RuntimeSession) {
        if self.sampler.as_ref().is_some_and(|sampler| !sampler.is_finished()) {
            return;
        }
        let Some(instance) = session.container_id.clone() else { return };
        let (context, id) = (Arc::clone(&self.context), self.id);
        self.sampler = Some(tokio::spawn(async move {
            // Not while the engine still has its hands full with the start.
            tokio::time::sleep(SETTLED).await;
            let options = StatsOptions::default().with_interval(context.options.sample_every);
            let mut samples = context.runtime.stats(&instance, options);
            while let Some(Ok(sample)) = samples.next().await {
                if let Err(error) = context.journal.store().append_metrics(samples_of(id, &sample)).await {
                    tracing::warn!(session = %id, %error, "a measurement could not be stored");
                }
            }
        }));
    }

    async fn wait(&self) {
        self.pause(self.context.options.watch).await;
    }

    async fn pause(&self, most: Duration) {
        tokio::select! {
            () = self.work.bell.notified() => {}
            () = tokio::time::sleep(most) => {}
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.follower.take().inspect(|follower| follower.task.abort());
        self.sampler.take().inspect(JoinHandle::abort);
    }
}
