use crate::{COMPONENT, NatsBus, wire};
use async_nats::{
    header::NATS_EXPECTED_LAST_SEQUENCE,
    jetstream::{
        self, AckKind, Context,
        consumer::{AckPolicy, DeliverPolicy, pull},
        stream::{Config, DiscardPolicy, StorageType},
    },
};
use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use slate_core::{
    Component, ComponentKind, Descriptor, Error, Result,
    bus::{ConsumeOptions, Deliveries, Delivery, DurableBus, Settle, SubjectFilter},
    model::StoredEvent,
};
use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::sync::Mutex;

/// What goes before the subjects of stored events, so that the stream takes nothing of what may be lost.
const ROOT: &str = "durable.";

/// How the stream behind a [`NatsDurable`] is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DurableOptions {
    /// The stream's name; default `SLATE`.
    pub stream: String,
    /// How long events are held; default 24 h. Older ones are in the store.
    pub max_age: Duration,
    /// Most bytes held; the oldest go first; default 1 GiB.
    pub max_bytes: i64,
    /// Servers of a cluster that hold each event: 1, 3 or 5; default 1.
    pub replicas: usize,
    /// Within which time an event that is published again is dropped; default 120 s.
    pub window: Duration,
    /// Whether events are held in memory instead of on disk; default no.
    pub in_memory: bool,
    /// How often the server says that a consumer is served; after two such times of silence it is made anew; default 5 s.
    pub heartbeat: Duration,
}

impl Default for DurableOptions {
    fn default() -> Self {
        Self {
            stream: "SLATE".into(),
            max_age: Duration::from_secs(24 * 3600),
            max_bytes: 1 << 30,
            replicas: 1,
            window: Duration::from_secs(120),
            in_memory: false,
            heartbeat: Duration::from_secs(5),
        }
    }
}

macro_rules! setters {
    ($($with:ident $field:ident: $type:ty,)*) => {
        impl DurableOptions {$(
            #[doc = concat!("Sets `", stringify!($field), "`.")]
            #[must_use]
            pub fn $with(mut self, $field: impl Into<$type>) -> Self {
                self.$field = $field.into();
                self
            }
        )*}
    };
}

setters! {
    with_stream stream: String,
    with_max_age max_age: Duration,
    with_max_bytes max_bytes: i64,
    with_replicas replicas: usize,
    with_window window: Duration,
    with_in_memory in_memory: bool,
    with_heartbeat heartbeat: Duration,
}

/// [`DurableBus`] on a JetStream stream, over the connection of a [`NatsBus`]. Clones are the same.
///
/// JetStream acknowledges before it has synced to disk, and so may lose events when machines fail: it is transport, and the
/// store is the record. Subjects are `durable.{subject}`, behind the bus' prefix.
#[derive(Clone)]
pub struct NatsDurable(Arc<Shared>);

struct Shared {
    bus: NatsBus,
    context: Context,
    options: DurableOptions,
    /// The number of the last event in the stream, as far as who publishes alone knows it.
    last: Mutex<Option<u64>>,
}

impl NatsDurable {
    /// Makes the stream, or sets it as the options have it.
    ///
    /// # Errors
    /// `Unavailable` where JetStream doesn't answer, `Invalid` where it refuses the options.
    pub async fn open(bus: &NatsBus, options: DurableOptions) -> Result<Self> {
        let mut context = jetstream::new(bus.client().clone());
        context.set_timeout(bus.options().timeout);
        let shared = Shared { bus: bus.clone(), context, options, last: Mutex::new(None) };
        shared.make_stream().await?;
        Ok(Self(Arc::new(shared)))
    }
}

impl Shared {
    fn subject(&self, inner: &str) -> String {
        self.bus.naming().outer(&format!("{ROOT}{inner}"))
    }

