//! Clients, real servers and faults at random moments; then no promise of the store or the bus is broken.
//!
//! `SLATE_HISTORY_SEEDS` says how many histories (default 6), `SLATE_HISTORY_FIRST` the first one's seed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use rustix::process::{Pid, Signal, kill_process};
use slate_core::{
    bus::{ConsumeOptions, DurableBus, filters, headers},
    store::{BuildQuery, EventQuery, PageRequest, ProjectQuery, RecordId, Store},
};
use slate_harness::{Database, Faults, Nats, NatsVersion, Postgres, PostgresOptions, Proxy, require, unique};
use slate_history::{
    Entry, Held, HeldEvent, HeldRecord, Notes, Violation, check,
    client::{LEASE, found_world},
    open_bus, open_store,
};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// How long clients make new work.
const BUSY: Duration = Duration::from_millis(2500);
/// Longest time until everything is at rest after the last fault.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
enum Fault {
    KillClient,
    HaltClient,
    KillStore,
    KillBus,
    CutStore,
    CutBus,
    HalfOpenStore,
    HalfOpenBus,
    SlowLinks,
}

const ON_ALL: [Fault; 6] =
    [Fault::KillClient, Fault::HaltClient, Fault::KillBus, Fault::CutBus, Fault::HalfOpenBus, Fault::SlowLinks];
