//! Images: fetched once however many want them at the same time.

use crate::{
    DockerBackend, PullPolicy,
    backend::{Shared, driven, held},
    error::{PLACE, translate},
    login,
    spec::cover_volumes,
};
use async_trait::async_trait;
use bollard::{
    models::{ContainerCreateBody, CreateImageInfo},
    query_parameters::{CreateImageOptions, RemoveImageOptions},
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt};
use slate_core::{
    BoxStream, Cancel, Error, ErrorKind, Result,
    runtime::{ImageProgress, ImageRef, ImageVersion, Images, PullOptions, RegistryLogin},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};
use tokio::sync::{broadcast, watch};

/// Steps that a listener may lag behind before it misses some.
const BACKLOG: usize = 256;
/// Longer than the engine takes for one step with an image.
const LONG: Duration = Duration::from_secs(600);
/// The registry that images without one come from.
const DEFAULT_REGISTRY: &str = "docker.io";

/// The pulls that are under way.
#[derive(Default)]
pub(crate) struct Flights(Mutex<HashMap<Key, Weak<Flight>>>);

/// Who wants what: those with different logins don't share a pull, or one could come in on another's ticket.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    image: String,
    login: Option<String>,
}

/// One pull, which ends early when nobody listens any more.
struct Flight {
    steps: broadcast::Sender<ImageProgress>,
    end: watch::Receiver<Option<Result<(), Arc<Error>>>>,
    deserted: Cancel,
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.deserted.cancel();
    }
}

impl Shared {
    /// Fetches an image that a spec names, where the policy wants it looked for at each time.
    pub(crate) async fn provide(self: &Arc<Self>, image: &ImageRef) -> Result<()> {
        let pinned = matches!(image.version(), ImageVersion::Digest(_));
        if self.options.pull != PullPolicy::Always || (pinned && self.has_image(image).await?) {
            return Ok(());
        }
        self.fetch(image).await
    }

    /// Fetches an image that isn't there, where the policy allows it.
    pub(crate) async fn fetch_missing(self: &Arc<Self>, image: &ImageRef) -> Result<()> {
        if self.options.pull == PullPolicy::Never {
            return Err(Error::not_found("no such image, and none is fetched").with("image", image));
        }
        self.fetch(image).await
    }

    /// Puts folders of memory in the place of the volumes that an image declares; one that isn't there has none yet.
    pub(crate) async fn cover_image_volumes(&self, image: &ImageRef, body: &mut ContainerCreateBody) -> Result<()> {
        match self.docker.inspect_image(&image.to_string()).await.map_err(|error| translate(error, "image")) {
            Ok(found) => {
                let volumes = found.config.and_then(|config| config.volumes).unwrap_or_default();
                cover_volumes(body, &volumes, &self.options.hardening);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error.with("image", image)),
        }
    }

    async fn fetch(self: &Arc<Self>, image: &ImageRef) -> Result<()> {
        self.pull(image.clone(), None).try_for_each(|_| std::future::ready(Ok(()))).await
    }

    async fn has_image(&self, image: &ImageRef) -> Result<bool> {
        match self.docker.inspect_image(&image.to_string()).await.map_err(|error| translate(error, "image")) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error.with("image", image)),
        }
    }

    fn pull(self: &Arc<Self>, image: ImageRef, login: Option<RegistryLogin>) -> BoxStream<Result<ImageProgress>> {
        let shared = Arc::clone(self);
        driven(BACKLOG, move |to| async move {
            let flight = match shared.board(&image, login).await {
                Ok(flight) => flight,
                Err(error) => {
                    // Nobody listening is no error.
                    let _gone: Result<_, _> = to.send(Err(error.with("image", &image).at(PLACE, "pull"))).await;
                    return;
                }
            };
            let (mut steps, mut end) = (flight.steps.subscribe(), flight.end.clone());
            loop {
                // The steps before the end are told first.
                let step = tokio::select! {
                    biased;
                    step = steps.recv() => Some(step),
                    () = ended(&mut end) => None,
                };
                let step = match step {
                    Some(Ok(step)) => step,
                    Some(Err(broadcast::error::RecvError::Lagged(_))) => continue,
                    Some(Err(broadcast::error::RecvError::Closed)) | None => {
                        let told = end.borrow().clone();
                        if let Some(Err(error)) = told {
                            let again = Error::new(error.kind(), error.message().to_owned()).retry_as(error.retry());
                            let again = again.with("image", &image).at(PLACE, "pull").because(error);
                            // Nobody listening is no error.
                            let _gone: Result<_, _> = to.send(Err(again)).await;
                        }
                        return;
                    }
                };
                if to.send(Ok(step)).await.is_err() {
                    return;
                }
            }
        })
    }

    /// The pull of this image that is under way, or a new one.
    async fn board(self: &Arc<Self>, image: &ImageRef, login: Option<RegistryLogin>) -> Result<Arc<Flight>> {
        let registry = image.registry().unwrap_or(DEFAULT_REGISTRY);
        let login = match login {
            Some(login) => Some(login),
            None => self.options.credentials.login(registry).await?,
        };
        let header = login.as_ref().map(|login| login::header(login, registry)).transpose()?;
        let key = Key { image: image.to_string(), login: header };
        let mut flights = held(&self.flights.0);
        flights.retain(|_, flight| flight.strong_count() > 0);
        if let Some(flight) = flights.get(&key).and_then(Weak::upgrade)
            && flight.end.borrow().is_none()
        {
            return Ok(flight);
        }
        let (steps, _) = broadcast::channel(BACKLOG);
        let (told, end) = watch::channel(None);
        let deserted = Cancel::new();
        let flight = Arc::new(Flight { steps: steps.clone(), end, deserted: deserted.clone() });
        flights.insert(key.clone(), Arc::downgrade(&flight));
        let (shared, image) = (Arc::clone(self), image.clone());
        tokio::spawn(async move {
            let pulled = tokio::select! {
                pulled = shared.fly(&image, key.login, &steps) => pulled,
                () = deserted.canceled() => return,
            };
            told.send_replace(Some(pulled.map_err(Arc::new)));
        });
        Ok(flight)
    }

    /// Asks the engine to pull, and tells its steps.
    async fn fly(
        &self,
        image: &ImageRef,
        login: Option<String>,
        steps: &broadcast::Sender<ImageProgress>,
    ) -> Result<()> {
        // The engine answers at once and then tells what it does; between two steps a slow registry may take long.
        let mut docker = self.docker.clone().with_timeout(self.options.timeout.max(LONG));
        if let Some(login) = login {
            let mut value: http::HeaderValue =
                login.parse().map_err(|error| Error::internal("a login can't be told").because(error))?;
            value.set_sensitive(true);
            docker = docker.with_request_modifier(move |mut request| {
                request.headers_mut().insert("X-Registry-Auth", value.clone());
                request
            });
        }
        let (ImageVersion::Tag(version) | ImageVersion::Digest(version)) = image.version() else {
            return Err(Error::unsupported("this version of an image is not known"));
        };
        let options = CreateImageOptions {
            from_image: Some(image.repository().into()),
            tag: Some(version.clone()),
            ..CreateImageOptions::default()
        };
        let mut pulling = Box::pin(docker.create_image(Some(options), None, None));
        while let Some(step) = pulling.next().await {
            if let Some(step) = progress(step.map_err(|error| translate(error, "pull"))?)? {
                // Nobody listening is no error.
                let _heard: Result<_, _> = steps.send(step);
            }
        }
        Ok(())
    }
}

