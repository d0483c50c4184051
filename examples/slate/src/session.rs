use crate::{
    cli::SessionVerb,
    config::Config,
    output::Output,
    pieces::{Found, Opened, user},
    serve::interrupted,
};
use slate_core::{
    Error, Result, SessionId,
    bus::{ContainerTopic, EventBusExt, Topic},
    model::{Json, LogEntry, LogSource, RuntimeSession, SessionState},
    policy::MountPolicy,
    runtime::RuntimeSpec,
    service::{NewSession, Services, Sessions},
    store::{LogQuery, PageRequest, SessionQuery},
};
use std::time::Duration;

/// Time that a command over the bus may take.
const COMMAND: Duration = Duration::from_secs(60);

pub(crate) async fn run(config: &Config, output: &Output, verb: SessionVerb) -> Result<bool> {
    let opened = Opened::open(config).await?;
    let result = match verb {
        SessionVerb::Start { project, command, env, secret, memory, pids } => {
            let found = opened.look_at(&project, None)?;
            let mut spec = opened.session_spec(config, &found)?;
            if !command.is_empty() {
                spec.command = command;
            }
            spec = take_env(spec, &env, &secret)?;
            spec.memory = memory.map(|text| text.parse()).transpose()?.or(spec.memory);
            spec.pids = pids.or(spec.pids);
            let services = opened.start(config).await?;
            let started = start(&opened, &found, spec).await;
            finish(services, started).await.and_then(|session| {
                show(output, &session)?;
                Ok(session.started_at.is_some())
            })
        }
        SessionVerb::List { active, limit } => list(&opened, output, active, limit).await,
        SessionVerb::Show { id } => {
            let session = opened.pieces.journal.store().session(id.parse()?).await?;
            show(output, &session).map(|()| true)
        }
        SessionVerb::Stop { id } => command(&opened, config, output, &id, ContainerTopic::Stop, Json::Null).await,
        SessionVerb::Restart { id } => command(&opened, config, output, &id, ContainerTopic::Restart, Json::Null).await,
        SessionVerb::Stats { id } => command(&opened, config, output, &id, ContainerTopic::Stats, Json::Null).await,
        SessionVerb::Exec { id, command: words } => {
            let wanted = serde_json::json!({ "command": words });
            command(&opened, config, output, &id, ContainerTopic::Execute, wanted).await
        }
        SessionVerb::Logs { id, follow, tail } => logs(&opened, config, output, id.parse()?, follow, tail).await,
    };
    opened.close().await;
    result
}

/// Records a session and waits until it runs, or has ended.
pub(crate) async fn start(opened: &Opened, found: &Found, spec: RuntimeSpec) -> Result<RuntimeSession> {
    let (project, _) = opened.project(found).await?;
    let journal = &opened.pieces.journal;
    let sessions = Sessions::new(journal.clone(), MountPolicy::any(), None);
    let backend = opened.pieces.runtime.descriptor().name;
    let session =
        sessions.create(NewSession::new(project.id, user()?, found.engine.runtime_type(), backend, spec)).await?;
    let waiting =
        until(opened, session.id, |session| session.status == SessionState::Running || session.status.is_final());
    tokio::select! {
        session = waiting => session,
        _ = interrupted() => {
            sessions.request_stop(session.id).await?;
            until(opened, session.id, |session| session.status.is_final()).await
        }
    }
}

