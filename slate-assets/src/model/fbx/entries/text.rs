//! Files in letters, read by looser rules than the parser's.

use std::borrow::Cow;

/// Longer files are not read: what is read takes many times their room.
const LONGEST: usize = 4 << 20;
/// Entries below one another.
const DEPTH: usize = 64;

/// An entry: what it is called, what it says, and the entries in its braces, if it has some.
pub(in super::super) struct Entry<'a> {
    pub(in super::super) name: &'a [u8],
    pub(in super::super) values: Vec<Value<'a>>,
    pub(in super::super) below: Option<Vec<Entry<'a>>>,
}

/// What stands after a name.
pub(in super::super) enum Value<'a> {
    /// In quotes.
    Text(&'a [u8]),
    /// A number, or a word without quotes.
    Word(Cow<'a, [u8]>),
    /// `*3 { a: 1,2,3 }`, by what is between the braces.
    Array(Cow<'a, [u8]>),
}

/// The entries of a file; none where it isn't one, even by loose rules.
pub(in super::super) fn entries(bytes: &[u8]) -> Option<Vec<Entry<'_>>> {
    if bytes.len() > LONGEST || !bytes.contains(&b':') {
        return None;
    }
    let mut reader = Reader { bytes, at: 0 };
    let mut entries = Vec::new();
    while reader.at < bytes.len() {
        // A brace that nobody opened ends nothing.
        entries.extend(reader.entries(0)?);
    }
    Some(entries)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip(&mut self, is: impl Fn(u8) -> bool) -> &'a [u8] {
        let start = self.at;
        while self.peek().is_some_and(&is) {
            self.at += 1;
        }
        &self.bytes[start..self.at]
    }

    /// Goes over lines and comments.
    fn space(&mut self) {
        loop {
            self.skip(|byte| byte.is_ascii_whitespace());
            if self.peek() != Some(b';') {
                return;
            }
            self.skip(|byte| byte != b'\n');
        }
    }

    /// The entries up to the brace that closes them, or to the end.
    fn entries(&mut self, depth: usize) -> Option<Vec<Entry<'a>>> {
        let mut all = Vec::new();
        if depth > DEPTH {
            return None;
        }
        loop {
            self.space();
            match self.peek() {
                None => return Some(all),
                Some(b'}') => {
                    self.at += 1;
                    return Some(all);
                }
                Some(_) => all.push(self.entry(depth)?),
            }
        }
    }

    fn entry(&mut self, depth: usize) -> Option<Entry<'a>> {
        let name = self.skip(|byte| !matches!(byte, b':' | b'\n' | b'{' | b'}')).trim_ascii_end();
        if self.peek() != Some(b':') || name.is_empty() {
            return None;
        }
        self.at += 1;
        let mut entry = Entry { name, values: Vec::new(), below: None };
        loop {
            self.skip(|byte| byte != b'\n' && byte.is_ascii_whitespace());
            match self.peek() {
                None | Some(b'}') => return Some(entry),
                Some(b'\n' | b';') => {
                    if !self.goes_on(entry.values.is_empty()) {
                        return Some(entry);
                    }
                }
                Some(b',') => {
                    self.at += 1;
                    self.space();
                }
                Some(b'{') => {
                    self.at += 1;
                    entry.below = Some(self.entries(depth + 1)?);
                    return Some(entry);
                }
                Some(b'*') => entry.values.push(Value::Array(self.array()?)),
                Some(b'"') => {
                    self.at += 1;
                    let text = self.skip(|byte| byte != b'"');
                    self.peek()?;
                    self.at += 1;
                    entry.values.push(Value::Text(text));
                }
                Some(_) => {
                    let word = self.skip(|byte| !byte.is_ascii_whitespace() && !b",;{}\"".contains(&byte));
                    entry.values.push(Value::Word(Cow::Borrowed(word)));
                }
            }
        }
    }

    /// Whether values go on after the end of a line: a comma is first there, or the first value is.
    fn goes_on(&mut self, is_first: bool) -> bool {
        let end = self.at;
        self.space();
        let goes_on = match self.peek() {
            Some(b',') => true,
            Some(byte) => is_first && (byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'"')),
            None => false,
        };
        if !goes_on {
            self.at = end;
        }
        goes_on
    }

    /// What is between the braces of an array, without comments.
    fn array(&mut self) -> Option<Cow<'a, [u8]>> {
        self.at += 1;
        self.skip(|byte| byte.is_ascii_digit());
        self.space();
        if self.peek() != Some(b'{') {
            return None;
        }
        self.at += 1;
        self.space();
        if self.skip(|byte| byte.is_ascii_alphabetic()).len() == 1 {
            self.space();
            if self.peek() == Some(b':') {
                self.at += 1;
            }
        }
        let mut inside = Cow::Borrowed(self.skip(|byte| !matches!(byte, b'}' | b';')));
        while self.peek()? == b';' {
            self.skip(|byte| byte != b'\n');
            inside.to_mut().extend_from_slice(self.skip(|byte| !matches!(byte, b'}' | b';')));
        }
        self.at += 1;
        Some(inside)
    }
}

