//! How a body moves: acceleration and posture of a thigh through time, for each activity.

use std::f64::consts::{PI, TAU};

use triax_model::random::Stream;

use super::RATE_HZ;

const DT: f64 = 1.0 / RATE_HZ;

/// The thigh at one instant.
#[derive(Clone, Copy, Debug, Default)]
pub struct Instant {
    /// Forward, left, up; m/s², without gravity.
    pub acceleration: [f64; 3],
    /// How far the knee is lifted forward, in radians: 0 hangs, π/2 lies.
    pub pitch: f64,
    /// How far it leans to the side, in radians.
    pub roll: f64,
}

/// The activities, by name.
pub const ACTIVITIES: [Activity; 6] = [
    Activity { name: "jogging", kind: Kind::Jogging },
    Activity { name: "kicking", kind: Kind::Kicking },
    Activity { name: "sitting", kind: Kind::Sitting },
    Activity { name: "stairs", kind: Kind::Stairs },
    Activity { name: "standing", kind: Kind::Standing },
    Activity { name: "walking", kind: Kind::Walking },
];

/// One of the activities.
pub struct Activity {
    /// The class.
    pub name: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Jogging,
    Kicking,
    Sitting,
    Stairs,
    Standing,
    Walking,
}

/// The gait of an average person.
#[derive(Clone, Copy)]
struct Gait {
    /// Steps a second, both feet.
    steps_hz: f64,
    /// Amplitudes at the step frequency (up, forward) and the stride frequency (sideways), m/s².
    bounce: f64,
    surge: f64,
    sway: f64,
    /// Amplitude and mean of the thigh's pitch, radians.
    swing: f64,
    lift: f64,
    /// Peak of the ring that a foot strike sends up the leg, m/s².
    impact: f64,
    /// How much cadence and vigour wander (relative standard deviation).
    unevenness: f64,
}

const WALKING: Gait =
    Gait { steps_hz: 1.85, bounce: 3.2, surge: 1.7, sway: 1.1, swing: 0.36, lift: 0.06, impact: 5.0, unevenness: 0.06 };
const JOGGING: Gait =
    Gait { steps_hz: 2.6, bounce: 8.5, surge: 3.2, sway: 2.2, swing: 0.5, lift: 0.15, impact: 11.0, unevenness: 0.06 };
const UPSTAIRS: Gait =
    Gait { steps_hz: 1.55, bounce: 2.9, surge: 1.6, sway: 1.3, swing: 0.42, lift: 0.36, impact: 3.2, unevenness: 0.1 };
const DOWNSTAIRS: Gait =
    Gait { steps_hz: 1.85, bounce: 3.6, surge: 1.4, sway: 1.3, swing: 0.27, lift: 0.15, impact: 7.5, unevenness: 0.1 };

/// A value that wanders about 0 (an Ornstein–Uhlenbeck process).
pub struct Wander {
    value: f64,
    spread: f64,
    keep: f64,
}

impl Wander {
    /// A process of standard deviation `spread` and correlation time `seconds`, at a random value.
    pub fn new(spread: f64, seconds: f64, stream: &mut Stream) -> Self {
        Self { value: spread * stream.normal(), spread, keep: (-DT / seconds).exp() }
    }

    /// Advances by one sample.
    pub fn advance(&mut self, stream: &mut Stream) -> f64 {
        let renewed = (1.0 - self.keep * self.keep).sqrt();
        self.value = self.keep * self.value + renewed * self.spread * stream.normal();
        self.value
    }
}

/// The properties of a person.
pub struct Body {
    /// Factors on the cadence and the amplitudes of every gait.
    cadence: f64,
    vigour: f64,
    /// Share of the impact that arrives from the other leg.
    other_leg: f64,
    /// Amplitude of the second harmonic relative to the first.
    second: f64,
    /// Phases of the harmonics, radians.
    phases: [f64; 5],
    /// Frequency (Hz) and decay time (s) of the ring after a foot strike.
    ring_hz: f64,
    ring_decay: f64,
    /// Pitch of the thigh when sitting and when standing, radians.
    sitting: f64,
    standing: f64,
    /// Standard deviation of the sway when still, radians.
    sway: f64,
    /// Fidgets a second when still.
    fidgets_hz: f64,
    /// Seconds between kicks, on average.
    kick_pause: f64,
}

