use crate::{Error, Result, wire::checked_text};
use serde::{Deserialize, Serialize};

/// The most bytes of a subject or filter.
const MAX_LEN: usize = 512;
/// The most tokens of a subject or filter.
const MAX_TOKENS: usize = 32;

/// Where a message is published: tokens joined by dots, like `slate.build.progress.{projectId}`.
///
/// 1 to 32 tokens, up to 512 bytes; a token is one or more printable ASCII characters other than `.`, `*` and `>`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subject(std::sync::Arc<str>);

impl Subject {
    /// Checks `text` and takes it as a subject.
    ///
    /// # Errors
    /// `Invalid` where a rule of the type is broken.
    pub fn new(text: impl AsRef<str>) -> Result<Self> {
        let text = text.as_ref();
        if text.len() <= MAX_LEN && text.split('.').count() <= MAX_TOKENS && text.split('.').all(is_literal) {
            return Ok(Self(text.into()));
        }
        Err(malformed("subject", "tokens of printable ASCII joined by dots, no wildcards", text))
    }

    /// Takes text that is sound by its making.
    pub(super) fn from_checked(text: impl AsRef<str>) -> Self {
        let text = text.as_ref();
        debug_assert!(Self::new(text).is_ok(), "{text}");
        Self(text.into())
    }

    /// The subject as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The tokens in order.
    pub fn tokens(&self) -> impl Iterator<Item = &str> {
        self.0.split('.')
    }
}

/// What a subscription asks for: a subject in which `*` stands for one token, and a last `>` for one or more.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SubjectFilter(Box<str>);

impl SubjectFilter {
    /// Checks `text` and takes it as a filter.
    ///
    /// # Errors
    /// `Invalid` where a rule of the type is broken: a wildcard is a token of its own, `>` is the last.
    pub fn new(text: impl AsRef<str>) -> Result<Self> {
        let text = text.as_ref();
        let count = text.split('.').count();
        let token_fits =
            |(index, token): (usize, &str)| token == "*" || (token == ">" && index + 1 == count) || is_literal(token);
        if text.len() <= MAX_LEN && count <= MAX_TOKENS && text.split('.').enumerate().all(token_fits) {
            return Ok(Self(text.into()));
        }
        Err(malformed("subject filter", "tokens of printable ASCII, '*', or a last '>' joined by dots", text))
    }

    /// Takes text that is sound by its making.
    pub(super) fn from_checked(text: &str) -> Self {
        debug_assert!(Self::new(text).is_ok(), "{text}");
        Self(text.into())
    }

    /// The filter as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The tokens in order.
    pub fn tokens(&self) -> impl Iterator<Item = &str> {
        self.0.split('.')
    }

    /// Whether a message on `subject` is wanted.
    pub fn matches(&self, subject: &Subject) -> bool {
        let (mut wanted, mut given) = (self.tokens(), subject.tokens());
        loop {
            match (wanted.next(), given.next()) {
                (None, None) => return true,
                (Some(">"), Some(_)) => return true,
                (Some("*"), Some(_)) => {}
                (Some(wanted), Some(given)) if wanted == given => {}
                _ => return false,
            }
        }
    }
}

impl From<Subject> for SubjectFilter {
    fn from(subject: Subject) -> Self {
        Self((*subject.0).into())
    }
}

fn is_literal(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic() && b != b'*' && b != b'>')
}

fn malformed(what: &str, expected: &str, text: &str) -> Error {
    Error::invalid(format!("not a {what}: {expected} are expected"))
        .with("value", text.escape_debug().to_string().chars().take(128).collect::<String>())
}

checked_text!(Subject, SubjectFilter);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_subjects_are_refused() {
        for bad in ["", ".", "a.", ".a", "a..b", "a b", "a.*", "a.>", "a\n", "ä", &"a.".repeat(300)] {
            assert!(Subject::new(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "a.>.b", ">.a", "a*", "a.b>", "a. .b"] {
            assert!(SubjectFilter::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn wildcards_match_as_nats_does() {
        let cases = [
            ("a.b", "a.b", true),
            ("a.b", "a.c", false),
            ("a.*", "a.b", true),
            ("a.*", "a", false),
            ("a.*", "a.b.c", false),
            ("a.>", "a.b.c", true),
            ("a.>", "a", false),
            (">", "a", true),
            ("*", "a", true),
            ("*.*", "a", false),
            ("*.b.>", "a.b.c", true),
            ("a", "a.b", false),
        ];
        for (filter, subject, expected) in cases {
            let matched = SubjectFilter::new(filter).unwrap().matches(&Subject::new(subject).unwrap());
            assert_eq!(matched, expected, "{filter} on {subject}");
        }
    }
}
