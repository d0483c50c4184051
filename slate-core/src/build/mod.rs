//! Builds without I/O or time: the state machine, the plan that an engine makes, and the verdict on what came of it.

mod plan;
mod verdict;

pub use plan::{BuildPlan, BuildRequest, PlannedStage, Step};
pub use verdict::{Evidence, Verdict, judge};

use crate::{Error, Result, model::BuildStatus};

/// Whether the machine has an edge from one state to the other.
///
/// `queued → running → completed | failed | canceled`; a running build goes back to `queued` to be tried again; a queued one
/// can be canceled, or fail before it begins.
pub const fn allows(from: BuildStatus, to: BuildStatus) -> bool {
    use BuildStatus::{Canceled, Completed, Failed, Queued, Running};
    matches!((from, to), (Queued, Running | Failed | Canceled) | (Running, Queued | Completed | Failed | Canceled))
}

/// Checks that the machine has this edge.
///
/// # Errors
/// `WrongState`, naming both states.
pub fn check(from: BuildStatus, to: BuildStatus) -> Result<()> {
    if allows(from, to) {
        return Ok(());
    }
    let advice = if from.is_final() { "the build has ended: start a new one" } else { "the build can't go there" };
    Err(Error::wrong_state(advice).with("from", from).with("to", to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn just_the_drawn_edges_are_there() {
        let drawn = [
            "queued running",
            "queued failed",
            "queued canceled",
            "running queued",
            "running completed",
            "running failed",
            "running canceled",
        ];
        for &from in BuildStatus::ALL {
            for &to in BuildStatus::ALL {
                let expected = drawn.contains(&format!("{from} {to}").as_str());
                assert_eq!(allows(from, to), expected, "{from} to {to}");
                let checked = check(from, to);
                assert_eq!(checked.is_ok(), expected);
                if let Err(error) = checked {
                    assert!(error.to_string().contains(&format!("from={from}, to={to}")), "{error}");
                }
            }
        }
    }
}
