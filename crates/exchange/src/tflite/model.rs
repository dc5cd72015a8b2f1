//! The parts of a TensorFlow Lite file that networks of the family need, and their places in its FlatBuffers (schema.fbs).

use std::cell::Cell;

use crate::ReadError;
use crate::flatbuffer::{Broken, Slot, Table, View};

/// Stands at the start of the file.
const IDENTIFIER: [u8; 4] = *b"TFL3";
/// The version of the schema.
const VERSION: i32 = 3;
/// The most tensors, and the most operators, that are read.
const MOST_ITEMS: usize = 10_000;

/// Numbers of the operators.
pub mod op {
    pub const ADD: i32 = 0;
    pub const AVERAGE_POOL_2D: i32 = 1;
    pub const CONCATENATION: i32 = 2;
    pub const CONV_2D: i32 = 3;
    pub const DEQUANTIZE: i32 = 6;
    pub const FULLY_CONNECTED: i32 = 9;
    pub const MAX_POOL_2D: i32 = 17;
    pub const MUL: i32 = 18;
    pub const RESHAPE: i32 = 22;
    pub const SOFTMAX: i32 = 25;
    pub const TANH: i32 = 28;
    pub const MEAN: i32 = 40;
    pub const SUB: i32 = 41;
    pub const DIV: i32 = 42;
    pub const STRIDED_SLICE: i32 = 45;
    pub const MAXIMUM: i32 = 55;
    pub const LESS: i32 = 58;
    pub const SQRT: i32 = 75;
    pub const LEAKY_RELU: i32 = 98;
    pub const ABS: i32 = 101;
    pub const ELU: i32 = 111;
    pub const QUANTIZE: i32 = 114;
    pub const SELECT_V2: i32 = 123;
    pub const GELU: i32 = 150;
}

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Float = 0,
    Int32 = 2,
    Bool = 6,
    Int8 = 9,
}

/// The numbers that the integers of a tensor stand for.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantisation {
    pub scales: Vec<f32>,
    pub zero_points: Vec<i64>,
    /// The axis along which there are several scales.
    pub axis: i32,
}

/// A tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub name: String,
    /// Without `data`, the first is the batch.
    pub shape: Vec<i32>,
    pub kind: Kind,
    /// Values of a constant, little-endian.
    pub data: Option<Vec<u8>>,
    pub quantisation: Option<Quantisation>,
}

/// A setting of an operator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Setting {
    Byte(u8),
    Int(i32),
    Float(f32),
}

/// Settings of an operator: the number of their table in the schema, and its slots.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    pub table: u8,
    pub slots: Vec<Setting>,
}

/// The settings of a kind that networks of the family have, with their defaults.
pub fn default_settings(table: u8) -> Vec<Setting> {
    use Setting::{Byte, Float, Int};
    match table {
        // Padding, strides (width, height), fused activation, dilations (width, height).
        tables::CONV_2D => vec![Byte(0), Int(0), Int(0), Byte(0), Int(1), Int(1)],
        // Padding, strides (width, height), filter (width, height), fused activation.
        tables::POOL_2D => vec![Byte(0), Int(0), Int(0), Int(0), Int(0), Byte(0)],
        // Fused activation, format of the weights, whether the number of axes stays.
        tables::FULLY_CONNECTED => vec![Byte(0), Byte(0), Byte(0)],
        tables::SOFTMAX | tables::LEAKY_RELU => vec![Float(0.0)],
        // Axis, fused activation.
        tables::CONCATENATION => vec![Int(0), Byte(0)],
        // Fused activation; whether axes stay; whether it is approximate.
        tables::ADD | tables::MUL | tables::SUB | tables::DIV | tables::REDUCER | tables::GELU => vec![Byte(0)],
        // Masks: begin, end, ellipsis, new axes, axes that go.
        tables::STRIDED_SLICE => vec![Int(0); 5],
        _ => Vec::new(),
    }
}

/// Numbers of the tables of settings.
pub mod tables {
    pub const NONE: u8 = 0;
    pub const CONV_2D: u8 = 1;
    pub const POOL_2D: u8 = 5;
    pub const FULLY_CONNECTED: u8 = 8;
    pub const SOFTMAX: u8 = 9;
    pub const CONCATENATION: u8 = 10;
    pub const ADD: u8 = 11;
    pub const RESHAPE: u8 = 17;
    pub const MUL: u8 = 21;
    pub const REDUCER: u8 = 27;
    pub const SUB: u8 = 28;
    pub const DIV: u8 = 29;
    pub const STRIDED_SLICE: u8 = 32;
    pub const DEQUANTIZE: u8 = 38;
    pub const MAXIMUM: u8 = 39;
    pub const LESS: u8 = 41;
    pub const LEAKY_RELU: u8 = 75;
    pub const ABS: u8 = 78;
    pub const QUANTIZE: u8 = 89;
    pub const SELECT_V2: u8 = 98;
    pub const GELU: u8 = 116;
}

