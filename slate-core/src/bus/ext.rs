use super::{EventBus, Message, Subject, SubjectFilter, SubscribeOptions, Subscription, event::Event};
use crate::Result;
use async_trait::async_trait;
use serde::{Serialize, de::DeserializeOwned};
use std::time::Duration;

/// Comfort over [`EventBus`]; nobody implements it.
#[async_trait]
pub trait EventBusExt: EventBus {
    /// Publishes a typed event that nobody stored: for what may be lost, like cursors and live logs.
    ///
    /// # Errors
    /// Those of [`EventBus::publish`].
    async fn emit(&self, event: &Event) -> Result<()> {
        self.publish(event.to_message()?).await
    }

    /// Subscribes with the default options.
    ///
    /// # Errors
    /// Those of [`EventBus::subscribe`], and of [`SubjectFilter::new`].
    async fn listen(&self, filter: &str) -> Result<Subscription> {
        self.subscribe(&SubjectFilter::new(filter)?, SubscribeOptions::default()).await
    }

    /// Asks with one JSON value and reads the answer as another.
    ///
    /// # Errors
    /// Those of [`EventBus::request`]; `Invalid` for an answer of another form.
    async fn ask<Q, A>(&self, subject: Subject, question: &Q, timeout: Duration) -> Result<A>
    where
        Q: Serialize + Sync,
        A: DeserializeOwned,
    {
        self.request(Message::json(subject, question)?, timeout).await?.parse()
    }

    /// Answers a request; a message that asks for no answer is left alone.
    ///
    /// # Errors
    /// Those of [`EventBus::publish`].
    async fn answer<A: Serialize + Sync>(&self, request: &Message, answer: &A) -> Result<()> {
        match &request.reply {
            Some(reply) => self.publish(Message::json(reply.clone(), answer)?).await,
            None => Ok(()),
        }
    }
}

impl<T: EventBus + ?Sized> EventBusExt for T {}
