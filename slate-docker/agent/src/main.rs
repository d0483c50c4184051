//! The init of a warm container: waits for work on its standard input, runs it in its own place, and ends as it ends.
//!
//! As the first process of the container it reaps whatever loses its parent, and passes signals on to the program. What it is
//! told and answers is in `wire.rs`, which `slate-docker` shares. Its arguments are the image's own program, for work that
//! names none.

mod reap;
mod run;
#[path = "../../src/resident/wire.rs"]
mod wire;

use run::Program;
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use std::{
    io::{Read, Write},
    process::ExitCode,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};
use wire::{Answer, Frame, Malformed, Parts, Refusal, Work};

/// What the kernel passes on to nobody but the first process.
const PASSED_ON: [i32; 8] = [SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCONT, SIGWINCH];
/// How an agent ends that was told what it doesn't understand, before it had work: `EX_PROTOCOL`.
const PROTOCOL: u8 = 76;
/// How it ends where the system doesn't let it begin: `EX_OSERR`.
const SYSTEM: u8 = 71;

enum Event {
    Frame(Frame),
    Malformed(Malformed),
    Signal(i32),
}

fn main() -> ExitCode {
    let (sender, events) = channel();
    if listen_to_signals(sender.clone()).is_err() {
        return ExitCode::from(SYSTEM);
    }
    thread::spawn(move || listen_to_frames(&sender));
    answer(&Answer::Ready);
    ExitCode::from(
        Agent { own: std::env::args().skip(1).collect(), parts: Parts::default(), running: None }.run(&events),
    )
}

struct Agent {
    /// The program of the image, for work that names none.
    own: Vec<String>,
    parts: Parts,
    running: Option<Running>,
}

struct Running {
    key: String,
    pid: Pid,
}

impl Agent {
    /// Works until there is a code to end with.
    fn run(mut self, events: &Receiver<Event>) -> u8 {
        loop {
            // Both senders live as long as this process.
            let Ok(event) = events.recv() else { return SYSTEM };
            let code = match event {
                Event::Signal(SIGCHLD) => self.reap(),
                Event::Signal(signal) => self.pass_on(signal),
                Event::Frame(frame) => self.take(frame),
                Event::Malformed(error) => self.misunderstand(error),
            };
            if let Some(code) = code {
                return code;
            }
        }
    }

    /// Reaps all that have ended; the code where the program is among them.
    fn reap(&self) -> Option<u8> {
        let program = self.running.as_ref().map(|running| running.pid);
        let mut code = None;
        while let Some((pid, ended)) = reap::next() {
            if Some(pid) == program {
                code = Some(ended);
            }
        }
        code
    }

    fn pass_on(&self, signal: i32) -> Option<u8> {
        let Some(running) = &self.running else {
            // Nothing runs yet: it ends as a program would that doesn't listen.
            let ends = matches!(signal, SIGTERM | SIGINT | SIGHUP | SIGQUIT);
            return ends.then(|| u8::try_from(128 + signal).unwrap_or(SYSTEM));
        };
        if let Some(signal) = Signal::from_named_raw(signal) {
            // One that has just ended is reaped in a moment.
            let _gone: Result<_, _> = kill_process(running.pid, signal);
        }
        None
    }

    fn take(&mut self, frame: Frame) -> Option<u8> {
        match frame {
            Frame::Ping { token } => answer(&Answer::Pong { token, waits: self.running.is_none() }),
            Frame::Signal { signal } => return self.running.is_some().then(|| self.pass_on(signal)).flatten(),
            Frame::Kill { token, mark } => {
                // Beside the events, so that what is killed is reaped.
                thread::spawn(move || answer(&Answer::Killed { token, gone: reap::kill_marked(&mark) }));
            }
            Frame::Work { token, last, bytes } => match self.parts.push(token, last, &bytes) {
                Ok(None) => {}
                Ok(Some(work)) => return self.begin(token, work),
                Err(error) => refuse(token, Refusal::Malformed, format!("{error:?}")),
            },
        }
        None
    }

    /// Runs the work. The answer comes before the program's first output, so that nothing is between them.
    fn begin(&mut self, token: u64, mut work: Work) -> Option<u8> {
        if let Some(running) = &self.running {
            if running.key == work.key {
                answer(&Answer::Taken { token });
            } else {
                refuse(token, Refusal::Busy, "there is other work already".into());
            }
            return None;
        }
        if work.command.is_empty() {
            work.command.clone_from(&self.own);
        }
        let key = std::mem::take(&mut work.key);
        match Program::find(work) {
            Err((why, text)) => refuse(token, why, text),
            Ok(program) => {
                answer(&Answer::Taken { token });
                match program.start() {
                    Ok(pid) => self.running = Some(Running { key, pid }),
                    Err(error) => {
                        eprintln!("the program can't be run: {error}");
                        return Some(run::code_of(&error));
                    }
                }
            }
        }
        None
    }

    /// Where the next frame begins isn't known any more: one who waits is of no use then.
    fn misunderstand(&self, error: Malformed) -> Option<u8> {
        refuse(0, Refusal::Malformed, format!("that is no frame of this version: {error:?}"));
        self.running.is_none().then_some(PROTOCOL)
    }
}

fn refuse(token: u64, why: Refusal, text: String) {
    answer(&Answer::Refused { token, why, text });
}

/// Writes an answer at once and in one piece. Nobody listening is no error.
fn answer(answer: &Answer) {
    let mut out = std::io::stdout().lock();
    let _unheard: Result<_, _> = out.write_all(answer.line().as_bytes()).and_then(|()| out.flush());
}

fn listen_to_signals(events: Sender<Event>) -> std::io::Result<()> {
    let mut signals = signal_hook::iterator::Signals::new(PASSED_ON.iter().chain(&[SIGCHLD]))?;
    thread::spawn(move || {
        for signal in signals.forever() {
            if events.send(Event::Signal(signal)).is_err() {
                return;
            }
        }
    });
    Ok(())
}

fn listen_to_frames(events: &Sender<Event>) {
    let (mut input, mut held) = (std::io::stdin().lock(), Vec::new());
    let mut chunk = [0; wire::MAX_FRAME];
    loop {
        loop {
            let event = match Frame::take(&mut held) {
                Ok(None) => break,
                Ok(Some(frame)) => Event::Frame(frame),
                Err(error) => Event::Malformed(error),
            };
            let over = matches!(event, Event::Malformed(_));
            if events.send(event).is_err() || over {
                return;
            }
        }
        match input.read(&mut chunk) {
            // Nobody will say anything any more; whoever has the container may still end it.
            Ok(0) => return,
            Ok(count) => held.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
