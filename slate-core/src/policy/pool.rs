//! How large a warm pool is to be: pure, so that what it does over time is tried out in tests without time or instances.

use crate::{Error, PoolMemberId, Result, Timestamp};
use std::time::Duration;

/// How many instances a pool holds ready, and how quickly it follows demand.
///
/// Ready ones are what is claimed from; the *buffer* says how many of them there should be. It is the greatest of
/// `min_ready`, `percent` of those claimed, and what demand would use up while new ones warm (`foresight`), at most
/// `max_ready`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PoolSpec {
    /// Fewest ready members; default 1. Zero lets a pool that nobody uses be empty.
    pub min_ready: u32,
    /// Most ready members; default 16.
    pub max_ready: u32,
    /// Ready members for each hundred that are claimed; default 0.
    pub percent: u32,
    /// Whether the buffer also covers the claims expected while a new member warms, by the rate seen; default `true`.
    pub foresight: bool,
    /// Fewest members in all, claimed ones too; default 0.
    pub min_total: u32,
    /// Most members in all, whatever their state; default 32.
    pub max_total: u32,
    /// Most members that warm at a time; default 4.
    pub max_warming: u32,
    /// Time for which there must be too many before some are removed, so that a short lull costs nothing; default 60 s.
    pub scale_down_delay: Duration,
    /// Age at which a ready member is replaced by a fresh one; default one hour.
    pub max_idle_age: Duration,
    /// Time after a claim before its successor is warmed, while others are ready: a burst isn't slowed by it; default 0.
    pub refill_delay: Duration,
    /// Time without any claim after which a pool with no claimed member is emptied; default never.
    pub zero_after: Option<Duration>,
    /// Wait after the first failure to warm a member; doubled by each further one; default 1 s.
    pub backoff: Duration,
    /// Longest such wait; default one minute.
    pub max_backoff: Duration,
    /// Failures in a row after which nothing is tried any more until the pool is started anew; default 10.
    pub max_failures: u32,
}

impl Default for PoolSpec {
    fn default() -> Self {
        Self {
            min_ready: 1,
            max_ready: 16,
            percent: 0,
            foresight: true,
            min_total: 0,
            max_total: 32,
            max_warming: 4,
            scale_down_delay: Duration::from_secs(60),
            max_idle_age: Duration::from_secs(3600),
            refill_delay: Duration::ZERO,
            zero_after: None,
            backoff: Duration::from_secs(1),
            max_backoff: Duration::from_secs(60),
            max_failures: 10,
        }
    }
}

impl PoolSpec {
    /// Most members that any pool may have.
    pub const MAX_TOTAL: u32 = 10_000;

    /// A pool that holds this many ready, and has at most `max_total` in all.
    pub fn fixed(ready: u32, max_total: u32) -> Self {
        Self { min_ready: ready, max_ready: ready, max_total, foresight: false, ..Self::default() }
    }

    /// Checks that the numbers fit each other.
    ///
    /// # Errors
    /// `Invalid`, naming what doesn't fit; `LimitExceeded` over [`MAX_TOTAL`](Self::MAX_TOTAL).
    pub fn validate(&self) -> Result<()> {
        if self.max_total > Self::MAX_TOTAL {
            return Err(Error::limit_exceeded("a pool has at most 10000 members").with("max_total", self.max_total));
        }
        let wrong = [
            (self.max_total == 0, "max_total is at least 1"),
            (self.min_ready > self.max_ready, "min_ready is at most max_ready"),
            (self.min_total > self.max_total, "min_total is at most max_total"),
            (self.min_ready > self.max_total, "min_ready is at most max_total"),
            (self.max_warming == 0, "max_warming is at least 1"),
            (self.max_failures == 0, "max_failures is at least 1"),
            (self.backoff > self.max_backoff, "backoff is at most max_backoff"),
        ];
        match wrong.into_iter().find(|(is_wrong, _)| *is_wrong) {
            Some((_, rule)) => Err(Error::invalid(rule)),
            None => Ok(()),
        }
    }

