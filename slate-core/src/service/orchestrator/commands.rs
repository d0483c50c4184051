use super::Context;
use crate::{
    Cancel, Error, Result, SessionId,
    bus::{
        ContainerTopic, EventBusExt, Message, RuntimeTopic, SubjectFilter, SubscribeOptions, Subscription, Topic,
        filters,
    },
    model::{Json, RuntimeSession, SessionState},
    runtime::{Command, ExecOptions, RuntimeBackendExt},
    store::JobRef,
};
use serde::Deserialize;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::sync::Semaphore;

/// Commands that are worked on at a time; others wait in the subscription's queue.
const AT_A_TIME: usize = 64;
/// A look at a session that another orchestrator may have.
const LOOK: Duration = Duration::from_millis(25);

/// The commands, one orchestrator for each, and the questions for a session's state.
pub(super) async fn subscribe(context: &Context) -> Result<[Subscription; 2]> {
    let group = SubscribeOptions::default().with_queue("slate-orchestrators");
    let status = SubjectFilter::new("slate.runtime.status.*")?;
    Ok([
        context.bus.subscribe(&filters::container_commands(), group.clone()).await?,
        context.bus.subscribe(&status, group).await?,
    ])
}

pub(super) async fn serve(context: Arc<Context>, subscriptions: [Subscription; 2], cancel: &Cancel) {
    let [mut commands, mut questions] = subscriptions;
    let slots = Arc::new(Semaphore::new(AT_A_TIME));
    loop {
        let message = tokio::select! {
            message = commands.next() => message,
            message = questions.next() => message,
            () = cancel.canceled() => return,
        };
        let Some(message) = message else { return };
        // Status events pass here too; only a question wants an answer.
        let question = matches!(Topic::parse(&message.subject), Ok(Topic::Runtime(_)));
        if question && message.reply.is_none() {
            continue;
        }
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        let context = Arc::clone(&context);
        tokio::spawn(async move {
            answer(&context, &message).await;
            drop(slot);
        });
    }
}

async fn answer(context: &Context, message: &Message) {
    let limit = context.options.command_timeout;
    let result = match tokio::time::timeout(limit, carry_out(context, message)).await {
        Ok(result) => result,
        Err(_) => Err(Error::timed_out("the command took too long; it may still be carried out")),
    };
    let reply = match result {
        Ok(reply) => reply,
        Err(error) => {
            tracing::info!(subject = %message.subject, %error, "a command failed");
            serde_json::json!({ "success": false, "error": error.to_string(), "kind": error.kind().as_str() })
        }
    };
    if let Err(error) = context.bus.answer(message, &reply).await {
        tracing::warn!(subject = %message.subject, %error, "a command could not be answered");
    }
}

async fn carry_out(context: &Context, message: &Message) -> Result<Json> {
    match Topic::parse(&message.subject)? {
        Topic::Container(ContainerTopic::Start(id)) => {
            let session = context.journal.store().session(id).await?;
            // One that ended by itself may have been too quick for whoever made it and starts it now.
            if session.status.is_final() && session.stop_requested {
                return Err(Error::wrong_state("a session that was stopped is not started again; make a new one")
                    .with("session", id)
                    .with("status", session.status));
            }
            context.bell.notify_one();
            let session = until(context, id, |session| {
                matches!(session.status, SessionState::Running | SessionState::Stopping) || session.status.is_final()
            })
            .await?;
            outcome(&session, session.started_at.is_some())
        }
        Topic::Container(ContainerTopic::Stop(id)) => {
            context.sessions.request_stop(id).await?;
            ring(context, id);
            let session = until(context, id, |session| session.status.is_final()).await?;
            outcome(&session, true)
        }
        Topic::Container(ContainerTopic::Restart(id)) => {
            let asked = context.sessions.request_restart(id).await?;
            ring(context, id);
            let session = until(context, id, |session| {
                session.status.is_final()
                    || (session.restarts > asked.restarts && session.status == SessionState::Running)
            })
            .await?;
            outcome(&session, session.status == SessionState::Running)
        }
        Topic::Container(ContainerTopic::Execute(id)) => execute(context, id, message.parse()?).await,
        Topic::Container(ContainerTopic::Stats(id)) => {
            let session = context.journal.store().session(id).await?;
            let sample = context.runtime.sample(&instance_of(&session)?).await?;
            let mut reply = serde_json::to_value(sample)?;
            reply["memory_percent"] = sample.memory_percent().into();
            reply["success"] = true.into();
            Ok(reply)
        }
        Topic::Runtime(RuntimeTopic::Status(id)) => {
            let session = context.journal.reads().session(id).await?;
            Ok(serde_json::json!({
                "success": true, "sessionId": id, "projectId": session.project_id, "status": session.status,
                "containerId": session.container_id, "startedAt": session.started_at, "error": session.error_message,
            }))
        }
        _ => Err(Error::unsupported("not a command").with("subject", &message.subject)),
    }
}

