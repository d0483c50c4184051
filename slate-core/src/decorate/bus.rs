use super::{
    Layer, Layered, Pace,
    Repeat::{Always, Unapplied},
    layered::{long, quick},
};
use crate::{
    ComponentKind, Result,
    bus::{BusStatus, EventBus, Message, SubjectFilter, SubscribeOptions, Subscription},
};
use async_trait::async_trait;
use std::time::Duration;

const BUS: ComponentKind = ComponentKind::Bus;

#[async_trait]
impl<T: EventBus + ?Sized, L: Layer> EventBus for Layered<T, L> {
    async fn publish(&self, message: Message) -> Result<()> {
        // Consumers drop repeats of an event by its id.
        let repeat = if message.event_id().is_some() { Always } else { Unapplied };
        self.layer.call(quick(BUS, "publish", repeat), || self.inner.publish(message.clone())).await
    }

    async fn subscribe(&self, filter: &SubjectFilter, options: SubscribeOptions) -> Result<Subscription> {
        self.layer.call(quick(BUS, "subscribe", Always), || self.inner.subscribe(filter, options.clone())).await
    }

    async fn request(&self, message: Message, timeout: Duration) -> Result<Message> {
        let operation = quick(BUS, "request", Unapplied).with_pace(Pace::Waiting);
        self.layer.call(operation, || self.inner.request(message.clone(), timeout)).await
    }

    async fn flush(&self) -> Result<()> {
        self.layer.call(quick(BUS, "flush", Always), || self.inner.flush()).await
    }

    fn status(&self) -> BusStatus {
        self.inner.status()
    }

    async fn close(&self) -> Result<()> {
        self.layer.call(long(BUS, "close", Always), || self.inner.close()).await
    }
}
