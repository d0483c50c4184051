use slate_core::{Error, Result};
use std::{fmt, time::Duration};

/// How a [`RedisCache`](crate::RedisCache) connects and what it bounds.
#[derive(Clone)]
#[non_exhaustive]
pub struct RedisOptions {
    /// Where Redis is.
    pub servers: RedisServers,
    /// What every key starts with on the server, for services that share one; default `slate:`. Callers don't see it.
    pub prefix: String,
    /// Time to connect; default 1 s.
    pub connect_timeout: Duration,
    /// Time for an answer, beyond which the cache counts as missing; default 250 ms.
    pub timeout: Duration,
    /// Answers in a row that stay away until the link is given up; default 3.
    pub patience: u32,
    /// Pause between two tries to connect, with up to half of it added by chance; default 500 ms.
    pub pause: Duration,
    /// Time to forget a whole prefix; default 30 s.
    pub sweep_timeout: Duration,
    /// Most bytes of a value; default 4 MiB.
    pub max_value: usize,
}

/// Where Redis is.
#[derive(Clone)]
#[non_exhaustive]
pub enum RedisServers {
    /// One server, by its URL: `redis://[user:password@]host[:port][/database]`, with the feature `tls` also `rediss://`.
    One(String),
    /// The primary that Sentinels name. Where it changes, the cache follows.
    Sentinel {
        /// The Sentinels' URLs. User and password in the first one are for the Sentinels.
        sentinels: Vec<String>,
        /// The name that they know the primary by.
        name: String,
        /// The user for the primary; default the default user.
        user: Option<String>,
        /// The password for the primary; default none.
        password: Option<String>,
        /// The database of the primary; default 0.
        database: i64,
    },
}

impl RedisServers {
    /// Sentinels before a primary without a password.
    pub fn sentinel(sentinels: impl IntoIterator<Item = String>, name: impl Into<String>) -> Self {
        let sentinels = sentinels.into_iter().collect();
        Self::Sentinel { sentinels, name: name.into(), user: None, password: None, database: 0 }
    }

    /// For people, without anything secret.
    pub(crate) fn places(&self) -> String {
        let place = |url: &String| url.rsplit_once('@').map_or(url.clone(), |(_, place)| place.to_owned());
        match self {
            Self::One(url) => place(url),
            Self::Sentinel { sentinels, name, .. } => {
                format!("{name} of {}", sentinels.iter().map(place).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

impl RedisOptions {
    /// The defaults, with one server.
    pub fn new(url: impl Into<String>) -> Self {
        Self::at(RedisServers::One(url.into()))
    }

    /// The defaults, with these servers.
    pub fn at(servers: RedisServers) -> Self {
        Self {
            servers,
            prefix: "slate:".into(),
            connect_timeout: Duration::from_secs(1),
            timeout: Duration::from_millis(250),
            patience: 3,
            pause: Duration::from_millis(500),
            sweep_timeout: Duration::from_secs(30),
            max_value: 4 << 20,
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.timeout.is_zero() || self.connect_timeout.is_zero() || self.patience == 0 {
            return Err(Error::invalid("times and patience of zero don't work").at(crate::COMPONENT, "open"));
        }
        Ok(())
    }
}

macro_rules! setters {
    ($($with:ident $field:ident: $type:ty,)*) => {
        impl RedisOptions {$(
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
    with_prefix prefix: String,
    with_connect_timeout connect_timeout: Duration,
    with_timeout timeout: Duration,
    with_patience patience: u32,
    with_pause pause: Duration,
    with_sweep_timeout sweep_timeout: Duration,
    with_max_value max_value: usize,
}

impl fmt::Debug for RedisServers {
    /// Without anything secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisServers({})", self.places())
    }
}

impl fmt::Debug for RedisOptions {
    /// Without anything secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOptions")
            .field("servers", &self.servers)
            .field("prefix", &self.prefix)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_is_shown() {
        let sentinel = RedisServers::Sentinel {
            sentinels: vec!["redis://:s3cret@host:26379".into()],
            name: "slate".into(),
            user: None,
            password: Some("s3cret".into()),
            database: 0,
        };
        for options in [RedisOptions::new("redis://ada:s3cret@host:6379/1"), RedisOptions::at(sentinel)] {
            let text = format!("{options:?}");
            assert!(!text.contains("s3cret") && text.contains("host"), "{text}");
        }
    }
}
