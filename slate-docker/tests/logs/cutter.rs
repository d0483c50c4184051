//! A way to the engine that breaks off in the middle of an answer.

use slate_docker::Endpoint;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{UnixListener, UnixStream},
    task::JoinHandle,
};

/// Passes connections on to the engine of `DOCKER_HOST`, and cuts those that ask for something.
pub(crate) struct Cutter {
    folder: tempfile::TempDir,
    cuts: Arc<Mutex<VecDeque<usize>>>,
    task: JoinHandle<()>,
}

impl Cutter {
    /// The first questions that hold `word` are answered with so many bytes, one after the other; then nothing is cut.
    pub(crate) fn start(word: &'static str, cuts: &[usize]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("engine.sock")).unwrap();
        let cuts = Arc::new(Mutex::new(cuts.iter().copied().collect::<VecDeque<_>>()));
        let left = Arc::clone(&cuts);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, word, Arc::clone(&left)));
            }
        });
        Self { folder, cuts, task }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::Unix(self.folder.path().join("engine.sock"))
    }

    /// How many answers are still to be cut.
    pub(crate) fn left(&self) -> usize {
        self.cuts.lock().unwrap().len()
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(mut client: UnixStream, word: &str, cuts: Arc<Mutex<VecDeque<usize>>>) {
    let Endpoint::Unix(path) = Endpoint::from_env() else { panic!("the tests' engine listens at a socket") };
    let mut engine = UnixStream::connect(path).await.unwrap();
    let mut question = vec![0; 16 << 10];
    let length = client.read(&mut question).await.unwrap_or(0);
    question.truncate(length);
    if engine.write_all(&question).await.is_err() {
        return;
    }
    let asks = String::from_utf8_lossy(&question).contains(word);
    let cut = if asks { cuts.lock().unwrap().pop_front() } else { None };
    match cut {
        Some(bytes) => {
            let mut part = engine.take(bytes as u64);
            let _broken = tokio::io::copy(&mut part, &mut client).await;
        }
        None => {
            let _ended = copy_bidirectional(&mut client, &mut engine).await;
        }
    }
}
