use super::Program;
use crate::{
    BoxStream, InstanceId, Result,
    runtime::{
        Capabilities, Command, ExecOptions, ExitStatus, ListOptions, LogChunk, LogOptions, RuntimeBackend,
        RuntimeBackendExt, RuntimeSpec,
    },
};
use futures_util::StreamExt;
use std::{any::Any, future::Future, pin::Pin, sync::Arc, time::Duration};

/// A future that yields a backend.
type Opening = Pin<Box<dyn Future<Output = Arc<dyn RuntimeBackend>> + Send>>;
type Words = Arc<dyn Fn(&Program) -> Vec<String> + Send + Sync>;
type Base = Arc<dyn Fn(RuntimeSpec) -> RuntimeSpec + Send + Sync>;
type Probe = Arc<dyn Fn(&str) -> usize + Send + Sync>;

/// A backend under test, and what the suite must know about its ground.
///
/// Every fixture marks its instances with a label of its own and removes them after each case, so that one engine may be
/// shared by many.
#[derive(Clone)]
pub struct RuntimeFixture {
    /// The backend under test.
    pub backend: Arc<dyn RuntimeBackend>,
    words: Words,
    base: Base,
    probe: Option<Probe>,
    reopen: Option<Arc<dyn Fn() -> Opening + Send + Sync>>,
    /// Longer than anything takes that must happen.
    pub patience: Duration,
    /// A folder that is there in every instance.
    pub folder: String,
    mark: String,
    kept: Vec<Arc<dyn Any + Send + Sync>>,
}

impl RuntimeFixture {
    /// The label by which a fixture's instances are known.
    pub const LABEL: &'static str = "slate.conformance";

    /// A fixture that translates programs for `sh`.
    pub fn new(backend: Arc<dyn RuntimeBackend>) -> Self {
        Self {
            backend,
            words: Arc::new(Program::shell_words),
            base: Arc::new(|spec| spec),
            probe: None,
            reopen: None,
            patience: Duration::from_secs(20),
            folder: "/tmp".into(),
            mark: uuid::Uuid::new_v4().simple().to_string(),
            kept: Vec::new(),
        }
    }

    /// Sets how a program becomes command words; default [`Program::shell_words`].
    #[must_use]
    pub fn with_words(mut self, words: impl Fn(&Program) -> Vec<String> + Send + Sync + 'static) -> Self {
        self.words = Arc::new(words);
        self
    }

    /// Sets what every spec gets, for example an image; default nothing.
    #[must_use]
    pub fn with_base(mut self, base: impl Fn(RuntimeSpec) -> RuntimeSpec + Send + Sync + 'static) -> Self {
        self.base = Arc::new(base);
        self
    }

    /// Sets how to count the living programs whose environment holds `SLATE_PROBE=<text>`; without it the cases that look
    /// for survivors are skipped.
    #[must_use]
    pub fn with_probe(mut self, probe: impl Fn(&str) -> usize + Send + Sync + 'static) -> Self {
        self.probe = Some(Arc::new(probe));
        self
    }