impl Body {
    /// A random person.
    pub fn random(stream: &mut Stream) -> Self {
        let vary = |stream: &mut Stream, spread: f64| (spread * stream.normal()).exp();
        Self {
            cadence: vary(stream, 0.06),
            vigour: vary(stream, 0.17),
            other_leg: 0.3 + 0.4 * f64::from(stream.uniform()),
            second: 0.4 * vary(stream, 0.3),
            phases: [(); 5].map(|()| 0.4 * stream.normal()),
            ring_hz: 5.0 + 4.0 * f64::from(stream.uniform()),
            ring_decay: 0.05 + 0.05 * f64::from(stream.uniform()),
            sitting: 1.25 + 0.2 * stream.normal(),
            standing: 0.08 * stream.normal(),
            sway: 0.01 + 0.03 * f64::from(stream.uniform()),
            fidgets_hz: 0.02 + 0.1 * f64::from(stream.uniform()),
            kick_pause: 2.0 + 2.0 * f64::from(stream.uniform()),
        }
    }

    /// Starts a take of the activity with index `class`.
    pub fn start<'a>(&'a self, class: usize, stream: &mut Stream) -> Motion<'a> {
        let still = |pitch: f64, stream: &mut Stream| Stillness::new(self, pitch, stream);
        match ACTIVITIES[class].kind {
            Kind::Jogging => Motion::Walk(Stride::new(self, JOGGING, stream)),
            Kind::Walking => Motion::Walk(Stride::new(self, WALKING, stream)),
            Kind::Stairs => Motion::Climb(Climb {
                stride: Stride::new(self, UPSTAIRS, stream),
                seconds_left: 0.0,
                on_flight: false,
            }),
            Kind::Sitting => Motion::Stay(still(self.sitting + 0.15 * stream.normal(), stream)),
            Kind::Standing => Motion::Stay(still(self.standing + 0.06 * stream.normal(), stream)),
            Kind::Kicking => Motion::Kick(Kicking::new(self, stream)),
        }
    }
}

/// The motion of a take.
pub enum Motion<'a> {
    /// Walking or jogging.
    Walk(Stride<'a>),
    /// Stairs.
    Climb(Climb<'a>),
    /// Sitting or standing.
    Stay(Stillness<'a>),
    /// Kicking a ball.
    Kick(Kicking<'a>),
}

impl Motion<'_> {
    /// Advances by one sample.
    pub fn advance(&mut self, stream: &mut Stream) -> Instant {
        match self {
            Self::Walk(stride) => stride.advance(stream),
            Self::Climb(climb) => climb.advance(stream),
            Self::Stay(stillness) => stillness.advance(stream),
            Self::Kick(kicking) => kicking.advance(stream),
        }
    }
}

/// Walking or jogging.
pub struct Stride<'a> {
    body: &'a Body,
    gait: Gait,
    /// Of the stride (two steps), radians; the leg with the phone strikes at 0, the other at π.
    phase: f64,
    cadence: Wander,
    vigour: Wander,
    lean: Wander,
}

impl<'a> Stride<'a> {
    fn new(body: &'a Body, gait: Gait, stream: &mut Stream) -> Self {
        Self {
            body,
            gait,
            phase: TAU * f64::from(stream.uniform()),
            cadence: Wander::new(1.0, 3.0, stream),
            vigour: Wander::new(1.0, 2.0, stream),
            lean: Wander::new(0.05, 4.0, stream),
        }
    }

    fn advance(&mut self, stream: &mut Stream) -> Instant {
        let (body, gait) = (self.body, self.gait);
        let stride_hz = 0.5 * gait.steps_hz * body.cadence * (gait.unevenness * self.cadence.advance(stream)).exp();
        self.phase = (self.phase + TAU * stride_hz * DT) % TAU;
        let vigour = body.vigour * (2.0 * gait.unevenness * self.vigour.advance(stream)).exp();
        let phase = self.phase;
        let [p0, p1, p2, p3, p4] = body.phases;
        // Seconds since the leg with the phone struck, and since the other did.
        let since = |strike: f64| (phase - strike).rem_euclid(TAU) / (TAU * stride_hz);
        let ring = |seconds: f64| (-seconds / body.ring_decay).exp() * (TAU * body.ring_hz * seconds).cos();
        let impact = gait.impact * (ring(since(0.0)) + body.other_leg * ring(since(PI)));
        let up = gait.bounce * ((2.0 * phase + p0).cos() + body.second * (4.0 * phase + p1).cos()) + impact;
        let forward = gait.surge * ((2.0 * phase + p2).sin() + body.second * phase.sin()) - 0.5 * impact;
        let left = gait.sway * (phase + p3).sin();
        let swing = gait.swing * (phase.cos() + 0.3 * (2.0 * phase + p4).cos());
        Instant {
            acceleration: [vigour * forward, vigour * left, vigour * up],
            pitch: gait.lift + vigour.sqrt() * swing,
            roll: self.lean.advance(stream) + 0.06 * phase.sin(),
        }
    }
}

/// Stairs: flights, and level steps on the landings between them.
pub struct Climb<'a> {
    stride: Stride<'a>,
    seconds_left: f64,
    on_flight: bool,
}

