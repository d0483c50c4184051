use super::{exec, family::Family};
use crate::wire::{self, Fault, REQUEST, Request};
use rustix::process::Signal;
use slate_core::Error;
use std::{
    io,
    os::unix::net::{UnixListener, UnixStream},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// Requests that are worked on at a time; more are refused with `ResourceExhausted`.
const MAX_REQUESTS: usize = 64;

/// Counts the requests being worked on.
#[derive(Default)]
pub(super) struct Execs {
    count: Mutex<usize>,
    changed: Condvar,
}

/// One request being worked on.
struct Place(Arc<Execs>);

/// Answers requests, each in a thread of its own.
pub(super) fn listen(socket: UnixListener, family: &Arc<Family>, program: i32) -> Arc<Execs> {
    let execs = Arc::new(Execs::default());
    let (family, places) = (family.clone(), execs.clone());
    thread::spawn(move || {
        for stream in socket.incoming().flatten() {
            let (family, place) = (family.clone(), Execs::take(&places));
            thread::spawn(move || match place {
                // Who hangs up early has lost interest.
                Some(place) => drop(answer(stream, &family, program, place)),
                None => fault(&stream, Error::resource_exhausted("too many commands run in the instance")),
            });
        }
    });
    execs
}

pub(super) fn fault(mut stream: &UnixStream, error: Error) {
    let text = serde_json::to_vec(&Fault::from(error)).unwrap_or_default();
    let _: io::Result<()> = wire::write(&mut stream, wire::FAULT, &text);
}

fn answer(mut stream: UnixStream, family: &Arc<Family>, program: i32, place: Place) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let (tag, payload) = wire::read(&mut stream)?;
    stream.set_read_timeout(None)?;
    if tag != REQUEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    match serde_json::from_slice(&payload)? {
        Request::Stop { grace_ms } => {
            // It waits for the shim's end, so the shim's end must not wait for it.
            drop(place);
            if grace_ms > 0 {
                family.signal_group(program, Signal::TERM);
                let deadline = Instant::now() + Duration::from_millis(grace_ms);
                family.wait(program, Some(deadline));
            }
            family.kill();
            // The connection stays open until this process ends: that is the answer.
            loop {
                thread::park();
            }
        }
        request @ Request::Exec { .. } => {
            let done = exec::run(&stream, family, request);
            drop(place);
            done
        }
    }
}

impl Execs {
    fn count(&self) -> MutexGuard<'_, usize> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(this: &Arc<Self>) -> Option<Place> {
        let mut count = this.count();
        (*count < MAX_REQUESTS).then(|| {
            *count += 1;
            Place(this.clone())
        })
    }

    /// Waits until no command is worked on any more.
    pub(super) fn wait_until_none(&self, deadline: Instant) {
        let mut count = self.count();
        while *count > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            count = self.changed.wait_timeout(count, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.count() -= 1;
        self.0.changed.notify_all();
    }
}
