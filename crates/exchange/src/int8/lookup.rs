//! Activations other than ReLU: the integer of the result for each integer of a sum.

use triax_model::Activation;

use super::Grid;
use super::fixed_point::{Multiplier, divided_by_power, tanh};

/// How an activation becomes a table.
#[derive(Clone, Copy)]
pub enum Lookup {
    Leaky { slope: f32 },
    Elu,
    Tanh,
}

impl Lookup {
    /// The grid of a hyperbolic tangent: TensorFlow Lite has no other.
    pub const TANH_OUTPUT: Grid = Grid { scale: 1.0 / 128.0, zero_point: 0 };

    /// The table of `activation`, `None` if it needs none.
    ///
    /// # Errors
    /// The name of an activation that TensorFlow Lite Micro does not have in integers.
    pub fn of(activation: Activation) -> Result<Option<Self>, &'static str> {
        match activation {
            Activation::Relu | Activation::Linear => Ok(None),
            Activation::LeakyRelu { slope } => Ok(Some(Self::Leaky { slope })),
            Activation::Elu => Ok(Some(Self::Elu)),
            Activation::Tanh => Ok(Some(Self::Tanh)),
            Activation::Gelu => Err("GELU"),
        }
    }

    /// The results on `output` for the integers −128 to 127 of sums on `input`.
    pub fn table(self, input: Grid, output: Grid) -> Box<[i8; 256]> {
        let entry = |integer: i8| match self {
            Self::Leaky { slope } => {
                let x = i32::from(integer) - input.zero_point;
                let factor = if x >= 0 { input.scale / output.scale } else { input.scale * slope / output.scale };
                output.zero_point + Multiplier::of(f64::from(factor)).apply(x)
            }
            Self::Elu => {
                let x = input.number(integer);
                let value = if x < 0.0 { f64::from(x).exp() as f32 - 1.0 } else { x };
                let inverse = 1.0 / output.scale;
                ((value * inverse).round() + output.zero_point as f32) as i32
            }
            Self::Tanh => {
                // Sums count in 2⁻²⁷ where they are below 15.
                let factor = Multiplier::of(f64::from(input.scale) * f64::from(1_u32 << 27));
                let radius = (15.0 * f64::from(1_u32 << 27) / f64::from(factor.shift).exp2()).floor() as i32;
                match i32::from(integer) - input.zero_point {
                    x if x <= -radius => -128,
                    x if x >= radius => 127,
                    x => divided_by_power(tanh(factor.apply(x)), 24),
                }
            }
        };
        let entries: Vec<i8> = (i8::MIN..=i8::MAX).map(|integer| entry(integer).clamp(-128, 127) as i8).collect();
        entries.try_into().expect("there are 256 integers of eight bits")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_within_a_step_of_their_activation() {
        for activation in [Activation::LeakyRelu { slope: 0.3 }, Activation::Elu, Activation::Tanh] {
            let lookup = Lookup::of(activation).unwrap().unwrap();
            let input = Grid::over(-3.0, 5.0);
            let output = match lookup {
                Lookup::Tanh => Lookup::TANH_OUTPUT,
                _ => Grid::over(-1.0, 5.0),
            };
            let table = lookup.table(input, output);
            for (integer, result) in (i8::MIN..=i8::MAX).zip(*table) {
                let exact = activation.value(f64::from(input.number(integer))) as f32;
                let error = (output.number(result) - exact).abs() / output.scale;
                assert!(error <= 1.01, "{activation} of {integer}: {error} steps");
            }
        }
        assert!(Lookup::of(Activation::Gelu).is_err());
    }
}
