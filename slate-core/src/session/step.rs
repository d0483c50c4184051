use crate::{
    model::{RuntimeSession, SessionState},
    runtime::{ExitStatus, Instance, InstanceState, labels},
};

/// What the backend says of a session's instance.
#[derive(Clone, Debug, PartialEq)]
pub enum Observed {
    /// There is none.
    Missing,
    /// There is one.
    Present(Instance),
}

/// What is to be done for a session next.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Step {
    /// Make its instance.
    Create,
    /// Start its instance.
    Start,
    /// Stop its instance.
    Stop,
    /// Record that it is in this state now.
    Record(SessionState),
    /// Record that it has ended in this state, with this message and exit, and remove its instance.
    Finish(SessionState, Option<String>, Option<ExitStatus>),
    /// Nothing: look again when something happened.
    Wait,
}

/// Decides what a session needs, from its record and what the backend says. It holds after a crash at any point: whatever
/// was done but not recorded is seen, and whatever was recorded but not done is done.
pub fn next_step(session: &RuntimeSession, observed: &Observed) -> Step {
    use InstanceState::{Created, Exited, Paused, Running};
    use SessionState as S;
    let instance = match observed {
        Observed::Missing => None,
        Observed::Present(instance) => Some(instance),
    };
    let state = instance.map(|instance| instance.state);
    match (session.status, state) {
        (S::Stopped | S::Failed | S::Error, _) => Step::Wait,
        (S::Creating | S::Starting | S::Running, _) if session.stop_requested && state != Some(Exited) => {
            Step::Record(S::Stopping)
        }
        (S::Creating, None) => Step::Create,
        (S::Creating, Some(_)) => Step::Record(S::Starting),
        (S::Starting, Some(Created)) => Step::Start,
        (S::Starting, Some(Running | Paused)) => Step::Record(S::Running),
        // It ran and ended before anybody looked: the end is told from `running`.
        (S::Starting, Some(Exited)) if instance.is_some_and(|i| i.started_at > session.starting_at) => {
            Step::Record(S::Running)
        }
        // A pool's instance was running when the session got it, and had its work before the session was `starting`.
        (S::Starting, Some(Exited)) if session.restarts == 0 && instance.is_some_and(is_pooled) => {
            Step::Record(S::Running)
        }
        (S::Starting, Some(Exited)) => Step::Start,
        (S::Starting, None) => Step::Finish(S::Failed, Some("its instance is gone before it ran".into()), None),
        (S::Running, Some(Running | Paused)) if session.restart_requested => Step::Stop,
        (S::Running, Some(Exited)) if session.restart_requested => Step::Record(S::Starting),
        (S::Running, Some(Running | Paused)) => Step::Wait,
        (S::Running, Some(Exited)) => end_of(instance.and_then(|instance| instance.exit)),
        (S::Running, Some(Created)) => {
            Step::Finish(S::Error, Some("its instance was made anew from outside".into()), None)
        }
        (S::Running, None) => Step::Finish(S::Error, Some("its instance was removed from outside".into()), None),
        (S::Stopping, Some(Running | Paused)) => Step::Stop,
        (S::Stopping, _) => Step::Finish(S::Stopped, None, instance.and_then(|instance| instance.exit)),
    }
}

/// Whether the instance was made for a warm pool.
pub(crate) fn is_pooled(instance: &Instance) -> bool {
    instance.labels.contains_key(labels::POOL)
}

