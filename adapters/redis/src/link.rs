//! The connection: made beside the work, so that nobody who asks a cache waits for it.

use crate::{COMPONENT, RedisOptions, RedisServers};
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, IntoConnectionInfo, ProtocolVersion, RedisError, ServerErrorKind,
    aio::MultiplexedConnection,
    sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType},
};
use slate_core::{Error, Result};
use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
};
use tokio::sync::watch;

pub(crate) struct Link {
    options: RedisOptions,
    state: Mutex<State>,
    /// Answers in a row that stayed away.
    silent: AtomicU32,
    connected: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    connection: Option<Connection>,
    connecting: bool,
    made: u64,
}

/// A connection, and which one of this link's it is.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) inner: MultiplexedConnection,
    number: u64,
}

enum Source {
    One(Box<Client>),
    Sentinel(Box<SentinelClient>),
}

impl Link {
    /// A link that begins to connect.
    pub(crate) fn open(options: RedisOptions) -> Result<Arc<Self>> {
        let source = Source::of(&options.servers)?;
        let state = Mutex::new(State { connecting: true, ..State::default() });
        let connected = watch::Sender::new(false);
        let link = Arc::new(Self { options, state, silent: AtomicU32::new(0), connected });
        tokio::spawn(connect(Arc::downgrade(&link), source));
        Ok(link)
    }

    pub(crate) fn options(&self) -> &RedisOptions {
        &self.options
    }

    pub(crate) fn states(&self) -> watch::Receiver<bool> {
        self.connected.subscribe()
    }

    /// The connection, where there is one now.
    pub(crate) fn connection(&self) -> Result<Connection> {
        self.lock().connection.clone().ok_or_else(|| {
            Error::unavailable("Redis can't be reached: is the server started?")
                .with("server", self.options.servers.places())
        })
    }

    /// Takes note of how a command ended, and makes another connection where this one is of no use any more.
    pub(crate) fn note<T>(
        self: &Arc<Self>,
        connection: &Connection,
        result: std::result::Result<T, RedisError>,
    ) -> Result<T> {
        let error = match result {
            Ok(value) => {
                self.silent.store(0, Ordering::Relaxed);
                return Ok(value);
            }
            Err(error) => error,
        };
        let given_up = if error.is_timeout() {
            self.silent.fetch_add(1, Ordering::Relaxed) + 1 >= self.options.patience
        } else {
            // A server that was the primary and is a replica now is no use either.
            let demoted =
                matches!(error.kind(), ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown));
            demoted || error.is_unrecoverable_error() || error.is_connection_dropped() || error.is_io_error()
        };
        if given_up {
            self.replace(connection.number);
        }
        Err(if error.is_timeout() {
            Error::timed_out("Redis does not answer in time").because(error)
        } else if given_up || matches!(error.kind(), ErrorKind::Server(ServerErrorKind::BusyLoading)) {
            Error::unavailable("the connection to Redis was lost").because(error)
        } else {
            Error::internal(format!("Redis refuses the command: {error}")).because(error)
        })
    }

    fn replace(self: &Arc<Self>, number: u64) {
        let mut state = self.lock();
        if state.connection.as_ref().is_none_or(|connection| connection.number != number) {
            return;
        }
        state.connection = None;
        let begins = !std::mem::replace(&mut state.connecting, true);
        drop(state);
        self.connected.send_replace(false);
        self.silent.store(0, Ordering::Relaxed);
        if begins {
            match Source::of(&self.options.servers) {
                Ok(source) => drop(tokio::spawn(connect(Arc::downgrade(self), source))),
                // It was sound when the link was opened.
                Err(error) => tracing::error!(%error, "Redis"),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tries until there is a connection, or nobody wants one.
async fn connect(link: Weak<Link>, mut source: Source) {
    loop {
        let Some(there) = link.upgrade() else { return };
        let options = there.options.clone();
        drop(there);
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(options.connect_timeout))
            .set_response_timeout(Some(options.timeout));
        // Sentinels are asked one after the other, each with its own limit; this one is for all.
        let made = tokio::time::timeout(options.connect_timeout * 5, source.connect(&config)).await;
        let Some(there) = link.upgrade() else { return };
        match made {
            Ok(Ok(inner)) => {
                let mut state = there.lock();
                state.made += 1;
                state.connecting = false;
                state.connection = Some(Connection { inner, number: state.made });
                drop(state);
                there.connected.send_replace(true);
                tracing::info!(server = %options.servers.places(), "connected to Redis");
                return;
            }
            Ok(Err(error)) => tracing::debug!(%error, "Redis"),
            Err(_) => tracing::debug!("Redis does not answer in time"),
        }
        drop(there);
        let share = RandomState::new().hash_one(()) % 1000;
        tokio::time::sleep(options.pause + options.pause.mul_f64(share as f64 / 2000.0)).await;
    }
}

impl Source {
    fn of(servers: &RedisServers) -> Result<Self> {
        let invalid = |error: RedisError| Error::invalid("not a URL of Redis").because(error).at(COMPONENT, "open");
        match servers {
            RedisServers::One(url) => {
                let info = url.as_str().into_connection_info().map_err(invalid)?;
                let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
                Ok(Self::One(Box::new(Client::open(info.set_redis_settings(settings)).map_err(invalid)?)))
            }
            RedisServers::Sentinel { sentinels, name, user, password, database } => {
                let infos = sentinels.iter().map(|url| url.as_str().into_connection_info().map_err(invalid));
                let infos = infos.collect::<Result<Vec<_>>>()?;
                let Some(first) = infos.first() else {
                    return Err(Error::invalid("no Sentinel is named").at(COMPONENT, "open"));
                };
                let own = first.redis_settings().clone();
                let addresses: Vec<_> = infos.iter().map(|info| info.addr().clone()).collect();
                let mut builder = SentinelClientBuilder::new(addresses, name, SentinelServerType::Master)
                    .map_err(invalid)?
                    .set_client_to_redis_protocol(ProtocolVersion::RESP3)
                    .set_client_to_redis_db(*database);
                if let Some(user) = user {
                    builder = builder.set_client_to_redis_username(user);
                }
                if let Some(password) = password {
                    builder = builder.set_client_to_redis_password(password);
                }
                if let Some(user) = own.username() {
                    builder = builder.set_client_to_sentinel_username(user);
                }
                if let Some(password) = own.password() {
                    builder = builder.set_client_to_sentinel_password(password);
                }
                Ok(Self::Sentinel(Box::new(builder.build().map_err(invalid)?)))
            }
        }
    }

    async fn connect(&mut self, config: &AsyncConnectionConfig) -> redis::RedisResult<MultiplexedConnection> {
        match self {
            Self::One(client) => client.get_multiplexed_async_connection_with_config(config).await,
            Self::Sentinel(client) => client.get_async_connection_with_config(config).await,
        }
    }
}
