//! Images from a private registry: Debian's `docker-registry` with passwords from `htpasswd`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use async_trait::async_trait;
use bollard::{auth::DockerCredentials, query_parameters::PushImageOptions};
use common::{SOON, backend_with, image, options, skipped, unique, within};
use futures_util::{StreamExt, TryStreamExt, future::join_all};
use slate_core::{
    Error, ErrorKind, Result,
    runtime::{
        ImageProgress, ImageRef, Images, PullOptions, RegistryLogin, RuntimeBackend, RuntimeBackendExt, RuntimeSpec,
    },
};
use slate_docker::{Credentials, DockerBackend, DockerConfig, DockerOptions, Endpoint, NoCredentials, PullPolicy};
use slate_harness::Port;
use std::{
    fs::{self, File},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// With characters that the engine's client would spoil in its header.
const PASSWORD: &str = "hunter2??>>~~";

struct Registry {
    process: Child,
    port: Port,
    folder: tempfile::TempDir,
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _killed = self.process.kill();
        let _reaped = self.process.wait();
    }
}

impl Registry {
    /// A registry that lets in `ada` with the password, and `pusher`; `None` where Debian's packages are missing.
    fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut lines = String::new();
        for (user, password) in [("ada", PASSWORD), ("pusher", "pusher")] {
            let Ok(made) = Command::new("htpasswd").args(["-Bbn", user, password]).output() else {
                skipped("no htpasswd: install apache2-utils");
                return None;
            };
            lines.push_str(String::from_utf8(made.stdout).unwrap().trim());
            lines.push('\n');
        }
        fs::write(folder.path().join("htpasswd"), lines).unwrap();
        let port = Port::take().unwrap();
        let place = folder.path().display();
        let config = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: {place}/data}}}}\n\
             http: {{addr: '127.0.0.1:{port}'}}\nauth: {{htpasswd: {{realm: slate, path: {place}/htpasswd}}}}\n"
        );
        fs::write(folder.path().join("config.yml"), config).unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let started = Command::new("docker-registry")
            .arg("serve")
            .arg(folder.path().join("config.yml"))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .stdin(Stdio::null())
            .spawn();
        let Ok(process) = started else {
            skipped("no docker-registry: install it");
            return None;
        };
        let deadline = Instant::now() + SOON;
        while TcpStream::connect(("127.0.0.1", port.number())).is_err() {
            assert!(Instant::now() < deadline, "{}", fs::read_to_string(folder.path().join("log")).unwrap());
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Self { process, port, folder })
    }

    fn image(&self, tag: &str) -> ImageRef {
        format!("127.0.0.1:{}/game:{tag}", self.port).parse().unwrap()
    }

    /// Puts an image into the registry under a tag, and takes it away from the engine.
    async fn push(&self, backend: &DockerBackend, tag: &str) {
        let Endpoint::Unix(path) = Endpoint::from_env() else { panic!("the engine is on this host") };
        let version = bollard::API_DEFAULT_VERSION;
        let docker = bollard::Docker::connect_with_unix(&path.to_string_lossy(), 60, version).unwrap();
        let docker = docker.negotiate_version().await.unwrap();
        let image = self.image(tag);
        let archive = common::busybox_with(tag).unwrap();
        backend.import_image(&image, futures_util::stream::iter([archive])).await.unwrap();
        let login = DockerCredentials {
            username: Some("pusher".into()),
            password: Some("pusher".into()),
            ..DockerCredentials::default()
        };
        let options = PushImageOptions { tag: Some(tag.into()), ..PushImageOptions::default() };
        docker.push_image(image.repository(), Some(options), Some(login)).try_collect::<Vec<_>>().await.unwrap();
        backend.images().unwrap().remove(&image).await.unwrap();
    }

    /// How often a tag's digest was asked for with success: once for each pull, whatever of it the engine has already.
    fn pulls(&self) -> usize {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap();
        let asked = |line: &&str| {
            line.contains("response completed")
                && line.contains("manifests")
                && line.contains("http.request.method=HEAD")
        };
        log.lines().filter(asked).count()
    }
}

fn ada(password: &str) -> PullOptions {
    PullOptions::default().with_login(RegistryLogin::Password { user: "ada".into(), password: password.into() })
}

async fn pull(backend: &DockerBackend, image: &ImageRef, options: PullOptions) -> Result<Vec<ImageProgress>> {
    within("the pull", backend.pull(image, options).try_collect()).await
}

async fn gone(backend: &DockerBackend, image: &ImageRef) {
    backend.images().unwrap().remove(image).await.unwrap();
    assert!(!backend.exists(image).await.unwrap());
}

