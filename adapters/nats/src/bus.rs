use crate::{
    COMPONENT, Malformed, NatsOptions,
    link::{self, Signs},
    wire::{self, Naming, Reader},
};
use async_nats::{Client, Subscriber, client::traits::Publisher, connection::State, message::OutboundMessage};
use async_trait::async_trait;
use futures_util::{FutureExt, StreamExt};
use slate_core::{
    Component, ComponentKind, Descriptor, Error, ErrorKind, Result,
    bus::{BusState, BusStatus, EventBus, Mailbox, Message, SubjectFilter, SubscribeOptions, Subscription},
};
use std::{
    fmt,
    future::Future,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};
use tokio::sync::{broadcast, oneshot, watch};

/// [`EventBus`] on NATS. Clones are the same connection.
///
/// # What holds beyond the contract
/// - The connection is mended for ever; subscriptions go on by themselves. What others published meanwhile is lost, as NATS
///   has it: the store is the record.
/// - While there is no connection, publishing fails at once with `Unavailable`, rather than wait in memory.
/// - `subscribe` returns when the server has the subscription. `flush` asks the server, and fails with `Unavailable` where the
///   connection was lost since the last flush: then something published since may be lost.
/// - A message that isn't well formed goes to [`malformed`](Self::malformed), is counted, and stops nobody.
#[derive(Clone)]
pub struct NatsBus(Arc<Shared>);

struct Shared {
    client: Client,
    options: NatsOptions,
    naming: Naming,
    signs: Arc<Signs>,
    counts: Counts,
    /// Subscriptions that end, of which the server isn't told yet.
    leaving: watch::Sender<u64>,
    /// Whether the bus is closed and all that came is handed out.
    ended: watch::Sender<bool>,
    malformed: broadcast::Sender<Malformed>,
    sound: Mutex<Sound>,
}

#[derive(Default)]
struct Counts {
    subscriptions: AtomicU64,
    published: AtomicU64,
    delivered: AtomicU64,
    dropped: AtomicU64,
    malformed: AtomicU64,
}

/// What was so at the last flush that succeeded.
#[derive(Default)]
struct Sound {
    connects: u64,
    published: u64,
}

impl NatsBus {
    /// Connects.
    ///
    /// # Errors
    /// `Unavailable` where no server can be reached within [`first_wait`](NatsOptions::first_wait); at once `PermissionDenied`
    /// for a user that the server refuses, and `Invalid` for options that can't work.
    pub async fn connect(options: NatsOptions) -> Result<Self> {
        options.check()?;
        let signs = Signs::new();
        let client = link::connect(&options, &signs).await?;
        signs.state.send_replace(BusState::Connected);
        let sound = Sound { connects: connects(&client), published: 0 };
        Ok(Self(Arc::new(Shared {
            naming: Naming::new(options.prefix.as_deref()),
            malformed: broadcast::Sender::new(options.malformed_queue.max(1)),
            counts: Counts::default(),
            leaving: watch::Sender::new(0),
            ended: watch::Sender::new(false),
            sound: Mutex::new(sound),
            client,
            options,
            signs,
        })))
    }

    /// Follows whether it is connected.
    pub fn states(&self) -> watch::Receiver<BusState> {
        self.0.signs.state.subscribe()
    }

    /// The messages that were not well formed, from now on. Who reads too slowly is told how many it missed.
    pub fn malformed(&self) -> broadcast::Receiver<Malformed> {
        self.0.malformed.subscribe()
    }

    /// How many messages were not well formed.
    pub fn malformed_count(&self) -> u64 {
        self.0.counts.malformed.load(Ordering::Relaxed)
    }

    /// How often the server refused a publication or subscription for want of permission. It tells so a moment later, so the
    /// verb itself has succeeded by then.
    pub fn refused_count(&self) -> u64 {
        self.0.signs.refused.load(Ordering::Relaxed)
    }

    pub(crate) fn client(&self) -> &Client {
        &self.0.client
    }

