use super::{
    control,
    family::{Extra, Family},
    watchdog,
};
use crate::{
    log::LogWriter,
    proc::ProcessKey,
    record::{self, CONTROL, LAUNCH, LOG, Launch, STATE, State},
    wire::{Fault, Started},
};
use slate_core::{
    Error, Result, Timestamp,
    runtime::{ExitStatus, LogStream},
};
use std::{
    fs,
    io::{self, Read, Write},
    os::unix::net::UnixListener,
    path::Path,
    process::Child,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering, mpsc},
    thread,
    time::{Duration, Instant},
};

/// Time that the pipes may stay open after the last process has ended.
const DRAIN: Duration = Duration::from_secs(5);

/// Runs the instance in `folder` from its start to its end; whether the end was written down.
pub(super) fn supervise(folder: &Path, run: u64) -> bool {
    let begun = begin(folder, run);
    let answer: Started = match &begun {
        Ok(_) => Ok(()),
        Err(error) => Err(Fault { kind: error.kind().as_str().into(), message: full_message(error) }),
    };
    answer_service(&answer);
    let Ok(begun) = begun else { return false };
    begun.finish()
}

/// The context too, which the wire doesn't carry on its own.
fn full_message(error: &Error) -> String {
    let context: Vec<_> = error.context().iter().map(|(key, value)| format!("{key}={value}")).collect();
    if context.is_empty() { error.message().into() } else { format!("{} ({})", error.message(), context.join(", ")) }
}

/// Tells the service how the start went, then lets go of everything that is the service's.
fn answer_service(answer: &Started) {
    let mut text = serde_json::to_vec(answer).unwrap_or_default();
    text.push(b'\n');
    // A service that has died meanwhile will find out from the folder.
    let _: io::Result<()> = io::stdout().write_all(&text).and_then(|()| io::stdout().flush());
    if let Ok(null) = fs::OpenOptions::new().read(true).write(true).open("/dev/null") {
        let _: rustix::io::Result<()> = rustix::stdio::dup2_stdout(&null);
    }
}

struct Begun {
    family: Arc<Family>,
    state: State,
    pid: i32,
    readers: mpsc::Receiver<()>,
    execs: Arc<control::Execs>,
}

fn begin(folder: &Path, run: u64) -> Result<Begun> {
    let os = |action: &'static str| move |error: rustix::io::Errno| Error::io(action, error.into());
    // A leader of a group already can't make a session; the service starts the shim as none.
    let _: rustix::io::Result<_> = rustix::process::setsid();
    rustix::process::set_child_subreaper(rustix::process::Pid::from_raw(1)).map_err(os("become a subreaper"))?;
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::setrlimit(rustix::process::Resource::Core, none).map_err(os("forbid core files"))?;
    // From here on all paths are short: a socket's has 108 bytes at most.
    std::env::set_current_dir(folder).map_err(|error| Error::io("enter the instance's folder", error))?;
    let launch: Launch = record::read(Path::new(LAUNCH))?.ok_or_else(|| Error::not_found("no such instance"))?;
    let log = Arc::new(Mutex::new(LogWriter::open(Path::new(LOG), launch.log)?));
    let groups = launch.groups.of(&launch.id);
    groups.make(&launch)?;
    // The socket of a shim that was killed is in the way.
    let _: io::Result<()> = fs::remove_file(CONTROL);
    let socket = UnixListener::bind(CONTROL).map_err(|error| Error::io("open the control socket", error))?;

    let family = Arc::new(Family::new(launch, groups));
    let words = family.launch.words.clone();
    let before: Option<State> = record::read(Path::new(STATE))?;
    let started = family.spawn(&words, Extra::default()).and_then(|child| {
        let pid = child.id() as i32;
        let key = |pid| ProcessKey::of(pid).ok_or_else(|| Error::internal("/proc can't be read"));
        let me = key(std::process::id() as i32)?;
        let state = State { run, shim: me, program: key(pid)?, started_at: Timestamp::now(), finished: None };
        record::write_state(Path::new(STATE), &state)?;
        Ok((child, state))
    });
    let reaper = family.clone();
    thread::spawn(move || reaper.reap());
    let (child, state) = match started {
        Ok(started) => started,
        Err(error) => {
            family.kill();
            family.groups.remove();
            let _: io::Result<()> = fs::remove_file(CONTROL);
            // The instance is left as it was.
            let _: Result<()> = match before {
                Some(before) => record::write_state(Path::new(STATE), &before),
                None => fs::remove_file(STATE).map_err(|error| Error::io("take the state back", error)),
            };
            return Err(error);
        }
    };
    let pid = child.id() as i32;
    let readers = read_output(child, &log);
    let execs = control::listen(socket, &family, pid);
    watchdog::watch(&family);
    Ok(Begun { family, state, pid, readers, execs })
}

/// Copies both streams into the log; the channel closes when both have ended.
fn read_output(child: Child, log: &Arc<Mutex<LogWriter>>) -> mpsc::Receiver<()> {
    let (alive, done) = mpsc::channel::<()>();
    let streams: [(LogStream, Option<Box<dyn Read + Send>>); 2] = [
        (LogStream::Stdout, child.stdout.map(|stream| Box::new(stream) as _)),
        (LogStream::Stderr, child.stderr.map(|stream| Box::new(stream) as _)),
    ];
    for (stream, pipe) in streams {
        let Some(mut pipe) = pipe else { continue };
        let (log, alive) = (log.clone(), alive.clone());
        thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            loop {
                match pipe.read(&mut buffer) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Ok(0) | Err(_) => break,
                    Ok(length) => {
                        log.lock().unwrap_or_else(PoisonError::into_inner).push(stream, &buffer[..length]);
                    }
                }
            }
            log.lock().unwrap_or_else(PoisonError::into_inner).finish(stream);
            drop(alive);
        });
    }
    done
}

impl Begun {
    /// Waits for the program's end, ends what it left behind, and writes the end down as the very last thing.
    fn finish(mut self) -> bool {
        let mut exit = self.family.wait(self.pid, None);
        while exit.is_none() {
            exit = self.family.wait(self.pid, None);
        }
        let mut exit = exit.unwrap_or(ExitStatus::unknown());
        self.family.kill();
        // Disconnected means: both streams are read to their end.
        let _: Result<_, _> = self.readers.recv_timeout(DRAIN);
        self.execs.wait_until_none(Instant::now() + Duration::from_secs(2));
        let over = self.family.over_memory.load(Ordering::Acquire) || self.family.groups.out_of_memory();
        exit.out_of_memory = over && exit.code != Some(0);
        self.family.groups.remove();
        let _: io::Result<()> = fs::remove_file(CONTROL);
        self.state.finished = Some((Timestamp::now(), exit));
        record::write_state(Path::new(STATE), &self.state).is_ok()
    }
}
