//! Who asks a registry.

use crate::error::PLACE;
use async_trait::async_trait;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use serde_json::{Value, json};
use slate_core::{Error, Result, runtime::RegistryLogin};
use std::{path::PathBuf, process::Stdio, time::Duration};
use tokio::io::AsyncWriteExt;

/// Knows the logins of registries.
///
/// # Contract
/// - `login` is asked before each pull that brings no login of its own, so that a changed password is noticed.
/// - A registry without a login gives `None`.
#[async_trait]
pub trait Credentials: Send + Sync + 'static {
    /// The login for `registry`, a host with its port where it isn't the usual one; Docker Hub is `docker.io`.
    ///
    /// # Errors
    /// Where the login can't be found out; the pull then fails with it.
    async fn login(&self, registry: &str) -> Result<Option<RegistryLogin>>;
}

/// No logins.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCredentials;

#[async_trait]
impl Credentials for NoCredentials {
    async fn login(&self, _registry: &str) -> Result<Option<RegistryLogin>> {
        Ok(None)
    }
}

/// The logins in a `config.json` as `docker login` writes it: in the file itself, or from the helper program that it names.
#[derive(Clone, Debug)]
pub struct DockerConfig {
    path: Option<PathBuf>,
}

/// The largest configuration that is read, and the longest answer of a helper.
const MOST: u64 = 1 << 20;
/// Longer than any helper takes.
const HELPER: Duration = Duration::from_secs(20);
/// The user's name under which helpers keep identity tokens.
const TOKEN_USER: &str = "<token>";

impl DockerConfig {
    /// The file of the user who runs this program: below `DOCKER_CONFIG`, or `~/.docker`. One that isn't there holds none.
    pub fn of_user() -> Self {
        let word = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let folder = word("DOCKER_CONFIG").or_else(|| Some(word("HOME")?.join(".docker")));
        Self { path: folder.map(|folder| folder.join("config.json")) }
    }

    /// This file.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: Some(path.into()) }
    }

    async fn read(&self) -> Result<Value> {
        let Some(path) = self.path.clone() else { return Ok(Value::Null) };
        let read = tokio::task::spawn_blocking(move || match std::fs::metadata(&path) {
            Ok(found) if found.len() > MOST => {
                Err(Error::limit_exceeded("the docker configuration is too large").with("limit", MOST))
            }
            Ok(_) => std::fs::read(&path).map_err(|error| Error::io("read the docker configuration", error)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(b"null".to_vec()),
            Err(error) => Err(Error::io("read the docker configuration", error)),
        });
        let bytes = read.await.map_err(|error| Error::internal("a file task ended early").because(error))??;
        // The text of the parser's error could hold a part of a secret.
        serde_json::from_slice(&bytes).map_err(|_| Error::invalid("the docker configuration is no JSON"))
    }
}

#[async_trait]
impl Credentials for DockerConfig {
    async fn login(&self, registry: &str) -> Result<Option<RegistryLogin>> {
        let config = self.read().await.map_err(|error| error.at(PLACE, "login"))?;
        let keys = keys(registry);
        let helper = keys.iter().find_map(|key| config["credHelpers"][key].as_str()).or(config["credsStore"].as_str());
        if let Some(helper) = helper.filter(|helper| !helper.is_empty()) {
            for key in &keys {
                if let Some(login) = ask(helper, key).await.map_err(|error| error.at(PLACE, "login"))? {
                    return Ok(Some(login));
                }
            }
        }
        Ok(keys.iter().find_map(|key| in_file(&config["auths"][key])))
    }
}

/// Under which names a registry is found in the configuration.
fn keys(registry: &str) -> Vec<String> {
    let mut keys = vec![registry.to_owned(), format!("https://{registry}"), format!("http://{registry}")];
    if registry == "docker.io" {
        keys.insert(0, "https://index.docker.io/v1/".into());
    }
    keys
}

fn in_file(entry: &Value) -> Option<RegistryLogin> {
    if let Some(token) = entry["identitytoken"].as_str().filter(|token| !token.is_empty()) {
        return Some(RegistryLogin::Password { user: TOKEN_USER.into(), password: token.into() });
    }
    let decoded = String::from_utf8(STANDARD.decode(entry["auth"].as_str()?).ok()?).ok()?;
    let (user, password) = decoded.trim_end_matches('\0').split_once(':')?;
    (!user.is_empty()).then(|| RegistryLogin::Password { user: user.into(), password: password.into() })
}