    pub(crate) fn options(&self) -> &NatsOptions {
        &self.0.options
    }

    pub(crate) fn naming(&self) -> &Naming {
        &self.0.naming
    }

    pub(crate) fn connected(&self, operation: &'static str) -> Result<()> {
        self.0.connected(operation)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.0.signs.closed.load(Ordering::Acquire)
    }

    pub(crate) fn tell_malformed(&self, malformed: Malformed) {
        self.0.tell_malformed(malformed);
    }

    /// The version of the server, as in `2.15.1`.
    pub fn server_version(&self) -> String {
        self.0.client.server_info().version
    }
}

impl Shared {
    fn open(&self, operation: &'static str) -> Result<()> {
        if self.signs.closed.load(Ordering::Acquire) {
            return Err(wire::closed().at(COMPONENT, operation));
        }
        Ok(())
    }

    fn connected(&self, operation: &'static str) -> Result<()> {
        self.open(operation)?;
        if self.client.connection_state() != State::Connected {
            return Err(wire::unreachable().at(COMPONENT, operation));
        }
        Ok(())
    }

    /// Waits for `work`, but no longer than a command may take.
    async fn in_time<T>(&self, operation: &'static str, work: impl Future<Output = Result<T>>) -> Result<T> {
        let result = match tokio::time::timeout(self.options.timeout, work).await {
            Ok(result) => result,
            Err(_) if self.client.connection_state() == State::Connected => {
                Err(Error::timed_out("NATS does not answer in time"))
            }
            Err(_) => Err(wire::unreachable()),
        };
        result.map_err(|error| error.at(COMPONENT, operation))
    }

    /// Sends itself a message. The server works in order, so when it is back the server has all that went before, and all
    /// that the server had sent before has come.
    async fn round_trip(&self) -> Result<()> {
        let inbox = self.client.new_inbox();
        let unavailable = |error: async_nats::SubscribeError| wire::unreachable().because(error);
        let mut echo = self.client.subscribe(inbox.clone()).await.map_err(unavailable)?;
        self.client.publish(inbox, bytes::Bytes::new()).await.map_err(wire::publish_error)?;
        echo.next().await.map(drop).ok_or_else(wire::closed)
    }

    /// Checks that no connection was lost since the last flush, and that everything is with the server.
    async fn settle(&self) -> Result<()> {
        let mut leaving = self.leaving.subscribe();
        // The sender is in `self`, so the wait can't fail.
        leaving.wait_for(|leaving| *leaving == 0).await.map(drop).ok();
        let published = self.counts.published.load(Ordering::Acquire);
        self.round_trip().await?;
        let connects = connects(&self.client);
        let mut sound = self.sound.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = connects != sound.connects && published != sound.published;
        *sound = Sound { connects: sound.connects.max(connects), published: sound.published.max(published) };
        if lost {
            return Err(Error::unavailable("the connection was lost meanwhile: what was published may be lost"));
        }
        Ok(())
    }

    fn outbound(&self, message: Message) -> Result<OutboundMessage> {
        Ok(OutboundMessage {
            subject: self.naming.outer(message.subject.as_str()).into(),
            reply: message.reply.as_ref().map(|reply| self.naming.outer(reply.as_str()).into()),
            headers: wire::headers(&message)?,
            payload: message.payload,
        })
    }

    fn deliver(&self, mailbox: &Mailbox, reader: &mut Reader<'_>, messages: &mut Vec<async_nats::Message>) {
        let sound = messages.drain(..).filter_map(|message| match reader.receive(message) {
            Ok(message) => Some(message),
            Err(malformed) => {
                self.tell_malformed(malformed);
                None
            }
        });
        // Read before the subscriber is kept from its queue.
        let sound: Vec<_> = sound.collect();
        let pushed = mailbox.push_all(sound);
        self.counts.delivered.fetch_add(pushed.taken, Ordering::Relaxed);
        if pushed.lost > 0 {
            self.counts.dropped.fetch_add(pushed.lost, Ordering::Relaxed);
            metrics::counter!("slate_bus_lagged_total", "bus" => "nats").increment(pushed.lost);
        }
    }

