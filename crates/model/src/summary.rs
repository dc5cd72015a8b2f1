//! A network as a table, as Keras prints it.

use std::fmt::Write;

use crate::network::{Layer, Network};
use crate::spec::{Activation, Padding, PoolKind};
use crate::text::{binary_size, grouped};

impl Network {
    /// A table of layers, output shapes and parameters, as in Keras's `model.summary()`, and of the multiply-adds of a window.
    /// `None` stands for the batch.
    pub fn summary(&self) -> String {
        let mut rows: Vec<[String; 4]> = Vec::new();
        let mut shape = (self.spec().window, self.spec().channels);
        let sequence = |(positions, channels): (usize, usize)| format!("(None, {positions}, {channels})");
        let count = |n: usize| grouped(n as u64);
        let flat = |units: usize| format!("(None, {units})");
        rows.push(["input (InputLayer)".into(), sequence(shape), "0".into(), "0".into()]);
        for layer in self.layers() {
            let work = grouped(layer.multiply_adds());
            match layer {
                Layer::Conv { name, input, output, kernel, stride, dilation, padding, activation, .. } => {
                    let padding = padded(*padding);
                    let steps = match dilation {
                        1 => format!("stride {stride}"),
                        _ => format!("dilation {dilation}"),
                    };
                    let kind = format!("{name} (Conv1D, kernel {kernel}, {steps}{padding}, {})", label(*activation));
                    rows.push([kind, sequence(*output), count((kernel * input.1 + 1) * output.1), work]);
                    shape = *output;
                }
                Layer::Pool { name, kind, input, output, size, stride, padding, .. } => {
                    let is_global = *size == input.0 && output.0 == 1;
                    let kind = match (kind, is_global) {
                        (PoolKind::Max, false) => "MaxPooling1D",
                        (PoolKind::Average, false) => "AveragePooling1D",
                        (PoolKind::Max, true) => "GlobalMaxPooling1D",
                        (PoolKind::Average, true) => "GlobalAveragePooling1D",
                    };
                    let sizes = match stride == size {
                        true => format!(", {size}"),
                        false => format!(", {size}, stride {stride}"),
                    };
                    rows.push([
                        format!("{name} ({kind}{sizes}{})", padded(*padding)),
                        sequence(*output),
                        "0".into(),
                        work,
                    ]);
                    shape = *output;
                }
                Layer::Dropout { units, rate } => {
                    rows.push([format!("dropout (Dropout, {rate})"), sequence(shape), "0".into(), "0".into()]);
                    rows.push(["flatten (Flatten)".into(), flat(*units), "0".into(), work]);
                }
                Layer::Dense { name, inputs, units, activation } => {
                    let activation = label(*activation);
                    rows.push([
                        format!("{name} (Dense, {activation})"),
                        flat(*units),
                        count((inputs + 1) * units),
                        work,
                    ]);
                }
            }
        }
        let n_parameters = self.n_parameters();
        let mut text = table(["Layer (type)", "Output shape", "Parameters", "Multiply-adds"], &rows);
        writeln!(text, "Total parameters: {} ({})", count(n_parameters), binary_size(4 * n_parameters))
            .expect("a String takes any text");
        text
    }
}

/// The name of an activation for a reader.
fn label(activation: Activation) -> String {
    match activation {
        Activation::Relu => "ReLU".to_owned(),
        Activation::Elu => "ELU".to_owned(),
        Activation::Gelu => "GELU".to_owned(),
        Activation::LeakyRelu { slope } => format!("leaky ReLU {slope}"),
        Activation::Tanh | Activation::Linear => activation.to_string(),
    }
}

fn padded(padding: Padding) -> &'static str {
    match padding {
        Padding::Valid => "",
        Padding::Same => ", same",
    }
}

/// The rows under the titles, columns as wide as needed, those of numbers flush right.
fn table(titles: [&str; 4], rows: &[[String; 4]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([titles[column].len()]).max().expect("there is a title")
    };
    let [a, b, c, d] = [0, 1, 2, 3].map(width);
    let rule = "─".repeat(a + b + c + d + 6);
    let line = |cells: [&str; 4]| format!("{:<a$}  {:<b$}  {:>c$}  {:>d$}\n", cells[0], cells[1], cells[2], cells[3]);
    let body: String = rows.iter().map(|row| line(row.each_ref().map(String::as_str))).collect();
    format!("{}{rule}\n{body}{rule}\n", line(titles))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::NetworkSpec;

    #[test]
    fn the_reference_network_reads_as_in_keras() {
        let expected = "\
Layer (type)                              Output shape    Parameters  Multiply-adds
───────────────────────────────────────────────────────────────────────────────────
input (InputLayer)                        (None, 120, 3)           0              0
conv1 (Conv1D, kernel 3, stride 2, ReLU)  (None, 59, 32)         320         16,992
pool1 (MaxPooling1D, 2)                   (None, 29, 32)           0              0
conv2 (Conv1D, kernel 3, stride 2, ReLU)  (None, 14, 64)       6,208         86,016
dropout (Dropout, 0.1)                    (None, 14, 64)           0              0
flatten (Flatten)                         (None, 896)              0              0
dense1 (Dense, ReLU)                      (None, 120)        107,640        107,520
dense2 (Dense, linear)                    (None, 6)              726            720
───────────────────────────────────────────────────────────────────────────────────
Total parameters: 114,894 (448.80 KiB)
";
        assert_eq!(Network::new(NetworkSpec::default()).unwrap().summary(), expected);
    }
}