/// A command as seed 000 has it: the program, and its arguments apart.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Execute {
    command: OneOrMore,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    working_dir: Option<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    timeout_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

async fn execute(context: &Context, id: SessionId, wanted: Execute) -> Result<Json> {
    let session = context.journal.store().session(id).await?;
    let mut words = match wanted.command {
        OneOrMore::One(word) => vec![word],
        OneOrMore::More(words) => words,
    };
    words.extend(wanted.args);
    // The session's own, which an instance that was warmed before the session came doesn't have.
    let spec = &session.container_config;
    let mut env: BTreeMap<_, _> =
        spec.env.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())).collect();
    env.extend(wanted.env);
    let mut options = ExecOptions::default().with_env(env);
    options.working_dir = wanted.working_dir.or_else(|| spec.working_dir.clone());
    // Ended a little before the command is answered, so that the answer says so.
    let most = context.options.command_timeout.mul_f32(0.9);
    options.timeout = Some(wanted.timeout_ms.map_or(most, Duration::from_millis).min(most));
    let (stdout, stderr, exit) =
        context.runtime.exec_all(&instance_of(&session)?, &Command::new(words), options).await?;
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    Ok(serde_json::json!({
        "success": exit.success(), "output": stdout, "stdout": stdout, "stderr": stderr, "exitCode": exit.code,
        "error": if exit.success() { None } else { Some(exit.describe()) },
    }))
}

fn instance_of(session: &RuntimeSession) -> Result<crate::InstanceId> {
    session.container_id.clone().filter(|_| session.status == SessionState::Running).ok_or_else(|| {
        Error::wrong_state("the session doesn't run").with("session", session.id).with("status", session.status)
    })
}

fn outcome(session: &RuntimeSession, success: bool) -> Result<Json> {
    let error = match &session.error_message {
        None if !success => Some(format!("the session is {} by now", session.status)),
        message => message.clone(),
    };
    Ok(serde_json::json!({
        "success": success, "sessionId": session.id, "status": session.status, "output": session.container_id,
        "error": error,
    }))
}

/// Wakes the session's supervisor, where it is this process's; another's hears of it when it extends its lease.
fn ring(context: &Context, id: SessionId) {
    if let Some(work) = context.leases.get(JobRef::Session(id)) {
        work.bell.notify_one();
    }
}

/// Waits until the session is such, and looks whenever this orchestrator records something of it; what another one records is
/// found now and then.
async fn until(context: &Context, id: SessionId, wanted: impl Fn(&RuntimeSession) -> bool) -> Result<RuntimeSession> {
    let mut recorded = context.recorded.subscribe();
    loop {
        let session = context.journal.store().session(id).await?;
        if wanted(&session) {
            return Ok(session);
        }
        let told = async { while recorded.recv().await.is_ok_and(|of| of != id) {} };
        // In time or not, it is looked at.
        let _ = tokio::time::timeout(LOOK, told).await;
    }
}
