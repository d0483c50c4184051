use super::{Program, RuntimeFixture};
use crate::runtime::{LogChunk, LogCursor, LogOptions, LogStream, RuntimeBackendExt, StopOptions};
use futures_util::StreamExt;

fn numbers(range: std::ops::RangeInclusive<u64>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

/// `logs` yields the output in the order in which it was written on each stream, each line once.
pub async fn logs_keep_the_order_of_each_stream(f: RuntimeFixture) {
    let words = |prefix: &str| (0..50).map(|n| format!("{prefix} {n}")).collect::<Vec<_>>();
    let program = Program::Lines { stdout: words("out"), stderr: words("err"), code: 0 };
    let id = f.run("order", &program).await;
    f.exit_of(&id).await;
    let chunks = f.chunks(f.backend.logs(&id, LogOptions::default())).await;
    for (stream, prefix) in [(LogStream::Stdout, "out"), (LogStream::Stderr, "err")] {
        let lines: Vec<_> = chunks.iter().filter(|c| c.stream == stream).map(|c| c.text().into_owned()).collect();
        assert_eq!(lines, words(prefix));
    }
    assert!(chunks.windows(2).all(|pair| pair[0].cursor < pair[1].cursor), "cursors grow");
    assert!(chunks.iter().all(|chunk| chunk.lost_before == 0 && !chunk.partial));
    let instance = f.backend.inspect(&id).await.unwrap();
    let near = |chunk: &LogChunk| chunk.at.since(instance.created_at).as_secs() < 600;
    assert!(chunks.iter().all(near), "times are of now");
    f.clean().await;
}

/// Resuming after a cursor repeats and omits nothing.
pub async fn logs_resume_after_a_cursor_without_gap_or_repeat(f: RuntimeFixture) {
    let id = f.run("resume", &Program::Numbers(2000)).await;
    f.exit_of(&id).await;
    let all = f.chunks(f.backend.logs(&id, LogOptions::default())).await;
    assert_eq!(all.len(), 2000);
    for at in [0, 1, 777, 1998, 1999] {
        let rest = f.chunks(f.backend.logs(&id, LogOptions::default().with_after(Some(all[at].cursor)))).await;
        assert_eq!(rest, all[at + 1..], "after line {at}");
    }
    // A reader that comes back every 300 lines sees what one sees that stays.
    let (mut seen, mut cursor) = (Vec::new(), None::<LogCursor>);
    loop {
        let part = f.backend.logs(&id, LogOptions::default().with_after(cursor)).take(300);
        let part: Vec<_> = f.within("a part", part.collect::<Vec<_>>()).await;
        let Some(Ok(last)) = part.last() else { break };
        cursor = Some(last.cursor);
        seen.extend(part.into_iter().map(|chunk| chunk.unwrap().text().into_owned()));
    }
    assert_eq!(seen, numbers(1..=2000));
    f.clean().await;
}

/// With `tail` the output starts with the last so many lines.
pub async fn logs_can_start_with_the_last_lines(f: RuntimeFixture) {
    let id = f.run("tail", &Program::Numbers(500)).await;
    f.exit_of(&id).await;
    for (tail, first) in [(1, 500), (10, 491), (500, 1), (9000, 1)] {
        let lines = f.lines(&id, LogOptions::default().with_tail(Some(tail))).await;
        assert_eq!(lines, numbers(first..=500), "the last {tail}");
    }
    assert_eq!(f.lines(&id, LogOptions::default().with_tail(Some(0))).await, Vec::<String>::new());
    f.clean().await;
}

/// With `since` what was written before that time is left out.
pub async fn logs_can_start_at_a_time(f: RuntimeFixture) {
    let id = f.run("since", &Program::SlowNumbers(6)).await;
    f.exit_of(&id).await;
    let all = f.chunks(f.backend.logs(&id, LogOptions::default())).await;
    assert_eq!(all.len(), 6);
    let rest = f.chunks(f.backend.logs(&id, LogOptions::default().with_since(Some(all[3].at)))).await;
    assert_eq!(rest, all[3..]);
    f.clean().await;
}

/// With `follow` the output goes on as it is written, and ends after the last line of an instance that has ended.
pub async fn logs_follow_until_the_instance_has_ended(f: RuntimeFixture) {
    let id = f.run("follow", &Program::SlowNumbers(8)).await;
    let mut logs = f.backend.logs(&id, LogOptions::default().with_follow(true));
    let first = f.within("the first line", logs.next()).await.unwrap().unwrap();
    assert_eq!(first.text(), "1");
    assert!(f.backend.inspect(&id).await.unwrap().finished_at.is_none(), "the line came while the program ran");
    let rest: Vec<_> = f.chunks(logs).await.iter().map(|chunk| chunk.text().into_owned()).collect();
    assert_eq!(rest, numbers(2..=8));
    // Of an instance that has ended it ends as well.
    assert_eq!(f.lines(&id, LogOptions::default().with_follow(true)).await, numbers(1..=8));
    f.clean().await;
}

/// A cursor is good over a restart of the instance: later output has greater ones.
pub async fn logs_go_on_over_a_restart(f: RuntimeFixture) {
    let id = f.run("restart", &Program::Numbers(3)).await;
    f.exit_of(&id).await;
    let first = f.chunks(f.backend.logs(&id, LogOptions::default())).await;
    f.backend.restart(&id, StopOptions::default()).await.unwrap();
    f.exit_of(&id).await;
    let cursor = first.last().unwrap().cursor;
    let second = f.chunks(f.backend.logs(&id, LogOptions::default().with_after(Some(cursor)))).await;
    assert_eq!(second.iter().map(|c| c.text().into_owned()).collect::<Vec<_>>(), numbers(1..=3));
    assert!(second.iter().all(|chunk| chunk.cursor > cursor && chunk.lost_before == 0));
    assert_eq!(f.lines(&id, LogOptions::default()).await.len(), 6);
    f.clean().await;
}

/// A line of any length is delivered in parts of at most `MAX_LINE` bytes.
pub async fn logs_cut_long_lines_into_parts(f: RuntimeFixture) {
    const BYTES: u64 = 1_000_000;
    let id = f.run("long", &Program::LongLine { bytes: BYTES, ended: true }).await;
    assert_eq!(f.exit_of(&id).await.code, Some(0));
    let chunks = f.chunks(f.backend.logs(&id, LogOptions::default())).await;
    assert!(chunks.iter().all(|chunk| chunk.line.len() <= LogChunk::MAX_LINE));
    assert!(chunks.iter().all(|chunk| chunk.line.iter().all(|&byte| byte == b'x')));
    assert_eq!(chunks.iter().map(|chunk| chunk.line.len() as u64).sum::<u64>(), BYTES);
    let (last, before) = chunks.split_last().unwrap();
    assert!(!last.partial && before.iter().all(|chunk| chunk.partial), "all parts but the last go on");
    f.clean().await;
}

/// What no line break ends is a line as well.
pub async fn logs_keep_a_last_line_without_break(f: RuntimeFixture) {
    let id = f.run("unended", &Program::LongLine { bytes: 5, ended: false }).await;
    f.exit_of(&id).await;
    assert_eq!(f.lines(&id, LogOptions::default()).await, ["xxxxx"]);
    f.clean().await;
}
