use super::recovery::{Recovery, after_end};
use crate::{
    Timestamp,
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
    /// Record that its instance is to be ended for this reason, which is the orchestrator's own.
    Doom(String),
    /// Record that its instance ended, and is to be started again.
    Again {
        /// Why it ended.
        reason: String,
        /// The how-manieth restart in a row this is.
        row: u32,
        /// When it is started at the earliest.
        not_before: Timestamp,
    },
    /// Nothing before this time, unless something happens.
    WaitUntil(Timestamp),
    /// Nothing: look again when something happened.
    Wait,
}

/// Decides what a session needs `now`, from its record and what the backend says. It holds after a crash at any point: whatever
/// was done but not recorded is seen, and whatever was recorded but not done is done.
pub fn next_step(session: &RuntimeSession, observed: &Observed, now: Timestamp) -> Step {
    use InstanceState::{Created, Exited, Paused, Running};
    use SessionState as S;
    let instance = match observed {
        Observed::Missing => None,
        Observed::Present(instance) => Some(instance),
    };
    let state = instance.map(|instance| instance.state);
    let recovery = Recovery::of(session);
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
        (S::Starting, Some(Exited)) if session.stop_requested => Step::Record(S::Stopping),
        (S::Starting, Some(Exited)) => match recovery.not_before.filter(|time| *time > now) {
            Some(time) => Step::WaitUntil(time),
            None => Step::Start,
        },
        (S::Starting, None) => Step::Finish(S::Failed, Some("its instance is gone before it ran".into()), None),
        (S::Running, Some(Running | Paused)) if session.restart_requested || recovery.doomed.is_some() => Step::Stop,
        (S::Running, Some(Exited)) if session.restart_requested => Step::Record(S::Starting),
        (S::Running, Some(Running)) if instance.is_some_and(|instance| instance.failing) => {
            Step::Doom("its health check failed".into())
        }
        (S::Running, Some(Running | Paused)) => Step::Wait,
        // It was stopped, and that was not written down any more.
        (S::Running, Some(Exited)) if session.stop_requested && instance.is_some_and(was_stopped) => {
            Step::Finish(S::Stopped, None, instance.and_then(|instance| instance.exit))
        }
        (S::Running, Some(Exited)) => {
            instance.map_or(Step::Wait, |instance| after_end(session, instance, &recovery, now))
        }
        (S::Running, Some(Created)) => {
            Step::Finish(S::Error, Some("its instance was made anew from outside".into()), None)
        }
        (S::Running, None) => Step::Finish(S::Error, Some("its instance was removed from outside".into()), None),
        (S::Stopping, Some(Running | Paused)) => Step::Stop,
        (S::Stopping, _) => Step::Finish(S::Stopped, None, instance.and_then(|instance| instance.exit)),
    }
}

/// Whether it ended by one of the signals that a stop sends: SIGTERM, then SIGKILL.
fn was_stopped(instance: &Instance) -> bool {
    // By the code, which is all that an engine tells.
    let by_stop = |exit: ExitStatus| matches!(exit.code, Some(143 | 137)) && !exit.out_of_memory && !exit.timed_out;
    instance.exit.is_some_and(by_stop)
}

