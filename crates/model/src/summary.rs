//! A network as a table, as Keras prints it.

use std::fmt::Write;

use crate::network::{Layer, Network};
use crate::spec::{Activation, Padding, PoolKind};
use crate::text::grouped;

impl Network {
    /// A table of layers, output shapes and parameters, as in Keras's `model.summary()`. `None` stands for the batch.
    pub fn summary(&self) -> String {
        let mut rows: Vec<[String; 3]> = Vec::new();
        let mut shape = (self.spec().window, self.spec().channels);
        let sequence = |(positions, channels): (usize, usize)| format!("(None, {positions}, {channels})");
        let count = |n: usize| grouped(n as u64);
        let flat = |units: usize| format!("(None, {units})");
        rows.push(["input (InputLayer)".into(), sequence(shape), "0".into()]);
        for layer in self.layers() {
            match layer {
                Layer::Conv { name, input, output, kernel, stride, padding, activation, .. } => {
                    let padding = padded(*padding);
                    let kind =
                        format!("{name} (Conv1D, kernel {kernel}, stride {stride}{padding}, {})", label(*activation));
                    rows.push([kind, sequence(*output), count((kernel * input.1 + 1) * output.1)]);
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
                    rows.push([format!("{name} ({kind}{sizes}{})", padded(*padding)), sequence(*output), "0".into()]);
                    shape = *output;
                }
                Layer::Dropout { units, rate } => {
                    rows.push([format!("dropout (Dropout, {rate})"), sequence(shape), "0".into()]);
                    rows.push(["flatten (Flatten)".into(), flat(*units), "0".into()]);
                }
                Layer::Dense { name, inputs, units, activation } => {
                    let activation = label(*activation);
                    rows.push([format!("{name} (Dense, {activation})"), flat(*units), count((inputs + 1) * units)]);
                }
            }
        }
        let n_parameters = self.n_parameters();
        let mut text = table(["Layer (type)", "Output shape", "Parameters"], &rows);
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

/// The rows under the titles, columns as wide as needed, the last one flush right.
fn table(titles: [&str; 3], rows: &[[String; 3]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([titles[column].len()]).max().expect("there is a title")
    };
    let (a, b, c) = (width(0), width(1), width(2));
    let rule = "─".repeat(a + b + c + 4);
    let line = |cells: [&str; 3]| format!("{:<a$}  {:<b$}  {:>c$}\n", cells[0], cells[1], cells[2]);
    let body: String = rows.iter().map(|[layer, shape, count]| line([layer, shape, count])).collect();
    format!("{}{rule}\n{body}{rule}\n", line(titles))
}

/// A number of bytes as KiB, MiB or GiB.
fn binary_size(bytes: usize) -> String {
    let mut size = bytes as f64 / 1024.0;
    for unit in ["KiB", "MiB"] {
        if size < 1024.0 {
            return format!("{size:.2} {unit}");
        }
        size /= 1024.0;
    }
    format!("{size:.2} GiB")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::NetworkSpec;

    #[test]
    fn the_reference_network_reads_as_in_keras() {
        let expected = "\
Layer (type)                              Output shape    Parameters
────────────────────────────────────────────────────────────────────
input (InputLayer)                        (None, 120, 3)           0
conv1 (Conv1D, kernel 3, stride 2, ReLU)  (None, 59, 32)         320
pool1 (MaxPooling1D, 2)                   (None, 29, 32)           0
conv2 (Conv1D, kernel 3, stride 2, ReLU)  (None, 14, 64)       6,208
dropout (Dropout, 0.1)                    (None, 14, 64)           0
flatten (Flatten)                         (None, 896)              0
dense1 (Dense, ReLU)                      (None, 120)        107,640
dense2 (Dense, linear)                    (None, 6)              726
────────────────────────────────────────────────────────────────────
Total parameters: 114,894 (448.80 KiB)
";
        assert_eq!(Network::new(NetworkSpec::default()).unwrap().summary(), expected);
    }

    #[test]
    fn sizes_choose_their_unit() {
        assert_eq!(binary_size(512), "0.50 KiB");
        assert_eq!(binary_size(3 << 20), "3.00 MiB");
        assert_eq!(binary_size(3 << 30), "3.00 GiB");
    }
}