/// Asks the program `docker-credential-<helper>`; `None` where it knows no login.
async fn ask(helper: &str, registry: &str) -> Result<Option<RegistryLogin>> {
    if !helper.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b)) {
        return Err(Error::invalid("malformed name of a credential helper").with("helper", helper.escape_debug()));
    }
    let program = format!("docker-credential-{helper}");
    let child = tokio::process::Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    let mut child = child.map_err(|error| Error::io("run the credential helper", error).with("helper", helper))?;
    let answered = async {
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(registry.as_bytes()).await?;
        }
        child.wait_with_output().await
    };
    let Ok(answered) = tokio::time::timeout(HELPER, answered).await else {
        return Err(Error::timed_out("the credential helper didn't answer").with("helper", helper));
    };
    let answered = answered.map_err(|error| Error::io("ask the credential helper", error).with("helper", helper))?;
    // Helpers end with a code for "no such login" and for everything else that goes wrong.
    if !answered.status.success() || answered.stdout.len() as u64 > MOST {
        return Ok(None);
    }
    let told: Value = serde_json::from_slice(&answered.stdout)
        .map_err(|_| Error::corrupt("the credential helper's answer is no JSON").with("helper", helper))?;
    let (Some(user), Some(password)) = (told["Username"].as_str(), told["Secret"].as_str()) else { return Ok(None) };
    Ok(Some(RegistryLogin::Password { user: user.into(), password: password.into() }))
}

/// The header by which the engine is told a login. It is made here because the engine reads the alphabet of base64 that is
/// meant for addresses, which the client's own header is not in: a password with `?` or `~` would silently be dropped.
pub(crate) fn header(login: &RegistryLogin, registry: &str) -> Result<String> {
    let told = match login {
        RegistryLogin::Password { user, password } if user == TOKEN_USER => {
            json!({ "identitytoken": password, "serveraddress": registry })
        }
        RegistryLogin::Password { user, password } => {
            json!({ "username": user, "password": password, "serveraddress": registry })
        }
        RegistryLogin::Token(token) => json!({ "registrytoken": token, "serveraddress": registry }),
        _ => return Err(Error::unsupported("this kind of login is not known")),
    };
    Ok(URL_SAFE.encode(told.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn of(config: &str, registry: &str) -> Result<Option<(String, String)>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        std::fs::write(&path, config).unwrap();
        let login = DockerConfig::at(path).login(registry).await?;
        Ok(login.map(|login| match login {
            RegistryLogin::Password { user, password } => (user, password),
            other => panic!("{other:?}"),
        }))
    }

    #[tokio::test]
    async fn logins_are_found_as_docker_login_writes_them() {
        let config = r#"{"auths":{"127.0.0.1:5055":{"auth":"YWRhOmh1bnRlcjI6eA=="},
            "https://index.docker.io/v1/":{"auth":"Ym9iOnB3"},"ghcr.io":{"identitytoken":"tok"},"empty.io":{}}}"#;
        let login = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        assert_eq!(of(config, "127.0.0.1:5055").await.unwrap(), login("ada", "hunter2:x"));
        assert_eq!(of(config, "docker.io").await.unwrap(), login("bob", "pw"));
        assert_eq!(of(config, "ghcr.io").await.unwrap(), login("<token>", "tok"));
        assert_eq!(of(config, "empty.io").await.unwrap(), None);
        assert_eq!(of(config, "other.io").await.unwrap(), None);
        assert_eq!(DockerConfig::at("/nowhere/config.json").login("x").await.unwrap().map(|_| ()), None);
    }

    #[tokio::test]
    async fn a_malformed_configuration_tells_no_secret() {
        let error = of(r#"{"auths":{"x":{"auth":"hunter2""#, "x").await.unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        assert!(of(r#"{"credsStore":"../../bin/sh"}"#, "x").await.is_err());
    }

    #[test]
    fn any_password_survives_the_header() {
        let login = RegistryLogin::Password { user: "ada".into(), password: "??>>~~ü".into() };
        let header = header(&login, "r").unwrap();
        assert!(!header.contains(['+', '/']), "{header}");
        let told: Value = serde_json::from_slice(&URL_SAFE.decode(header).unwrap()).unwrap();
        assert_eq!(told["password"], "??>>~~ü");
    }
}