/// A provider that knows one password.
struct Ada(&'static str);

#[async_trait]
impl Credentials for Ada {
    async fn login(&self, registry: &str) -> Result<Option<RegistryLogin>> {
        if !registry.starts_with("127.0.0.1:") {
            return Err(Error::not_found("asked for another registry"));
        }
        Ok(Some(RegistryLogin::Password { user: "ada".into(), password: self.0.into() }))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_registry_lets_in_who_has_the_password() {
    let Some(backend) = backend_with(options()).await else { return };
    let Some(registry) = Registry::start() else { return };
    let tag = unique("t");
    registry.push(&backend, &tag).await;
    let image = registry.image(&tag);

    for options in [PullOptions::default(), ada("wrong-6d1f")] {
        let error = pull(&backend, &image, options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
        assert!(!format!("{error:?}").contains("wrong-6d1f"), "{error:?}");
    }
    assert!(!backend.exists(&image).await.unwrap());
    let steps = pull(&backend, &image, ada(PASSWORD)).await.unwrap();
    assert!(steps.iter().any(|step| step.layer.is_some()), "no layer is told of: {steps:?}");
    assert!(backend.exists(&image).await.unwrap());
    assert!(!format!("{:?} {:?}", ada(PASSWORD), options()).contains(PASSWORD));
    gone(&backend, &image).await;

    // The same by the user's configuration.
    let config = registry.folder.path().join("config.json");
    let auth = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("ada:{PASSWORD}"));
    let auths = serde_json::json!({ "auths": { format!("127.0.0.1:{}", registry.port): { "auth": auth } } });
    fs::write(&config, auths.to_string()).unwrap();
    let by_config = DockerBackend::open(options().with_credentials(DockerConfig::at(config))).await.unwrap();
    pull(&by_config, &image, PullOptions::default()).await.unwrap();
    gone(&backend, &image).await;

    let missing = pull(&backend, &registry.image("nobody"), ada(PASSWORD)).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound, "{missing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_want_one_image_fetch_it_once() {
    let Some(backend) = backend_with(options()).await else { return };
    let Some(registry) = Registry::start() else { return };
    let tag = unique("t");
    registry.push(&backend, &tag).await;
    let image = registry.image(&tag);
    let before = registry.pulls();
    pull(&backend, &image, ada(PASSWORD)).await.unwrap();
    let one = registry.pulls() - before;
    assert!(one > 0, "{}", fs::read_to_string(registry.folder.path().join("log")).unwrap());
    gone(&backend, &image).await;
    let before = registry.pulls();
    let all = join_all((0..16).map(|_| pull(&backend, &image, ada(PASSWORD)))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert_eq!(registry.pulls() - before, one, "the registry was asked more than once");
    gone(&backend, &image).await;
    // One that nobody wants any more does no harm.
    drop(backend.pull(&image, ada(PASSWORD)).next().await);
    pull(&backend, &image, ada(PASSWORD)).await.unwrap();
    gone(&backend, &image).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pull_policy_says_when_an_image_is_fetched() {
    let Some(backend) = backend_with(options()).await else { return };
    let Some(registry) = Registry::start() else { return };
    let tag = unique("t");
    registry.push(&backend, &tag).await;
    let image = registry.image(&tag);
    let with = |pull: PullPolicy| async move {
        let options: DockerOptions = options().with_pull(pull).with_credentials(Ada(PASSWORD));
        DockerBackend::open(options).await.unwrap()
    };
    let spec = |image: &ImageRef| RuntimeSpec::new(unique("pulled"), ["true"]).with_image(image.clone());
    let made = async |backend: &DockerBackend, image: &ImageRef| {
        let id = backend.create(&spec(image)).await?;
        backend.remove_if_there(&id).await
    };

    let error = made(&with(PullPolicy::Never).await, &image).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    let missing = with(PullPolicy::Missing).await;
    made(&missing, &image).await.unwrap();
    let fetched = registry.pulls();
    made(&missing, &image).await.unwrap();
    assert_eq!(registry.pulls(), fetched, "an image that was there was fetched again");
    // The engine asks for a tag's digest by HEAD, and for no more where it has that.
    made(&with(PullPolicy::Always).await, &image).await.unwrap();

    // Pinned: the digest that the registry gave.
    let log = fs::read_to_string(registry.folder.path().join("log")).unwrap();
    let digest = log.split("manifests/sha256:").nth(1).unwrap().split(['"', ' ']).next().unwrap();
    let pinned: ImageRef = format!("{}@sha256:{digest}", image.repository()).parse().unwrap();
    let _there = backend.images().unwrap().remove(&image).await;
    made(&missing, &pinned).await.unwrap();
    made(&with(PullPolicy::Always).await, &pinned).await.unwrap();
    let id = missing.run(&spec(&pinned)).await.unwrap();
    assert!(missing.wait_for_exit(&id, SOON).await.unwrap().success());
    let used = backend.images().unwrap().remove(&pinned).await;
    drop(used);
    missing.remove_if_there(&id).await.unwrap();

    let refused = DockerBackend::open(options().with_pull(PullPolicy::Always).with_credentials(NoCredentials));
    let error = made(&refused.await.unwrap(), &image).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
}

#[tokio::test]
async fn an_import_needs_a_tag_and_an_image_in_use_stays() {
    let Some(backend) = backend_with(options()).await else { return };
    let digest = format!("slate-test/x@sha256:{}", "0".repeat(64)).parse().unwrap();
    let error = backend.import_image(&digest, futures_util::stream::empty()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let used = RuntimeSpec::new(unique("user"), ["true"]).with_image(common::image());
    let id = backend.create(&used).await.unwrap();
    let error = backend.images().unwrap().remove(&self::image()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongState, "{error:?}");
    backend.remove_if_there(&id).await.unwrap();
}