async fn ended(end: &mut watch::Receiver<Option<Result<(), Arc<Error>>>>) {
    // The pull that told nothing was given up by all who wanted it.
    let _told: Result<_, _> = end.wait_for(Option::is_some).await;
}

/// What a step of the engine's tells.
fn progress(step: CreateImageInfo) -> Result<Option<ImageProgress>> {
    if let Some(message) = step.error_detail.and_then(|detail| detail.message) {
        return Err(translate(bollard::errors::Error::DockerStreamError { error: message }, "pull"));
    }
    let Some(status) = step.status else { return Ok(None) };
    let mut progress = ImageProgress::step(status);
    // The id of a step is its layer's, but for the first, where it is the tag.
    progress.layer = step.id.filter(|id| id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let amount = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok());
    if let Some(detail) = step.progress_detail {
        progress.current = amount(detail.current).unwrap_or_default();
        progress.total = amount(detail.total).filter(|total| *total > 0);
    }
    Ok(Some(progress))
}

impl DockerBackend {
    /// Makes an image of an archive (tar) of its files, without a registry, as `docker import` does. One of this name is
    /// replaced. The engine doesn't look at what is in the archive before a container is started.
    ///
    /// # Errors
    /// `Invalid` for a digest in place of a tag; `ResourceExhausted` where the disk is full.
    pub async fn import_image(
        &self,
        image: &ImageRef,
        archive: impl Stream<Item = Bytes> + Send + 'static,
    ) -> Result<()> {
        let ImageVersion::Tag(tag) = image.version() else {
            return Err(Error::invalid("an image is imported under a tag").with("image", image).at(PLACE, "import"));
        };
        let options = CreateImageOptions {
            from_src: Some("-".into()),
            repo: Some(image.repository().into()),
            tag: Some(tag.clone()),
            ..CreateImageOptions::default()
        };
        let body = bollard::body_stream(archive);
        // The engine answers when it has unpacked all of it.
        let docker = self.0.docker.clone().with_timeout(self.0.options.timeout.max(LONG));
        let mut steps = Box::pin(docker.create_image(Some(options), Some(body), None));
        while let Some(step) = steps.next().await {
            let step = step.map_err(|error| translate(error, "import").with("image", image))?;
            progress(step).map_err(|error| error.with("image", image).at(PLACE, "import"))?;
        }
        Ok(())
    }
}

#[async_trait]
impl Images for DockerBackend {
    async fn exists(&self, image: &ImageRef) -> Result<bool> {
        self.0.has_image(image).await.map_err(|error| error.at(PLACE, "image"))
    }

    fn pull(&self, image: &ImageRef, options: PullOptions) -> BoxStream<Result<ImageProgress>> {
        self.0.pull(image.clone(), options.login)
    }

    async fn remove(&self, image: &ImageRef) -> Result<()> {
        let options = RemoveImageOptions { force: false, noprune: false, platforms: None };
        let removed = self.0.docker.remove_image(&image.to_string(), Some(options), None).await;
        match removed.map_err(|error| translate(error, "image").with("image", image)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
