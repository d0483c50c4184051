//! What a warm container's agent is told, and what it answers: pure, and the same file in the agent and in `slate-docker`.
//!
//! To the agent, on its standard input, go *frames*: the bytes `SLA`, the version, a kind, the length of the body as two
//! bytes, the body. A frame is at most 4 KiB long, which a pipe takes in one piece: two who speak at once don't tear each
//! other's frames apart. Work is longer than that, and comes in parts.
//!
//! From the agent, on its standard output, come *answers*: a line that begins with the escape sequence `ESC _` and ends with
//! `ESC \`, which terminals show nothing of. What the program writes follows on the same stream, so that the engine's log
//! keeps it as it keeps that of any other container.
#![allow(dead_code, reason = "the agent and the backend use a side each")]

use std::collections::BTreeMap;

/// The version of both sides. An agent refuses frames of another.
pub(crate) const VERSION: u8 = 1;
/// The longest frame: what POSIX lets a pipe take at once at least, on Linux.
pub(crate) const MAX_FRAME: usize = 4096;
/// The most bytes of work, all parts together: more than the kernel passes to a program.
pub(crate) const MAX_WORK: usize = 4 << 20;
/// The longest answer.
pub(crate) const MAX_ANSWER: usize = 512;
/// How an answer begins and ends.
pub(crate) const BEGIN: &str = "\u{1b}_slate1 ";
pub(crate) const END: &str = "\u{1b}\\";

const HEAD: usize = 7;
const MAGIC: [u8; 3] = *b"SLA";
/// Bytes of a part beside its share of the work: the token, and whether it is the last.
const PART: usize = 9;

/// What goes to the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// A part of some work; the token names the request, and the answer.
    Work { token: u64, last: bool, bytes: Vec<u8> },
    /// Asks whether it is well.
    Ping { token: u64 },
    /// Passes a signal on to the program.
    Signal { signal: i32 },
    /// Kills all processes whose environment has this entry, until there are none.
    Kill { token: u64, mark: String },
}

/// What is wrong with a frame or with work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// It doesn't begin as a frame does: where the next one begins isn't known.
    NoFrame,
    /// It is of another version.
    Version(u8),
    /// Its kind isn't known.
    Kind(u8),
    /// It is longer than anything is allowed to be.
    TooLong,
    /// Its body isn't what its kind says.
    Body,
}

impl Frame {
    /// The frame's bytes.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, Malformed> {
        let (kind, body) = match self {
            Self::Work { token, last, bytes } => {
                let mut body = token.to_le_bytes().to_vec();
                body.push(u8::from(*last));
                body.extend_from_slice(bytes);
                (1, body)
            }
            Self::Ping { token } => (2, token.to_le_bytes().to_vec()),
            Self::Signal { signal } => (3, signal.to_le_bytes().to_vec()),
            Self::Kill { token, mark } => (4, [&token.to_le_bytes()[..], mark.as_bytes()].concat()),
        };
        let length = u16::try_from(body.len()).ok().filter(|_| HEAD + body.len() <= MAX_FRAME);
        let length = length.ok_or(Malformed::TooLong)?;
        let mut frame = MAGIC.to_vec();
        frame.extend([VERSION, kind]);
        frame.extend(length.to_le_bytes());
        frame.extend(body);
        Ok(frame)
    }

    /// Takes the first frame off `bytes`; `None` where it isn't whole yet.
    pub(crate) fn take(bytes: &mut Vec<u8>) -> Result<Option<Self>, Malformed> {
        if bytes.iter().zip(MAGIC).any(|(byte, magic)| *byte != magic) {
            return Err(Malformed::NoFrame);
        }
        let Some(head) = bytes.get(3..HEAD) else { return Ok(None) };
        let (version, kind, length) = (head[0], head[1], usize::from(u16::from_le_bytes([head[2], head[3]])));
        if version != VERSION {
            return Err(Malformed::Version(version));
        }
        if HEAD + length > MAX_FRAME {
            return Err(Malformed::TooLong);
        }
        let Some(body) = bytes.get(HEAD..HEAD + length) else { return Ok(None) };
        let frame = Self::of(kind, body)?;
        bytes.drain(..HEAD + length);
        Ok(Some(frame))
    }

    fn of(kind: u8, body: &[u8]) -> Result<Self, Malformed> {
        let mut read = Reader(body);
        let frame = match kind {
            1 => {
                let (token, last) = (read.u64()?, read.flag()?);
                Self::Work { token, last, bytes: std::mem::take(&mut read.0).to_vec() }
            }
            2 => Self::Ping { token: read.u64()? },
            3 => Self::Signal { signal: i32::from_le_bytes(read.array()?) },
            4 => Self::Kill { token: read.u64()?, mark: text(std::mem::take(&mut read.0))? },
            other => return Err(Malformed::Kind(other)),
        };
        read.end().map(|()| frame)
    }
}