/// Whether the instance was made for a warm pool.
pub(crate) fn is_pooled(instance: &Instance) -> bool {
    instance.labels.contains_key(labels::POOL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        InstanceId, ProjectId, Timestamp, UserId,
        runtime::{RestartPolicy, RuntimeSpec, RuntimeType},
        session::allows,
    };
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

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
                    match next_step(&session, &observed, NOW) {
                        Step::Record(to) | Step::Finish(to, ..) => {
                            assert!(allows(status, to), "{status} to {to} on {observed:?}");
                        }
                        Step::Create => assert_eq!(status, SessionState::Creating),
                        Step::Start => assert_eq!(status, SessionState::Starting),
                        Step::Stop => assert_eq!(status, SessionState::Stopping),
                        Step::Wait => assert!(status.is_final() || status == SessionState::Running),
                        step => panic!("without a policy or a health check: {step:?}"),
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
                    match next_step(&session, &observed, NOW) {
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
            assert_eq!(next_step(&session(status, false), &observed, NOW), expected);
        }
    }

    #[test]
    fn a_restart_stops_and_starts_the_same_instance() {
        let mut session = session(SessionState::Running, false);
        session.restart_requested = true;
        let running = Observed::Present(instance(InstanceState::Running, None));
        let exited = Observed::Present(instance(InstanceState::Exited, Some(ExitStatus::signaled(15))));
        assert_eq!(next_step(&session, &running, NOW), Step::Stop);
        assert_eq!(next_step(&session, &exited, NOW), Step::Record(SessionState::Starting));
        session.status = SessionState::Starting;
        session.restart_requested = false;
        session.starting_at = Some(Timestamp::from_millis(1));
        assert_eq!(next_step(&session, &exited, NOW), Step::Start, "it ended before the restart");
        let mut again = instance(InstanceState::Exited, Some(ExitStatus::exited(0)));
        again.started_at = Some(Timestamp::from_millis(2));
        assert_eq!(
            next_step(&session, &Observed::Present(again), NOW),
            Step::Record(SessionState::Running),
            "it ran since"
        );
    }

    #[test]
    fn an_instance_of_a_pool_that_ended_is_not_run_again_but_by_a_restart() {
        let mut session = session(SessionState::Starting, false);
        session.starting_at = Some(Timestamp::from_millis(1));
        let mut ended = instance(InstanceState::Exited, Some(ExitStatus::exited(0)));
        assert_eq!(next_step(&session, &Observed::Present(ended.clone()), NOW), Step::Start);
        ended.labels.insert(labels::POOL.into(), "p".into());
        let observed = Observed::Present(ended);
        assert_eq!(next_step(&session, &observed, NOW), Step::Record(SessionState::Running));
        session.restarts = 1;
        assert_eq!(next_step(&session, &observed, NOW), Step::Start);
    }

    #[test]
    fn a_death_is_told_from_an_end() {
        let on = |exit| {
            next_step(
                &session(SessionState::Running, false),
                &Observed::Present(instance(InstanceState::Exited, exit)),
                NOW,
            )
        };
        assert!(matches!(on(Some(ExitStatus::exited(0))), Step::Finish(SessionState::Stopped, None, Some(_))));
        let Step::Finish(SessionState::Error, Some(message), _) = on(Some(ExitStatus::signaled(9))) else { panic!() };
        assert_eq!(message, "signal 9");
        assert!(matches!(on(None), Step::Finish(SessionState::Error, ..)));
    }

    /// A running session with a policy whose instance ran from one time to another and ended.
    fn ended(row: u32, ran: Duration, exit: ExitStatus) -> (RuntimeSession, Observed) {
        let mut session = session(SessionState::Running, false);
        session.container_config.restart =
            Some(RestartPolicy::on_failure(3).with_backoff(Duration::from_secs(1), Duration::from_secs(60)));
        Recovery { row, ..Recovery::default() }.keep(&mut session);
        let mut instance = instance(InstanceState::Exited, Some(exit));
        instance.finished_at = Some(Timestamp::EPOCH + ran);
        (session, Observed::Present(instance))
    }

    #[test]
    fn a_failure_is_started_again_up_to_its_limit() {
        let after = |row, seconds, exit| {
            let (session, observed) = ended(row, Duration::from_secs(seconds), exit);
            next_step(&session, &observed, NOW)
        };
        let again = |row, seconds| Step::Again {
            reason: "exit code 3".into(),
            row,
            not_before: NOW + Duration::from_secs(seconds),
        };
        assert_eq!(after(0, 1, ExitStatus::exited(3)), again(1, 1));
        assert_eq!(after(2, 1, ExitStatus::exited(3)), again(3, 4));
        let Step::Finish(SessionState::Error, Some(message), _) = after(3, 1, ExitStatus::exited(3)) else { panic!() };
        assert_eq!(message, "exit code 3 (started again 3 times in a row, and given up)");
        assert_eq!(after(3, 601, ExitStatus::exited(3)), again(1, 1), "a long run ends the row");
        assert!(matches!(after(0, 1, ExitStatus::exited(0)), Step::Finish(SessionState::Stopped, None, _)));
    }

    #[test]
    fn a_stop_ends_a_row_of_restarts() {
        let (mut session, observed) = ended(0, Duration::ZERO, ExitStatus::exited(3));
        session.stop_requested = true;
        assert!(matches!(next_step(&session, &observed, NOW), Step::Finish(SessionState::Error, ..)));
        for stopped in [ExitStatus::signaled(15), ExitStatus::signaled(9), ExitStatus::exited(143)] {
            let observed = Observed::Present(instance(InstanceState::Exited, Some(stopped)));
            let expected = Step::Finish(SessionState::Stopped, None, Some(stopped));
            assert_eq!(next_step(&session, &observed, NOW), expected, "stopped, and not written down");
        }
        let mut for_memory = ExitStatus::signaled(9);
        for_memory.out_of_memory = true;
        let died = Observed::Present(instance(InstanceState::Exited, Some(for_memory)));
        assert!(matches!(next_step(&session, &died, NOW), Step::Finish(SessionState::Error, ..)));
        session.status = SessionState::Starting;
        session.starting_at = Some(NOW);
        assert_eq!(next_step(&session, &observed, NOW), Step::Record(SessionState::Stopping), "while it waits");
    }

    #[test]
    fn a_restart_waits_its_time() {
        let (mut session, observed) = ended(1, Duration::ZERO, ExitStatus::exited(3));
        let later = NOW + Duration::from_secs(5);
        Recovery { row: 1, not_before: Some(later), doomed: None }.keep(&mut session);
        session.status = SessionState::Starting;
        session.starting_at = Some(NOW);
        assert_eq!(next_step(&session, &observed, NOW), Step::WaitUntil(later));
        assert_eq!(next_step(&session, &observed, later), Step::Start);
    }

    #[test]
    fn a_failed_health_check_ends_the_instance_and_counts_as_a_failure() {
        let (mut session, _) = ended(0, Duration::ZERO, ExitStatus::exited(0));
        let mut sick = instance(InstanceState::Running, None);
        sick.failing = true;
        let Step::Doom(why) = next_step(&session, &Observed::Present(sick.clone()), NOW) else { panic!() };
        Recovery { doomed: Some(why), ..Recovery::default() }.keep(&mut session);
        assert_eq!(next_step(&session, &Observed::Present(sick), NOW), Step::Stop);
        let gone = Observed::Present(instance(InstanceState::Exited, Some(ExitStatus::exited(0))));
        let Step::Again { reason, .. } = next_step(&session, &gone, NOW) else { panic!() };
        assert_eq!(reason, "its health check failed");
        session.container_config.restart = None;
        let Step::Finish(SessionState::Error, Some(message), _) = next_step(&session, &gone, NOW) else { panic!() };
        assert_eq!(message, "its health check failed");
    }

    #[test]
    fn too_much_memory_is_told_as_that() {
        let mut exit = ExitStatus::exited(137);
        exit.out_of_memory = true;
        let (mut session, observed) = ended(0, Duration::ZERO, exit);
        session.container_config.restart = None;
        let Step::Finish(SessionState::Error, Some(message), _) = next_step(&session, &observed, NOW) else { panic!() };
        assert_eq!(message, "killed: out of memory");
    }
}