    /// Decides what a pool needs now.
    pub fn plan(&self, status: &PoolStatus, now: Timestamp) -> PoolPlan {
        let wanted = self.wanted_ready(status, now);
        let (ready, warming) = (count(status.ready.len()), status.warming);
        let mut plan = PoolPlan { wanted, ..PoolPlan::default() };

        // Old ones go a few at a time, so that a pool filled at once isn't emptied at once.
        let mut oldest_first = status.ready.clone();
        oldest_first.sort_by_key(|idle| (idle.since, idle.member));
        let aged = oldest_first.iter().filter(|idle| now.since(idle.since) >= self.max_idle_age).count();
        let aged = count(aged).min((ready / 4).max(1));

        let surplus = (ready + warming).saturating_sub(wanted).min(ready);
        let surplus_since = (surplus > 0).then(|| status.surplus_since.unwrap_or(now));
        let patient = surplus_since.is_some_and(|since| now.since(since) < self.scale_down_delay);
        let leaving = if patient { aged } else { surplus.max(aged) };
        plan.surplus_since = surplus_since;
        plan.remove = oldest_first.iter().take(leaving as usize).map(|idle| idle.member).collect();

        let missing = wanted.saturating_sub(ready - count(plan.remove.len()) + warming);
        // Those that leave still take their place until they are gone.
        let all = ready + warming + status.claimed + status.leaving;
        let room = self.max_total.saturating_sub(all).min(self.max_warming.saturating_sub(warming));
        plan.start = missing.min(room);
        if plan.start > 0 {
            plan.held_back = self.held_back(status, now);
            if plan.held_back.is_some() {
                plan.start = 0;
            }
        }
        plan
    }

    /// How many ready members there should be, those that warm among them.
    fn wanted_ready(&self, status: &PoolStatus, now: Timestamp) -> u32 {
        let unused = status.last_claim.unwrap_or(status.began);
        let lull = self.zero_after.is_some_and(|after| now.since(unused) >= after);
        let most = self.max_total.saturating_sub(status.claimed);
        let floor = self.min_total.saturating_sub(status.claimed);
        if lull && status.claimed == 0 && status.waiting == 0 {
            return floor.min(most);
        }
        let share = u64::from(status.claimed) * u64::from(self.percent);
        let share = u32::try_from(share.div_ceil(100)).unwrap_or(u32::MAX);
        let foreseen =
            if self.foresight { ceil(status.claims_per_second * status.warming_takes.as_secs_f64()) } else { 0 };
        let buffer = self.min_ready.max(share).max(foreseen).min(self.max_ready);
        // Those who wait need one each, beside the buffer.
        buffer.saturating_add(status.waiting).max(floor).min(most)
    }

    fn held_back(&self, status: &PoolStatus, now: Timestamp) -> Option<HeldBack> {
        if status.failures >= self.max_failures {
            return Some(HeldBack::GivenUp);
        }
        if let Some(failed) = status.last_failure.filter(|_| status.failures > 0) {
            let doubled = self.backoff.saturating_mul(1 << (status.failures - 1).min(20));
            if now.since(failed) < doubled.min(self.max_backoff) {
                return Some(HeldBack::Failed);
            }
        }
        let enough = !status.ready.is_empty() && status.waiting == 0;
        let fresh = status.last_claim.is_some_and(|claim| now.since(claim) < self.refill_delay);
        (enough && fresh).then_some(HeldBack::Refill)
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn ceil(number: f64) -> u32 {
    // A cast of floats saturates, and makes 0 of what is no number.
    number.ceil() as u32
}

/// What a pool is like at a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PoolStatus {
    /// Those that can be claimed.
    pub ready: Vec<Idle>,
    /// How many are being made ready.
    pub warming: u32,
    /// How many a session has.
    pub claimed: u32,
    /// How many are being removed.
    pub leaving: u32,
    /// How many sessions wait for one.
    pub waiting: u32,
    /// Claims a second, as [`Demand`] estimates them.
    pub claims_per_second: f64,
    /// The time that it takes to warm a member, as seen lately.
    pub warming_takes: Duration,
    /// When the last one was claimed.
    pub last_claim: Option<Timestamp>,
    /// When this pool's keeper began.
    pub began: Timestamp,
    /// Since when there have been too many, as the plan before this one said.
    pub surplus_since: Option<Timestamp>,
    /// Failures in a row to warm a member.
    pub failures: u32,
    /// When the last of them was.
    pub last_failure: Option<Timestamp>,
}

/// A ready member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idle {
    /// Which.
    pub member: PoolMemberId,
    /// Since when it has been ready.
    pub since: Timestamp,
}