const ON_POSTGRES: [Fault; 3] = [Fault::KillStore, Fault::CutStore, Fault::HalfOpenStore];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_and_nats_keep_every_promise() {
    let Some(postgres) = require(Postgres::start(&PostgresOptions::default())) else { return };
    let Some(nats) = require(Nats::start(NatsVersion::V2_15)) else { return };
    let proxy = Proxy::start(postgres.address().port).unwrap();
    let mut servers = Servers::new(nats, Some((postgres, proxy)));
    histories(&mut servers, |servers, _| {
        let (postgres, proxy) = servers.postgres.as_ref().unwrap();
        let database = postgres.address().database().unwrap();
        let through = postgres.address().tcp_url(proxy.port(), &database.name);
        Home { through, own: database.url.clone(), _database: Some(database) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_and_the_oldest_nats_keep_every_promise() {
    let Some(nats) = require(Nats::start(NatsVersion::V2_9)) else { return };
    histories(&mut Servers::new(nats, None), |_, folder| {
        let path = folder.join("slate.db").display().to_string();
        Home { through: path.clone(), own: path, _database: None }
    })
    .await;
}

/// A store of one history: its address for clients, and its own.
struct Home {
    through: String,
    own: String,
    _database: Option<Database>,
}

/// Runs the histories; `store` gives each a new store.
async fn histories(servers: &mut Servers, store: impl Fn(&Servers, &Path) -> Home) {
    let number = |name: &str, default: u64| std::env::var(name).ok().map_or(default, |text| text.parse().unwrap());
    let (first, seeds) = (number("SLATE_HISTORY_FIRST", 1), number("SLATE_HISTORY_SEEDS", 6));
    for seed in first..first + seeds {
        let folder = tempfile::tempdir().unwrap();
        let home = store(servers, folder.path());
        let history = History::begin(servers, folder, &home).await;
        let started = Instant::now();
        let (done, violations) = history.run(servers, seed).await;
        println!("seed {seed}: {done}, {:.1} s", started.elapsed().as_secs_f32());
        assert!(violations.is_empty(), "seed {seed}: {violations:#?}");
    }
}

/// The servers of all histories, each behind a proxy.
struct Servers {
    nats: Nats,
    bus: Proxy,
    postgres: Option<(Postgres, Proxy)>,
}

impl Servers {
    fn new(nats: Nats, postgres: Option<(Postgres, Proxy)>) -> Self {
        let bus = Proxy::start(nats.port()).unwrap();
        Self { nats, bus, postgres }
    }

    fn heal(&self) {
        self.bus.heal();
        if let Some((_, proxy)) = &self.postgres {
            proxy.heal();
        }
    }
}

struct History {
    folder: tempfile::TempDir,
    /// The store's address for clients, and the bus's.
    addresses: [String; 2],
    store: Arc<dyn Store>,
    bus: Arc<dyn DurableBus>,
    clients: Vec<Child>,
    began: Instant,
}

impl History {
    async fn begin(servers: &Servers, folder: tempfile::TempDir, home: &Home) -> Self {
        let prefix = unique("history");
        let bus_address = |port: u16| format!("nats://127.0.0.1:{port}/{prefix}");
        let store = open_store(&home.own).await.unwrap();
        let notes = Notes::open(&folder.path().join("founder")).unwrap();
        found_world(&*store, &notes, 3).await.unwrap();
        let (_, bus) = open_bus(&bus_address(servers.bus.port())).await.unwrap();
        let addresses = [home.through.clone(), bus_address(servers.bus.port())];
        let mut history = Self { folder, addresses, store, bus, clients: Vec::new(), began: Instant::now() };
        for index in 0..2 {
            let client = history.client(index);
            history.clients.push(client);
        }
        history
    }

    fn notes(&self, index: usize) -> PathBuf {
        self.folder.path().join(format!("client-{index}"))
    }

    fn client(&self, index: usize) -> Child {
        let left = BUSY.saturating_sub(self.began.elapsed()).as_millis().to_string();
        let [store, bus] = &self.addresses;
        let program = env!("CARGO_BIN_EXE_slate-history-client");
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let mut command = Command::new(program);
        command.args([store.as_str(), bus]).arg(self.notes(index)).arg(left).stderr(log);
        command.spawn().unwrap()
    }

    /// Lets the clients work under faults, waits for rest, and checks; a line about what happened, and what was broken.
    async fn run(mut self, servers: &mut Servers, seed: u64) -> (String, Vec<Violation>) {
        let delivered: Arc<Mutex<Vec<Entry>>> = Arc::default();
        let listening = self.listen(Arc::clone(&delivered)).await;
        let mut random = fastrand::Rng::with_seed(seed);
        let mut faults = ON_ALL.to_vec();
        faults.extend(servers.postgres.is_some().then_some(ON_POSTGRES).into_iter().flatten());
        let mut done = Vec::new();
        for _ in 0..random.usize(2..=4) {
            tokio::time::sleep(Duration::from_millis(random.u64(100..700))).await;
            let fault = random.choice(&faults).copied().unwrap();
            self.break_something(servers, fault, &mut random).await;
            done.push(format!("{fault:?}"));
        }
        servers.heal();
        self.rest(&delivered).await;
        for client in &mut self.clients {
            client.kill().unwrap();
            client.wait().unwrap();
        }
        listening.abort();
        let mut history = Notes::read(&self.folder.path().join("founder")).unwrap();
        for index in 0..self.clients.len() {
            history.extend(Notes::read(&self.notes(index)).unwrap());
        }
        let told = history.len();
        history.append(&mut delivered.lock().unwrap());
        let held = held(&*self.store).await;
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        for line in log.lines().filter(|line| line.starts_with("unexpected")) {
            println!("  {line}");
        }
        let (jobs, events) = (held.records.values().filter(|record| record.job.is_some()).count(), held.events.len());
        (format!("{told} answers, {jobs} jobs, {events} events, {}", done.join(" ")), check(&history, &held))
    }

    async fn break_something(&mut self, servers: &mut Servers, fault: Fault, random: &mut fastrand::Rng) {
        let index = random.usize(..self.clients.len());
        match fault {
            Fault::KillClient => {
                self.clients[index].kill().unwrap();
                self.clients[index].wait().unwrap();
                self.clients[index] = self.client(index);
            }
            Fault::HaltClient => {
                let pid = Pid::from_child(&self.clients[index]);
                kill_process(pid, Signal::STOP).unwrap();
                tokio::time::sleep(LEASE * 2).await;
                kill_process(pid, Signal::CONT).unwrap();
            }
            Fault::KillBus => {
                servers.nats.kill9().unwrap();
                tokio::time::sleep(Duration::from_millis(random.u64(..400))).await;
                servers.nats.restart().unwrap();
            }
            Fault::CutBus => servers.bus.cut(),
            Fault::HalfOpenBus => servers.bus.half_open(),
            Fault::SlowLinks => {
                let slow = Faults {
                    delay: Duration::from_millis(random.u64(1..10)),
                    split: Some(random.u64(..)),
                    ..Faults::default()
                };
                servers.bus.set(slow.clone());
                if let Some((_, proxy)) = &servers.postgres {
                    proxy.set(slow);
                }
            }
            Fault::KillStore => {
                let (postgres, _) = servers.postgres.as_mut().unwrap();
                postgres.kill9().unwrap();
                tokio::time::sleep(Duration::from_millis(random.u64(..400))).await;
                postgres.restart().unwrap();
            }
            Fault::CutStore => servers.postgres.as_ref().unwrap().1.cut(),
            Fault::HalfOpenStore => servers.postgres.as_ref().unwrap().1.half_open(),
        }
    }

    async fn rest(&self, delivered: &Mutex<Vec<Entry>>) {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if self.began.elapsed() > BUSY && self.is_at_rest(delivered).await.unwrap_or(false) {
                return;
            }
        }
        println!("  not at rest after {PATIENCE:?}");
    }

    async fn is_at_rest(&self, delivered: &Mutex<Vec<Entry>>) -> slate_core::Result<bool> {
        if !self.store.unpublished(1).await?.is_empty() {
            return Ok(false);
        }
        let builds = self.store.builds(BuildQuery::all(), PageRequest::newest(1000)).await?;
        if builds.items.iter().any(|build| !build.status.is_final()) {
            return Ok(false);
        }
        let held: BTreeSet<_> = all_events(&*self.store).await?.into_iter().map(|event| event.id).collect();
        let delivered = delivered.lock().unwrap();
        let seen: BTreeSet<_> = delivered
            .iter()
            .filter_map(|entry| if let Entry::Delivered { event, .. } = entry { Some(event.clone()) } else { None })
            .collect();
        Ok(held.is_subset(&seen))
    }
}

impl History {
    /// Notes what is delivered until it is aborted.
    async fn listen(&self, delivered: Arc<Mutex<Vec<Entry>>>) -> tokio::task::JoinHandle<()> {
        let options = ConsumeOptions::new("checker").from_start().with_work_time(Duration::from_secs(2));
        let mut events = self.bus.consume(&filters::all(), options).await.unwrap();
        tokio::spawn(async move {
            while let Some(delivery) = events.next().await {
                let headers = &delivery.message.headers;
                let (event, version) =
                    (delivery.message.event_id().unwrap(), headers[headers::VERSION].parse().unwrap());
                let aggregate = headers[headers::AGGREGATE].clone();
                delivered.lock().unwrap().push(Entry::Delivered { event: event.to_string(), aggregate, version });
                // What could not be acknowledged comes again.
                let _ = delivery.acknowledge().await;
            }
        })
    }
}

async fn held(store: &dyn Store) -> Held {
    let mut held = Held { events: all_events(store).await.unwrap(), ..Held::default() };
    for project in store.projects(ProjectQuery::all(), PageRequest::first(1000)).await.unwrap().items {
        let record = HeldRecord { version: project.revision.version.0, job: None };
        held.records.insert(RecordId::from(project.id).to_string(), record);
    }
    for build in store.builds(BuildQuery::all(), PageRequest::first(1000)).await.unwrap().items {
        let job = Some((build.lease.attempt, build.status.is_final()));
        let record = HeldRecord { version: build.revision.version.0, job };
        held.records.insert(RecordId::from(build.id).to_string(), record);
    }
    held
}

async fn all_events(store: &dyn Store) -> slate_core::Result<Vec<HeldEvent>> {
    let (mut events, mut after) = (Vec::new(), None);
    loop {
        let page = store.events(EventQuery::all(), PageRequest::first(1000).after(after)).await?;
        events.extend(page.items.into_iter().filter_map(|stored| {
            let aggregate = stored.event.aggregate?;
            let (id, version) = (stored.event.id.to_string(), aggregate.version.0);
            Some(HeldEvent { id, aggregate: aggregate.name, version })
        }));
        after = page.next;
        if after.is_none() {
            return Ok(events);
        }
    }
}
