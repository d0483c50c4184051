use super::support::{Addresses, Fleet, World, eventually};
use slate_core::{
    model::{Json, LogSource, SessionState},
    store::{CounterQuery, LogQuery, PageRequest},
};
use slate_harness::{Nats, NatsVersion, require, shared};
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

/// Runs the client, and returns what it was told.
fn foreign(port: u16, arguments: &[&str]) -> std::process::Child {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/client.py");
    let mut command = Command::new("python3");
    command.arg(script).arg(port.to_string()).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn told(client: std::process::Child) -> Json {
    let output = client.wait_with_output().unwrap();
    let [text, wrong] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(output.status.success(), "{text} {wrong}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn five_processes_answer_a_foreign_client_as_the_documents_say() {
    let (Some(postgres), Some(redis)) = (require(shared::postgres()), require(shared::redis())) else { return };
    // Servers of its own: the subjects are the documents', without a prefix.
    let Some(nats) = require(Nats::start(NatsVersion::V2_15)) else { return };
    let data = tempfile::tempdir().unwrap();
    let database = postgres.database().unwrap();
    let world = World::new(data.path(), &database.url).await;
    let addresses = Addresses { store: database.url.clone(), bus: nats.url(), cache: redis, durable: 1 };
    let services = ["logs", "orchestrator", "builds", "assets", "analytics"];
    let fleet = Fleet::start(data.path(), &addresses, &services);

    let session = world.session("echo ready; while :; do sleep 0.05; done").await;
    let id = session.id.to_string();
    let told_session = told(foreign(nats.port(), &["session", &id]));
    let answers = &told_session["answers"];
    for command in ["start", "execute", "stats", "restart", "stop", "log"] {
        assert_eq!(answers[command]["success"], true, "{command}: {answers:#}");
    }
    assert!(answers["start"]["output"].is_string(), "{answers:#}");
    assert_eq!((&answers["execute"]["output"], &answers["execute"]["exitCode"]), (&"hello\n".into(), &0.into()));
    for field in ["cpu_percent", "memory_usage", "memory_limit", "network_rx_bytes", "network_tx_bytes"] {
        assert!(answers["stats"][field].is_number(), "{field}: {answers:#}");
    }
    assert_eq!(answers["status"]["status"], "running", "{answers:#}");
    // A session that isn't there is told, not left to a time-out.
    assert_eq!((&answers["unknown"]["success"], &answers["unknown"]["kind"]), (&false.into(), &"not-found".into()));
    // What it said itself it hears as well, before or after what the services say.
    let services_said = |event: &&Json| event["data"]["message"] != "from afar";
    let events: Vec<_> = told_session["events"].as_array().unwrap().iter().filter(services_said).collect();
    for kind in ["started", "stopped", "status", "log"] {
        let event =
            events.iter().find(|event| event["type"] == kind).unwrap_or_else(|| panic!("no {kind}: {events:#?}"));
        assert_eq!(event["sessionId"], id.as_str());
        assert_eq!(event["projectId"], world.project.id.to_string());
        assert!(event["timestamp"].as_i64().unwrap() > 1_700_000_000_000, "milliseconds since the epoch: {event}");
    }
    let line = events.iter().find(|event| event["type"] == "log" && event["data"]["message"] == "ready");
    assert_eq!(line.unwrap_or_else(|| panic!("no line: {events:#?}"))["data"]["level"], "info");
    let lines = LogQuery::all().of_source(LogSource::Session(session.id)).containing("from afar".into());
    let stored = world.store.logs(lines, PageRequest::first(10)).await.unwrap().items;
    assert_eq!(stored.len(), 1, "the foreign line was acknowledged, so it is stored: {stored:?}");

    let mut listening = foreign(nats.port(), &["build", &world.project.id.to_string()]);
    // What is said before it listens it can't hear.
    let mut line = String::new();
    BufReader::new(listening.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "listens\n");
    let build = world.build().await;
    let assets = world.assets(7).await;
    world.done(&build, &assets).await;
    let told_build = told(listening);
    let events = told_build["events"].as_array().unwrap();
    let of = |kind: &str| events.iter().filter(|event| event["type"] == kind).collect::<Vec<_>>();
    assert_eq!((of("started").len(), of("completed").len(), of("failed").len()), (1, 1, 0), "{events:#?}");
    let percents: Vec<_> = of("progress").iter().map(|event| event["data"]["percent"].as_i64().unwrap()).collect();
    assert!(percents.is_sorted() && percents.contains(&95), "{percents:?}");
    let completed = of("completed")[0];
    assert_eq!(completed["buildId"], build.id.to_string());
    assert!(completed["data"]["artifacts"][0]["size"].is_number(), "{completed:#}");

    // The fourth and the fifth process have done their part, and so has the archive.
    eventually("analytics", async || {
        let counters = world.store.counters(CounterQuery::all()).await?;
        Ok(counters.iter().any(|counter| counter.name.contains("build")).then_some(()))
    })
    .await;
    let history = data.path().join("archive/history");
    eventually("the session's file", async || {
        let days = std::fs::read_dir(&history).unwrap().flatten();
        Ok(days.into_iter().any(|day| day.path().join(format!("{id}.json")).exists()).then_some(()))
    })
    .await;
    assert_eq!(world.store.session(session.id).await.unwrap().status, SessionState::Stopped);
    fleet.end();
}