/// An operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Operator {
    pub op: i32,
    pub version: i32,
    /// Indices of tensors.
    pub inputs: Vec<usize>,
    pub output: usize,
    pub settings: Settings,
}

/// A file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Model {
    pub description: String,
    pub tensors: Vec<Tensor>,
    pub operators: Vec<Operator>,
    pub input: usize,
    pub output: usize,
    /// Texts by name.
    pub metadata: Vec<(String, String)>,
}

impl Model {
    /// The bytes of the file.
    pub fn encode(&self) -> Vec<u8> {
        // Buffer 0 is that of tensors without values.
        let mut buffers = vec![Table::default()];
        let mut add = |bytes: Vec<u8>| {
            buffers.push(Table::new([(0, Slot::Bytes(bytes))]));
            Slot::Int(buffers.len() as i32 - 1)
        };
        let tensors = self.tensors.iter().map(|tensor| {
            let buffer = tensor.data.clone().map_or(Slot::Int(0), &mut add);
            encode_tensor(tensor, buffer)
        });
        let tensors = tensors.collect();
        let metadata = self
            .metadata
            .iter()
            .map(|(name, text)| Table::new([(0, Slot::Text(name.clone())), (1, add(text.clone().into_bytes()))]));
        let metadata = metadata.collect();
        let mut codes: Vec<(i32, i32)> = Vec::new();
        let operators = self.operators.iter().map(|operator| {
            let code = (operator.op, operator.version);
            let index = codes.iter().position(|known| *known == code).unwrap_or(codes.len());
            if index == codes.len() {
                codes.push(code);
            }
            encode_operator(operator, index)
        });
        let operators = operators.collect();
        let port = |tensor: usize| Slot::Ints(vec![tensor as i32]);
        let graph = Table::new([
            (0, Slot::Tables(tensors)),
            (1, port(self.input)),
            (2, port(self.output)),
            (3, Slot::Tables(operators)),
            (4, Slot::Text("sensor_cnn".into())),
        ]);
        // Readers from before 2020 know numbers below 127 by a byte.
        let code = |(op, version): &(i32, i32)| {
            Table::new([(0, Slot::Byte((*op).min(127) as u8)), (2, Slot::Int(*version)), (3, Slot::Int(*op))])
        };
        let model = Table::new([
            (0, Slot::Int(VERSION)),
            (1, Slot::Tables(codes.iter().map(code).collect())),
            (2, Slot::Tables(vec![graph])),
            (3, Slot::Text(self.description.clone())),
            (4, Slot::Tables(buffers)),
            (6, Slot::Tables(metadata)),
        ]);
        model.file(IDENTIFIER)
    }

    /// The file of `bytes`.
    ///
    /// # Errors
    /// Bytes that are no such file, or a part that no network of the family has.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReadError> {
        let decoded = Self::decode_unchecked(bytes);
        let refuse = |problem: &str| ReadError::new("file", problem);
        let model = decoded
            .map_err(|Broken| refuse("is cut short, or no TensorFlow Lite file as they are written here"))?
            .ok_or_else(|| refuse("holds types, operators or parts that no network of the family has"))?;
        let n = model.tensors.len();
        let are_there =
            |operator: &Operator| operator.inputs.iter().chain([&operator.output]).all(|tensor| *tensor < n);
        if model.input >= n || model.output >= n || !model.operators.iter().all(are_there) {
            return Err(refuse("names tensors that are not there"));
        }
        Ok(model)
    }

    fn decode_unchecked(bytes: &[u8]) -> Result<Option<Self>, Broken> {
        let budget = Cell::default();
        let root = View::root(bytes, IDENTIFIER, &budget)?;
        let (codes, graphs, buffers) = (root.tables(1)?, root.tables(2)?, root.tables(4)?);
        let [graph] = graphs[..] else { return Ok(None) };
        let (tensors, operators) = (graph.tables(0)?, graph.tables(3)?);
        if root.int(0, 0)? != VERSION || tensors.len().max(operators.len()) > MOST_ITEMS {
            return Ok(None);
        }
        let buffer = |index: i32| match usize::try_from(index) {
            Ok(0) => Ok(None),
            Ok(index) => buffers.get(index).ok_or(Broken)?.data(0).map(Some),
            Err(_) => Err(Broken),
        };
        let port = |slot| match graph.ints(slot)?[..] {
            [tensor] => usize::try_from(tensor).map_err(|_| Broken),
            _ => Err(Broken),
        };
        let mut model = Self { description: root.text(3)?, input: port(1)?, output: port(2)?, ..Self::default() };
        for tensor in tensors {
            match decode_tensor(tensor, buffer(tensor.int(2, 0)?)?)? {
                Some(tensor) => model.tensors.push(tensor),
                None => return Ok(None),
            }
        }
        for operator in operators {
            match decode_operator(operator, &codes)? {
                Some(operator) => model.operators.push(operator),
                None => return Ok(None),
            }
        }
        for entry in root.tables(6)?.iter().take(MOST_ITEMS) {
            let text = buffer(entry.int(1, 0)?)?.unwrap_or_default();
            model.metadata.push((entry.text(0)?, String::from_utf8_lossy(text).into_owned()));
        }
        Ok(Some(model))
    }
}