    async fn make_stream(&self) -> Result<()> {
        let options = &self.options;
        let config = Config {
            name: options.stream.clone(),
            subjects: vec![self.subject(">")],
            max_age: options.max_age,
            max_bytes: options.max_bytes,
            duplicate_window: options.window.min(options.max_age),
            num_replicas: options.replicas,
            discard: DiscardPolicy::Old,
            storage: if options.in_memory { StorageType::Memory } else { StorageType::File },
            ..Config::default()
        };
        self.context.create_or_update_stream(config).await.map(drop).map_err(|error| {
            let unavailable = matches!(error.kind(), jetstream::context::CreateStreamErrorKind::TimedOut);
            let made = if unavailable {
                Error::unavailable("JetStream does not answer")
            } else {
                Error::invalid("JetStream refuses the stream")
            };
            made.with("stream", &options.stream).because(error).at(COMPONENT, "open")
        })
    }

    async fn messages(&self, filter: &SubjectFilter, options: &ConsumeOptions) -> Result<pull::Stream> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
            Error::unavailable("JetStream does not serve the consumer").because(error).at(COMPONENT, "consume")
        };
        let config = pull::Config {
            durable_name: Some(options.name.clone()),
            filter_subject: self.subject(filter.as_str()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: options.work_time,
            max_ack_pending: i64::try_from(options.in_flight).unwrap_or(i64::MAX),
            deliver_policy: if options.from_start { DeliverPolicy::All } else { DeliverPolicy::New },
            ..pull::Config::default()
        };
        let stream = self.context.get_stream(&self.options.stream).await.map_err(|error| failed(error.into()))?;
        // One that is there keeps its place, and where it began.
        let there = stream.get_consumer::<pull::Config>(&options.name).await;
        let consumer = match there {
            Ok(consumer) => consumer,
            Err(_) => stream.create_consumer(config).await.map_err(|error| failed(error.into()))?,
        };
        let heartbeat = self.options.heartbeat;
        let messages = consumer
            .stream()
            .max_messages_per_batch(options.in_flight.clamp(1, 256))
            .heartbeat(heartbeat)
            .expires(heartbeat * 3)
            .messages();
        messages.await.map_err(|error| failed(error.into()))
    }
}

/// A consumer at work. It is made anew whenever the server stops serving it.
struct Work {
    shared: Arc<Shared>,
    filter: SubjectFilter,
    options: ConsumeOptions,
    messages: Option<pull::Stream>,
}

impl Work {
    async fn next(mut self) -> Option<(Delivery, Self)> {
        loop {
            if self.shared.bus.is_closed() {
                return None;
            }
            let Some(messages) = &mut self.messages else {
                tokio::time::sleep(self.shared.bus.options().pause).await;
                match self.shared.messages(&self.filter, &self.options).await {
                    Ok(messages) => self.messages = Some(messages),
                    Err(error) => tracing::warn!(%error, consumer = self.options.name, "tries again"),
                }
                continue;
            };
            match messages.next().await {
                Some(Ok(message)) => {
                    if let Some(delivery) = self.delivery(message).await {
                        return Some((delivery, self));
                    }
                }
                ended => {
                    metrics::counter!("slate_bus_consumers_remade_total", "bus" => "nats").increment(1);
                    if let Some(Err(error)) = ended {
                        tracing::warn!(%error, consumer = self.options.name, "JetStream stopped serving; tries again");
                    }
                    self.messages = None;
                }
            }
        }
    }

    /// `None` for a message that isn't well formed, which is told and never comes again.
    async fn delivery(&self, message: jetstream::Message) -> Option<Delivery> {
        let attempt = message.info().map_or(1, |info| u64::try_from(info.delivered).unwrap_or(1));
        let (mut plain, acker) = message.split();
        // Its reply is JetStream's.
        plain.reply = None;
        let outer = plain.subject.clone();
        let received = self.shared.bus.naming().receive(plain).and_then(|mut message| {
            let inner = message.subject.as_str().strip_prefix(ROOT).unwrap_or(message.subject.as_str());
            message.subject = slate_core::bus::Subject::new(inner)
                .map_err(|error| crate::Malformed { subject: outer.to_string(), reason: error.to_string() })?;
            message.headers.retain(|name, _| !name.starts_with("Nats-") || name == slate_core::bus::headers::ID);
            Ok(message)
        });
        match received {
            Ok(message) => Some(Delivery::new(message, attempt, Box::new(Told(acker)))),
            Err(malformed) => {
                self.shared.bus.tell_malformed(malformed);
                // Where this is lost it comes again, and is told again.
                let _told = acker.ack_with(AckKind::Term).await;
                None
            }
        }
    }
}

