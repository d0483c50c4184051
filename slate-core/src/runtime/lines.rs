use super::LogChunk;

/// Cuts a stream of bytes into the lines of [`LogChunk`]s, in bounded memory.
///
/// Pure: every backend that captures output feeds it what it reads and gets the same chunks. A line of any length is
/// given out in parts of at most [`LogChunk::MAX_LINE`] bytes; only the last part isn't `partial`.
#[derive(Debug, Default)]
pub struct LineCutter {
    held: Vec<u8>,
}

impl LineCutter {
    /// A cutter that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes; calls `each` with every line or part that is complete, and whether it goes on.
    pub fn push(&mut self, mut bytes: &[u8], mut each: impl FnMut(&[u8], bool)) {
        while !bytes.is_empty() {
            let room = LogChunk::MAX_LINE - self.held.len();
            // One byte more than fits: a break right after a full part ends the line rather than making an empty part.
            let window = &bytes[..bytes.len().min(room + 1)];
            if let Some(end) = memchr::memchr(b'\n', window) {
                if self.held.is_empty() {
                    each(&window[..end], false);
                } else {
                    self.held.extend_from_slice(&window[..end]);
                    each(&self.held, false);
                    self.held.clear();
                }
                bytes = &bytes[end + 1..];
            } else if bytes.len() > room {
                self.held.extend_from_slice(&bytes[..room]);
                each(&self.held, true);
                self.held.clear();
                bytes = &bytes[room..];
            } else {
                self.held.extend_from_slice(bytes);
                return;
            }
        }
    }

    /// The stream has ended: gives out what no line break has ended.
    pub fn finish(&mut self, mut each: impl FnMut(&[u8], bool)) {
        if !self.held.is_empty() {
            each(&self.held, false);
            self.held.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(input: &[u8], step: usize) -> Vec<(usize, bool)> {
        let (mut cutter, mut lines) = (LineCutter::new(), Vec::new());
        for part in input.chunks(step) {
            cutter.push(part, |line, partial| lines.push((line.len(), partial)));
        }
        cutter.finish(|line, partial| lines.push((line.len(), partial)));
        lines
    }

    #[test]
    fn lines_are_the_same_however_they_arrive() {
        let max = LogChunk::MAX_LINE;
        let mut input = b"one\n\nthree\n".to_vec();
        input.extend(vec![b'x'; max]);
        input.push(b'\n');
        input.extend(vec![b'y'; 2 * max + 5]);
        input.extend(b"\nend");
        let expected =
            vec![(3, false), (0, false), (5, false), (max, false), (max, true), (max, true), (5, false), (3, false)];
        for step in [1, 7, 4096, max, max + 1, input.len()] {
            assert_eq!(cut(&input, step), expected, "in steps of {step}");
        }
    }

    #[test]
    fn nothing_gives_nothing() {
        assert_eq!(cut(b"", 1), vec![]);
        assert_eq!(cut(b"\n", 1), vec![(0, false)]);
    }
}
