use super::{Program, RuntimeFixture};
use crate::{
    ErrorKind,
    runtime::{ExecOptions, RuntimeBackendExt, StopOptions},
};
use bytes::Bytes;
use futures_util::StreamExt;
use std::time::{Duration, Instant};

/// A command's streams and exit code are told apart.
pub async fn exec_tells_output_streams_and_exit_code_apart(f: RuntimeFixture) {
    if !f.can("exec", |can| can.exec) {
        return;
    }
    let id = f.run_ready("exec", &Program::Sleep(600)).await;
    let program = Program::Lines { stdout: vec!["to out".into()], stderr: vec!["to err".into()], code: 9 };
    let command = f.command(&program);
    let run = f.backend.exec_all(&id, &command, ExecOptions::default());
    let (stdout, stderr, exit) = f.within("the end", run).await.unwrap();
    assert_eq!((&*stdout, &*stderr), (&b"to out\n"[..], &b"to err\n"[..]));
    assert_eq!((exit.code, exit.timed_out), (Some(9), false));
    f.clean().await;
}

/// A command has the instance's environment and folder unless told otherwise.
pub async fn exec_has_the_instance_s_environment_and_folder(f: RuntimeFixture) {
    if !f.can("exec", |can| can.exec) {
        return;
    }
    let spec = f.spec("exec-env", &Program::Sleep(600)).with_env("COLOUR", "red").with_working_dir(&f.folder);
    let id = f.backend.run(&spec).await.unwrap();
    f.ready(&id).await;
    let (env, _) = f.exec(&id, &Program::PrintEnv("COLOUR".into()), ExecOptions::default()).await;
    assert_eq!(env.trim_end(), "COLOUR=red");
    let (folder, _) = f.exec(&id, &Program::PrintFolder, ExecOptions::default()).await;
    assert_eq!(folder.trim_end(), f.folder);
    f.clean().await;
}

/// A command takes further environment variables and another folder.
pub async fn exec_takes_further_environment_and_another_folder(f: RuntimeFixture) {
    if !f.can("exec", |can| can.exec) {
        return;
    }
    let spec = f.spec("exec-more", &Program::Sleep(600)).with_env("COLOUR", "red").with_working_dir(&f.folder);
    let id = f.backend.run(&spec).await.unwrap();
    f.ready(&id).await;
    let options = ExecOptions::default().with_env([("COLOUR".into(), "blue".into())].into());
    let (env, _) = f.exec(&id, &Program::PrintEnv("COLOUR".into()), options).await;
    assert_eq!(env.trim_end(), "COLOUR=blue");
    let options = ExecOptions::default().with_working_dir(Some("/".into()));
    assert_eq!(f.exec(&id, &Program::PrintFolder, options).await.0.trim_end(), "/");
    f.clean().await;
}

/// With `stdin` a command reads what is written, and its end; without it reads nothing.
pub async fn exec_feeds_standard_input(f: RuntimeFixture) {
    if !f.can("exec", |can| can.exec) {
        return;
    }
    let id = f.run_ready("exec-stdin", &Program::Sleep(600)).await;
    let command = f.command(&Program::EchoInput);
    let mut exec = f.backend.exec(&id, &command, ExecOptions::default().with_stdin(true)).await.unwrap();
    let mut stdin = exec.stdin.take().expect("standard input was asked for");
    for part in ["hello ", "there\n"] {
        stdin.write(Bytes::from(part)).await.unwrap();
    }
    drop(stdin);
    let (stdout, _, exit) = f.within("the end", exec.collect(1 << 20)).await.unwrap();
    assert_eq!((&*stdout, exit.code), (&b"hello there\n"[..], Some(0)));
    let (stdout, exit) = f.exec(&id, &Program::EchoInput, ExecOptions::default()).await;
    assert_eq!((&*stdout, exit.code), ("", Some(0)));
    f.clean().await;
}

/// `exec` in an instance that doesn't run gives `WrongState`.
pub async fn exec_in_an_instance_that_does_not_run_is_refused(f: RuntimeFixture) {
    if !f.can("exec", |can| can.exec) {
        return;
    }
    let id = f.backend.create(&f.spec("exec-idle", &Program::exit(0))).await.unwrap();
    for state in ["created", "exited"] {
        let refused = f.backend.exec(&id, &f.command(&Program::exit(0)), ExecOptions::default()).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::WrongState, "{state}");
        if state == "created" {
            f.backend.start(&id).await.unwrap();
            f.exit_of(&id).await;
        }
    }
    f.clean().await;
}

/// A command that can't be found gives `NotFound` or `Invalid`, or ends with the shell's 126 or 127.
pub async fn exec_of_a_missing_program_is_an_error_or_code_127(f: RuntimeFixture) {
    if !f.can("exec", |can| can.exec) {
        return;
    }
    let id = f.run_ready("exec-missing", &Program::Sleep(600)).await;
    match f.backend.exec_all(&id, &f.command(&Program::Missing), ExecOptions::default()).await {
        Ok((_, _, exit)) => assert!(matches!(exit.code, Some(126 | 127)), "{exit:?}"),
        Err(error) => assert!(matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Invalid), "{error}"),
    }
    f.clean().await;
}

/// Dropping the `Exec` kills the command with its descendants.
pub async fn dropping_an_exec_kills_the_command(f: RuntimeFixture) {
    if !f.can("exec", |can| can.exec) {
        return;
    }
    let id = f.run_ready("exec-drop", &Program::Sleep(600)).await;
    let Some(before) = f.living() else { return f.clean().await };
    let command = f.command(&Program::Descendants(600));
    let mut exec = f.backend.exec(&id, &command, ExecOptions::default()).await.unwrap();
    let ready = f.within("the line `ready`", exec.output.next()).await.unwrap().unwrap();
    assert_eq!(&*ready.bytes, b"ready\n");
    f.until_living("while the command runs", |living| living > before).await;
    drop(exec);
    f.until_living("after the drop", |living| living == before).await;
    f.clean().await;
}

/// A command's time-out kills it, and its end says so.
pub async fn exec_is_killed_by_its_time_out(f: RuntimeFixture) {
    if !f.can("exec", |can| can.exec) {
        return;
    }
    let id = f.run_ready("exec-limit", &Program::Sleep(600)).await;
    let before = f.living();
    let (limit, asked) = (Duration::from_millis(700), Instant::now());
    let options = ExecOptions::default().with_timeout(Some(limit));
    let (stdout, exit) = f.exec(&id, &Program::IgnoreTheAsking, options).await;
    assert_eq!(stdout, "ready\n");
    assert!(exit.timed_out && !exit.success(), "{exit:?}");
    assert!(asked.elapsed() >= limit);
    if let Some(before) = before {
        f.until_living("after the time-out", |living| living == before).await;
    }
    f.clean().await;
}

/// A command ends with its instance.
pub async fn exec_ends_with_its_instance(f: RuntimeFixture) {
    if !f.can("exec", |can| can.exec) {
        return;
    }
    let id = f.run_ready("exec-end", &Program::Sleep(600)).await;
    let command = f.command(&Program::IgnoreTheAsking);
    let mut exec = f.backend.exec(&id, &command, ExecOptions::default()).await.unwrap();
    f.within("the line `ready`", exec.output.next()).await.unwrap().unwrap();
    f.backend.stop(&id, StopOptions::default()).await.unwrap();
    // The command is gone; whether its end can still be told differs from backend to backend.
    let _: crate::Result<_> = f.within("the command's end", exec.collect(1 << 20)).await;
    if let Some(living) = f.living() {
        assert_eq!(living, 0);
    }
    f.clean().await;
}
