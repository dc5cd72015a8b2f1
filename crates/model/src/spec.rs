//! The specification of a network, and the notation of its layers.
//!
//! Layers have a short notation, which command lines, config files and weight files share: [`fmt::Display`] and [`FromStr`]
//! are inverse.
//!
//! | | written | such as |
//! |---|---|---|
//! | activation | its name in Keras; a leaky ReLU with its slope | `relu`, `elu`, `gelu`, `tanh`, `linear`, `leaky_relu=0.3` |
//! | pool | kind, size, stride where it is another than the size, `-same` where padded | `2`, `3/2`, `avg4`, `avg3/2-same` |
//! | convolution | filters, kernel, stride; then, in any order, dilation, pool, `same`, activation | `32:3:2:2`, `32:3:1:d4`, `64:5:1:avg3/2:same:elu` |
//! | hidden layer | units, and the activation where it is no ReLU | `120`, `60:tanh` |

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What becomes of the sums of a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Activation {
    /// max(x, 0)
    #[default]
    Relu,
    /// x, or eˣ − 1 below 0.
    Elu,
    /// x·Φ(x), with the distribution function of the normal distribution: the exact form, as is Keras's default.
    Gelu,
    /// x, or `slope`·x below 0. The slope is a number in [0, 1).
    LeakyRelu {
        /// Slope below 0.
        slope: f32,
    },
    /// The hyperbolic tangent.
    Tanh,
    /// x
    Linear,
}

impl Activation {
    /// The slope of Keras's layer `LeakyReLU` where none is given.
    const KERAS_SLOPE: f32 = 0.3;

    /// The value at `x`. This defines what engines and exports compute.
    pub fn value(self, x: f64) -> f64 {
        match self {
            Self::Relu => x.max(0.0),
            Self::Elu if x > 0.0 => x,
            Self::Elu => x.exp_m1(),
            Self::Gelu => x * normal_distribution(x),
            Self::LeakyRelu { slope } => x.max(f64::from(slope) * x),
            Self::Tanh => x.tanh(),
            Self::Linear => x,
        }
    }

    /// The derivative at `x`; where there is none, at 0, that from the left.
    pub fn derivative(self, x: f64) -> f64 {
        match self {
            Self::Relu => f64::from(u8::from(x > 0.0)),
            Self::Elu if x > 0.0 => 1.0,
            Self::Elu => x.exp(),
            Self::Gelu => {
                let density = (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
                normal_distribution(x) + x * density
            }
            Self::LeakyRelu { .. } if x > 0.0 => 1.0,
            Self::LeakyRelu { slope } => slope.into(),
            Self::Tanh => 1.0 - x.tanh().powi(2),
            Self::Linear => 1.0,
        }
    }
}

/// The distribution function of the normal distribution.
fn normal_distribution(x: f64) -> f64 {
    0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Relu => "relu",
            Self::Elu => "elu",
            Self::Gelu => "gelu",
            Self::LeakyRelu { slope } => return write!(f, "leaky_relu={slope}"),
            Self::Tanh => "tanh",
            Self::Linear => "linear",
        };
        f.pad(name)
    }
}

impl FromStr for Activation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = [Self::Relu, Self::Elu, Self::Gelu, Self::Tanh, Self::Linear];
        if let Some(plain) = plain.into_iter().find(|plain| plain.to_string() == text) {
            return Ok(plain);
        }
        let slope = match text.strip_prefix("leaky_relu") {
            Some("") => Some(Self::KERAS_SLOPE),
            Some(rest) => rest.strip_prefix('=').and_then(|slope| slope.parse().ok()),
            None => None,
        };
        slope.filter(|slope| (0.0..1.0).contains(slope)).map(|slope| Self::LeakyRelu { slope }).ok_or_else(|| {
            format!("`{text}` is no activation; there are relu, elu, gelu, tanh, linear, and leaky_relu=SLOPE with a slope in [0, 1)")
        })
    }
}

/// How a convolution or a pool treats the ends of a window, as in Keras.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Padding {
    /// It stays within the window: the output is shorter.
    #[default]
    Valid,
    /// There are ⌈positions / stride⌉ outputs. Beyond the ends a convolution reads zeros, and a pool reads nothing.
    Same,
}

/// What a pool takes of its positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolKind {
    /// The largest value.
    #[default]
    Max,
    /// The mean of the values that are there.
    Average,
}

