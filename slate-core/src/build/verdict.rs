use crate::{
    model::{Artifact, Stage},
    runtime::ExitStatus,
};
use serde::{Deserialize, Serialize};

/// One fact about how a build went.
///
/// Engines end with code 0 after script errors and missing files, so the exit code is one witness among others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "fact")]
#[non_exhaustive]
pub enum Evidence {
    /// A command ended.
    Exit {
        /// In this stage.
        stage: Stage,
        /// The program.
        program: String,
        /// In this way.
        status: ExitStatus,
    },
    /// A line of output that the engine knows as an error.
    ErrorLine {
        /// In this stage.
        stage: Stage,
        /// The line.
        line: String,
    },
    /// A file that the plan demands isn't there, or is empty.
    Missing {
        /// Its path below the output.
        path: String,
    },
    /// A file that the plan demands is there, and the engine finds something wrong in it.
    Unsound {
        /// Its path below the output.
        path: String,
        /// What is wrong.
        problem: String,
    },
}

impl Evidence {
    /// Whether it speaks against the build.
    pub fn is_against(&self) -> bool {
        !matches!(self, Self::Exit { status, .. } if status.success())
    }

    /// A sentence for people.
    pub fn describe(&self) -> String {
        match self {
            Self::Exit { stage, program, status } => format!("{program} ended with {} in {stage}", status.describe()),
            Self::ErrorLine { stage, line } => format!("error in {stage}: {line}"),
            Self::Missing { path } => format!("{path} was not made, or is empty"),
            Self::Unsound { path, problem } => format!("{path}: {problem}"),
        }
    }
}

/// Whether a build is sound.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It is.
    Sound,
    /// It isn't, for these reasons, the first the most telling.
    Failed(Vec<String>),
}

/// Judges a build by all evidence: every command ended with code 0, no line was an error, every demanded file is there and
/// sound, and there is at least one artifact.
pub fn judge(evidence: &[Evidence], artifacts: &[Artifact]) -> Verdict {
    let mut reasons: Vec<_> = evidence.iter().filter(|fact| fact.is_against()).collect();
    // An error line says why; the exit code that follows it only says that.
    reasons.sort_by_key(|fact| match fact {
        Evidence::ErrorLine { .. } => 0,
        Evidence::Exit { .. } => 1,
        Evidence::Missing { .. } => 2,
        Evidence::Unsound { .. } => 3,
    });
    let mut reasons: Vec<_> = reasons.into_iter().map(Evidence::describe).collect();
    if reasons.is_empty() && artifacts.is_empty() {
        reasons.push("the build made no artifact".into());
    }
    if reasons.is_empty() { Verdict::Sound } else { Verdict::Failed(reasons) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Sha256Hex;

    fn exit(code: i32) -> Evidence {
        Evidence::Exit { stage: Stage::Compile, program: "cc".into(), status: ExitStatus::exited(code) }
    }

    fn artifact() -> Artifact {
        Artifact { name: "game".into(), path: "game".into(), size: 1, sha256: Sha256Hex::of(b"x"), blob: None }
    }

    #[test]
    fn a_sound_build_is_called_sound() {
        assert_eq!(judge(&[exit(0), exit(0)], &[artifact()]), Verdict::Sound);
    }

    #[test]
    fn each_witness_alone_fails_the_build() {
        let line = Evidence::ErrorLine { stage: Stage::Compile, line: "SCRIPT ERROR".into() };
        let missing = Evidence::Missing { path: "game.pck".into() };
        let unsound = Evidence::Unsound { path: "game.pck".into(), problem: "cut off".into() };
        for fact in [exit(1), line, missing, unsound] {
            assert!(matches!(judge(&[exit(0), fact], &[artifact()]), Verdict::Failed(_)));
        }
        assert!(matches!(judge(&[exit(0)], &[]), Verdict::Failed(_)));
    }

    #[test]
    fn the_line_that_says_why_comes_first() {
        let line = Evidence::ErrorLine { stage: Stage::Compile, line: "no such file".into() };
        let Verdict::Failed(reasons) = judge(&[exit(2), line], &[artifact()]) else { panic!("sound") };
        assert_eq!(reasons, ["error in compile: no such file", "cc ended with exit code 2 in compile"]);
    }
}