/// What an agent is to run.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Work {
    /// Names it: the same work twice is run once.
    pub(crate) key: String,
    /// The program and its arguments; empty for the agent's own arguments.
    pub(crate) command: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) folder: Option<String>,
    pub(crate) user: Option<String>,
}

impl Work {
    /// The frames that carry it.
    pub(crate) fn frames(&self, token: u64) -> Result<Vec<Frame>, Malformed> {
        let mut bytes = Vec::new();
        put(&mut bytes, &self.key);
        for option in [&self.folder, &self.user] {
            bytes.push(u8::from(option.is_some()));
            put(&mut bytes, option.as_deref().unwrap_or_default());
        }
        bytes.extend((self.command.len() as u32).to_le_bytes());
        self.command.iter().for_each(|word| put(&mut bytes, word));
        bytes.extend((self.env.len() as u32).to_le_bytes());
        for (name, value) in &self.env {
            put(&mut bytes, name);
            put(&mut bytes, value);
        }
        if bytes.len() > MAX_WORK {
            return Err(Malformed::TooLong);
        }
        let parts: Vec<_> = bytes.chunks(MAX_FRAME - HEAD - PART).collect();
        let count = parts.len();
        let part =
            |(index, bytes): (usize, &&[u8])| Frame::Work { token, last: index + 1 == count, bytes: bytes.to_vec() };
        Ok(parts.iter().enumerate().map(part).collect())
    }

    /// The work of all parts together.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut read = Reader(bytes);
        let key = read.text()?;
        let mut option = || {
            let is_there = read.flag()?;
            let text = read.text()?;
            Ok(is_there.then_some(text))
        };
        let (folder, user) = (option()?, option()?);
        // Each word takes four bytes at least, so that a length that lies reserves nothing.
        let command = (0..read.count()?).map(|_| read.text()).collect::<Result<_, _>>()?;
        let env = (0..read.count()?).map(|_| Ok((read.text()?, read.text()?))).collect::<Result<_, _>>()?;
        read.end()?;
        Ok(Self { key, command, env, folder, user })
    }
}

/// Puts the parts of work together; of one request at a time.
#[derive(Default)]
pub(crate) struct Parts {
    token: u64,
    bytes: Vec<u8>,
}

impl Parts {
    /// Takes a part; the whole, where this is the last.
    pub(crate) fn push(&mut self, token: u64, last: bool, bytes: &[u8]) -> Result<Option<Work>, Malformed> {
        if token != self.token {
            *self = Self { token, bytes: Vec::new() };
        }
        if self.bytes.len() + bytes.len() > MAX_WORK {
            *self = Self::default();
            return Err(Malformed::TooLong);
        }
        self.bytes.extend_from_slice(bytes);
        if !last {
            return Ok(None);
        }
        let whole = std::mem::take(self);
        Work::decode(&whole.bytes).map(Some)
    }
}

/// What the agent answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is there and waits.
    Ready,
    /// It is well, and whether it waits for work.
    Pong { token: u64, waits: bool },
    /// It runs the work, or did so before.
    Taken { token: u64 },
    /// It doesn't run the work.
    Refused { token: u64, why: Refusal, text: String },
    /// What was to be killed is gone, or isn't.
    Killed { token: u64, gone: bool },
}

/// Why work isn't run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There is other work already.
    Busy,
    /// The program, or its folder, isn't there or can't be run.
    NoProgram,
    /// The program is to run as somebody whom the agent can't become.
    NotThisUser,
    /// The work, or the frame, isn't sound.
    Malformed,
}