/// How a session ends whose program ended by itself.
fn end_of(exit: Option<ExitStatus>) -> Step {
    match exit {
        Some(exit) if exit.success() => Step::Finish(SessionState::Stopped, None, Some(exit)),
        Some(exit) => Step::Finish(SessionState::Error, Some(exit.describe()), Some(exit)),
        None => Step::Finish(SessionState::Error, Some(ExitStatus::unknown().describe()), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        InstanceId, ProjectId, Timestamp, UserId,
        runtime::{RuntimeSpec, RuntimeType},
        session::allows,
    };

    fn session(status: SessionState, stop_requested: bool) -> RuntimeSession {
        let spec = RuntimeSpec::new("s", ["true"]);
        let user = UserId::new("u").unwrap();
        let mut session =
            RuntimeSession::new(ProjectId::new(), user, RuntimeType::Custom, "memory", spec, Timestamp::EPOCH);
        session.status = status;
        session.stop_requested = stop_requested;
        session
    }

    fn instance(state: InstanceState, exit: Option<ExitStatus>) -> Instance {
        let mut instance = Instance::created(InstanceId::new("i").unwrap(), "s", Timestamp::EPOCH);
        instance.state = state;
        instance.exit = exit;
        instance.started_at = (state != InstanceState::Created).then_some(Timestamp::EPOCH);
        instance
    }

    fn every_observation() -> Vec<Observed> {
        let mut all = vec![Observed::Missing];
        for &state in InstanceState::ALL {
            for exit in [None, Some(ExitStatus::exited(0)), Some(ExitStatus::exited(3)), Some(ExitStatus::signaled(9))]
            {
                all.push(Observed::Present(instance(state, exit)));
            }
        }
        all
    }

    #[test]
    fn every_step_is_an_edge_of_the_machine() {
        for &status in SessionState::ALL {
            for stop in [false, true] {
                for observed in every_observation() {
                    let session = session(status, stop);
                    match next_step(&session, &observed) {
                        Step::Record(to) | Step::Finish(to, ..) => {
                            assert!(allows(status, to), "{status} to {to} on {observed:?}");
                        }
                        Step::Create => assert_eq!(status, SessionState::Creating),
                        Step::Start => assert_eq!(status, SessionState::Starting),
                        Step::Stop => assert_eq!(status, SessionState::Stopping),
                        Step::Wait => assert!(status.is_final() || status == SessionState::Running),
                    }
                }
            }
        }
    }

    /// Whatever the world does, a session that is asked to stop ends within a few steps.
    #[test]
    fn a_stop_always_leads_to_an_end() {
        for &status in SessionState::ALL {
            for observed in every_observation() {
                let mut session = session(status, true);
                let mut observed = observed;
                for _ in 0..6 {
                    match next_step(&session, &observed) {
                        Step::Record(to) | Step::Finish(to, ..) => session.status = to,
                        Step::Stop => observed = Observed::Present(instance(InstanceState::Exited, None)),
                        step => assert!(session.status.is_final(), "{step:?} on {session:?}"),
                    }
                }
                assert!(session.status.is_final(), "from {status} on {observed:?}");
            }
        }
    }

    #[test]
    fn the_plain_life_of_a_session() {
        let life = [
            (SessionState::Creating, Observed::Missing, Step::Create),
            (
                SessionState::Creating,
                Observed::Present(instance(InstanceState::Created, None)),
                Step::Record(SessionState::Starting),
            ),
            (SessionState::Starting, Observed::Present(instance(InstanceState::Created, None)), Step::Start),
            (
                SessionState::Starting,
                Observed::Present(instance(InstanceState::Running, None)),
                Step::Record(SessionState::Running),
            ),
            (SessionState::Running, Observed::Present(instance(InstanceState::Running, None)), Step::Wait),
        ];
        for (status, observed, expected) in life {
            assert_eq!(next_step(&session(status, false), &observed), expected);
        }
    }

    #[test]
    fn a_restart_stops_and_starts_the_same_instance() {
        let mut session = session(SessionState::Running, false);
        session.restart_requested = true;
        let running = Observed::Present(instance(InstanceState::Running, None));
        let exited = Observed::Present(instance(InstanceState::Exited, Some(ExitStatus::signaled(15))));
        assert_eq!(next_step(&session, &running), Step::Stop);
        assert_eq!(next_step(&session, &exited), Step::Record(SessionState::Starting));
        session.status = SessionState::Starting;
        session.restart_requested = false;
        session.starting_at = Some(Timestamp::from_millis(1));
        assert_eq!(next_step(&session, &exited), Step::Start, "it ended before the restart");
        let mut again = instance(InstanceState::Exited, Some(ExitStatus::exited(0)));
        again.started_at = Some(Timestamp::from_millis(2));
        assert_eq!(next_step(&session, &Observed::Present(again)), Step::Record(SessionState::Running), "it ran since");
    }

    #[test]
    fn an_instance_of_a_pool_that_ended_is_not_run_again_but_by_a_restart() {
        let mut session = session(SessionState::Starting, false);
        session.starting_at = Some(Timestamp::from_millis(1));
        let mut ended = instance(InstanceState::Exited, Some(ExitStatus::exited(0)));
        assert_eq!(next_step(&session, &Observed::Present(ended.clone())), Step::Start);
        ended.labels.insert(labels::POOL.into(), "p".into());
        let observed = Observed::Present(ended);
        assert_eq!(next_step(&session, &observed), Step::Record(SessionState::Running));
        session.restarts = 1;
        assert_eq!(next_step(&session, &observed), Step::Start);
    }

    #[test]
    fn a_death_is_told_from_an_end() {
        let on = |exit| {
            next_step(&session(SessionState::Running, false), &Observed::Present(instance(InstanceState::Exited, exit)))
        };
        assert!(matches!(on(Some(ExitStatus::exited(0))), Step::Finish(SessionState::Stopped, None, Some(_))));
        let Step::Finish(SessionState::Error, Some(message), _) = on(Some(ExitStatus::signaled(9))) else { panic!() };
        assert_eq!(message, "signal 9");
        assert!(matches!(on(None), Step::Finish(SessionState::Error, ..)));
    }
}
