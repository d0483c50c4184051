use slate_core::{Error, Result};
use std::{fmt, path::PathBuf, time::Duration};

/// How a [`NatsBus`](crate::NatsBus) connects and what it bounds.
#[derive(Clone)]
#[non_exhaustive]
pub struct NatsOptions {
    /// URLs of servers of one cluster: `nats://`, `tls://`, and with the feature `websocket` `ws://` and `wss://`. The other
    /// servers of the cluster are learnt from these.
    pub servers: Vec<String>,
    /// Who this client is; default nobody.
    pub auth: NatsAuth,
    /// How the link is encrypted; default as the URLs say.
    pub tls: NatsTls,
    /// The name that the server's monitoring shows; default `slate`.
    pub name: String,
    /// What every subject starts with on the server, for services that share one, as `team.a`; default none. Callers don't see
    /// it.
    pub prefix: Option<String>,
    /// What the subjects of answers start with; must begin with `_INBOX`; default `_INBOX`. A user who may not read others'
    /// answers needs one of its own.
    pub inbox_prefix: String,
    /// How long [`connect`](crate::NatsBus::connect) waits for a server that can't be reached; zero asks once; default 30 s.
    /// Later losses are mended for ever.
    pub first_wait: Duration,
    /// Pause between two rounds over all servers, with up to half of it added by chance; default 1 s.
    pub pause: Duration,
    /// How often the server is asked for a sign of life; after two that stay away the link is given up; default 5 s.
    pub ping: Duration,
    /// Time to connect to one server; default 5 s.
    pub connect_timeout: Duration,
    /// Time for what isn't a request to reach the server; default 5 s.
    pub timeout: Duration,
    /// Most commands that wait to be written to the server; default 4096.
    pub write_queue: usize,
    /// Most messages of one subscription between the link and its own queue; default 65 536.
    pub read_queue: usize,
    /// Most malformed messages that wait for a reader of [`malformed`](crate::NatsBus::malformed); default 256.
    pub malformed_queue: usize,
}

impl NatsOptions {
    /// The defaults, with this server.
    pub fn new(server: impl Into<String>) -> Self {
        Self {
            servers: vec![server.into()],
            auth: NatsAuth::None,
            tls: NatsTls::default(),
            name: "slate".into(),
            prefix: None,
            inbox_prefix: "_INBOX".into(),
            first_wait: Duration::from_secs(30),
            pause: Duration::from_secs(1),
            ping: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(5),
            write_queue: 4096,
            read_queue: 65_536,
            malformed_queue: 256,
        }
    }

    /// Adds a server of the same cluster.
    #[must_use]
    pub fn with_server(mut self, server: impl Into<String>) -> Self {
        self.servers.push(server.into());
        self
    }

    /// Sets the prefix of every subject.
    #[must_use]
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }
}

macro_rules! setters {
    ($($with:ident $field:ident: $type:ty,)*) => {
        impl NatsOptions {$(
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
    with_servers servers: Vec<String>,
    with_auth auth: NatsAuth,
    with_tls tls: NatsTls,
    with_name name: String,
    with_inbox_prefix inbox_prefix: String,
    with_first_wait first_wait: Duration,
    with_pause pause: Duration,
    with_ping ping: Duration,
    with_connect_timeout connect_timeout: Duration,
    with_timeout timeout: Duration,
    with_write_queue write_queue: usize,
    with_read_queue read_queue: usize,
    with_malformed_queue malformed_queue: usize,
}

impl NatsOptions {
    pub(crate) fn check(&self) -> Result<()> {
        let invalid = |message: &'static str| Err(Error::invalid(message).at(crate::COMPONENT, "connect"));
        if self.servers.is_empty() {
            return invalid("no server is named");
        }
        if self.inbox_prefix.split('.').next() != Some("_INBOX") && !self.inbox_prefix.starts_with("_INBOX_") {
            return invalid("the prefix of answers must be _INBOX, or begin with _INBOX. or _INBOX_");
        }
        for prefix in self.prefix.iter().chain([&self.inbox_prefix]) {
            slate_core::bus::Subject::new(prefix).map_err(|error| error.at(crate::COMPONENT, "connect"))?;
        }
        if self.prefix.as_ref().is_some_and(|prefix| prefix.starts_with("_INBOX") || prefix.starts_with('$')) {
            return invalid("a prefix may not begin with _INBOX or $");
        }
        if self.ping.is_zero() || self.timeout.is_zero() || self.write_queue == 0 || self.read_queue == 0 {
            return invalid("times and queues of zero don't work");
        }
        Ok(())
    }

    /// The servers without what is secret in their URLs.
    pub(crate) fn places(&self) -> String {
        let place = |url: &String| url.rsplit_once('@').map_or(url.clone(), |(_, place)| place.to_owned());
        self.servers.iter().map(place).collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Debug for NatsOptions {
    /// Without anything secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsOptions")
            .field("servers", &self.places())
            .field("auth", &self.auth)
            .field("tls", &self.tls)
            .field("name", &self.name)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

/// Who a client is.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum NatsAuth {
    /// Nobody, or whom the URL names.
    #[default]
    None,
    /// A user with a password.
    UserPassword {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// Whoever knows the token.
    Token(String),
    /// The owner of an nkey, by its seed (`SU…`).
    NKey(String),
    /// A user's `.creds` file: a JWT and a seed.
    CredentialsFile(PathBuf),
    /// What would be in such a file.
    Credentials(String),
}

impl fmt::Debug for NatsAuth {
    /// Without anything secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::UserPassword { user, .. } => {
                f.debug_struct("UserPassword").field("user", user).finish_non_exhaustive()
            }
            Self::Token(_) => f.write_str("Token(…)"),
            Self::NKey(_) => f.write_str("NKey(…)"),
            Self::CredentialsFile(path) => f.debug_tuple("CredentialsFile").field(path).finish(),
            Self::Credentials(_) => f.write_str("Credentials(…)"),
        }
    }
}

/// How a link is encrypted.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct NatsTls {
    /// Whether links without TLS are refused, whatever the URLs say; default no.
    pub required: bool,
    /// Whether TLS begins before the server's greeting, as servers with `handshake_first` want it; default no.
    pub first: bool,
    /// A file of root certificates in PEM that are trusted beside the system's; default none.
    pub roots: Option<PathBuf>,
    /// The client's own certificate and key, files in PEM; default none.
    pub client: Option<(PathBuf, PathBuf)>,
}

impl NatsTls {
    /// TLS that is required, with these further roots.
    pub fn required(roots: Option<PathBuf>) -> Self {
        Self { required: true, roots, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_is_shown() {
        let auth = [
            NatsAuth::UserPassword { user: "ada".into(), password: "s3cret".into() },
            NatsAuth::Token("s3cret".into()),
            NatsAuth::NKey("s3cret".into()),
            NatsAuth::Credentials("s3cret".into()),
        ];
        for auth in auth {
            let text = format!("{:?}", NatsOptions::new("nats://localhost").with_auth(auth));
            assert!(!text.contains("s3cret"), "{text}");
        }
        assert_eq!(NatsOptions::new("nats://ada:s3cret@host:4222").places(), "host:4222");
    }

    #[test]
    fn options_that_can_not_work_are_refused() {
        let sound = NatsOptions::new("nats://localhost");
        assert!(sound.check().is_ok());
        for bad in [
            sound.clone().with_servers(Vec::new()),
            sound.clone().with_prefix("a..b"),
            sound.clone().with_prefix("_INBOX.a"),
            sound.clone().with_inbox_prefix("answers"),
            sound.clone().with_ping(Duration::ZERO),
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }
}