struct Told(jetstream::message::Acker);

fn lost(error: async_nats::Error) -> Error {
    Error::unavailable("JetStream could not be told: the event comes again").because(error)
}

#[async_trait]
impl Settle for Told {
    async fn acknowledge(self: Box<Self>) -> Result<()> {
        self.0.double_ack().await.map_err(|error| lost(error).at(COMPONENT, "acknowledge"))
    }

    async fn retry(self: Box<Self>, after: Duration) -> Result<()> {
        self.0.ack_with(AckKind::Nak(Some(after))).await.map_err(|error| lost(error).at(COMPONENT, "retry"))
    }
}

#[async_trait]
impl Component for NatsDurable {
    fn descriptor(&self) -> Descriptor {
        let detail = format!("{} on {}", self.0.options.stream, self.0.bus.options().places());
        Descriptor::new(ComponentKind::Bus, "nats.jetstream").with_detail(detail)
    }

    async fn ping(&self) -> Result<()> {
        self.0
            .context
            .get_stream(&self.0.options.stream)
            .await
            .map(drop)
            .map_err(|error| Error::unavailable("JetStream does not answer").because(error).at(COMPONENT, "ping"))
    }
}

#[async_trait]
impl DurableBus for NatsDurable {
    async fn resume(&self) -> Result<()> {
        let mut last = self.0.last.lock().await;
        *last = None;
        let stream = self.0.context.get_stream(&self.0.options.stream).await;
        let stream = stream
            .map_err(|error| Error::unavailable("JetStream does not answer").because(error).at(COMPONENT, "resume"))?;
        *last = Some(stream.cached_info().state.last_sequence);
        Ok(())
    }

    fn epoch(&self) -> u64 {
        self.0.bus.client().statistics().connects.load(Ordering::Relaxed)
    }

    async fn publish(&self, event: &StoredEvent) -> Result<()> {
        let message = event.to_message()?;
        message.check()?;
        self.0.bus.connected("publish")?;
        let mut headers = wire::headers(&message)?.unwrap_or_default();
        let subject = self.0.subject(message.subject.as_str());
        // A server that died may have forgotten events that it acknowledged: its last number tells.
        let mut last = self.0.last.lock().await;
        if let Some(last) = *last {
            headers.insert(NATS_EXPECTED_LAST_SEQUENCE, last.to_string());
        }
        let published = async { self.0.context.publish_with_headers(subject, headers, message.payload).await?.await };
        let published = published.await;
        if let (Ok(acknowledged), Some(last)) = (&published, &mut *last) {
            // A repeat has the number of the event that is there.
            *last = (*last).max(acknowledged.sequence);
        }
        published.map(drop).map_err(|error| {
            use jetstream::context::PublishErrorKind as Kind;
            match error.kind() {
                Kind::WrongLastSequence => Error::conflict("JetStream does not hold what it held before"),
                Kind::MaxPayloadExceeded => wire::too_large(),
                Kind::TimedOut => Error::timed_out("JetStream does not acknowledge in time"),
                _ => Error::unavailable("JetStream did not take the event"),
            }
            .because(error)
            .at(COMPONENT, "publish")
        })
    }

    async fn consume(&self, filter: &SubjectFilter, options: ConsumeOptions) -> Result<Deliveries> {
        options.check()?;
        let messages = Some(self.0.messages(filter, &options).await?);
        let work = Work { shared: Arc::clone(&self.0), filter: filter.clone(), options, messages };
        Ok(Deliveries::new(Box::pin(stream::unfold(work, Work::next))))
    }
}

impl fmt::Debug for NatsDurable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsDurable").field("bus", &self.0.bus).field("options", &self.0.options).finish()
    }
}