    /// Sets how to open another backend on the same ground; without it the case about restarts is skipped.
    #[must_use]
    pub fn with_reopen<F>(mut self, reopen: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Arc<dyn RuntimeBackend>> + Send + 'static,
    {
        self.reopen = Some(Arc::new(move || Box::pin(reopen())));
        self
    }

    /// Sets how long a case waits for what must happen; default 20 s.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Keeps something, for example a temporary folder, until the fixture is dropped.
    #[must_use]
    pub fn keeping(mut self, thing: impl Any + Send + Sync) -> Self {
        self.kept.push(Arc::new(thing));
        self
    }

    /// Whether the backend can do it; says aloud that the case is skipped where it can't.
    pub(super) fn can(&self, what: &str, ask: impl Fn(&Capabilities) -> bool) -> bool {
        let can = ask(&self.backend.capabilities());
        if !can {
            println!("skipped: this backend has no {what} by its capabilities");
        }
        can
    }

    pub(super) async fn reopened(&self) -> Option<Arc<dyn RuntimeBackend>> {
        match &self.reopen {
            Some(reopen) => Some(reopen().await),
            None => {
                println!("skipped: the fixture opens no second backend");
                None
            }
        }
    }

    /// Counts the living programs of this fixture, where it can.
    pub(super) fn living(&self) -> Option<usize> {
        let Some(probe) = &self.probe else {
            println!("skipped: the fixture can't count living programs");
            return None;
        };
        Some(probe(&self.mark))
    }

    /// Waits until as many programs of this fixture live as `enough` says.
    pub(super) async fn until_living(&self, what: &str, enough: impl Fn(usize) -> bool) {
        let mut count = 0;
        let done = self.until(|| {
            count = self.living().unwrap_or_default();
            enough(count)
        });
        assert!(done.await, "{what}: {count} programs live");
    }

    async fn until(&self, mut done: impl FnMut() -> bool) -> bool {
        let deadline = tokio::time::Instant::now() + self.patience;
        while tokio::time::Instant::now() < deadline {
            if done() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        done()
    }

    pub(super) fn words(&self, program: &Program) -> Vec<String> {
        (self.words)(program)
    }

    pub(super) fn command(&self, program: &Program) -> Command {
        Command::new(self.words(program))
    }

    /// A spec of a name that is unique in the world but begins with `name`.
    pub(super) fn spec(&self, name: &str, program: &Program) -> RuntimeSpec {
        let name = format!("{name}-{}", &self.mark[..12]);
        (self.base)(
            RuntimeSpec::new(name, self.words(program))
                .with_label(Self::LABEL, &self.mark)
                .with_env("SLATE_PROBE", &self.mark),
        )
    }

    pub(super) fn mine(&self) -> ListOptions {
        ListOptions::default().with_labels([(Self::LABEL.to_owned(), self.mark.clone())].into())
    }

    /// Makes an instance and starts it.
    pub(super) async fn run(&self, name: &str, program: &Program) -> InstanceId {
        self.backend.run(&self.spec(name, program)).await.unwrap()
    }

    /// Makes an instance, starts it and waits until it has printed `ready`.
    pub(super) async fn run_ready(&self, name: &str, program: &Program) -> InstanceId {
        let id = self.run(name, program).await;
        self.ready(&id).await;
        id
    }

    /// Waits until the instance has printed `ready`.
    pub(super) async fn ready(&self, id: &InstanceId) {
        let mut logs = self.backend.logs(id, LogOptions::default().with_follow(true));
        while let Some(chunk) = self.within("the line `ready`", logs.next()).await {
            if chunk.unwrap().text() == "ready" {
                return;
            }
        }
        panic!("the instance ended before it was ready");
    }

    pub(super) async fn exit_of(&self, id: &InstanceId) -> ExitStatus {
        self.backend.wait_for_exit(id, self.patience).await.unwrap()
    }

    /// The output to its end.
    pub(super) async fn lines(&self, id: &InstanceId, options: LogOptions) -> Vec<String> {
        let logs = self.chunks(self.backend.logs(id, options)).await;
        logs.iter().map(|chunk| chunk.text().into_owned()).collect()
    }

    pub(super) async fn chunks(&self, logs: BoxStream<Result<LogChunk>>) -> Vec<LogChunk> {
        let logs: Vec<_> = self.within("the end of the logs", logs.collect()).await;
        logs.into_iter().map(Result::unwrap).collect()
    }

    /// Runs a program in an instance to its end; its standard output and how it ended.
    pub(super) async fn exec(&self, id: &InstanceId, program: &Program, options: ExecOptions) -> (String, ExitStatus) {
        let command = self.command(program);
        let run = self.backend.exec_all(id, &command, options);
        let (stdout, _, exit) = self.within("the command's end", run).await.unwrap();
        (String::from_utf8(stdout).unwrap(), exit)
    }

    pub(super) async fn within<T>(&self, what: &str, future: impl Future<Output = T>) -> T {
        match tokio::time::timeout(self.patience, future).await {
            Ok(value) => value,
            Err(_) => panic!("{what} didn't come within {:?}", self.patience),
        }
    }

    /// Removes every instance of this fixture.
    pub(super) async fn clean(&self) {
        for instance in self.backend.list_all(self.mine()).await.unwrap() {
            self.backend.remove_if_there(&instance.id).await.unwrap();
        }
    }
}
