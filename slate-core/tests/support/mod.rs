//! What several test files need.
#![allow(clippy::unwrap_used, clippy::panic, dead_code, reason = "a test fails by panicking, and uses a part of this")]

use slate_core::{
    conformance::runtime::{Program, RuntimeFixture},
    memory::{MemoryRuntime, ProgramIo},
    runtime::{LogStream, RuntimeBackend},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// `MemoryRuntime` with the programs that the conformance suite runs, wrapped by `wrap`.
pub(crate) fn runtime_fixture(wrap: impl FnOnce(Arc<MemoryRuntime>) -> Arc<dyn RuntimeBackend>) -> RuntimeFixture {
    let runtime = MemoryRuntime::new()
        .with_program("lines", lines)
        .with_program("ready", ready)
        .with_program("end-when-asked", end_when_asked)
        .with_program("stubborn", stubborn)
        .with_program("family", family)
        .with_program("long", long)
        .with_program("burn", burn);
    let probe = runtime.clone();
    RuntimeFixture::new(wrap(Arc::new(runtime)))
        .with_words(words)
        .with_probe(move |mark| probe.living_with_env("SLATE_PROBE", mark))
}

fn words(program: &Program) -> Vec<String> {
    let text = match program {
        Program::Lines { stdout, stderr, code } => {
            let mut words = vec!["lines".into(), code.to_string()];
            words.extend(stdout.iter().map(|line| format!("o{line}")));
            words.extend(stderr.iter().map(|line| format!("e{line}")));
            return words;
        }
        Program::PrintEnv(name) => format!("env {name}"),
        Program::PrintFolder => "pwd".into(),
        Program::Sleep(seconds) => format!("ready {seconds}"),
        Program::EndWhenAsked(code) => format!("end-when-asked {code}"),
        Program::IgnoreTheAsking => "stubborn".into(),
        Program::Descendants(seconds) => format!("family {seconds}"),
        Program::KillSelf(signal) => format!("exit {}", 128 + signal),
        Program::EchoInput => "cat".into(),
        Program::LongLine { bytes, ended } => format!("long {bytes} {ended}"),
        Program::Numbers(n) => format!("count {n}"),
        Program::SlowNumbers(n) => format!("count {n} 100"),
        Program::BurnCpu => "burn".into(),
        Program::Missing => "no-such-program".into(),
        other => panic!("no translation of {other:?}"),
    };
    text.split(' ').map(str::to_owned).collect()
}

fn number(io: &ProgramIo) -> u64 {
    io.args()[0].parse().unwrap()
}

async fn lines(io: ProgramIo) -> i32 {
    for word in &io.args()[1..] {
        match word.split_at(1) {
            ("o", line) => io.print(line).await,
            (_, line) => io.eprint(line).await,
        }
    }
    number(&io) as i32
}

async fn ready(io: ProgramIo) -> i32 {
    io.print("ready").await;
    tokio::time::sleep(Duration::from_secs(number(&io))).await;
    0
}

async fn end_when_asked(io: ProgramIo) -> i32 {
    let asked = io.asked_to_end();
    tokio::pin!(asked);
    // Listens before it says that it is ready.
    assert!(futures_util::poll!(&mut asked).is_pending());
    io.print("ready").await;
    asked.await;
    io.print("asked").await;
    number(&io) as i32
}

async fn stubborn(io: ProgramIo) -> i32 {
    let asked = io.asked_to_end();
    tokio::pin!(asked);
    assert!(futures_util::poll!(&mut asked).is_pending());
    io.print("ready").await;
    std::future::pending().await
}

async fn family(io: ProgramIo) -> i32 {
    for _ in 0..3 {
        io.spawn(std::future::pending());
    }
    ready(io).await
}

async fn long(io: ProgramIo) -> i32 {
    let mut left = number(&io) as usize;
    while left > 0 {
        let part = left.min(10_000);
        io.write(LogStream::Stdout, &vec![b'x'; part]).await;
        left -= part;
    }
    if io.args()[1] == "true" {
        io.write(LogStream::Stdout, b"\n").await;
    }
    0
}

async fn burn(io: ProgramIo) -> i32 {
    io.print("ready").await;
    loop {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_millis(2) {
            std::hint::spin_loop();
        }
        tokio::task::yield_now().await;
    }
}