/// A pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PoolSpec {
    /// What it takes.
    pub kind: PoolKind,
    /// Length, in positions.
    pub size: usize,
    /// From one to the next, in positions.
    pub stride: usize,
    /// How it treats the ends.
    pub padding: Padding,
}

impl PoolSpec {
    /// Max-pooling with a stride as long as the pool, without padding.
    pub fn max(size: usize) -> Self {
        Self { kind: PoolKind::Max, size, stride: size, padding: Padding::Valid }
    }
}

impl fmt::Display for PoolSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            PoolKind::Max => "",
            PoolKind::Average => "avg",
        };
        write!(f, "{kind}{}", self.size)?;
        if self.stride != self.size {
            write!(f, "/{}", self.stride)?;
        }
        match self.padding {
            Padding::Valid => Ok(()),
            Padding::Same => f.write_str("-same"),
        }
    }
}

impl FromStr for PoolSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (rest, padding) = match text.strip_suffix("-same") {
                Some(rest) => (rest, Padding::Same),
                None => (text, Padding::Valid),
            };
            let (kind, rest) = match rest.strip_prefix("avg") {
                Some(rest) => (PoolKind::Average, rest),
                None => (PoolKind::Max, rest.strip_prefix("max").unwrap_or(rest)),
            };
            let (size, stride) = rest.split_once('/').unwrap_or((rest, rest));
            Some(Self { kind, size: size.parse().ok()?, stride: stride.parse().ok()?, padding })
        };
        parse().ok_or_else(|| {
            format!(
                "`{text}` is no pool; write its size (2), with a stride (3/2), an average (avg3/2), padded (3/2-same)"
            )
        })
    }
}

/// A convolution block: Conv1D, its activation, and a pool if one is given.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvSpec {
    /// Output channels.
    pub filters: usize,
    /// Length of the convolution's kernel, in positions.
    pub kernel: usize,
    /// Stride of the convolution, in positions.
    pub stride: usize,
    /// Positions from one that the kernel reads to the next: 1 for neighbours, more for a wider view with as many weights
    /// (Yu and Koltun, "Multi-scale context aggregation by dilated convolutions", 2016). A convolution with a stride has none,
    /// as in Keras.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub dilation: usize,
    /// How the convolution treats the ends of the window.
    #[serde(default, skip_serializing_if = "is_default")]
    pub padding: Padding,
    /// What becomes of the convolution's sums.
    #[serde(default, skip_serializing_if = "is_default")]
    pub activation: Activation,
    /// The pool after the activation, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<PoolSpec>,
}

impl ConvSpec {
    /// A block as in the reference network: no dilation, no padding, ReLU, and max-pooling over `pool` positions, if any, with a stride as
    /// long.
    pub fn plain(filters: usize, kernel: usize, stride: usize, pool: Option<usize>) -> Self {
        let (padding, activation) = (Padding::Valid, Activation::Relu);
        Self { filters, kernel, stride, dilation: 1, padding, activation, pool: pool.map(PoolSpec::max) }
    }
}

impl fmt::Display for ConvSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { filters, kernel, stride, dilation, padding, activation, pool } = self;
        write!(f, "{filters}:{kernel}:{stride}")?;
        if *dilation != 1 {
            write!(f, ":d{dilation}")?;
        }
        if let Some(pool) = pool {
            write!(f, ":{pool}")?;
        }
        if *padding == Padding::Same {
            f.write_str(":same")?;
        }
        match activation {
            Activation::Relu => Ok(()),
            other => write!(f, ":{other}"),
        }
    }
}

impl FromStr for ConvSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unknown = |problem: &str| {
            format!(
                "`{text}` is no convolution: {problem}; write filters:kernel:stride, then, where wanted, dilation, pool, \
                 `same` and activation, such as 32:3:2:2, 32:3:1:d4 or 64:5:1:avg3/2:same:elu"
            )
        };
        let mut fields = text.split(':');
        let mut number = |what: &str| {
            let field = fields.next().ok_or_else(|| unknown(&format!("it lacks its {what}")))?;
            field.parse().map_err(|_| unknown(&format!("its {what} is `{field}`")))
        };
        let mut conv = Self::plain(number("filters")?, number("kernel")?, number("stride")?, None);
        let (mut is_dilated, mut is_padded, mut is_activated) = (false, false, false);
        for field in fields {
            let is_second = if field == "same" {
                conv.padding = Padding::Same;
                std::mem::replace(&mut is_padded, true)
            } else if let Some(dilation) = field.strip_prefix('d').and_then(|dilation| dilation.parse().ok()) {
                conv.dilation = dilation;
                std::mem::replace(&mut is_dilated, true)
            } else if let Ok(activation) = field.parse() {
                conv.activation = activation;
                std::mem::replace(&mut is_activated, true)
            } else if let Ok(pool) = field.parse() {
                conv.pool.replace(pool).is_some()
            } else {
                return Err(unknown(&format!(
                    "`{field}` is neither a dilation, nor a pool, nor `same`, nor an activation"
                )));
            };
            if is_second {
                return Err(unknown(&format!("`{field}` comes after another of its kind")));
            }
        }
        Ok(conv)
    }
}