    fn tell_malformed(&self, malformed: Malformed) {
        self.counts.malformed.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("slate_bus_malformed_total", "bus" => "nats").increment(1);
        tracing::warn!(%malformed, "a message was passed over");
        // Nobody needs to listen.
        let _listeners = self.malformed.send(malformed);
    }
}

fn connects(client: &Client) -> u64 {
    client.statistics().connects.load(Ordering::Acquire)
}

/// Most messages that are carried at once: the subscriber is woken once for them.
const BATCH: usize = 128;

/// Carries messages from the link to a subscription's queue, so that a slow subscriber is counted exactly and slows nobody.
async fn pump(shared: Arc<Shared>, mut messages: Subscriber, mailbox: Arc<Mailbox>, mut left: oneshot::Receiver<()>) {
    let mut changes = shared.ended.subscribe();
    let ended = async move { changes.wait_for(|ended| *ended).await.map(drop) };
    tokio::pin!(ended);
    let (mut reader, mut batch) = (Reader::new(&shared.naming), Vec::new());
    loop {
        tokio::select! {
            biased;
            _ = &mut left => {
                // Fails where the connection is closed, and then nothing is subscribed any more.
                let _told = messages.unsubscribe().await;
                shared.leaving.send_modify(|leaving| *leaving -= 1);
                return;
            }
            message = messages.next() => match message {
                Some(message) => {
                    batch.push(message);
                    while batch.len() < BATCH
                        && let Some(Some(message)) = messages.next().now_or_never()
                    {
                        batch.push(message);
                    }
                    shared.deliver(&mailbox, &mut reader, &mut batch);
                }
                None => break,
            },
            _ = &mut ended => break,
        }
    }
    mailbox.close();
    if left.await.is_ok() {
        shared.leaving.send_modify(|leaving| *leaving -= 1);
    }
}

/// Dropped with a subscription.
struct Leave {
    shared: Arc<Shared>,
    leave: Option<oneshot::Sender<()>>,
}

impl Drop for Leave {
    fn drop(&mut self) {
        self.shared.counts.subscriptions.fetch_sub(1, Ordering::Relaxed);
        self.shared.leaving.send_modify(|leaving| *leaving += 1);
        let told = self.leave.take().is_some_and(|leave| leave.send(()).is_ok());
        if !told {
            self.shared.leaving.send_modify(|leaving| *leaving -= 1);
        }
    }
}

#[async_trait]
impl Component for NatsBus {
    fn descriptor(&self) -> Descriptor {
        Descriptor::new(ComponentKind::Bus, "nats").with_detail(self.0.options.places())
    }

    async fn ping(&self) -> Result<()> {
        self.0.connected("ping")?;
        self.0.in_time("ping", self.0.round_trip()).await
    }
}

#[async_trait]
impl EventBus for NatsBus {
    async fn publish(&self, message: Message) -> Result<()> {
        message.check()?;
        self.0.connected("publish")?;
        let message = self.0.outbound(message).map_err(|error| error.at(COMPONENT, "publish"))?;
        let mut sent = pin!(self.0.client.publish_message(message).map(|sent| sent.map_err(wire::publish_error)));
        // Mostly that is done at once, and needs no look at the clock. What else may come has a box of its own: a small
        // future is made several times as quickly as one of over a kilobyte.
        match futures_util::poll!(sent.as_mut()) {
            Poll::Ready(sent) => sent.map_err(|error| error.at(COMPONENT, "publish"))?,
            Poll::Pending => Box::pin(self.0.in_time("publish", sent)).await?,
        }
        self.0.counts.published.fetch_add(1, Ordering::Release);
        Ok(())
    }

