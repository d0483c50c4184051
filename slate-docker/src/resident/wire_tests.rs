use super::*;

fn work() -> Work {
    Work {
        key: "session".into(),
        command: ["sh", "-c", "echo hällo"].map(str::to_owned).to_vec(),
        env: [("A".to_owned(), "b\nc".to_owned()), ("LONG".to_owned(), "x".repeat(10_000))].into(),
        folder: Some("/tmp".into()),
        user: None,
    }
}

fn taken(bytes: &[u8], step: usize) -> Result<Vec<Frame>, Malformed> {
    let (mut held, mut frames) = (Vec::new(), Vec::new());
    for part in bytes.chunks(step) {
        held.extend_from_slice(part);
        while let Some(frame) = Frame::take(&mut held)? {
            frames.push(frame);
        }
    }
    assert!(held.is_empty());
    Ok(frames)
}

#[test]
fn frames_are_the_same_however_they_arrive() {
    let mut frames = work().frames(7).unwrap();
    assert!(frames.len() > 2);
    frames.extend([
        Frame::Ping { token: u64::MAX },
        Frame::Signal { signal: 15 },
        Frame::Kill { token: 1, mark: "SLATE_EXEC=1-2".into() },
    ]);
    let bytes: Vec<u8> = frames.iter().flat_map(|frame| frame.encode().unwrap()).collect();
    assert!(frames.iter().all(|frame| frame.encode().unwrap().len() <= MAX_FRAME));
    for step in [1, 7, 4096, bytes.len()] {
        assert_eq!(taken(&bytes, step).unwrap(), frames, "in steps of {step}");
    }
    let mut parts = Parts::default();
    let mut whole = None;
    for frame in frames {
        if let Frame::Work { token, last, bytes } = frame {
            assert!(whole.is_none());
            whole = parts.push(token, last, &bytes).unwrap();
        }
    }
    assert!(whole.unwrap() == work());
}

#[test]
fn work_of_another_request_begins_anew() {
    let (old, new) = (work().frames(1).unwrap(), work().frames(2).unwrap());
    let mut parts = Parts::default();
    let mut push = |frame: &Frame| match frame {
        Frame::Work { token, last, bytes } => parts.push(*token, *last, bytes),
        _ => unreachable!("only work is pushed"),
    };
    assert!(push(&old[0]).unwrap().is_none());
    // Each frame is pushed, in order; the last one makes it whole.
    let answers: Vec<_> = new.iter().map(|frame| push(frame).unwrap()).collect();
    assert!(answers.into_iter().next_back().flatten().is_some_and(|whole| whole == work()));
}

#[test]
fn malformed_frames_are_refused() {
    let good = Frame::Ping { token: 1 }.encode().unwrap();
    let change = |at: usize, byte: u8| {
        let mut bad = good.clone();
        bad[at] = byte;
        Frame::take(&mut bad)
    };
    assert_eq!(change(0, b'X'), Err(Malformed::NoFrame));
    assert_eq!(change(3, 2), Err(Malformed::Version(2)));
    assert_eq!(change(4, 9), Err(Malformed::Kind(9)));
    assert_eq!(change(6, 0xff), Err(Malformed::TooLong));
    assert_eq!(change(5, 7), Err(Malformed::Body), "shorter than its kind");
    assert_eq!(Frame::take(&mut b"GET / HTTP/1.1".to_vec()), Err(Malformed::NoFrame));
    assert_eq!(Frame::take(&mut b"SL".to_vec()), Ok(None));
    let long = Frame::Kill { token: 0, mark: "x".repeat(MAX_FRAME) };
    assert_eq!(long.encode(), Err(Malformed::TooLong));
}

#[test]
fn malformed_work_is_refused_and_reserves_nothing() {
    let bytes: Vec<u8> = work()
        .frames(1)
        .unwrap()
        .iter()
        .flat_map(|frame| match frame {
            Frame::Work { bytes, .. } => bytes.clone(),
            _ => Vec::new(),
        })
        .collect();
    for length in 0..200 {
        assert!(Work::decode(&bytes[..length]).is_err(), "cut after {length}");
    }
    assert!(Work::decode(&[&bytes[..], b"x"].concat()).is_err(), "something follows");
    // A count of four thousand million words.
    let mut lies = Vec::new();
    put(&mut lies, "k");
    lies.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    lies.extend([0xff; 4]);
    assert!(Work::decode(&lies).is_err());
    let nul = Work { command: vec!["a\0b".into()], ..Work::default() };
    let Frame::Work { bytes, .. } = &nul.frames(1).unwrap()[0] else { unreachable!("work is sent as work") };
    assert!(Work::decode(bytes).is_err());
    let huge = Work { command: vec!["x".repeat(MAX_WORK)], ..Work::default() };
    assert_eq!(huge.frames(1), Err(Malformed::TooLong));
    let mut parts = Parts::default();
    let chunk = vec![0; 1 << 20];
    assert!((0..5).any(|_| parts.push(1, false, &chunk) == Err(Malformed::TooLong)));
}

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.key)
    }
}

#[test]
fn answers_are_found_among_anything_else() {
    let answers = [
        Answer::Ready,
        Answer::Pong { token: 0xabc, waits: true },
        Answer::Taken { token: 1 },
        Answer::Refused { token: 2, why: Refusal::NoProgram, text: "no such program: a b".into() },
        Answer::Killed { token: 3, gone: false },
    ];
    let lines: String = answers.iter().map(Answer::line).collect();
    assert!(answers.iter().all(|answer| answer.line().len() <= MAX_ANSWER));
    for step in [1, 3, 1000] {
        let mut finder = Finder::default();
        let mut found = Vec::new();
        for part in lines.as_bytes().chunks(step) {
            let (answers, other) = finder.push(part);
            found.extend(answers);
            assert!(!other, "in steps of {step}");
        }
        assert_eq!(found, answers);
    }
    let mut finder = Finder::default();
    let noise = format!("hello\n{BEGIN}nonsense{END}{}half a line{}", answers[2].line(), answers[4].line());
    assert_eq!(finder.push(noise.as_bytes()), (vec![answers[2].clone(), answers[4].clone()], true));
    // Without an end the memory stays bounded.
    assert!(finder.push(format!("{BEGIN}{}", "x".repeat(100_000)).as_bytes()).1);
    assert!(finder.held.len() <= MAX_ANSWER);
}

#[test]
fn lines_are_left_without_answers() {
    let answer = Answer::Taken { token: 1 }.line();
    let answer = answer.trim_end().as_bytes();
    assert_eq!(without_answers(answer), None);
    assert_eq!(without_answers(b""), Some(Vec::new()));
    assert_eq!(without_answers(b"plain"), Some(b"plain".to_vec()));
    assert_eq!(without_answers(&[b"half", answer, b" whole"].concat()), Some(b"half whole".to_vec()));
    assert_eq!(without_answers(BEGIN.as_bytes()), Some(BEGIN.as_bytes().to_vec()));
}