/// What a pool needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PoolPlan {
    /// How many ready and warming members there should be.
    pub wanted: u32,
    /// How many to warm now.
    pub start: u32,
    /// Which ready members to remove now; never one that is claimed.
    pub remove: Vec<PoolMemberId>,
    /// Since when there have been too many; the next [`PoolStatus`] carries it on.
    pub surplus_since: Option<Timestamp>,
    /// Why none is warmed though some are missing.
    pub held_back: Option<HeldBack>,
}

/// Why a pool that lacks members warms none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeldBack {
    /// The last one failed, and its wait isn't over.
    Failed,
    /// Too many failed in a row.
    GivenUp,
    /// One was claimed just now.
    Refill,
}

/// An estimate of how often members are claimed: a mean in which older claims weigh less, by half each minute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Demand {
    /// Claims a second.
    rate: f64,
    at: Timestamp,
}

impl Demand {
    const HALF_LIFE: f64 = 60.0;

    /// No demand so far.
    pub const fn new(now: Timestamp) -> Self {
        Self { rate: 0.0, at: now }
    }

    /// Takes so many claims since the last call into account.
    pub fn record(&mut self, claims: u32, now: Timestamp) {
        let span = now.since(self.at).as_secs_f64();
        if span <= 0.0 {
            // Two looks at one moment: the claims count as a share of a second, rather than at an endless rate.
            self.rate += f64::from(claims) * std::f64::consts::LN_2 / Self::HALF_LIFE;
            return;
        }
        let kept = 0.5_f64.powf(span / Self::HALF_LIFE);
        self.rate = self.rate * kept + f64::from(claims) / span * (1.0 - kept);
        self.at = now;
    }