    async fn subscribe(&self, filter: &SubjectFilter, options: SubscribeOptions) -> Result<Subscription> {
        let shared = &self.0;
        shared.open("subscribe")?;
        let subject = shared.naming.outer(filter.as_str());
        let queue = options.queue.clone();
        if queue.as_ref().is_some_and(|queue| {
            queue.is_empty() || queue.len() > 128 || !queue.bytes().all(|byte| byte.is_ascii_graphic())
        }) {
            return Err(
                Error::invalid("a queue group's name is 1 to 128 bytes of printable ASCII").at(COMPONENT, "subscribe")
            );
        }
        let subscribed = async {
            let messages = match queue {
                Some(queue) => shared.client.queue_subscribe(subject, queue).await,
                None => shared.client.subscribe(subject).await,
            };
            let messages = messages.map_err(|error| wire::unreachable().because(error))?;
            shared.round_trip().await?;
            Ok(messages)
        };
        let messages = shared.in_time("subscribe", subscribed).await?;
        let mailbox = Mailbox::new(&options);
        let (leave, left) = oneshot::channel();
        shared.counts.subscriptions.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(pump(Arc::clone(shared), messages, Arc::clone(&mailbox), left));
        Ok(mailbox.subscription(Leave { shared: Arc::clone(shared), leave: Some(leave) }))
    }

    async fn request(&self, message: Message, timeout: Duration) -> Result<Message> {
        let shared = &self.0;
        message.check()?;
        shared.connected("request")?;
        let mut request = async_nats::Request::new().payload(message.payload.clone()).timeout(Some(timeout));
        if let Some(headers) = wire::headers(&message)? {
            request = request.headers(headers);
        }
        let subject = shared.naming.outer(message.subject.as_str());
        shared.counts.published.fetch_add(1, Ordering::Relaxed);
        let answer =
            shared.client.send_request(subject, request).await.map_err(|error| {
                wire::request_error(error).with("subject", &message.subject).at(COMPONENT, "request")
            })?;
        shared.naming.receive(answer).map_err(|malformed| {
            Error::new(ErrorKind::Invalid, format!("malformed answer: {malformed}")).at(COMPONENT, "request")
        })
    }

    async fn flush(&self) -> Result<()> {
        self.0.connected("flush")?;
        self.0.in_time("flush", self.0.settle()).await
    }

    fn status(&self) -> BusStatus {
        let shared = &*self.0;
        let state = match shared.client.connection_state() {
            _ if shared.signs.closed.load(Ordering::Acquire) => BusState::Closed,
            State::Connected => BusState::Connected,
            _ => BusState::Connecting,
        };
        let (counts, mut status) = (&shared.counts, BusStatus::new(state));
        status.subscriptions = counts.subscriptions.load(Ordering::Relaxed);
        status.published = counts.published.load(Ordering::Relaxed);
        status.delivered = counts.delivered.load(Ordering::Relaxed);
        status.dropped = counts.dropped.load(Ordering::Relaxed) + shared.signs.lost.load(Ordering::Relaxed);
        status
    }

    async fn close(&self) -> Result<()> {
        let shared = &self.0;
        if shared.signs.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        // What was published is with the server, and what was on its way here has come, before the subscriptions end.
        let settled = match shared.client.connection_state() {
            State::Connected => shared.in_time("close", shared.settle()).await,
            _ => Err(wire::unreachable().at(COMPONENT, "close")),
        };
        let drained = shared
            .in_time("close", async { shared.client.drain().await.map_err(|error| wire::closed().because(error)) });
        let drained = drained.await;
        shared.ended.send_replace(true);
        shared.signs.state.send_replace(BusState::Closed);
        settled.and(drained).map_err(|error| {
            Error::timed_out("not everything could be delivered").because(error).at(COMPONENT, "close")
        })
    }
}

impl fmt::Debug for NatsBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsBus").field("servers", &self.0.options.places()).field("status", &self.status()).finish()
    }
}
