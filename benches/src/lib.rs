//! A small harness: contenders take turns in one process, and each is told by its ratio to the first.
//!
//! ```no_run
//! use slate_benches::{Contest, Watch};
//!
//! let numbers: Vec<u64> = (0..1000).collect();
//! Contest::new("Sum of 1000 numbers", "number")
//!     .contender("a loop", || {
//!         let mut watch = Watch::new();
//!         watch.time(1000, || std::hint::black_box(&numbers).iter().sum::<u64>());
//!         Ok(watch.sample())
//!     })
//!     .run()?;
//! # Ok::<(), slate_benches::BoxError>(())
//! ```
//!
//! A machine whose cores others use too gives times that wander by a factor of two. What doesn't wander is the ratio of two
//! contenders that ran within the same second: so rounds go A B C, C B A, the ratio is taken in each round, and the median
//! of those is reported. Every other round is turned round because who comes first has it easier where disks are written: a
//! contender held against itself came out at 0.91 to 0.93 in the second place. CPU time of the process stands beside it, which
//! waits for disks and for other processes aren't in.

pub mod assets;
pub mod inputs;
pub mod jobs;
pub mod programs;

use rustix::time::{ClockId, clock_gettime};
use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    time::{Duration, Instant},
};

/// Whatever went wrong: a benchmark that can't do its work says so and ends.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// What a contender gives.
pub type Result<T, E = BoxError> = std::result::Result<T, E>;

/// What one run of a contender did, and how long that took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// Units of work: messages, lines, jobs.
    pub units: f64,
    /// Time that passed.
    pub wall: Duration,
    /// Time that all threads of the process spent on a core.
    pub cpu: Duration,
}

impl Sample {
    /// Units of work a second.
    pub fn rate(&self) -> f64 {
        self.units / self.wall.as_secs_f64().max(1e-9)
    }

    /// Microseconds of CPU time for each unit.
    pub fn cpu_micros(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.units.max(1e-9)
    }
}

/// Times parts of a contender's run: what is prepared between them isn't counted.
#[derive(Debug, Default)]
pub struct Watch(Sample);

impl Watch {
    /// A watch that stands at zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Times work of this many units.
    pub fn time<T>(&mut self, units: usize, work: impl FnOnce() -> T) -> T {
        let (wall, cpu) = (Instant::now(), process_cpu());
        let result = std::hint::black_box(work());
        self.add(units, wall, cpu);
        result
    }

    /// Times work that waits.
    pub async fn time_async<T>(&mut self, units: usize, work: impl Future<Output = T>) -> T {
        let (wall, cpu) = (Instant::now(), process_cpu());
        let result = std::hint::black_box(work.await);
        self.add(units, wall, cpu);
        result
    }

    /// What it shows.
    pub fn sample(self) -> Sample {
        self.0
    }

    fn add(&mut self, units: usize, wall: Instant, cpu: Duration) {
        self.0.wall += wall.elapsed();
        self.0.cpu += process_cpu().saturating_sub(cpu);
        self.0.units += units as f64;
    }
}

/// The CPU time that all threads of this process have used.
fn process_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// How many rounds are run: `--rounds N` on the command line, else `default`.
pub fn rounds(default: usize) -> usize {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--rounds").skip(1);
    arguments.next().and_then(|text| text.parse().ok()).unwrap_or(default).max(1)
}

/// Whether the command line wants a table: those whose title holds one of its plain words, all without any.
pub fn is_wanted(title: &str) -> bool {
    let words: Vec<String> = std::env::args().skip(1).take_while(|argument| !argument.starts_with("--")).collect();
    words.is_empty() || words.iter().any(|word| title.to_lowercase().contains(&word.to_lowercase()))
}

/// Contenders for the same work; the first is what the others are compared with.
pub struct Contest<'a> {
    title: String,
    unit: &'static str,
    rounds: usize,
    contenders: Vec<Contender<'a>>,
}

struct Contender<'a> {
    name: String,
    note: String,
    run: Box<dyn FnMut() -> Result<Sample> + 'a>,
}

impl<'a> Contest<'a> {
    /// A contest without contenders, of five rounds unless the command line says otherwise.
    pub fn new(title: impl Into<String>, unit: &'static str) -> Self {
        Self { title: title.into(), unit, rounds: rounds(5), contenders: Vec::new() }
    }