    /// Claims a second.
    pub const fn per_second(&self) -> f64 {
        self.rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::mix;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_760_000_000_000 + seconds * 1000)
    }

    fn idle(count: u32, since: i64) -> Vec<Idle> {
        (0..count).map(|n| Idle { member: PoolMemberId::from_u128(u128::from(n) + 1), since: at(since) }).collect()
    }

    fn status(ready: u32) -> PoolStatus {
        PoolStatus { ready: idle(ready, 0), began: at(0), ..PoolStatus::default() }
    }

    /// A source of small random numbers.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, below: u32) -> u32 {
            self.0 = mix(self.0);
            (self.0 >> 33) as u32 % below.max(1)
        }
    }

    fn random_spec(dice: &mut Dice) -> PoolSpec {
        let max_total = 1 + dice.roll(40);
        let max_ready = dice.roll(20).min(max_total);
        PoolSpec {
            min_ready: dice.roll(max_ready + 1),
            max_ready,
            percent: dice.roll(300),
            foresight: dice.roll(2) == 0,
            min_total: dice.roll(max_total + 1),
            max_total,
            max_warming: 1 + dice.roll(8),
            scale_down_delay: Duration::from_secs(dice.roll(90).into()),
            max_idle_age: Duration::from_secs(1 + u64::from(dice.roll(1000))),
            refill_delay: Duration::from_secs(dice.roll(10).into()),
            zero_after: (dice.roll(2) == 0).then(|| Duration::from_secs(dice.roll(100).into())),
            ..PoolSpec::default()
        }
    }

    fn random_status(dice: &mut Dice) -> PoolStatus {
        PoolStatus {
            ready: (0..dice.roll(40))
                .map(|n| Idle {
                    member: PoolMemberId::from_u128(n.into()),
                    since: at(i64::from(dice.roll(2000)) - 2000),
                })
                .collect(),
            warming: dice.roll(10),
            claimed: dice.roll(40),
            leaving: dice.roll(5),
            waiting: dice.roll(5),
            claims_per_second: f64::from(dice.roll(1000)) / 100.0,
            warming_takes: Duration::from_millis(dice.roll(5000).into()),
            last_claim: (dice.roll(2) == 0).then(|| at(-i64::from(dice.roll(200)))),
            began: at(-i64::from(dice.roll(200))),
            surplus_since: (dice.roll(2) == 0).then(|| at(-i64::from(dice.roll(200)))),
            failures: dice.roll(12),
            last_failure: (dice.roll(2) == 0).then(|| at(-i64::from(dice.roll(100)))),
        }
    }

    #[test]
    fn no_plan_ever_breaks_a_limit() {
        let mut dice = Dice(7);
        for _ in 0..20_000 {
            let (spec, status) = (random_spec(&mut dice), random_status(&mut dice));
            spec.validate().unwrap();
            let plan = spec.plan(&status, at(0));
            let all = count(status.ready.len()) + status.warming + status.claimed + status.leaving;
            assert!(plan.start == 0 || all + plan.start <= spec.max_total, "{spec:?} {status:?} {plan:?}");
            assert!(plan.start == 0 || status.warming + plan.start <= spec.max_warming);
            assert!(plan.remove.iter().all(|member| status.ready.iter().any(|idle| idle.member == *member)));
            let mut once = plan.remove.clone();
            once.dedup();
            assert_eq!(once.len(), plan.remove.len(), "a member is removed once");
            assert!(status.failures < spec.max_failures || plan.start == 0, "given up is given up");
            assert!(plan.held_back.is_none() || plan.start == 0);
        }
    }

    /// Whatever a pool is like, under steady demand it comes to what is wanted and then rests.
    #[test]
    fn a_pool_comes_to_rest_where_it_is_wanted() {
        let mut dice = Dice(11);
        for _ in 0..500 {
            let spec = PoolSpec { max_idle_age: Duration::from_secs(1_000_000), ..random_spec(&mut dice) };
            let mut status = PoolStatus { failures: 0, ..random_status(&mut dice) };
            status.claimed = status.claimed.min(spec.max_total);
            (status.leaving, status.waiting, status.last_claim) = (0, 0, Some(at(0)));
            // The clock goes past every lull before it counts.
            let (mut now, mut changed_at, mut next) = (10_000, 10_000, 1_000_000_u128);
            for _ in 0..600 {
                now += 1;
                let plan = spec.plan(&status, at(now));
                status.surplus_since = plan.surplus_since;
                if plan.start > 0 || !plan.remove.is_empty() || status.warming > 0 {
                    changed_at = now;
                }
                status.ready.retain(|idle| !plan.remove.contains(&idle.member));
                for _ in 0..status.warming {
                    next += 1;
                    status.ready.push(Idle { member: PoolMemberId::from_u128(next), since: at(now) });
                }
                status.warming = plan.start;
            }
            let wanted = spec.plan(&status, at(now)).wanted;
            assert_eq!(count(status.ready.len()) + status.warming, wanted, "{spec:?} {status:?}");
            assert!(now - changed_at > 100, "it is at rest: {spec:?} {status:?}");
        }
    }

    /// Demand that comes and goes more quickly than the delay removes nobody.
    #[test]
    fn a_lull_shorter_than_the_delay_removes_nobody() {
        let spec = PoolSpec { percent: 100, min_ready: 0, foresight: false, ..PoolSpec::default() };
        let mut status = status(8);
        for second in 0..600 {
            status.claimed = if second % 50 < 25 { 8 } else { 0 };
            let plan = spec.plan(&status, at(second));
            status.surplus_since = plan.surplus_since;
            assert!(plan.remove.is_empty() && plan.start == 0, "at {second}: {plan:?}");
        }
        status.claimed = 0;
        let gone = (600..700).find(|second| {
            let plan = spec.plan(&status, at(*second));
            status.surplus_since = plan.surplus_since;
            plan.remove.len() == 8
        });
        // The last lull began at 575.
        assert_eq!(gone, Some(635));
    }

    #[test]
    fn the_buffer_is_a_number_a_share_or_what_is_foreseen() {
        let spec = PoolSpec { min_ready: 2, max_ready: 10, percent: 25, max_total: 100, ..PoolSpec::default() };
        let wanted = |claimed, rate, waiting| {
            let status = PoolStatus {
                claimed,
                waiting,
                claims_per_second: rate,
                warming_takes: Duration::from_millis(500),
                ..status(0)
            };
            spec.plan(&status, at(0)).wanted
        };
        assert_eq!(wanted(0, 0.0, 0), 2, "the number");
        assert_eq!(wanted(13, 0.0, 0), 4, "a quarter of those claimed, rounded up");
        assert_eq!(wanted(0, 9.0, 0), 5, "nine a second for half a second");
        assert_eq!(wanted(80, 0.0, 0), 10, "at most max_ready");
        assert_eq!(wanted(0, 0.0, 3), 5, "and one for each who waits");
        assert_eq!(wanted(97, 0.0, 9), 3, "and never more than max_total in all");
    }

    #[test]
    fn an_unused_pool_goes_to_zero_and_comes_back_for_whoever_waits() {
        let spec = PoolSpec { zero_after: Some(Duration::from_secs(300)), ..PoolSpec::default() };
        let mut idle = status(1);
        assert!(spec.plan(&idle, at(299)).remove.is_empty());
        let plan = spec.plan(&idle, at(300));
        assert_eq!((plan.wanted, plan.remove.len()), (0, 0), "it waits for the delay all the same");
        idle.surplus_since = plan.surplus_since;
        assert_eq!(spec.plan(&idle, at(360)).remove.len(), 1);
        let empty = PoolStatus { waiting: 1, ..status(0) };
        assert_eq!(spec.plan(&empty, at(9000)).start, 2, "one for who waits, one for the buffer");
    }

    #[test]
    fn failures_are_waited_out_longer_and_longer_and_end() {
        let spec = PoolSpec::default();
        let failed = |failures, second| {
            let status = PoolStatus { failures, last_failure: Some(at(0)), ..status(0) };
            let plan = spec.plan(&status, at(second));
            (plan.start, plan.held_back)
        };
        assert_eq!(failed(1, 0), (0, Some(HeldBack::Failed)));
        assert_eq!(failed(1, 1), (1, None));
        assert_eq!(failed(4, 7), (0, Some(HeldBack::Failed)));
        assert_eq!(failed(4, 8), (1, None));
        assert_eq!(failed(9, 60), (1, None), "at most a minute");
        assert_eq!(failed(10, 100_000), (0, Some(HeldBack::GivenUp)));
    }

    #[test]
    fn a_claim_is_refilled_after_a_moment_unless_the_last_one_was_taken() {
        let spec = PoolSpec { min_ready: 2, refill_delay: Duration::from_secs(5), ..PoolSpec::default() };
        let claimed = |ready, second| {
            let status = PoolStatus { last_claim: Some(at(0)), claimed: 1, ..status(ready) };
            spec.plan(&status, at(second)).start
        };
        assert_eq!(claimed(1, 4), 0);
        assert_eq!(claimed(1, 5), 1);
        assert_eq!(claimed(0, 0), 2);
    }

    #[test]
    fn old_members_are_replaced_a_few_at_a_time() {
        let spec = PoolSpec { min_ready: 8, ..PoolSpec::default() };
        let plan = spec.plan(&status(8), at(3600));
        assert_eq!((plan.remove.len(), plan.start), (2, 2), "a quarter, and as many new ones");
        assert!(spec.plan(&status(8), at(3599)).remove.is_empty());
    }

    #[test]
    fn demand_is_a_mean_that_forgets() {
        let mut demand = Demand::new(at(0));
        for second in 1..=600 {
            demand.record(2, at(second));
        }
        assert!((1.95..=2.05).contains(&demand.per_second()), "{demand:?}");
        demand.record(0, at(660));
        assert!((0.95..=1.05).contains(&demand.per_second()), "{demand:?}");
        demand.record(0, at(6600));
        assert!(demand.per_second() < 0.001);
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused() {
        PoolSpec::default().validate().unwrap();
        PoolSpec::fixed(3, 5).validate().unwrap();
        let bad = [
            PoolSpec { max_total: 0, ..PoolSpec::default() },
            PoolSpec { max_total: 20_000, ..PoolSpec::default() },
            PoolSpec { min_ready: 17, ..PoolSpec::default() },
            PoolSpec { min_total: 33, ..PoolSpec::default() },
            PoolSpec { max_warming: 0, ..PoolSpec::default() },
            PoolSpec { max_failures: 0, ..PoolSpec::default() },
            PoolSpec { backoff: Duration::from_secs(61), ..PoolSpec::default() },
            PoolSpec::fixed(6, 5),
        ];
        for spec in bad {
            assert!(spec.validate().is_err(), "{spec:?}");
        }
    }
}
