//! The parts of an ONNX file, read from its protocol buffers.

use super::model::{Attribute, Data, Dim, Model, Node, Port, Tensor, data_type};
use crate::ReadError;
use crate::protobuf::{Fields, Value, WireError, extend_floats, extend_integers};

/// The most nodes, and the most constant tensors, that are read.
const MOST_ITEMS: usize = 10_000;

impl Model {
    /// Whether `bytes` begin as such a file, judged by its outermost fields: a version, then others that ONNX has. They may end
    /// within a long one.
    pub fn begins(bytes: &[u8]) -> bool {
        // The version is a single byte.
        let [0x08, 1..=0x7f, rest @ ..] = bytes else { return false };
        let is_name = |text: &[u8]| std::str::from_utf8(text).is_ok_and(|text| !text.contains(char::is_control));
        let is_known = |field| match field {
            Ok((5, Value::Varint(_))) | Ok((6..=8 | 14 | 20 | 25 | 26, Value::Bytes(_))) => true,
            // Producer and domain: elsewhere these fields hold messages.
            Ok((2..=4, Value::Bytes(name))) => is_name(name),
            Err(WireError::Short(field)) => matches!(field, 6..=8 | 14 | 20 | 25 | 26),
            _ => false,
        };
        !rest.is_empty() && Fields::of(rest).all(is_known)
    }

    /// The file of `bytes`.
    ///
    /// # Errors
    /// Bytes that are no such file, or hold something that no network of the family has.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReadError> {
        let mut model = Self::default();
        let mut has_graph = false;
        decode(bytes, "model", |field, value| {
            match (field, value) {
                (1, Value::Varint(version)) => model.ir_version = version,
                (2, Value::Bytes(name)) => model.producer.0 = text(name),
                (3, Value::Bytes(version)) => model.producer.1 = text(version),
                (6, Value::Bytes(doc)) => model.doc = text(doc),
                (7, Value::Bytes(graph)) => {
                    has_graph = true;
                    model.decode_graph(graph)?;
                }
                (8, Value::Bytes(opset)) => {
                    let (mut domain, mut version) = (String::new(), 0);
                    decode(opset, "opset", |field, value| {
                        match (field, value) {
                            (1, Value::Bytes(name)) => domain = text(name),
                            (2, Value::Varint(number)) => version = number,
                            _ => {}
                        }
                        Ok(())
                    })?;
                    if domain.is_empty() || domain == "ai.onnx" {
                        model.opset = version;
                    }
                }
                (14, Value::Bytes(entry)) => {
                    let entry = decode_entry(entry)?;
                    push(&mut model.metadata, entry, "metadata")?;
                }
                _ => {}
            }
            Ok(())
        })?;
        if !has_graph || model.ir_version == 0 {
            return Err(ReadError::new("file", "holds no graph; an ONNX file starts with its version and has one"));
        }
        Ok(model)
    }

    fn decode_graph(&mut self, graph: &[u8]) -> Result<(), ReadError> {
        decode(graph, "graph", |field, value| match (field, value) {
            (1, Value::Bytes(node)) => push(&mut self.nodes, decode_node(node)?, "graph"),
            (5, Value::Bytes(tensor)) => {
                let (name, tensor) = decode_tensor(tensor)?;
                match tensor {
                    Some(tensor) => push(&mut self.constants, (name, tensor), "graph"),
                    // Refused where a node needs it.
                    None => Ok(()),
                }
            }
            (11, Value::Bytes(port)) => push(&mut self.inputs, decode_port(port)?, "graph"),
            (12, Value::Bytes(port)) => push(&mut self.outputs, decode_port(port)?, "graph"),
            _ => Ok(()),
        })
    }
}

fn push<T>(items: &mut Vec<T>, item: T, place: &str) -> Result<(), ReadError> {
    if items.len() == MOST_ITEMS {
        return Err(ReadError::new(place, format!("holds more than {MOST_ITEMS} parts of one kind")));
    }
    items.push(item);
    Ok(())
}

/// Hands each field of `message` to `take`.
fn decode<'a>(
    message: &'a [u8],
    place: &str,
    mut take: impl FnMut(u64, Value<'a>) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    for field in Fields::of(message) {
        let (field, value) = field.map_err(|error| wire_error(place, &error))?;
        take(field, value)?;
    }
    Ok(())
}

