use super::error::{PLACE, failed};
use slate_core::{Error, Result};
use sqlx::{ConnectOptions, postgres::PgConnectOptions};
use std::{fmt, str::FromStr, time::Duration};

/// Where a [`PgStore`](super::PgStore)'s database is, and how the store works.
#[derive(Clone)]
#[non_exhaustive]
pub struct PgOptions {
    pub(super) hosts: Vec<PgConnectOptions>,
    pub(super) replicas: Vec<PgConnectOptions>,
    /// The schema that SLATE's tables are in, made where it isn't there; default the user's own, which is `public` as a rule.
    pub schema: Option<String>,
    /// Most connections to the primary, and as many to a replica; default 10.
    pub connections: u32,
    /// How long to wait for a free connection and, while none of the hosts is a primary, for one to become it; default 10 s.
    pub acquire_timeout: Duration,
    /// How long to wait for one host to take a connection; default 3 s.
    pub connect_timeout: Duration,
    /// Longest time for the statements of one call; default 30 s. A connection on which one took longer is closed.
    pub statement_timeout: Duration,
    /// Longest time to bring the schema up to date, and to wait for others who do; default 5 min.
    pub migration_timeout: Duration,
    /// After so long without work a connection is tried before it is used; default 1 s.
    pub idle_check: Duration,
    /// After so long a connection is replaced; default 30 min.
    pub max_lifetime: Duration,
    /// How far a replica may be behind what the primary had written; default 1 s. Farther, and reads go to the primary.
    pub replica_lag: Duration,
    /// How long an ascending page of events waits for writers under way; default 2 s.
    pub settle_timeout: Duration,
}

impl PgOptions {
    /// Options for the database at this URL: `postgres://user:password@host:port/database?sslmode=verify-full`.
    ///
    /// Several hosts, joined by commas, are tried in their order for the one that is the primary. A socket's folder goes in as
    /// `postgres:///database?host=/run/postgresql`. TLS is by `sslmode` (`disable`, `prefer`, which is the default,
    /// `require`, `verify-ca`, `verify-full`) and `sslrootcert`, `sslcert`, `sslkey`.
    ///
    /// # Errors
    /// `Invalid` where it is no such URL. The error never holds the password.
    pub fn new(url: &str) -> Result<Self> {
        Ok(Self {
            hosts: parse(url)?,
            replicas: Vec::new(),
            schema: None,
            connections: 10,
            acquire_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(3),
            statement_timeout: Duration::from_secs(30),
            migration_timeout: Duration::from_secs(300),
            idle_check: Duration::from_secs(1),
            max_lifetime: Duration::from_secs(30 * 60),
            replica_lag: Duration::from_secs(1),
            settle_timeout: Duration::from_secs(2),
        })
    }

    /// Lets lists be read from a replica of the database, at this URL.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn with_replica(mut self, url: &str) -> Result<Self> {
        self.replicas.extend(parse(url)?);
        Ok(self)
    }

    /// Keeps SLATE's tables in a schema of their own.
    #[must_use]
    pub fn with_schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = Some(schema.into());
        self
    }

    /// Sets the most connections; at least 1.
    #[must_use]
    pub fn with_connections(mut self, connections: u32) -> Self {
        self.connections = connections.max(1);
        self
    }

    /// Sets the longest time for the statements of one call.
    #[must_use]
    pub fn with_statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = timeout;
        self
    }

    /// Sets how long to wait for a connection.
    #[must_use]
    pub fn with_acquire_timeout(mut self, timeout: Duration) -> Self {
        self.acquire_timeout = timeout;
        self
    }

    /// Sets how far a replica may be behind.
    #[must_use]
    pub fn with_replica_lag(mut self, lag: Duration) -> Self {
        self.replica_lag = lag;
        self
    }

    /// The database and its hosts, for people; without user and password.
    pub(super) fn place(&self) -> String {
        let database = self.hosts.first().and_then(|host| host.get_database()).unwrap_or("");
        format!("{}/{database}", names(&self.hosts).join(","))
    }
}

impl fmt::Debug for PgOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgOptions")
            .field("database", &self.place())
            .field("replicas", &names(&self.replicas))
            .field("schema", &self.schema)
            .field("connections", &self.connections)
            .field("statement_timeout", &self.statement_timeout)
            .finish_non_exhaustive()
    }
}

fn names(hosts: &[PgConnectOptions]) -> Vec<String> {
    let name = |host: &PgConnectOptions| match host.get_socket() {
        Some(folder) => format!("{}:{}", folder.display(), host.get_port()),
        None => format!("{}:{}", host.get_host(), host.get_port()),
    };
    hosts.iter().map(name).collect()
}

/// One set of options for each host of the URL.
fn parse(url: &str) -> Result<Vec<PgConnectOptions>> {
    let malformed = || {
        Error::invalid("not a Postgres URL: postgres://user:password@host:port/database is expected")
            .at(PLACE, "options")
    };
    let (scheme, rest) = url.split_once("://").ok_or_else(malformed)?;
    if !matches!(scheme, "postgres" | "postgresql") {
        return Err(malformed());
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (user, hosts) = authority.rsplit_once('@').map_or(("", authority), |(user, hosts)| (user, hosts));
    let at = if user.is_empty() { "" } else { "@" };
    let options = |host: &str| {
        let options = PgConnectOptions::from_str(&format!("{scheme}://{user}{at}{host}{path}"));
        // The source would repeat the URL, and the password with it.
        let options = options.map_err(|error| {
            let meant = failed(error);
            Error::new(meant.kind(), malformed().message().to_owned()).at(PLACE, "options")
        })?;
        Ok(options.application_name("slate").statement_cache_capacity(256).disable_statement_logging())
    };
    hosts.split(',').map(options).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_host_of_a_url_is_tried() {
        let options = PgOptions::new("postgres://ada:s3cret@one:5433,two/db?sslmode=disable").unwrap();
        assert_eq!(options.place(), "one:5433,two:5432/db");
        let socket = PgOptions::new("postgres:///db?host=/run/postgresql&port=5433").unwrap();
        assert_eq!(socket.place(), "/run/postgresql:5433/db");
    }

    #[test]
    fn the_password_is_in_no_debug_output_and_no_error() {
        let options = PgOptions::new("postgres://ada:s3cret@one/db").unwrap();
        assert!(!format!("{options:?}").contains("s3cret"));
        for bad in ["postgres://ada:s3cret@one:port/db", "http://ada:s3cret@one/db", "s3cret"] {
            let error = PgOptions::new(bad).unwrap_err();
            assert_eq!(error.kind(), slate_core::ErrorKind::Invalid);
            assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
        }
    }
}
