//! The parts of an ONNX file that networks of the family need, and how they are written as protocol buffers (onnx.proto3).

use crate::protobuf::Message;

/// Values of a tensor.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    Float(Vec<f32>),
    Double(Vec<f64>),
    Int8(Vec<i8>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
}

/// The numbers by which ONNX calls element types.
pub mod data_type {
    pub const FLOAT: i64 = 1;
    pub const INT8: i64 = 3;
    pub const INT32: i64 = 6;
    pub const INT64: i64 = 7;
    pub const BOOL: i64 = 9;
    pub const DOUBLE: i64 = 11;
}

impl Data {
    fn data_type(&self) -> i64 {
        match self {
            Self::Float(_) => data_type::FLOAT,
            Self::Double(_) => data_type::DOUBLE,
            Self::Int8(_) => data_type::INT8,
            Self::Int32(_) => data_type::INT32,
            Self::Int64(_) => data_type::INT64,
        }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::Float(values) => values.len(),
            Self::Double(values) => values.len(),
            Self::Int8(values) => values.len(),
            Self::Int32(values) => values.len(),
            Self::Int64(values) => values.len(),
        }
    }

    fn little_endian(&self) -> Vec<u8> {
        match self {
            Self::Float(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Self::Double(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Self::Int8(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Self::Int32(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Self::Int64(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        }
    }

    /// Values of little-endian `bytes`; none for a type that is not read, or bytes that are no whole values.
    pub fn from_little_endian(data_type: i64, bytes: &[u8]) -> Option<Self> {
        fn values<const N: usize, T>(bytes: &[u8], value: impl Fn([u8; N]) -> T) -> Option<Vec<T>> {
            let (chunks, rest) = bytes.as_chunks();
            rest.is_empty().then(|| chunks.iter().map(|chunk| value(*chunk)).collect())
        }
        Some(match data_type {
            data_type::FLOAT => Self::Float(values(bytes, f32::from_le_bytes)?),
            data_type::DOUBLE => Self::Double(values(bytes, f64::from_le_bytes)?),
            data_type::INT8 => Self::Int8(values(bytes, i8::from_le_bytes)?),
            data_type::INT32 => Self::Int32(values(bytes, i32::from_le_bytes)?),
            data_type::INT64 => Self::Int64(values(bytes, i64::from_le_bytes)?),
            data_type::BOOL => Self::Int8(values(bytes, i8::from_le_bytes)?),
            _ => return None,
        })
    }
}

/// A constant tensor, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub dims: Vec<usize>,
    pub data: Data,
}

/// An attribute of a node.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    Int(i64),
    Float(f32),
    Text(String),
    Ints(Vec<i64>),
    Floats(Vec<f32>),
    Tensor(Tensor),
    /// Of a kind that no operator of the family has.
    Other,
}

/// An operation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    pub name: String,
    pub op: String,
    /// Empty for the operators of ONNX itself.
    pub domain: String,
    pub inputs: Vec<String>,
    pub outputs: Vec<String>,
    pub attributes: Vec<(String, Attribute)>,
}

impl Node {
    /// What messages call it.
    pub fn title(&self) -> String {
        let name = if self.name.is_empty() { self.outputs.first().map_or("", String::as_str) } else { &self.name };
        format!("node `{name}` ({})", self.op)
    }
}

/// The length of an axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dim {
    Size(usize),
    /// Whatever the caller gives.
    Open(String),
}

/// An input or output of the graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Port {
    pub name: String,
    pub data_type: i64,
    pub dims: Vec<Dim>,
}

/// A file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Model {
    pub ir_version: u64,
    pub opset: u64,
    /// Name and version of the program that made it.
    pub producer: (String, String),
    pub doc: String,
    pub metadata: Vec<(String, String)>,
    pub nodes: Vec<Node>,
    /// Constant tensors by name.
    pub constants: Vec<(String, Tensor)>,
    pub inputs: Vec<Port>,
    pub outputs: Vec<Port>,
}

impl Model {
    /// The bytes of the file.
    pub fn encode(&self) -> Vec<u8> {
        let graph = Message::new()
            .messages(1, &self.nodes, encode_node)
            .bytes(2, "sensor_cnn")
            .messages(5, &self.constants, |(name, tensor)| encode_tensor(tensor).bytes(8, name))
            .bytes(10, &self.doc)
            .messages(11, &self.inputs, encode_port)
            .messages(12, &self.outputs, encode_port);
        Message::new()
            .varint(1, self.ir_version)
            .bytes(2, &self.producer.0)
            .bytes(3, &self.producer.1)
            .bytes(6, &self.doc)
            .message(7, &graph)
            .message(8, &Message::new().bytes(1, "").varint(2, self.opset))
            .messages(14, &self.metadata, |(key, value)| Message::new().bytes(1, key).bytes(2, value))
            .into_bytes()
    }
}

fn encode_node(node: &Node) -> Message {
    let texts = |message: Message, field, texts: &[String]| texts.iter().fold(message, |m, text| m.bytes(field, text));
    let message = texts(texts(Message::new(), 1, &node.inputs), 2, &node.outputs);
    message.bytes(3, &node.name).bytes(4, &node.op).messages(5, &node.attributes, |(name, attribute)| {
        let message = Message::new().bytes(1, name);
        match attribute {
            Attribute::Float(value) => message.float(2, *value).varint(20, 1),
            Attribute::Int(value) => message.varint(3, *value as u64).varint(20, 2),
            Attribute::Text(text) => message.bytes(4, text).varint(20, 3),
            Attribute::Tensor(tensor) => message.message(5, &encode_tensor(tensor)).varint(20, 4),
            Attribute::Floats(values) => values.iter().fold(message, |m, value| m.float(7, *value)).varint(20, 6),
            Attribute::Ints(values) => values.iter().fold(message, |m, value| m.varint(8, *value as u64)).varint(20, 7),
            Attribute::Other => message,
        }
    })
}

fn encode_tensor(tensor: &Tensor) -> Message {
    let message = tensor.dims.iter().fold(Message::new(), |message, dim| message.varint(1, *dim as u64));
    message.varint(2, tensor.data.data_type() as u64).bytes(9, tensor.data.little_endian())
}

fn encode_port(port: &Port) -> Message {
    let shape = Message::new().messages(1, &port.dims, |dim| match dim {
        Dim::Size(size) => Message::new().varint(1, *size as u64),
        Dim::Open(name) => Message::new().bytes(2, name),
    });
    let tensor = Message::new().varint(1, port.data_type as u64).message(2, &shape);
    Message::new().bytes(1, &port.name).message(2, &Message::new().message(1, &tensor))
}