fn encode_tensor(tensor: &Tensor, buffer: Slot) -> Table {
    let mut slots = vec![
        (0, Slot::Ints(tensor.shape.clone())),
        (1, Slot::Byte(tensor.kind as u8)),
        (2, buffer),
        (3, Slot::Text(tensor.name.clone())),
    ];
    if let Some(quantisation) = &tensor.quantisation {
        let table = Table::new([
            (2, Slot::Floats(quantisation.scales.clone())),
            (3, Slot::Longs(quantisation.zero_points.clone())),
            (6, Slot::Int(quantisation.axis)),
        ]);
        slots.push((4, Slot::Table(table)));
    }
    if tensor.data.is_none() {
        // The batch is open.
        let mut signature = tensor.shape.clone();
        signature[0] = -1;
        slots.push((7, Slot::Ints(signature)));
    }
    Table::new(slots)
}

fn decode_tensor(tensor: View<'_>, data: Option<&[u8]>) -> Result<Option<Tensor>, Broken> {
    let kind = match tensor.byte(1, 0)? {
        0 => Kind::Float,
        2 => Kind::Int32,
        6 => Kind::Bool,
        9 => Kind::Int8,
        _ => return Ok(None),
    };
    let quantisation = match tensor.table(4)? {
        Some(table) => {
            Some(Quantisation { scales: table.floats(2)?, zero_points: table.longs(3)?, axis: table.int(6, 0)? })
        }
        None => None,
    };
    let (name, shape) = (tensor.text(3)?, tensor.ints(0)?);
    Ok(Some(Tensor { name, shape, kind, data: data.map(<[u8]>::to_vec), quantisation }))
}

fn encode_operator(operator: &Operator, code: usize) -> Table {
    let ints = |tensors: &[usize]| Slot::Ints(tensors.iter().map(|tensor| *tensor as i32).collect());
    let mut slots = vec![(0, Slot::Int(code as i32)), (1, ints(&operator.inputs)), (2, ints(&[operator.output]))];
    let Settings { table, slots: settings } = &operator.settings;
    if *table != tables::NONE {
        let settings = (0..).zip(settings).map(|(n, setting)| {
            let slot = match setting {
                Setting::Byte(value) => Slot::Byte(*value),
                Setting::Int(value) => Slot::Int(*value),
                Setting::Float(value) => Slot::Float(*value),
            };
            (n, slot)
        });
        slots.extend([(3, Slot::Byte(*table)), (4, Slot::Table(Table::new(settings)))]);
    }
    Table::new(slots)
}

fn decode_operator(operator: View<'_>, codes: &[View<'_>]) -> Result<Option<Operator>, Broken> {
    let code = usize::try_from(operator.int(0, 0)?).ok().and_then(|code| codes.get(code)).ok_or(Broken)?;
    let tensors = |slot| -> Result<Vec<usize>, Broken> {
        operator.ints(slot)?.into_iter().map(|tensor| usize::try_from(tensor).map_err(|_| Broken)).collect()
    };
    let [output] = tensors(2)?[..] else { return Ok(None) };
    let mut settings = Settings { table: operator.byte(3, 0)?, slots: Vec::new() };
    if let Some(table) = operator.table(4)? {
        for (n, setting) in (0..).zip(default_settings(settings.table)) {
            settings.slots.push(match setting {
                Setting::Byte(default) => Setting::Byte(table.byte(n, default)?),
                Setting::Int(default) => Setting::Int(table.int(n, default)?),
                Setting::Float(default) => Setting::Float(table.float(n, default)?),
            });
        }
    }
    Ok(Some(Operator { op: code.int(3, 0)?, version: code.int(2, 1)?, inputs: tensors(1)?, output, settings }))
}