/// A hidden dense layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DenseSpec {
    /// Outputs.
    pub units: usize,
    /// What becomes of the sums.
    pub activation: Activation,
}

impl DenseSpec {
    /// Layers of these `units`, each with a ReLU.
    pub fn relu(units: impl IntoIterator<Item = usize>) -> Vec<Self> {
        units.into_iter().map(|units| Self { units, activation: Activation::Relu }).collect()
    }
}

impl fmt::Display for DenseSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.activation {
            Activation::Relu => write!(f, "{}", self.units),
            activation => write!(f, "{}:{activation}", self.units),
        }
    }
}

impl FromStr for DenseSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (units, activation) = text.split_once(':').unwrap_or((text, "relu"));
        let units = units.parse().map_err(|_| {
            format!("`{text}` is no hidden layer; write its units, and an activation that is no ReLU, such as 120 or 60:tanh")
        })?;
        Ok(Self { units, activation: activation.parse()? })
    }
}

/// The specification of a network of the `SensorCnn` family: convolution blocks, a global pool if one is given, dropout,
/// flatten, hidden dense layers, and a linear dense layer with one output for each class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSpec {
    /// Samples in a window.
    pub window: usize,
    /// Sensor channels.
    pub channels: usize,
    /// One to four convolution blocks.
    pub convs: Vec<ConvSpec>,
    /// A pool over all positions that are left after the convolution blocks, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub global_pool: Option<PoolKind>,
    /// Probability that a feature is dropped between the convolutions and the dense layers, in [0, 1).
    pub dropout: f32,
    /// The hidden dense layers.
    pub hidden: Vec<DenseSpec>,
    /// Outputs of the last layer.
    pub classes: usize,
}

impl Default for NetworkSpec {
    /// The reference network: 120×3 windows, six classes, 114,894 parameters.
    fn default() -> Self {
        Self {
            window: 120,
            channels: 3,
            convs: vec![ConvSpec::plain(32, 3, 2, Some(2)), ConvSpec::plain(64, 3, 2, None)],
            global_pool: None,
            dropout: 0.1,
            hidden: DenseSpec::relu([120]),
            classes: 6,
        }
    }
}

fn one() -> usize {
    1
}

fn is_one(value: &usize) -> bool {
    *value == 1
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A number or a text, as JSON may hold a layer: what is a plain number in the notation is one in JSON.
#[derive(Deserialize)]
#[serde(untagged)]
enum Notation {
    Number(usize),
    Text(String),
}

fn write<S: Serializer>(serializer: S, text: &str) -> Result<S::Ok, S::Error> {
    match text.parse::<u64>() {
        Ok(number) => serializer.serialize_u64(number),
        Err(_) => serializer.serialize_str(text),
    }
}

fn read<'de, D: Deserializer<'de>, T: FromStr<Err = String>>(deserializer: D) -> Result<T, D::Error> {
    let text = match Notation::deserialize(deserializer)? {
        Notation::Number(number) => number.to_string(),
        Notation::Text(text) => text,
    };
    text.parse().map_err(serde::de::Error::custom)
}

impl Serialize for Activation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Activation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer)
    }
}

impl Serialize for PoolSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write(serializer, &self.to_string())
    }
}

impl<'de> Deserialize<'de> for PoolSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer)
    }
}

impl Serialize for DenseSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write(serializer, &self.to_string())
    }
}

