//! What a search may spend: trainings, time, or work.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use triax_model::Network;

/// What a search may spend.
///
/// A time is turned into work when a search begins, by steps that are timed on its device. So a search that is resumed or
/// repeated ends the same, however fast the machine is then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Budget {
    /// So many trainings, whatever each costs. Written `200`.
    Trainings(u64),
    /// About so long. Written `90s`, `10m` or `2h`.
    Time(Duration),
    /// So many millions of multiply-adds of forward passes in training. Written in thousands of millions, `5200GMAC`.
    Work(u64),
}

impl Budget {
    /// The default: ten minutes.
    pub const DEFAULT: Self = Self::Time(Duration::from_secs(600));
}

/// What a window costs in a step besides its multiply-adds, in multiply-adds: gathering, scaling, pools, activations, loss and
/// updates. It keeps the smallest networks from counting for nothing.
const PER_WINDOW: u64 = 100_000;

/// The work of `n_windows` windows in training, in millions of multiply-adds, rounded up.
pub fn work(network: &Network, n_windows: u64) -> u64 {
    (network.cost().multiply_adds() + PER_WINDOW).saturating_mul(n_windows).div_ceil(1_000_000)
}

/// What a window to train on costs a classical model, in multiply-adds: its features and its part of the fit. It is that of five
/// epochs of the reference network: in a study of WISDM 2 on two processors (27 November 2026) the three methods took 0.2 to 0.4
/// of the time of ten epochs, and 0.4 to 0.6 with oriented features.
const CLASSICAL: u64 = 3_500_000;

/// The work of a classical model that is trained on `n_windows` windows, as [`work`] has it.
pub fn classical_work(n_windows: u64) -> u64 {
    CLASSICAL.saturating_mul(n_windows).div_ceil(1_000_000)
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trainings(n) => n.fmt(f),
            Self::Time(time) => match time.as_secs() {
                s if s % 3600 == 0 => write!(f, "{}h", s / 3600),
                s if s % 60 == 0 => write!(f, "{}m", s / 60),
                s => write!(f, "{s}s"),
            },
            Self::Work(millions) if millions % 1000 == 0 => write!(f, "{}GMAC", millions / 1000),
            Self::Work(millions) => {
                let text = format!("{}.{:03}", millions / 1000, millions % 1000);
                write!(f, "{}GMAC", text.trim_end_matches('0'))
            }
        }
    }
}

impl FromStr for Budget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let number = |unit: &str| text.strip_suffix(unit).and_then(|number| number.trim_end().parse::<f64>().ok());
        let seconds = |number: f64, unit: u64| (number * unit as f64).round() as u64;
        let budget = match text.parse() {
            Ok(n) => Some(Self::Trainings(n)),
            Err(_) => number("GMAC")
                .map(|thousands| Self::Work((thousands * 1000.0).round() as u64))
                .or_else(|| number("h").map(|n| Self::Time(Duration::from_secs(seconds(n, 3600)))))
                .or_else(|| number("m").map(|n| Self::Time(Duration::from_secs(seconds(n, 60)))))
                .or_else(|| number("s").map(|n| Self::Time(Duration::from_secs(seconds(n, 1))))),
        };
        let is_some = |budget: &Self| match budget {
            Self::Trainings(n) | Self::Work(n) => *n > 0,
            Self::Time(time) => !time.is_zero(),
        };
        budget.filter(is_some).ok_or_else(|| {
            format!(
                "`{text}` is no budget; write a number of trainings (200), a time (90s, 10m, 2h) or work (5200GMAC)"
            )
        })
    }
}

impl From<Budget> for String {
    fn from(budget: Budget) -> Self {
        budget.to_string()
    }
}

impl TryFrom<String> for Budget {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_comes_back() {
        let seconds = |n| Budget::Time(Duration::from_secs(n));
        for (text, budget, shown) in [
            ("200", Budget::Trainings(200), "200"),
            ("10m", seconds(600), "10m"),
            ("90 s", seconds(90), "90s"),
            ("1.5h", seconds(5400), "90m"),
            ("2h", seconds(7200), "2h"),
            ("5200GMAC", Budget::Work(5_200_000), "5200GMAC"),
            ("0.25GMAC", Budget::Work(250), "0.25GMAC"),
        ] {
            assert_eq!(text.parse(), Ok(budget), "{text}");
            assert_eq!(budget.to_string(), shown);
            assert_eq!(shown.parse(), Ok(budget));
        }
        for bad in ["", "0", "0m", "-5", "10x", "m", "nanm", "-1h", "1e99"] {
            assert!(bad.parse::<Budget>().is_err(), "{bad}");
        }
    }
}