impl Answer {
    /// The line, with its break.
    pub(crate) fn line(&self) -> String {
        let words = match self {
            Self::Ready => "ready".to_owned(),
            Self::Pong { token, waits } => format!("pong {token:x} {}", u8::from(*waits)),
            Self::Taken { token } => format!("taken {token:x}"),
            Self::Killed { token, gone } => format!("killed {token:x} {}", u8::from(*gone)),
            Self::Refused { token, why, text } => {
                let why = match why {
                    Refusal::Busy => "busy",
                    Refusal::NoProgram => "program",
                    Refusal::NotThisUser => "user",
                    Refusal::Malformed => "malformed",
                };
                let text: String = text.chars().filter(|c| !c.is_control()).take(100).collect();
                format!("refused {token:x} {why} {text}")
            }
        };
        format!("{BEGIN}{words}{END}\n")
    }

    /// The answer of what stands between [`BEGIN`] and [`END`].
    fn parse(words: &str) -> Option<Self> {
        let mut parts = words.splitn(4, ' ');
        let kind = parts.next()?;
        if kind == "ready" {
            return Some(Self::Ready);
        }
        let token = u64::from_str_radix(parts.next()?, 16).ok()?;
        Some(match kind {
            "pong" => Self::Pong { token, waits: parts.next()? == "1" },
            "taken" => Self::Taken { token },
            "killed" => Self::Killed { token, gone: parts.next()? == "1" },
            "refused" => {
                let why = match parts.next()? {
                    "busy" => Refusal::Busy,
                    "program" => Refusal::NoProgram,
                    "user" => Refusal::NotThisUser,
                    _ => Refusal::Malformed,
                };
                Self::Refused { token, why, text: parts.next().unwrap_or_default().to_owned() }
            }
            _ => return None,
        })
    }
}

/// Finds answers in the agent's output, in bounded memory: a program may write anything around them.
#[derive(Default)]
pub(crate) struct Finder {
    held: Vec<u8>,
}

impl Finder {
    /// Takes the next bytes; the answers in them, and whether there was anything else.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> (Vec<Answer>, bool) {
        self.held.extend_from_slice(bytes);
        let (mut answers, mut other) = (Vec::new(), false);
        while let Some(at) = find(&self.held, BEGIN.as_bytes()) {
            let rest = &self.held[at + BEGIN.len()..];
            let Some(end) = find(rest, END.as_bytes()) else {
                other |= at > 0;
                self.held.drain(..at);
                if self.held.len() > MAX_ANSWER {
                    self.held.drain(..1);
                    continue;
                }
                return (answers, other);
            };
            match std::str::from_utf8(&rest[..end]).ok().and_then(Answer::parse) {
                Some(answer) => answers.push(answer),
                None => other = true,
            }
            other |= at > 0;
            let mut over = at + BEGIN.len() + end + END.len();
            over += usize::from(self.held.get(over) == Some(&b'\n'));
            self.held.drain(..over);
        }
        // What may be the beginning of a beginning stays.
        let keep = (0..BEGIN.len().min(self.held.len() + 1))
            .rev()
            .find(|length| self.held.ends_with(&BEGIN.as_bytes()[..*length]))
            .unwrap_or_default();
        other |= self.held.len() > keep + usize::from(self.held.first() == Some(&b'\n'));
        self.held.drain(..self.held.len() - keep);
        (answers, other)
    }
}

/// What is left of a line of output without the agent's answers; `None` where nothing else was in it.
pub(crate) fn without_answers(line: &[u8]) -> Option<Vec<u8>> {
    let mut rest = line.to_vec();
    let mut found = false;
    while let Some(at) = find(&rest, BEGIN.as_bytes()) {
        let Some(end) = find(&rest[at..], END.as_bytes()) else { break };
        rest.drain(at..at + end + END.len());
        found = true;
    }
    (!found || !rest.is_empty()).then_some(rest)
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn put(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u32).to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
}

fn text(bytes: &[u8]) -> Result<String, Malformed> {
    // No word of the kernel's has a NUL in it.
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
    text.map(str::to_owned).ok_or(Malformed::Body)
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(Malformed::Body)?;
        self.0 = rest;
        Ok(*head)
    }

    fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    fn count(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    fn flag(&mut self) -> Result<bool, Malformed> {
        match self.array::<1>()? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(Malformed::Body),
        }
    }

    fn text(&mut self) -> Result<String, Malformed> {
        let length = self.count()? as usize;
        let (head, rest) = self.0.split_at_checked(length).ok_or(Malformed::Body)?;
        self.0 = rest;
        text(head)
    }

    fn end(&self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed::Body) }
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