impl<'de> Deserialize<'de> for DenseSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notation_reads_what_it_writes() {
        let convs = [
            "32:3:2",
            "32:3:2:2",
            "64:5:1:3/2:same",
            "64:5:1:avg3/2-same:elu",
            "8:1:1:avg4:same:leaky_relu=0.25",
            "8:1:1:linear",
            "8:1:1:gelu",
            "32:3:1:d4",
            "5:2:1:d3:3/2-same:same:tanh",
        ];
        for text in convs {
            assert_eq!(text.parse::<ConvSpec>().unwrap().to_string(), text);
        }
        for text in ["120", "60:tanh", "7:leaky_relu=0.3"] {
            assert_eq!(text.parse::<DenseSpec>().unwrap().to_string(), text);
        }
        let conv: ConvSpec = "8:3:1:tanh:same:max2:d1".parse().unwrap();
        let expected =
            ConvSpec { padding: Padding::Same, activation: Activation::Tanh, ..ConvSpec::plain(8, 3, 1, Some(2)) };
        assert_eq!(conv, expected, "in any order");
        assert_eq!("leaky_relu".parse(), Ok(Activation::LeakyRelu { slope: 0.3 }));
    }

    #[test]
    fn what_is_no_layer_is_refused_with_the_field() {
        for (text, field) in [
            ("", "filters"),
            ("32", "kernel"),
            ("32:3", "stride"),
            ("32:x:2", "`x`"),
            ("32:3:2:relux", "`relux`"),
            ("32:3:2:2:3", "`3`"),
            ("32:3:2:same:same", "`same`"),
            ("32:3:2:elu:relu", "`relu`"),
            ("32:3:1:d2:d3", "`d3`"),
            ("32:3:1:d", "`d`"),
            ("32:3:1:d-1", "`d-1`"),
            ("32:3:2:leaky_relu=1", "`leaky_relu=1`"),
            ("32:3:2:avg", "`avg`"),
            ("32:3:2:2/", "`2/`"),
        ] {
            let problem = text.parse::<ConvSpec>().unwrap_err();
            assert!(problem.contains(field), "{problem}");
        }
        assert!("x".parse::<DenseSpec>().is_err());
        assert!("3:x".parse::<DenseSpec>().is_err());
    }

    #[test]
    fn the_reference_network_is_written_as_by_earlier_versions() {
        let json = serde_json::to_string(&NetworkSpec::default()).unwrap();
        assert_eq!(
            json,
            r#"{"window":120,"channels":3,"convs":[{"filters":32,"kernel":3,"stride":2,"pool":2},{"filters":64,"kernel":3,"stride":2}],"dropout":0.1,"hidden":[120],"classes":6}"#
        );
        assert_eq!(serde_json::from_str::<NetworkSpec>(&json).unwrap(), NetworkSpec::default());
    }

    #[test]
    fn every_network_of_the_family_has_a_json_form() {
        let spec = NetworkSpec {
            convs: vec!["4:3:1:avg3/2-same:same:elu".parse().unwrap(), "4:3:1:d2".parse().unwrap()],
            global_pool: Some(PoolKind::Average),
            hidden: vec!["60:tanh".parse().unwrap(), "7".parse().unwrap()],
            ..NetworkSpec::default()
        };
        let json = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<NetworkSpec>(&json).unwrap(), spec, "{json}");
    }

    #[test]
    fn unknown_and_missing_fields_are_refused() {
        let json = serde_json::to_string(&NetworkSpec::default()).unwrap();
        assert!(serde_json::from_str::<NetworkSpec>(&json.replace("\"hidden\"", "\"hiden\"")).is_err());
        assert!(serde_json::from_str::<NetworkSpec>(&json.replace("\"window\":120,", "")).is_err());
    }

    #[test]
    fn activations_have_their_values_and_slopes() {
        use Activation::*;
        // From Wolfram's functions at −1 and 0.5.
        let expected = [
            (Relu, 0.0, 0.5),
            (Elu, -0.632_120_558_828_557_7, 0.5),
            (Gelu, -0.158_655_253_931_457_05, 0.345_731_230_637_006_56),
            (LeakyRelu { slope: 0.25 }, -0.25, 0.5),
            (Tanh, -0.761_594_155_955_764_9, 0.462_117_157_260_009_75),
            (Linear, -1.0, 0.5),
        ];
        for (activation, below, above) in expected {
            assert!((activation.value(-1.0) - below).abs() < 1e-12, "{activation}");
            assert!((activation.value(0.5) - above).abs() < 1e-9, "{activation}");
            for x in [-2.0, -0.7, 0.3, 1.9] {
                let by_difference = (activation.value(x + 1e-6) - activation.value(x - 1e-6)) / 2e-6;
                assert!((activation.derivative(x) - by_difference).abs() < 1e-8, "{activation} at {x}");
            }
        }
        assert_eq!([Relu, LeakyRelu { slope: 0.5 }].map(|kind| kind.derivative(0.0)), [0.0, 0.5]);
    }
}