impl Climb<'_> {
    fn advance(&mut self, stream: &mut Stream) -> Instant {
        self.seconds_left -= DT;
        if self.seconds_left <= 0.0 {
            self.on_flight = !self.on_flight;
            let (gait, seconds) = match (self.on_flight, stream.below(2)) {
                (true, 0) => (UPSTAIRS, 8.0),
                (true, _) => (DOWNSTAIRS, 7.0),
                (false, _) => (WALKING, 1.5),
            };
            self.stride.gait = gait;
            self.seconds_left = seconds * (0.6 + 0.8 * f64::from(stream.uniform()));
        }
        self.stride.advance(stream)
    }
}

/// Sitting or standing.
pub struct Stillness<'a> {
    body: &'a Body,
    pitch: f64,
    roll: f64,
    sway: [Wander; 2],
    fidget_left: f64,
    fidget: [Wander; 3],
}

impl<'a> Stillness<'a> {
    fn new(body: &'a Body, pitch: f64, stream: &mut Stream) -> Self {
        Self {
            body,
            pitch,
            roll: 0.12 * stream.normal(),
            sway: [(); 2].map(|()| Wander::new(body.sway, 2.5, stream)),
            fidget_left: 0.0,
            fidget: [(); 3].map(|()| Wander::new(0.8, 0.12, stream)),
        }
    }

    fn advance(&mut self, stream: &mut Stream) -> Instant {
        if f64::from(stream.uniform()) < self.body.fidgets_hz * DT {
            self.fidget_left = 0.4 + 1.2 * f64::from(stream.uniform());
            // After a fidget the posture is slightly different.
            self.pitch += 0.04 * stream.normal();
            self.roll += 0.04 * stream.normal();
        }
        self.fidget_left -= DT;
        let is_fidgeting = if self.fidget_left > 0.0 { 1.0 } else { 0.0 };
        let acceleration = self.fidget.each_mut().map(|wander| is_fidgeting * wander.advance(stream));
        let [pitch, roll] = self.sway.each_mut().map(|wander| wander.advance(stream));
        Instant { acceleration, pitch: self.pitch + pitch, roll: self.roll + roll }
    }
}

/// Kicking a ball, again and again.
pub struct Kicking<'a> {
    stance: Stillness<'a>,
    /// Shuffling into position between kicks.
    shuffle: Stride<'a>,
    /// Seconds since the kick began; below 0 it is still to come.
    since: f64,
    strength: f64,
    /// Whether the leg with the phone kicks. If the other leg does, a part of the motion arrives.
    own_leg: bool,
}

impl<'a> Kicking<'a> {
    fn new(body: &'a Body, stream: &mut Stream) -> Self {
        Self {
            stance: Stillness::new(body, body.standing, stream),
            shuffle: Stride::new(body, WALKING, stream),
            since: -body.kick_pause * f64::from(stream.uniform()),
            strength: 1.0,
            own_leg: stream.below(3) > 0,
        }
    }

    fn advance(&mut self, stream: &mut Stream) -> Instant {
        self.since += DT;
        if self.since > KICK_SECONDS {
            let body = self.stance.body;
            self.since = -body.kick_pause * (0.4 + 1.2 * f64::from(stream.uniform()));
            self.strength = body.vigour * (0.3 * stream.normal()).exp();
        }
        let mut instant = self.stance.advance(stream);
        let steps = self.shuffle.advance(stream);
        // Shuffling fades out towards the kick.
        let shuffling = if self.since < 0.0 { 0.45 * (-self.since).min(1.0) } else { 0.0 };
        for (sum, step) in instant.acceleration.iter_mut().zip(steps.acceleration) {
            *sum += shuffling * step;
        }
        instant.pitch += shuffling * steps.pitch;
        instant.roll += shuffling * steps.roll;
        if self.since >= 0.0 {
            let share = if self.own_leg { 1.0 } else { 0.4 };
            let strength = share * self.strength;
            // The leg draws back, then swings through; the ball is struck at the fastest point.
            let turn = TAU * self.since / KICK_SECONDS;
            instant.pitch += strength * (0.25 - 0.65 * (turn + 0.4).sin() * (0.5 * turn).sin());
            let strike = (self.since - 0.62 * KICK_SECONDS) / 0.05;
            let blow = 20.0 * (-strike * strike).exp();
            instant.acceleration[0] += strength * (5.0 * (turn + PI).sin() - blow);
            instant.acceleration[2] += strength * (3.0 * (2.0 * turn).sin() + 0.3 * blow);
            instant.acceleration[1] += strength * 1.5 * turn.sin();
        }
        instant
    }
}

/// From the first backward move of the leg to its return.
const KICK_SECONDS: f64 = 0.8;