fn wire_error(place: &str, error: &WireError) -> ReadError {
    ReadError::new(place, format!("{error}; the file is cut short, or no ONNX file"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn decode_node(bytes: &[u8]) -> Result<Node, ReadError> {
    let mut node = Node::default();
    decode(bytes, "node", |field, value| {
        let Value::Bytes(bytes) = value else { return Ok(()) };
        match field {
            1 => push(&mut node.inputs, text(bytes), "node")?,
            2 => push(&mut node.outputs, text(bytes), "node")?,
            3 => node.name = text(bytes),
            4 => node.op = text(bytes),
            5 => push(&mut node.attributes, decode_attribute(bytes)?, "node")?,
            7 => node.domain = text(bytes),
            _ => {}
        }
        Ok(())
    })?;
    if node.domain == "ai.onnx" {
        node.domain.clear();
    }
    Ok(node)
}

fn decode_attribute(bytes: &[u8]) -> Result<(String, Attribute), ReadError> {
    let (mut name, mut kind) = (String::new(), 0);
    let (mut float, mut int, mut string, mut tensor) = (0.0, 0, String::new(), None);
    let (mut floats, mut ints) = (Vec::new(), Vec::new());
    let wire = |error| wire_error("attribute", &error);
    decode(bytes, "attribute", |field, value| {
        match (field, value) {
            (1, Value::Bytes(bytes)) => name = text(bytes),
            (2, Value::Float(value)) => float = value,
            (3, Value::Varint(value)) => int = value as i64,
            (4, Value::Bytes(bytes)) => string = text(bytes),
            (5, Value::Bytes(bytes)) => tensor = decode_tensor(bytes)?.1,
            (7, value) => extend_floats(&mut floats, field, value).map_err(wire)?,
            (8, value) => extend_integers(&mut ints, field, value).map_err(wire)?,
            (20, Value::Varint(value)) => kind = value,
            _ => {}
        }
        Ok(())
    })?;
    let attribute = match kind {
        1 => Attribute::Float(float),
        2 => Attribute::Int(int),
        3 => Attribute::Text(string),
        4 => tensor.map_or(Attribute::Other, Attribute::Tensor),
        6 => Attribute::Floats(floats),
        7 => Attribute::Ints(ints),
        _ => Attribute::Other,
    };
    Ok((name, attribute))
}

/// Name and tensor; no tensor for one of a type that is not read.
fn decode_tensor(bytes: &[u8]) -> Result<(String, Option<Tensor>), ReadError> {
    let (mut name, mut kind, mut dims) = (String::new(), 0, Vec::new());
    let (mut raw, mut floats, mut doubles, mut ints) = (None, Vec::new(), Vec::new(), Vec::new());
    let mut is_elsewhere = false;
    let wire = |error| wire_error("tensor", &error);
    decode(bytes, "tensor", |field, value| {
        match (field, value) {
            (1, value) => extend_integers(&mut dims, field, value).map_err(wire)?,
            (2, Value::Varint(value)) => kind = value as i64,
            (4, value) => extend_floats(&mut floats, field, value).map_err(wire)?,
            (5 | 7, value) => extend_integers(&mut ints, field, value).map_err(wire)?,
            (8, Value::Bytes(bytes)) => name = text(bytes),
            (9, Value::Bytes(bytes)) => raw = Some(bytes),
            (10, Value::Bytes(bytes)) => doubles.extend_from_slice(bytes),
            (10, Value::Double(value)) => doubles.extend(value.to_le_bytes()),
            (14, Value::Varint(value)) => is_elsewhere = value == 1,
            _ => {}
        }
        Ok(())
    })?;
    let place = || format!("tensor `{name}`");
    if is_elsewhere {
        return Err(ReadError::new(
            place(),
            "its values are in another file; write the model as one file (in PyTorch `external_data=False`, in onnx \
             `save_as_external_data=False`)",
        ));
    }
    let data = match raw {
        Some(raw) => Data::from_little_endian(kind, raw),
        None => match kind {
            data_type::FLOAT => Some(Data::Float(floats)),
            data_type::DOUBLE => Data::from_little_endian(kind, &doubles),
            data_type::INT8 | data_type::BOOL => Some(Data::Int8(ints.iter().map(|&value| value as i8).collect())),
            data_type::INT32 => Some(Data::Int32(ints.iter().map(|&value| value as i32).collect())),
            data_type::INT64 => Some(Data::Int64(ints)),
            _ => None,
        },
    };
    // A tensor without values says nothing.
    let Some(data) = data.filter(|data| data.len() > 0) else { return Ok((name, None)) };
    let dims: Option<Vec<usize>> = dims.iter().map(|&dim| usize::try_from(dim).ok()).collect();
    let count = |dims: &Vec<usize>| dims.iter().try_fold(1_usize, |product, &dim| product.checked_mul(dim));
    let Some(dims) = dims.filter(|dims| count(dims) == Some(data.len())) else {
        return Err(ReadError::new(place(), format!("its {} values do not fill its shape", data.len())));
    };
    Ok((name, Some(Tensor { dims, data })))
}

fn decode_port(bytes: &[u8]) -> Result<Port, ReadError> {
    let mut port = Port { name: String::new(), data_type: 0, dims: Vec::new() };
    decode(bytes, "port", |field, value| match (field, value) {
        (1, Value::Bytes(name)) => {
            port.name = text(name);
            Ok(())
        }
        (2, Value::Bytes(kind)) => decode(kind, "type", |field, value| match (field, value) {
            (1, Value::Bytes(tensor)) => decode(tensor, "type", |field, value| match (field, value) {
                (1, Value::Varint(data_type)) => {
                    port.data_type = data_type as i64;
                    Ok(())
                }
                (2, Value::Bytes(shape)) => decode(shape, "shape", |field, value| match (field, value) {
                    (1, Value::Bytes(dim)) => push(&mut port.dims, decode_dim(dim)?, "shape"),
                    _ => Ok(()),
                }),
                _ => Ok(()),
            }),
            _ => Ok(()),
        }),
        _ => Ok(()),
    })?;
    Ok(port)
}

fn decode_dim(bytes: &[u8]) -> Result<Dim, ReadError> {
    let mut dim = Dim::Open(String::new());
    decode(bytes, "dimension", |field, value| {
        match (field, value) {
            (1, Value::Varint(size)) if (size as i64) > 0 => dim = Dim::Size(size as usize),
            (2, Value::Bytes(name)) => dim = Dim::Open(text(name)),
            _ => {}
        }
        Ok(())
    })?;
    Ok(dim)
}

fn decode_entry(bytes: &[u8]) -> Result<(String, String), ReadError> {
    let mut entry = (String::new(), String::new());
    decode(bytes, "metadata", |field, value| {
        match (field, value) {
            (1, Value::Bytes(key)) => entry.0 = text(key),
            (2, Value::Bytes(value)) => entry.1 = text(value),
            _ => {}
        }
        Ok(())
    })?;
    Ok(entry)
}