impl<'a> Entry<'a> {
    /// An entry that holds an array of these.
    pub(in super::super) fn array(name: &'a [u8], numbers: &[u8]) -> Self {
        Self { name, values: vec![Value::Array(Cow::Owned(numbers.to_vec()))], below: None }
    }

    /// The entries in its braces.
    pub(in super::super) fn below(&self) -> &[Self] {
        self.below.as_deref().unwrap_or_default()
    }

    /// The first entry below of this name.
    pub(in super::super) fn find(&self, name: &[u8]) -> Option<&Self> {
        self.below().iter().find(|entry| entry.name == name)
    }

    /// The numbers of an array, or of a list; none that nobody wrote.
    pub(in super::super) fn numbers(&self) -> Vec<&[u8]> {
        let all = self.values.iter().map(|value| match value {
            Value::Text(_) => &[][..],
            Value::Word(numbers) | Value::Array(numbers) => &**numbers,
        });
        all.flat_map(tokens).collect()
    }

    /// Writes it down by the parser's rules.
    pub(in super::super) fn write(&self, out: &mut Vec<u8>) {
        out.extend([self.name, b": "].concat());
        for (at, value) in self.values.iter().enumerate() {
            out.extend_from_slice(if at == 0 { b"" } else { b"," });
            match value {
                Value::Text(text) => out.extend([b"\"", *text, b"\""].concat()),
                Value::Word(word) => out.extend_from_slice(word),
                Value::Array(numbers) => {
                    out.extend(format!("*{} {{ a: ", tokens(numbers).count()).into_bytes());
                    for (at, number) in tokens(numbers).enumerate() {
                        out.extend_from_slice(if at == 0 { b"" } else { b"," });
                        out.extend_from_slice(number);
                    }
                    out.extend(b" }");
                }
            }
        }
        if let Some(below) = &self.below {
            out.extend(b" {\n");
            below.iter().for_each(|entry| entry.write(out));
            out.push(b'}');
        }
        out.push(b'\n');
    }
}

impl Value<'_> {
    pub(in super::super) fn text(&self) -> Option<&[u8]> {
        if let Value::Text(text) = self { Some(text) } else { None }
    }

    /// A whole number; what is behind its point counts for nothing.
    pub(in super::super) fn whole(&self) -> Option<i64> {
        if let Value::Word(word) = self { whole(word) } else { None }
    }
}

/// A whole number; one too large for 64 bits with a sign turns round, as object numbers do.
pub(in super::super) fn whole(word: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(word).ok()?;
    let number = text.split('.').next()?;
    let wide: i128 = number.parse().ok()?;
    Some(i64::try_from(wide).unwrap_or(wide as i64))
}

fn tokens(numbers: &[u8]) -> impl Iterator<Item = &[u8]> {
    numbers.split(|byte| *byte == b',' || byte.is_ascii_whitespace()).filter(|number| !number.is_empty())
}
