//! The connection: made, watched, mended.

use crate::{COMPONENT, NatsAuth, NatsOptions, wire};
use async_nats::{ConnectErrorKind, ConnectOptions, Event};
use slate_core::{Error, Result, bus::BusState};
use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{sync::watch, time::Instant};

/// What the connection's events tell.
#[derive(Debug)]
pub(crate) struct Signs {
    pub(crate) state: watch::Sender<BusState>,
    /// Messages that were lost before a subscription's own queue.
    pub(crate) lost: AtomicU64,
    /// Publications and subscriptions that the server didn't permit.
    pub(crate) refused: AtomicU64,
    pub(crate) closed: AtomicBool,
}

impl Signs {
    pub(crate) fn new() -> Arc<Self> {
        let state = watch::Sender::new(BusState::Connecting);
        Arc::new(Self { state, lost: AtomicU64::new(0), refused: AtomicU64::new(0), closed: AtomicBool::new(false) })
    }

    fn note(&self, event: &Event) {
        let state = match event {
            Event::Connected => BusState::Connected,
            Event::Disconnected => BusState::Connecting,
            Event::Closed => BusState::Closed,
            Event::SlowConsumer(_) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
                metrics::counter!("slate_bus_lagged_total", "bus" => "nats").increment(1);
                return;
            }
            Event::ServerError(error) => {
                if error.to_string().to_ascii_lowercase().contains("permissions violation") {
                    self.refused.fetch_add(1, Ordering::Relaxed);
                    metrics::counter!("slate_bus_refused_total", "bus" => "nats").increment(1);
                }
                return tracing::warn!(%error, "NATS");
            }
            other => return tracing::warn!(event = %other, "NATS"),
        };
        tracing::info!(%event, "NATS");
        if !self.closed.load(Ordering::Acquire) {
            self.state.send_replace(state);
        }
    }
}

/// Connects, and tries again until `first_wait` is over.
pub(crate) async fn connect(options: &NatsOptions, signs: &Arc<Signs>) -> Result<async_nats::Client> {
    let end = Instant::now() + options.first_wait;
    loop {
        let error = match client_options(options, signs)?.connect(options.servers.as_slice()).await {
            Ok(client) => return Ok(client),
            Err(error) => error,
        };
        let at_once = |error: Error| Err(error.with("servers", options.places()).at(COMPONENT, "connect"));
        match error.kind() {
            ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
                return at_once(Error::permission_denied("NATS refuses this user").because(error));
            }
            ConnectErrorKind::ServerParse => return at_once(Error::invalid("not a URL of NATS").because(error)),
            ConnectErrorKind::Tls => {
                return at_once(Error::invalid("TLS is not set up as it should be").because(error));
            }
            _ if Instant::now() + options.pause >= end => return at_once(wire::unreachable().because(error)),
            _ => tokio::time::sleep(jittered(options.pause)).await,
        }
    }
}

fn client_options(options: &NatsOptions, signs: &Arc<Signs>) -> Result<ConnectOptions> {
    let (pause, servers, closed) = (options.pause, options.servers.len(), Arc::clone(signs));
    let signs = Arc::clone(signs);
    let mut made = ConnectOptions::new()
        .name(&options.name)
        .custom_inbox_prefix(&options.inbox_prefix)
        .ping_interval(options.ping)
        .connection_timeout(options.connect_timeout)
        .client_capacity(options.write_queue)
        .subscription_capacity(options.read_queue)
        // Every subject is a checked one behind a checked prefix.
        .skip_subject_validation(true)
        .max_reconnects(None)
        .require_tls(options.tls.required)
        .reconnect_delay_callback(move |attempts| {
            if closed.closed.load(Ordering::Acquire) {
                return Duration::from_secs(3600);
            }
            // Each server is tried once before anybody waits, a little apart, so that not all clients come at once.
            if attempts <= servers { jittered(pause / 10) } else { jittered(pause) }
        })
        .event_callback(move |event| {
            let signs = Arc::clone(&signs);
            async move { signs.note(&event) }
        });
    if options.tls.first {
        made = made.tls_first();
    }
    if let Some(roots) = &options.tls.roots {
        made = made.add_root_certificates(roots.clone());
    }
    if let Some((certificate, key)) = &options.tls.client {
        made = made.add_client_certificate(certificate.clone(), key.clone());
    }
    let unreadable = |error: std::io::Error| {
        Error::invalid(format!("the credentials can't be read: {error}")).at(COMPONENT, "connect")
    };
    Ok(match &options.auth {
        NatsAuth::None => made,
        NatsAuth::UserPassword { user, password } => made.user_and_password(user.clone(), password.clone()),
        NatsAuth::Token(token) => made.token(token.clone()),
        NatsAuth::NKey(seed) => made.nkey(seed.clone()),
        NatsAuth::Credentials(text) => made.credentials(text).map_err(unreadable)?,
        NatsAuth::CredentialsFile(path) => {
            let text = std::fs::read_to_string(path).map_err(unreadable)?;
            made.credentials(&text).map_err(unreadable)?
        }
    })
}

/// `pause`, and up to half of it more.
fn jittered(pause: Duration) -> Duration {
    // The standard library's hasher begins with a random state, which is all the chance that is needed here.
    let share = RandomState::new().hash_one(()) % 1000;
    pause + pause.mul_f64(share as f64 / 2000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_by_up_to_half() {
        let pause = Duration::from_secs(1);
        let drawn: Vec<_> = (0..100).map(|_| jittered(pause)).collect();
        assert!(drawn.iter().all(|drawn| (pause..pause * 3 / 2).contains(drawn)), "{drawn:?}");
        assert!(drawn.iter().any(|other| *other != drawn[0]));
    }
}
