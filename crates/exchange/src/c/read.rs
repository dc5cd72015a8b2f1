//! The numbers of a header, read back: so that what was written can be run, and not only what should have been.

use std::ops::RangeInclusive;
use std::str::FromStr;

use super::layers::name;
use crate::int8::{Grid, Integers, Multiplier, Quantised};
use crate::{ReadError, Trained, arithmetic};

/// The network of a header that [`super::write()`] wrote: `like`, with all its numbers from `text`.
///
/// # Errors
/// The table at fault, if one is absent, has another size, or holds something that is no number.
pub fn read(text: &str, like: &Trained) -> Result<Trained, ReadError> {
    let header = Header::of(text)?;
    let mut trained = like.clone();
    if let Some(scaler) = &mut trained.scaler {
        scaler.mean = header.table("means", scaler.mean.len())?;
        scaler.scale = header.table("scales", scaler.scale.len())?;
    }
    let mut tensors = trained.weights.tensors.chunks_exact_mut(2);
    for (layer, weights) in arithmetic::layers(like) {
        let (Some(_), Some([kernel, bias])) = (weights, weights.and_then(|_| tensors.next())) else { continue };
        let outputs = bias.values.len();
        let inputs = kernel.values.len() / outputs;
        let numbers: Vec<f32> = header.table(&format!("{}kernel", name(layer)), kernel.values.len())?;
        for (n, value) in kernel.values.iter_mut().enumerate() {
            *value = numbers[n % outputs * inputs + n / outputs];
        }
        bias.values = header.table(&format!("{}bias", name(layer)), outputs)?;
    }
    Ok(trained)
}

/// The network of a header that [`super::write_int8`] wrote: `like`, with all its numbers from `text`. The scales of tensors
/// between the first and the last are not in a header; they are those of `like`.
///
/// # Errors
/// As [`read`] does.
pub fn read_int8(text: &str, like: &Quantised) -> Result<Quantised, ReadError> {
    let header = Header::of(text)?;
    let mut quantised = like.clone();
    if let Some(scaler) = &mut quantised.scaler {
        scaler.mean = header.table("means", scaler.mean.len())?;
        scaler.scale = header.table("scales", scaler.scale.len())?;
    }
    quantised.input = header.grid("INPUT")?;
    for layer in &mut quantised.layers {
        let Some(affine) = &mut layer.affine else { continue };
        let name = name(&layer.layer);
        let table = |part: &str| format!("{name}{part}");
        affine.kernel = header.table(&table("kernel"), affine.kernel.len())?;
        affine.bias = header.table(&table("bias"), affine.bias.len())?;
        Integers::check(&affine.kernel, &affine.kernel_scales, &affine.bias)
            .map_err(|problem| ReadError::new(name, problem))?;
        let n = affine.multipliers.len();
        let fractions: Vec<i32> = header.table(&table("fractions"), n)?;
        let shifts: Vec<i32> = header.table(&table("shifts"), n)?;
        for shift in &shifts {
            in_range(name, *shift, -31..=0)?;
        }
        let pairs = fractions.into_iter().zip(shifts);
        affine.multipliers = pairs.map(|(fraction, shift)| Multiplier { fraction, shift }).collect();
        let numbers = header.layer(name)?;
        affine.sums.zero_point = in_range(name, numbers[1], -128..=127)?;
        affine.least = in_range(name, numbers[2], -128..=127)? as i8;
        if let Some(lookup) = &mut affine.lookup {
            lookup.copy_from_slice(&header.table::<i8>(&table("lookup"), 256)?);
        }
    }
    let output = header.grid("OUTPUT")?;
    if let Some(last) = quantised.layers.last_mut() {
        last.output = output;
    }
    Ok(quantised)
}

fn in_range(place: &str, number: i32, range: RangeInclusive<i32>) -> Result<i32, ReadError> {
    if range.contains(&number) {
        return Ok(number);
    }
    Err(ReadError::new(place, format!("{number} is not in [{}, {}]", range.start(), range.end())))
}

/// The text of a header, whose names begin with a prefix.
struct Header<'a> {
    text: &'a str,
    prefix: &'a str,
}

impl<'a> Header<'a> {
    fn of(text: &'a str) -> Result<Self, ReadError> {
        let first = text.lines().next().unwrap_or_default();
        let prefix = first.strip_prefix("#ifndef ").and_then(|guard| guard.strip_suffix("_H"));
        let prefix = prefix.ok_or_else(|| ReadError::new("line 1", "is not that of a header that Triax wrote"))?;
        Ok(Self { text, prefix })
    }

    /// The numbers of a table, of which there are `n`.
    fn table<N: FromStr>(&self, name: &str, n: usize) -> Result<Vec<N>, ReadError> {
        let place = format!("{}_{name}", self.prefix);
        let numbers = self.between(&format!(" {place}[{n}] = {{"), "}", &place)?;
        let numbers: Vec<N> = numbers
            .split(',')
            .map(str::trim)
            .filter(|number| !number.is_empty())
            .map(|literal| number(literal, &place))
            .collect::<Result<_, _>>()?;
        if numbers.len() != n {
            return Err(ReadError::new(place, format!("holds {} numbers instead of {n}", numbers.len())));
        }
        Ok(numbers)
    }

    /// Zero point of the input, zero point of the sums, their least integer, and the number of multipliers of a layer.
    fn layer(&self, name: &str) -> Result<[i32; 4], ReadError> {
        let place = format!("{}_{name}", self.prefix);
        let fields = self.between(&format!("_Layer {place} = {{{{"), ";", &place)?;
        let behind_shape = fields.split_once("}, ").map_or("", |(_, rest)| rest);
        let numbers: Vec<i32> =
            behind_shape.split(',').take(4).map(|literal| number(literal.trim(), &place)).collect::<Result<_, _>>()?;
        numbers.try_into().map_err(|_| ReadError::new(place, "has less than four numbers"))
    }

    fn grid(&self, name: &str) -> Result<Grid, ReadError> {
        let constant = |part: &str| {
            let place = format!("{}_{name}{part}", self.prefix);
            let literal = self.between(&format!("#define {place} "), "\n", &place)?;
            Ok((literal.trim_start_matches('(').trim_end_matches(')'), place))
        };
        let (scale, place) = constant("SCALE")?;
        let scale: f32 = number(scale, &place)?;
        if !(scale > 0.0 && scale.is_finite()) {
            return Err(ReadError::new(place, format!("{scale} is no scale")));
        }
        let (zero_point, place) = constant("ZERO")?;
        Ok(Grid { scale, zero_point: in_range(&place, number(zero_point, &place)?, -128..=127)? })
    }

    /// The text from behind `start` up to `end`.
    fn between(&self, start: &str, end: &str, place: &str) -> Result<&'a str, ReadError> {
        let rest = self.text.split_once(start).map(|(_, rest)| rest);
        let found = rest.and_then(|rest| rest.split_once(end)).map(|(found, _)| found);
        found.ok_or_else(|| ReadError::new(place, format!("there is no `{}` in the header", start.trim())))
    }
}

fn number<N: FromStr>(literal: &str, place: &str) -> Result<N, ReadError> {
    let digits = literal.strip_suffix('f').unwrap_or(literal);
    digits.parse().map_err(|_| ReadError::new(place, format!("`{literal}` is no number of its kind")))
}
