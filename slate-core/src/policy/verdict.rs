use crate::{Error, Result};
use serde::Serialize;
use std::fmt;

/// Refusals that an error repeats; the others are counted.
const SHOWN: usize = 8;

/// What a [`SecurityPolicy`](super::SecurityPolicy) says of a spec: everything that it refuses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
#[non_exhaustive]
pub struct Verdict {
    /// What is refused, in the order of the spec's fields; empty where everything is granted.
    pub refusals: Vec<Refusal>,
}

/// One thing that a spec asks for and that isn't granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Refusal {
    /// The spec's field as JSON names it, for example `ports[0].host`. No value of the environment is repeated.
    pub path: String,
    /// Why.
    pub reason: String,
    /// The policy's field that would grant it, with what it would have to say; `None` where nothing does.
    pub grant: Option<String>,
}

impl fmt::Display for Refusal {
    /// `path: reason (granted by …)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.reason)?;
        self.grant.as_ref().map_or(Ok(()), |grant| write!(f, " (granted by {grant})"))
    }
}

impl Verdict {
    /// Whether nothing is refused.
    pub fn is_granted(&self) -> bool {
        self.refusals.is_empty()
    }

    /// Nothing, or an error that tells what is refused.
    ///
    /// # Errors
    /// `PermissionDenied`, with up to eight of the refusals.
    pub fn into_result(self) -> Result<()> {
        if self.refusals.is_empty() {
            return Ok(());
        }
        let more = self.refusals.len().saturating_sub(SHOWN);
        let mut error = Error::permission_denied("the policy doesn't grant what this spec asks for");
        for refusal in self.refusals.iter().take(SHOWN) {
            error = error.with("refused", refusal);
        }
        Err(if more > 0 { error.with("more", more) } else { error })
    }

    pub(super) fn refuse(&mut self, path: impl Into<String>, reason: impl Into<String>, grant: Option<String>) {
        self.refusals.push(Refusal { path: path.into(), reason: reason.into(), grant });
    }
}