pub(crate) async fn until(
    opened: &Opened,
    id: SessionId,
    wanted: impl Fn(&RuntimeSession) -> bool,
) -> Result<RuntimeSession> {
    loop {
        let session = opened.pieces.journal.store().session(id).await?;
        if wanted(&session) {
            return Ok(session);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Ends the services whatever came of the work, and tells the work's error first.
pub(crate) async fn finish<T>(services: Services, result: Result<T>) -> Result<T> {
    let ended = services.shutdown().await;
    let value = result?;
    ended?;
    Ok(value)
}

fn take_env(mut spec: RuntimeSpec, env: &[String], secret: &[String]) -> Result<RuntimeSpec> {
    for pair in env {
        let (name, value) = pair.split_once('=').ok_or_else(|| Error::invalid("--env takes NAME=VALUE"))?;
        spec = spec.with_env(name, value);
    }
    for name in secret {
        let value = std::env::var(name)
            .map_err(|_| Error::not_found("this program's environment has no such variable").with("name", name))?;
        spec = spec.with_secret(name, value);
    }
    Ok(spec)
}

async fn list(opened: &Opened, output: &Output, active: bool, limit: u32) -> Result<bool> {
    let mut query = SessionQuery::all();
    if active {
        query = query.in_states(SessionState::ALL.iter().copied().filter(|state| !state.is_final()).collect());
    }
    let page = opened.pieces.journal.store().sessions(query, PageRequest::newest(limit)).await?;
    for session in &page.items {
        output.line(format!(
            "{}  {:9} {:8} {:8} {}",
            session.id,
            session.status,
            session.runtime_type,
            session.backend,
            session.container_config.command.join(" ")
        ));
    }
    if page.items.is_empty() {
        output.line("no sessions; `slate session start PROJECT` starts one");
    }
    let shown: Vec<_> = page.items.into_iter().map(redacted).collect();
    output.document(&shown)?;
    Ok(true)
}

fn show(output: &Output, session: &RuntimeSession) -> Result<()> {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    output.line(format!("session   {}", session.id));
    output.line(format!("status    {}", session.status));
    output.line(format!("project   {}", session.project_id));
    output.line(format!("command   {}", session.container_config.command.join(" ")));
    output.line(format!("instance  {}", or_dash(session.container_id.as_ref().map(ToString::to_string))));
    output.line(format!("started   {}", or_dash(session.started_at.map(|at| at.to_string()))));
    output.line(format!("ended     {}", or_dash(session.stopped_at.map(|at| at.to_string()))));
    if let Some(message) = &session.error_message {
        output.line(format!("error     {message}"));
    }
    output.line(format!("restarts  {}", session.restarts));
    if !session.status.is_final() {
        output.line(format!("next      slate session logs -f {0} | slate session stop {0}", session.id));
    }
    output.document(&redacted(session.clone()))
}

/// The session as it may be shown: secret values of its environment as stars.
fn redacted(mut session: RuntimeSession) -> RuntimeSession {
    for value in session.container_config.env.values_mut() {
        *value = value.redacted();
    }
    session
}

/// Sends a command to the orchestrator over the bus, and shows its answer.
async fn command(
    opened: &Opened,
    config: &Config,
    output: &Output,
    id: &str,
    topic: fn(SessionId) -> ContainerTopic,
    payload: Json,
) -> Result<bool> {
    let id: SessionId = id.parse()?;
    // Asked first, so that a session that isn't there is told as that.
    opened.pieces.journal.store().session(id).await?;
    let services = opened.start(config).await?;
    let answer = opened.pieces.bus.ask::<_, Json>(Topic::Container(topic(id)).subject(), &payload, COMMAND).await;
    let answer = finish(services, answer).await?;
    output.document(&answer)?;
    let success = answer["success"] == true;
    match answer.as_object() {
        Some(fields) if fields.contains_key("stdout") => {
            let text = |key: &str| answer[key].as_str().unwrap_or_default().trim_end().to_owned();
            for part in [text("stdout"), text("stderr")] {
                if !part.is_empty() {
                    output.line(part);
                }
            }
            if !success {
                output.line(format!("ended with {}", answer["error"].as_str().unwrap_or("an unknown error")));
            }
        }
        Some(fields) => {
            for (key, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
                output.line(format!("{key:18} {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
            }
        }
        None => output.line(answer.to_string()),
    }
    Ok(success)
}

async fn logs(
    opened: &Opened,
    config: &Config,
    output: &Output,
    id: SessionId,
    follow: bool,
    tail: Option<u32>,
) -> Result<bool> {
    let store = opened.pieces.journal.store();
    store.session(id).await?;
    let query = LogQuery::all().of_source(LogSource::Session(id));
    let mut lines = Vec::new();
    // Following needs somebody who carries the lines: this program itself, beside or instead of `slate serve`.
    let services = if follow { Some(opened.start(config).await?) } else { None };
    let mut after = None;
    if let Some(tail) = tail {
        let count = store.count_logs(query.clone()).await?;
        let skipped = u32::try_from(count.saturating_sub(u64::from(tail))).unwrap_or(u32::MAX);
        let page = store.logs(query.clone().with_offset(skipped), PageRequest::first(tail.clamp(1, 1000))).await?;
        tell(output, &page.items, &mut lines);
        after = page.items.last().map(|entry| entry.id);
    }
    let mut cursor = after.map(|id| slate_core::store::Cursor::new(id.to_string()));
    let reading = async {
        loop {
            let ended = store.session(id).await?.status.is_final();
            loop {
                let page = store.logs(query.clone(), PageRequest::first(500).after(cursor.clone())).await?;
                tell(output, &page.items, &mut lines);
                if let Some(last) = page.items.last() {
                    cursor = Some(slate_core::store::Cursor::new(last.id.to_string()));
                }
                if page.next.is_none() {
                    break;
                }
            }
            if !follow || ended {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let read = tokio::select! {
        read = reading => read,
        signal = interrupted(), if follow => signal,
    };
    match services {
        Some(services) => finish(services, read).await?,
        None => read?,
    }
    output.document(&lines)?;
    Ok(true)
}

fn tell(output: &Output, entries: &[LogEntry], lines: &mut Vec<LogEntry>) {
    for entry in entries {
        output.line(format!("{} {:7} {}", entry.timestamp, entry.level, entry.message));
    }
    if output.is_json() {
        lines.extend_from_slice(entries);
    }
}
