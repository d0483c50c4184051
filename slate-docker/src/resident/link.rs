//! A conversation with an agent, over its container's attached streams.

use super::wire::{Answer, Finder};
use crate::{
    backend::{AbortOnDrop, Shared, held},
    error::translate,
};
use bollard::{
    container::{AttachContainerResults, LogOutput},
    query_parameters::AttachContainerOptions,
};
use futures_util::StreamExt;
use slate_core::{Error, Result};
use std::{
    collections::HashMap,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    sync::oneshot,
};

/// An attachment whose output is read all the time: one that nobody reads would hold the program back.
pub(crate) struct Link {
    input: tokio::sync::Mutex<Pin<Box<dyn AsyncWrite + Send>>>,
    heard: Arc<Heard>,
    _reading: AbortOnDrop,
}

#[derive(Default)]
struct Heard {
    waiting: Mutex<HashMap<u64, oneshot::Sender<Answer>>>,
    closed: AtomicBool,
}

impl Link {
    /// Attaches to a container, running or not.
    pub(crate) async fn open(shared: &Shared, id: &str) -> Result<Arc<Self>> {
        let options =
            AttachContainerOptions { stream: true, stdin: true, stdout: true, ..AttachContainerOptions::default() };
        let attached = shared.docker.attach_container(id, Some(options)).await;
        let AttachContainerResults { mut output, input } = attached.map_err(|error| translate(error, "attach"))?;
        let heard = Arc::new(Heard::default());
        let told = Arc::clone(&heard);
        let reading = tokio::spawn(async move {
            let mut finder = Finder::default();
            while let Some(Ok(chunk)) = output.next().await {
                let (LogOutput::StdOut { message } | LogOutput::Console { message }) = chunk else { continue };
                let (answers, other) = finder.push(&message);
                answers.into_iter().for_each(|answer| told.answer(answer));
                // The program speaks: it has its work, and whoever still waits is answered among its lines.
                if other && held(&told.waiting).is_empty() {
                    break;
                }
            }
            told.close();
        });
        let input = tokio::sync::Mutex::new(input);
        Ok(Arc::new(Self { input, heard, _reading: AbortOnDrop(reading) }))
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.heard.closed.load(Ordering::Acquire)
    }

    /// Sends bytes and waits for the answer that bears the token.
    pub(crate) async fn ask(&self, token: u64, bytes: Vec<u8>, limit: Duration) -> Result<Answer> {
        let (tell, answer) = oneshot::channel();
        held(&self.heard.waiting).insert(token, tell);
        let _forget = Forget(&self.heard, token);
        let gone = || Error::unavailable("the instance's agent is gone");
        let talk = async {
            if !self.is_open() {
                return Err(gone());
            }
            let mut input = self.input.lock().await;
            let sent = async {
                input.write_all(&bytes).await?;
                input.flush().await
            };
            sent.await.map_err(|error| gone().because(error))?;
            drop(input);
            answer.await.map_err(|_| gone())
        };
        tokio::time::timeout(limit, talk)
            .await
            .unwrap_or_else(|_| Err(Error::timed_out("the instance's agent doesn't answer")))
    }
}

impl Heard {
    fn answer(&self, answer: Answer) {
        let token = match answer {
            // It waits now; whoever asked is answered on its own.
            Answer::Ready => return,
            Answer::Pong { token, .. }
            | Answer::Taken { token }
            | Answer::Refused { token, .. }
            | Answer::Killed { token, .. } => token,
        };
        if let Some(waiting) = held(&self.waiting).remove(&token) {
            // Who asked may have gone.
            let _gone: std::result::Result<(), Answer> = waiting.send(answer);
        }
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Release);
        held(&self.waiting).clear();
    }
}

struct Forget<'a>(&'a Heard, u64);

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        held(&self.0.waiting).remove(&self.1);
    }
}
