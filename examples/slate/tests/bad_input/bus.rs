use super::support::World;
use slate_core::{
    SessionId,
    bus::{ContainerTopic, EventBusExt, RuntimeTopic, Topic},
    model::{Json, LogLevel, LogSource, SessionState},
};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);

async fn ask(world: &World, topic: ContainerTopic, payload: Json) -> Json {
    world.pieces.bus.ask(Topic::Container(topic).subject(), &payload, LIMIT).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_are_answered_with_the_fields_that_the_seeds_have() {
    let world = World::new().await;
    let services = world.start(|_| {}).await;
    let id = world.session("echo ready; while :; do sleep 0.05; done").await;
    let started = ask(&world, ContainerTopic::Start(id), Json::Null).await;
    assert_eq!((&started["success"], &started["status"]), (&true.into(), &"running".into()), "{started}");
    assert_eq!(started["sessionId"], id.to_string());
    assert!(started["output"].is_string(), "{started}");

    let executed = serde_json::json!({ "command": "sh", "args": ["-c", "echo out; echo err >&2; exit 3"] });
    let executed = ask(&world, ContainerTopic::Execute(id), executed).await;
    assert_eq!(executed["success"], false, "{executed}");
    assert_eq!(executed["exitCode"], 3, "{executed}");
    assert_eq!((&executed["stdout"], &executed["stderr"]), (&"out\n".into(), &"err\n".into()), "{executed}");
    assert!(executed["output"].as_str().unwrap().contains("out") && executed["error"].is_string(), "{executed}");

    let stats = ask(&world, ContainerTopic::Stats(id), Json::Null).await;
    assert_eq!(stats["success"], true, "{stats}");
    for field in
        ["cpu_percent", "memory_usage", "memory_limit", "memory_percent", "network_rx_bytes", "network_tx_bytes"]
    {
        assert!(stats[field].is_number(), "{field}: {stats}");
    }

    let before = world.store().session(id).await.unwrap();
    let restarted = ask(&world, ContainerTopic::Restart(id), Json::Null).await;
    assert_eq!((&restarted["success"], &restarted["status"]), (&true.into(), &"running".into()), "{restarted}");
    let after = world.store().session(id).await.unwrap();
    assert_eq!((after.restarts, &after.container_id), (before.restarts + 1, &before.container_id));

    let status: Json =
        world.pieces.bus.ask(Topic::Runtime(RuntimeTopic::Status(id)).subject(), &Json::Null, LIMIT).await.unwrap();
    assert_eq!((&status["status"], &status["sessionId"]), (&"running".into(), &id.to_string().into()), "{status}");

    let stopped = ask(&world, ContainerTopic::Stop(id), Json::Null).await;
    assert_eq!((&stopped["success"], &stopped["status"]), (&true.into(), &"stopped".into()), "{stopped}");
    let again = ask(&world, ContainerTopic::Start(id), Json::Null).await;
    assert_eq!((&again["success"], &again["kind"]), (&false.into(), &"wrong-state".into()), "{again}");
    world.is_empty().await;
    services.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_make_no_sense_are_answered_with_an_error() {
    let world = World::new().await;
    let services = world.start(|_| {}).await;
    let unknown = SessionId::new();
    for topic in [
        ContainerTopic::Start(unknown),
        ContainerTopic::Stop(unknown),
        ContainerTopic::Restart(unknown),
        ContainerTopic::Stats(unknown),
    ] {
        let answer = ask(&world, topic, Json::Null).await;
        assert_eq!((&answer["success"], &answer["kind"]), (&false.into(), &"not-found".into()), "{answer}");
        assert!(answer["error"].as_str().unwrap().contains(&unknown.to_string()), "{answer}");
    }
    let id = world.session("echo ready; while :; do sleep 0.05; done").await;
    ask(&world, ContainerTopic::Start(id), Json::Null).await;
    let answer = ask(&world, ContainerTopic::Execute(id), serde_json::json!({ "comand": "true" })).await;
    assert_eq!((&answer["success"], &answer["kind"]), (&false.into(), &"invalid".into()), "{answer}");
    let answer = ask(&world, ContainerTopic::Execute(id), serde_json::json!({ "command": "no-such-program" })).await;
    assert_eq!(answer["success"], false, "{answer}");
    assert!(answer["error"].is_string(), "{answer}");
    let slow = serde_json::json!({ "command": ["sleep", "600"], "timeoutMs": 100 });
    let answer = ask(&world, ContainerTopic::Execute(id), slow).await;
    assert_eq!(answer["success"], false, "{answer}");
    assert!(answer["error"].as_str().unwrap().contains("time"), "{answer}");
    ask(&world, ContainerTopic::Stop(id), Json::Null).await;
    world.is_empty().await;
    services.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_a_session_that_ends_is_answered_and_says_why() {
    let world = World::new().await;
    let services = world.start(|_| {}).await;
    let id = world.session("trap '' TERM; echo ready; while :; do sleep 0.05; done").await;
    world.printed(id, "ready").await;
    world.session_when(id, "running", |session| session.status == SessionState::Running).await;
    // Both are wanted at once: the stop wins, whichever came first, and the restart is told.
    let (restart, stop) = tokio::join!(
        ask(&world, ContainerTopic::Restart(id), Json::Null),
        ask(&world, ContainerTopic::Stop(id), Json::Null)
    );
    assert_eq!(stop["success"], true, "{stop}");
    assert_eq!(world.ended(id).await.status, SessionState::Stopped);
    assert!(restart["success"] == true || restart["error"].is_string(), "{restart}");
    world.is_empty().await;
    services.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_log_line_is_acknowledged_once_it_is_stored() {
    let world = World::new().await;
    let services = world.start(|options| options.logs.flush_every = Duration::from_secs(600)).await;
    let id = world.session("true").await;
    world.ended(id).await;
    let subject = Topic::Runtime(RuntimeTopic::Log(id)).subject();
    let line = serde_json::json!({
        "type": "log", "sessionId": id, "timestamp": 1_761_748_200_123_i64,
        "data": { "level": "warn", "message": "from afar", "metadata": { "thread": 7 } },
    });
    let answer: Json = world.pieces.bus.ask(subject.clone(), &line, LIMIT).await.unwrap();
    assert_eq!(answer["success"], true, "{answer}");
    let stored = world.log(LogSource::Session(id)).await;
    assert_eq!(stored.len(), 1, "the answer came when it was stored: {stored:?}");
    assert_eq!((stored[0].message.as_str(), stored[0].level), ("from afar", LogLevel::Warning));
    assert_eq!(stored[0].timestamp.as_millis(), 1_761_748_200_123);
    assert_eq!(stored[0].metadata["thread"], 7);
    for malformed in [serde_json::json!({ "data": { "level": "info" } }), serde_json::json!(7), Json::Null] {
        let answer: Json = world.pieces.bus.ask(subject.clone(), &malformed, LIMIT).await.unwrap();
        assert_eq!(answer["success"], false, "{malformed}: {answer}");
        assert!(answer["error"].as_str().is_some_and(|text| !text.is_empty()), "{answer}");
    }
    assert_eq!(world.log(LogSource::Session(id)).await.len(), 1);
    services.shutdown().await.unwrap();
}
