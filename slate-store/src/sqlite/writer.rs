//! The one who writes: collects what waits, and commits it together.
//!
//! A commit costs a wait for the disk, whatever is in it. So writes that come while one is under way are put into one
//! transaction; each has a savepoint of its own, so that one that fails takes back only its own changes.

use super::error::{PLACE, failed};
use async_trait::async_trait;
use slate_core::{Clock, Error, Result, Timestamp};
use sqlx::{Executor, SqliteConnection, SqlitePool};
use std::sync::Arc;
use tokio::sync::{Notify, mpsc, oneshot};

/// A piece of writing. It may be run more than once, each time after all that it did was taken back.
#[async_trait]
pub(super) trait Work: Send + Sync + 'static {
    type Output: Send + Sync + 'static;

    async fn run(&self, db: &mut SqliteConnection, now: Timestamp) -> Result<Self::Output>;
}

/// Hands work to the writer.
#[derive(Debug)]
pub(super) struct Writer {
    queue: mpsc::Sender<Box<dyn Pending>>,
    stop: Arc<Notify>,
}

impl Writer {
    /// Starts the writer; it ends when this handle to it is gone, or when it is told to. Where the pool is its `own`, it keeps
    /// the connection: a pool asks one that comes back whether it still lives, and the next write waits for the answer.
    pub(super) fn start(
        pool: SqlitePool,
        own: bool,
        clock: Arc<dyn Clock>,
        queue: usize,
        group: usize,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(queue.max(1));
        let stop = Arc::new(Notify::new());
        let serving = tokio::spawn(serve(pool, own, clock, receiver, stop.clone(), group.max(1)));
        (Self { queue: sender, stop }, serving)
    }

    /// Lets the writer finish what waits, and take nothing more.
    pub(super) fn stop(&self) {
        self.stop.notify_one();
    }

    /// Does the work; when this returns `Ok` it is committed. Work whose caller is gone before it is begun is not done.
    pub(super) async fn write<W: Work>(&self, operation: &'static str, work: W) -> Result<W::Output> {
        let (reply, answer) = oneshot::channel();
        let request: Request<W> = Request { work, outcome: None, reply: Some(reply) };
        let closed = || Error::unavailable("the store is closed").at(PLACE, operation);
        self.queue.send(Box::new(request)).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?.map_err(|error| error.at(PLACE, operation))
    }
}

struct Request<W: Work> {
    work: W,
    outcome: Option<Result<W::Output>>,
    reply: Option<oneshot::Sender<Result<W::Output>>>,
}

#[async_trait]
trait Pending: Send + Sync {
    fn is_wanted(&self) -> bool;
    /// Runs the work and keeps what came of it; whether it went well.
    async fn run(&mut self, db: &mut SqliteConnection, now: Timestamp) -> bool;
    /// Tells the caller what came of it; `error` where nothing was committed.
    fn finish(&mut self, error: Option<Error>);
}

#[async_trait]
impl<W: Work> Pending for Request<W> {
    fn is_wanted(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| !reply.is_closed())
    }

    async fn run(&mut self, db: &mut SqliteConnection, now: Timestamp) -> bool {
        let outcome = self.work.run(db, now).await;
        let went_well = outcome.is_ok();
        self.outcome = Some(outcome);
        went_well
    }

    fn finish(&mut self, error: Option<Error>) {
        // What the work itself says is more to the point than that the transaction failed.
        let outcome = match (self.outcome.take(), error) {
            (Some(Err(own)), _) => Err(own),
            (_, Some(error)) => Err(error),
            (Some(Ok(output)), None) => Ok(output),
            (None, None) => Err(Error::internal("the write was never begun")),
        };
        if let Some(reply) = self.reply.take() {
            let _ = reply.send(outcome);
        }
    }
}

async fn serve(
    pool: SqlitePool,
    own: bool,
    clock: Arc<dyn Clock>,
    mut queue: mpsc::Receiver<Box<dyn Pending>>,
    stop: Arc<Notify>,
    most: usize,
) {
    let mut kept = None;
    loop {
        let first = tokio::select! {
            biased;
            () = stop.notified() => {
                // What waits is still done; nobody gets in any more.
                queue.close();
                continue;
            }
            first = queue.recv() => first,
        };
        let Some(first) = first else { return };
        let mut group = vec![first];
        while group.len() < most
            && let Ok(next) = queue.try_recv()
        {
            group.push(next);
        }
        group.retain(|request| request.is_wanted());
        if group.is_empty() {
            continue;
        }
        let db = match kept.take() {
            Some(db) => Ok(db),
            None => pool.acquire().await,
        };
        match db {
            Ok(mut db) => {
                let sound = commit(&mut db, &mut group, &*clock).await;
                kept = (own && sound).then_some(db);
            }
            Err(error) => refuse(&mut group, &failed(error)),
        }
    }
}

/// Commits a group, and tells each caller; whether the connection could begin with it.
async fn commit(db: &mut SqliteConnection, group: &mut [Box<dyn Pending>], clock: &dyn Clock) -> bool {
    match together(db, group, clock).await {
        Ok(()) => group.iter_mut().for_each(|request| request.finish(None)),
        Err(Failure::NotBegun(error)) => {
            refuse(group, &error);
            return false;
        }
        Err(Failure::TakenBack(error)) if group.len() == 1 => refuse(group, &error),
        // One of them broke the transaction, for example by filling the disk: each tries its luck by itself.
        Err(Failure::TakenBack(_)) => {
            let mut sound = true;
            for request in group.chunks_mut(1) {
                sound &= Box::pin(commit(db, request, clock)).await;
            }
            return sound;
        }
    }
    true
}

fn refuse(group: &mut [Box<dyn Pending>], error: &Error) {
    for request in group {
        let copy = Error::new(error.kind(), error.message().to_owned()).retry_as(error.retry());
        let copy = error.context().iter().fold(copy, |copy, (key, value)| copy.with(key, value));
        request.finish(Some(copy));
    }
}

/// Why nothing of a group was committed.
enum Failure {
    NotBegun(Error),
    TakenBack(Error),
}

async fn together(db: &mut SqliteConnection, group: &mut [Box<dyn Pending>], clock: &dyn Clock) -> Result<(), Failure> {
    // IMMEDIATE: the lock is taken before anything is read, so what is read stays true until the commit.
    db.execute("BEGIN IMMEDIATE").await.map_err(|error| Failure::NotBegun(failed(error)))?;
    let now = clock.now();
    let worked = match group {
        [only] => alone(db, only, now).await,
        group => side_by_side(db, group, now).await,
    };
    let committed = match worked {
        Ok(()) => db.execute("COMMIT").await.map(drop),
        Err(error) => Err(error),
    };
    if let Err(error) = committed {
        // Fails where SQLite has rolled back by itself, which is as good.
        let _ = db.execute("ROLLBACK").await;
        return Err(Failure::TakenBack(failed(error)));
    }
    Ok(())
}

async fn alone(db: &mut SqliteConnection, request: &mut Box<dyn Pending>, now: Timestamp) -> Result<(), sqlx::Error> {
    if request.run(db, now).await { Ok(()) } else { Err(sqlx::Error::RowNotFound) }
}

async fn side_by_side(
    db: &mut SqliteConnection,
    group: &mut [Box<dyn Pending>],
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    for request in group {
        db.execute("SAVEPOINT slate_set").await?;
        if !request.run(db, now).await {
            db.execute("ROLLBACK TO slate_set").await?;
        }
        db.execute("RELEASE slate_set").await?;
    }
    Ok(())
}