    /// Adds a contender.
    #[must_use]
    pub fn contender(self, name: impl Into<String>, run: impl FnMut() -> Result<Sample> + 'a) -> Self {
        self.noted(name, "", run)
    }

    /// Adds a contender with a remark, for example how good its result is.
    #[must_use]
    pub fn noted(
        mut self,
        name: impl Into<String>,
        note: impl Into<String>,
        run: impl FnMut() -> Result<Sample> + 'a,
    ) -> Self {
        self.contenders.push(Contender { name: name.into(), note: note.into(), run: Box::new(run) });
        self
    }

    /// Runs one round that isn't counted, then the rounds, and prints the table.
    ///
    /// # Errors
    /// The first of any contender.
    pub fn run(mut self) -> Result<()> {
        if !is_wanted(&self.title) {
            return Ok(());
        }
        let mut rows: BTreeMap<usize, Vec<Sample>> = BTreeMap::new();
        for round in 0..=self.rounds {
            let mut order: Vec<(usize, &mut Contender<'_>)> = self.contenders.iter_mut().enumerate().collect();
            if round % 2 == 1 {
                order.reverse();
            }
            for (index, contender) in order {
                let sample = (contender.run)().map_err(|error| format!("{}: {error}", contender.name))?;
                if round > 0 {
                    rows.entry(index).or_default().push(sample);
                }
            }
        }
        print!("{}", Table { contest: &self, rows: &rows });
        Ok(())
    }
}

struct Table<'a> {
    contest: &'a Contest<'a>,
    rows: &'a BTreeMap<usize, Vec<Sample>>,
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { contest, rows } = self;
        let notes = contest.contenders.iter().any(|contender| !contender.note.is_empty());
        writeln!(f, "### {}\n", contest.title)?;
        write!(f, "| contender | {0}s/s | slowest – quickest | CPU µs/{0} | ratio |", contest.unit)?;
        writeln!(f, "{}", if notes { " |" } else { "" })?;
        writeln!(f, "|---|---:|---:|---:|---:|{}", if notes { "---|" } else { "" })?;
        let Some(first) = rows.get(&0) else { return Ok(()) };
        for (index, samples) in *rows {
            let Contender { name, note, .. } = &contest.contenders[*index];
            let rates: Vec<f64> = samples.iter().map(Sample::rate).collect();
            let cpu = median(samples.iter().map(Sample::cpu_micros).collect());
            let ratio = median(samples.iter().zip(first).map(|(own, first)| own.rate() / first.rate()).collect());
            let (slowest, quickest) =
                rates.iter().fold((f64::MAX, 0.0f64), |(low, high), &rate| (low.min(rate), high.max(rate)));
            write!(f, "| {name} | {} | {} – {}", short(median(rates)), short(slowest), short(quickest))?;
            write!(f, " | {} | {}× |", short(cpu), short(ratio))?;
            writeln!(f, "{}", if notes { format!(" {note} |") } else { String::new() })?;
        }
        writeln!(f, "\n{} rounds, medians; the ratio is of each round's rates.\n", contest.rounds)
    }
}

/// The middle value; the mean of the two middle ones of an even number.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => values[len / 2],
        len => (values[len / 2 - 1] + values[len / 2]) / 2.0,
    }
}

/// A number with three digits that count.
fn short(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude >= 1e6 {
        format!("{:.2} M", value / 1e6)
    } else if magnitude >= 1e5 {
        format!("{:.0} k", value / 1e3)
    } else if magnitude >= 1e4 {
        format!("{:.1} k", value / 1e3)
    } else if magnitude >= 100.0 {
        format!("{value:.0}")
    } else if magnitude >= 10.0 {
        format!("{value:.1}")
    } else if magnitude >= 0.1 || magnitude == 0.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.2e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(Vec::new()).is_nan());
    }

    #[test]
    fn numbers_are_short() {
        let numbers = [(1_234_567.0, "1.23 M"), (123_456.0, "123 k"), (12_345.0, "12.3 k"), (0.5, "0.50")];
        for (number, text) in numbers {
            assert_eq!(short(number), text);
        }
    }

    #[test]
    fn a_watch_counts_only_what_it_times() {
        let mut watch = Watch::new();
        watch.time(2, || ());
        std::thread::sleep(Duration::from_millis(20));
        watch.time(3, || ());
        let sample = watch.sample();
        assert_eq!(sample.units, 5.0);
        assert!(sample.wall < Duration::from_millis(20), "{sample:?}");
    }
}
