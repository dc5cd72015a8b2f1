//! Networks in integers from ONNX graphs that were written here.

use std::collections::HashMap;

use super::model::{Data, Model, Tensor};
use super::read::networks;
use super::write_int8;
use crate::ReadError;
use crate::int8::{Grid, Integers, Quantised, QuantisedAffine};

/// The network of a file that [`write_int8()`] has written: all its numbers are those of the file.
///
/// # Errors
/// Bytes that are no such file, with the part at fault; a graph that another program has written or changed.
pub fn read_int8(bytes: &[u8]) -> Result<Quantised, ReadError> {
    let model = Model::decode(bytes)?;
    let shape = match &networks(&in_floats(model.clone()))?[..] {
        [network] => network.clone().into_trained()?,
        _ => return Err(ReadError::new("file", "holds several networks, and one is wanted")),
    };
    let constants = Constants(model.constants.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect());
    let input = constants.grid("input")?;
    let quantised = Quantised::assemble(shape, input, |name, has_lookup| {
        let sums = if has_lookup { Some(constants.grid(&format!("{name}/sums"))?) } else { None };
        let output = constants.grid(name)?;
        Ok(QuantisedAffine { integers: constants.integers(name)?, sums: sums.unwrap_or(output), output })
    })?;
    // What the graph computes is what is written of these numbers, operator by operator.
    let refuse = |problem: String| ReadError::new("graph", problem);
    let written = write_int8(&quantised).map_err(|problem| refuse(problem.to_string()))?;
    let written = Model::decode(&written)?;
    let parts = |model: Model| (model.nodes, model.constants, model.inputs, model.outputs);
    if parts(written) != parts(model) {
        return Err(refuse(
            "has other operators or numbers than those that are written here; read a file of Triax".into(),
        ));
    }
    Ok(quantised)
}

/// The constants of a graph by their names.
struct Constants<'a>(HashMap<&'a str, &'a Tensor>);

impl Constants<'_> {
    fn data(&self, name: &str) -> Result<&Data, ReadError> {
        let missing = || ReadError::new(format!("tensor `{name}`"), "is not there; the file is not in integers");
        self.0.get(name).map(|tensor| &tensor.data).ok_or_else(missing)
    }

    fn floats(&self, name: &str) -> Result<Vec<f32>, ReadError> {
        match self.data(name)? {
            Data::Float(values) => Ok(values.clone()),
            _ => Err(ReadError::new(format!("tensor `{name}`"), "holds no 32-bit floats")),
        }
    }

    /// Where the values lie that are called `name`.
    fn grid(&self, name: &str) -> Result<Grid, ReadError> {
        let scale = self.floats(&format!("{name}/scale"))?;
        let zero_point = self.data(&format!("{name}/zero_point"))?;
        match (&scale[..], zero_point) {
            (&[scale], Data::Int8(zero_point)) if zero_point.len() == 1 => Grid::new(scale, zero_point[0].into()),
            _ => None,
        }
        .ok_or_else(|| ReadError::new(format!("tensor `{name}`"), "has no scale and zero point"))
    }

    /// Weights and bias of layer `name`.
    fn integers(&self, name: &str) -> Result<Integers, ReadError> {
        let scales = self.floats(&format!("{name}.kernel/scale"))?;
        let kernel = self.0.get(format!("{name}.kernel").as_str());
        match (kernel, self.data(&format!("{name}.bias"))?) {
            (Some(Tensor { dims, data: Data::Int8(kernel) }), Data::Int32(bias)) => {
                let kernel = match dims[..] {
                    // (outputs, inputs, kernel) becomes (outputs, kernel, inputs).
                    [_, inputs, length] => transposed(kernel, inputs, length),
                    _ => kernel.clone(),
                };
                Integers::new(kernel, scales, bias.clone())
            }
            _ => Err("its weights are no integers".to_owned()),
        }
        .map_err(|problem| ReadError::new(name, problem))
    }
}

/// `values` (.., `rows`, `columns`) as (.., columns, rows).
fn transposed(values: &[i8], rows: usize, columns: usize) -> Vec<i8> {
    let of_one = |part: &[i8]| -> Vec<i8> {
        (0..columns).flat_map(|column| (0..rows).map(move |row| row * columns + column)).map(|at| part[at]).collect()
    };
    values.chunks_exact(rows * columns).flat_map(of_one).collect()
}

/// The same graph without integers: constants are what they stand for, and other values are not brought to a grid.
fn in_floats(mut model: Model) -> Model {
    let constants: HashMap<String, Tensor> = model.constants.iter().cloned().collect();
    for node in &mut model.nodes {
        match (node.op.as_str(), &node.inputs[..]) {
            ("QuantizeLinear", [_, ..]) => {}
            ("DequantizeLinear", [value, scales, ..]) => {
                let parts = constants.get(value).zip(constants.get(scales));
                if let (Some((integers, scales)), Some(name)) = (parts, node.outputs.first()) {
                    if let Some(floats) = dequantised(integers, scales) {
                        model.constants.push((name.clone(), floats));
                    }
                }
            }
            _ => continue,
        }
        node.op = "Identity".into();
        node.inputs.truncate(1);
    }
    model
}

/// What integers stand for whose zero point is 0, with one scale or one for each place along the first axis.
fn dequantised(integers: &Tensor, scales: &Tensor) -> Option<Tensor> {
    let Data::Float(scales) = &scales.data else { return None };
    let values: Vec<f32> = match &integers.data {
        Data::Int8(values) => values.iter().map(|value| f32::from(*value)).collect(),
        Data::Int32(values) => values.iter().map(|value| *value as f32).collect(),
        _ => return None,
    };
    let of_one = values.len() / scales.len();
    let scaled = values.iter().enumerate().map(|(n, value)| value * scales[(n / of_one.max(1)) % scales.len()]);
    Some(Tensor { dims: integers.dims.clone(), data: Data::Float(scaled.collect()) })
}
