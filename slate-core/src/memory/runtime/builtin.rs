use super::program::{ProgramFn, ProgramFuture, ProgramIo};
use std::{sync::Arc, time::Duration};

/// The built-in program of this name. [`MemoryRuntime`](super::MemoryRuntime) documents them.
pub(super) fn builtin(name: &str) -> Option<ProgramFn> {
    Some(match name {
        "print" => program(|io| Box::pin(print(io))),
        "exit" => program(|io| Box::pin(async move { number(&io, 0, 0) as i32 })),
        "env" => program(|io| Box::pin(env(io))),
        "pwd" => program(|io| {
            Box::pin(async move {
                io.print(io.working_dir()).await;
                0
            })
        }),
        "sleep" => program(|io| {
            Box::pin(async move {
                tokio::time::sleep(Duration::from_secs(number(&io, 0, 0))).await;
                0
            })
        }),
        "count" => program(|io| Box::pin(count(io))),
        "cat" => program(|io| Box::pin(cat(io))),
        _ => return None,
    })
}

fn program(run: impl Fn(ProgramIo) -> ProgramFuture + Send + Sync + 'static) -> ProgramFn {
    Arc::new(run)
}

fn number(io: &ProgramIo, at: usize, default: u64) -> u64 {
    io.args().get(at).and_then(|word| word.parse().ok()).unwrap_or(default)
}

async fn print(io: ProgramIo) -> i32 {
    for line in io.args() {
        io.print(line).await;
    }
    0
}

async fn env(io: ProgramIo) -> i32 {
    for name in io.args() {
        match io.env(name) {
            Some(value) => io.print(&format!("{name}={value}")).await,
            None => io.print(&format!("{name} is unset")).await,
        }
    }
    0
}

async fn count(io: ProgramIo) -> i32 {
    let pause = Duration::from_millis(number(&io, 1, 0));
    for n in 1..=number(&io, 0, 0) {
        io.print(&n.to_string()).await;
        if pause.is_zero() {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(pause).await;
        }
    }
    0
}

async fn cat(io: ProgramIo) -> i32 {
    while let Some(bytes) = io.read().await {
        io.write(crate::runtime::LogStream::Stdout, &bytes).await;
    }
    0
}
