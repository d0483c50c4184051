//! How loud a sound is to be, and where it begins and ends: measured before anything is written.

use super::{
    chain::stream,
    loops::Loop,
    loudness::{Loudness, Meter},
    shape::{Edges, Plan, Shaper},
};
use slate_core::{
    Result,
    asset::{AudioOptions, Normalize, Work},
};

/// No sound is made louder than by this: what is as quiet as that is noise.
const LOUDER: f64 = 40.0;
/// What the limiter may take.
const LIMITED: f64 = 12.0;
/// How near to the goal is near enough, in LU.
const NEAR: f64 = 0.03;
/// How often a limited sound is measured again.
const ROUNDS: usize = 4;
/// Left below the ceiling for what the limiter's own changes add between samples.
const MARGIN: f32 = 0.995;

/// What is to be done.
pub(super) struct Levelled {
    pub(super) plan: Plan,
    /// The sound as it was, where that was measured.
    pub(super) source: Option<Loudness>,
    /// The share of all work that this was.
    pub(super) share: f32,
}

pub(super) fn level(work: &Work<'_>, options: &AudioOptions, looped: Option<Loop>) -> Result<Levelled> {
    let (channels, rate) = (usize::from(options.channels), options.sample_rate);
    let frames = |seconds: f32| (f64::from(seconds) * f64::from(rate)) as u64;
    let (fade_in, fade_out) = (frames(options.fade_in), frames(options.fade_out));
    let mut plan = Plan { first: 0, end: u64::MAX, fade_in, fade_out, gain: 1.0, ceiling: None };
    if !options.normalize && options.trim_silence.is_none() && fade_out == 0 {
        return Ok(Levelled { plan, source: None, share: 0.0 });
    }
    let mut edges = options.trim_silence.map(|level| Edges::new(channels, factor(level.into())));
    let mut meter = Meter::new(channels, rate);
    let told = stream(work, options, &work.progress.part(0.0, 0.4), |frames| {
        if let Some(edges) = &mut edges {
            edges.push(frames);
        }
        meter.push(frames);
        Ok(())
    })?;
    (plan.first, plan.end) = edges.map_or((0, told.frames), |edges| edges.finish());
    if let Some(looped) = looped {
        // A loop is never cut.
        plan.first = plan.first.min(looped.start);
        plan.end = plan.end.max(looped.end.min(told.frames));
    }
    let source = meter.finish();
    let mut share = 0.4;
    if options.normalize {
        plan.gain = match options.normalize_to {
            // Players let through what is between the samples, too.
            Normalize::Peak if source.true_peak > 0.0 => factor(options.ceiling.into()) / source.true_peak,
            Normalize::Peak => 1.0,
            _ => {
                let (gain, ceiling) = to_loudness(work, options, plan, &source, &mut share)?;
                plan.ceiling = ceiling;
                gain
            }
        };
    }
    Ok(Levelled { plan, source: Some(source), share })
}

/// The gain, and the ceiling where there has to be one.
fn to_loudness(
    work: &Work<'_>,
    options: &AudioOptions,
    mut plan: Plan,
    source: &Loudness,
    share: &mut f32,
) -> Result<(f32, Option<f32>)> {
    let Some(loudness) = source.integrated else { return Ok((1.0, None)) };
    let (goal, ceiling) = (f64::from(options.loudness), factor(options.ceiling.into()));
    // Relative to the ceiling: what the highest peak may be before it is limited.
    let room = 20.0 * libm::log10(f64::from(ceiling / source.true_peak.max(1e-9))) + LIMITED;
    let most = LOUDER.min(room);
    let mut gain = (goal - loudness).min(most);
    let changed = plan.first > 0 || plan.end < source.frames || plan.fade_in + plan.fade_out > 0;
    let over = |gain: f64| source.true_peak * factor(gain) > ceiling;
    if !changed && !over(gain) {
        return Ok((factor(gain), None));
    }
    // What is cut, faded and limited changes the loudness: measure what comes of it, and correct.
    let channels = usize::from(options.channels);
    for round in 0..ROUNDS {
        plan.gain = factor(gain);
        plan.ceiling = over(gain).then_some(ceiling * MARGIN);
        let mut shaper = Shaper::new(plan, channels, options.sample_rate);
        let (mut meter, mut out) = (Meter::new(channels, options.sample_rate), Vec::new());
        let part = *share + 0.1 / (round + 1) as f32;
        stream(work, options, &work.progress.part(*share, part), |frames| {
            out.clear();
            shaper.push(frames, &mut out);
            meter.push(&out);
            Ok(())
        })?;
        *share = part;
        out.clear();
        shaper.finish(&mut out);
        meter.push(&out);
        let Some(heard) = meter.finish().integrated else { break };
        let error = goal - heard;
        let next = (gain + error).min(most);
        if error.abs() < NEAR || next == gain {
            break;
        }
        gain = next;
    }
    Ok((factor(gain), over(gain).then_some(ceiling * MARGIN)))
}

fn factor(decibels: f64) -> f32 {
    libm::pow(10.0, decibels / 20.0) as f32
}
