//! The session state machine, without I/O or time.
//!
//! ```text
//! creating ──► starting ──► running ──► stopping ──► stopped
//!    │  │         │ ▲  │      │ │ │        │ ▲
//!    │  └─────────┼─┼──┼──────┼─┼─┼────────┘ │   a stop may come at any time
//!    ▼            ▼ └──┼──────┘ │ └──────────┘   running ─► starting is a restart
//!  failed       failed │        ▼                (asked for, or by the spec's policy after a failure)
//!                      │                         running ─► stopped: it ended by itself, with code 0
//!                      └─ …    error             running ─► error: it died
//! ```

mod recovery;
mod step;

pub use recovery::Recovery;
pub(crate) use step::is_pooled;
pub use step::{Observed, Step, next_step};

use crate::{Error, Result, model::SessionState};

/// Whether the machine has an edge from one state to the other.
pub const fn allows(from: SessionState, to: SessionState) -> bool {
    use SessionState::{Creating, Error, Failed, Running, Starting, Stopped, Stopping};
    matches!(
        (from, to),
        (Creating, Starting | Stopping | Failed)
            | (Starting, Running | Stopping | Failed)
            | (Running, Starting | Stopping | Stopped | Error)
            | (Stopping, Stopped | Error)
    )
}

/// Checks that the machine has this edge.
///
/// # Errors
/// `WrongState`, naming both states.
pub fn check(from: SessionState, to: SessionState) -> Result<()> {
    if allows(from, to) {
        return Ok(());
    }
    let advice = if from.is_final() { "the session has ended: start a new one" } else { "the session can't go there" };
    Err(Error::wrong_state(advice).with("from", from).with("to", to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn just_the_drawn_edges_are_there() {
        let drawn = [
            "creating starting",
            "creating stopping",
            "creating failed",
            "starting running",
            "starting stopping",
            "starting failed",
            "running starting",
            "running stopping",
            "running stopped",
            "running error",
            "stopping stopped",
            "stopping error",
        ];
        for &from in SessionState::ALL {
            for &to in SessionState::ALL {
                let expected = drawn.contains(&format!("{from} {to}").as_str());
                assert_eq!(allows(from, to), expected, "{from} to {to}");
                assert_eq!(check(from, to).is_ok(), expected);
            }
        }
    }

    #[test]
    fn an_edge_that_is_not_drawn_names_both_states() {
        let error = check(SessionState::Stopped, SessionState::Running).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WrongState);
        assert!(error.to_string().contains("from=stopped, to=running"), "{error}");
    }

    #[test]
    fn an_end_has_no_way_out() {
        for &from in SessionState::ALL.iter().filter(|state| state.is_final()) {
            assert!(SessionState::ALL.iter().all(|&to| !allows(from, to)), "{from}");
        }
    }
}
