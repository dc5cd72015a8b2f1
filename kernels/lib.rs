//! The WGSL sources of Triax, each with the sources that it depends on. `README.md` describes them.
//!
//! A pass consists of its entry point, the stages that it calls, and constants of the network. [`with_needs`] adds the
//! sources that declare what these use. The crate that composes a pass declares the rest: constants, arrays of vectors
//! and the order of stages. `triax-losses` does so for the loss as an operation, `triax-engine` for the passes of a
//! training step.
//!
//! This crate does not depend on a device or on a particular composition.

/// A WGSL source.
#[derive(Debug)]
pub struct Kernel {
    /// Path of its file in `kernels/`, without `.wgsl`.
    pub name: &'static str,
    /// WGSL text of the file.
    pub source: &'static str,
    /// The sources whose declarations it uses.
    pub needs: &'static [&'static Kernel],
}

macro_rules! kernels {
    ($($constant:ident = $name:literal needs [$($need:ident),*];)*) => {
        $(
            #[doc = concat!("`", $name, ".wgsl`")]
            pub static $constant: Kernel = Kernel {
                name: $name,
                source: include_str!(concat!($name, ".wgsl")),
                needs: &[$(&$need),*],
            };
        )*

        /// All sources.
        pub static ALL: &[&Kernel] = &[$(&$constant),*];
    };
}

kernels! {
    // Losses.
    HINGE = "loss/hinge" needs [];
    SQUARED_HINGE = "loss/squared_hinge" needs [];
    CATEGORICAL_HINGE = "loss/categorical_hinge" needs [];
    CATEGORICAL_CROSSENTROPY = "loss/categorical_crossentropy" needs [];
    SMOOTHED_CROSSENTROPY = "loss/smoothed_crossentropy" needs [CATEGORICAL_CROSSENTROPY];

    // Optimizers.
    SGD = "optimizer/sgd" needs [RULE];
    MOMENTUM = "optimizer/momentum" needs [RULE];
    RMS_PROP = "optimizer/rms_prop" needs [RULE];
    ADAM = "optimizer/adam" needs [RULE];

    // Parts that stages share.
    PLACE = "part/place" needs [];
    MEMBER = "part/member" needs [PLACE];
    RULE = "part/rule" needs [MEMBER];
    FINITE = "part/finite" needs [];
    PHILOX = "part/philox" needs [];
    COLUMNS = "part/columns" needs [];
    PRODUCT = "part/product" needs [COLUMNS];
    LONG_PRODUCT = "part/long_product" needs [COLUMNS];
    STAGED_ROWS = "part/staged_rows" needs [];
    SUM_OVER_LANES = "part/sum_over_lanes" needs [PLACE];
    ONE_LANE = "part/one_lane" needs [];
    SUM_OVER_NEIGHBOURS = "part/sum_over_neighbours" needs [PLACE];
    SUM_OVER_SUBGROUP = "part/sum_over_subgroup" needs [];
    SUM_OVER_WORKGROUP = "part/sum_over_workgroup" needs [PLACE];
    WEIGHTS = "part/weights" needs [];

    // A layer, in three files, since the second may be another: what made its input decides.
    LAYER_ROWS = "part/layer" needs [PLACE];
    THROUGH_RELU = "part/through_relu" needs [];
    THROUGH_TAIL = "part/through_tail" needs [];
    LAYER = "part/unit_gradient" needs [LAYER_ROWS, THROUGH_RELU];

    // Activations of tails.
    EXPONENTIAL = "part/exponential" needs [FINITE];
    RELU = "activation/relu" needs [OUTPUTS];
    ELU = "activation/elu" needs [EXPONENTIAL];
    GELU = "activation/gelu" needs [EXPONENTIAL];
    LEAKY_RELU = "activation/leaky_relu" needs [];
    TANH = "activation/tanh" needs [EXPONENTIAL];
    LINEAR = "activation/linear" needs [];

    // Windows, in three files for the same reason: they may have zeros at their ends.
    STANDARDISE = "part/standardise" needs [MEMBER];
    MIX = "part/mix" needs [MEMBER, PHILOX];
    GATHER = "part/gather" needs [STANDARDISE];
    AUGMENT = "part/augment" needs [MIX, STANDARDISE];
    SPAN = "part/windows" needs [PLACE];
    SPAN_VALUE = "part/span_value" needs [];
    PADDED_SPAN_VALUE = "part/padded_span_value" needs [];
    WINDOWS = "part/span_rows" needs [SPAN, SPAN_VALUE];

    // What the passes compute.
    DROPOUT = "part/dropout" needs [MEMBER, PHILOX];
    OUTPUTS = "part/outputs" needs [DROPOUT, FINITE, LAYER];
    INPUTS_FROM_ROWS = "part/inputs_from_rows" needs [LAYER];
    INPUTS_FROM_WINDOWS = "part/inputs_from_windows" needs [LAYER, WINDOWS];
    INPUT_GRADIENT = "part/input_gradient" needs [LAYER, LONG_PRODUCT, MEMBER, WEIGHTS];
    WEIGHT_GRADIENT = "part/weight_gradient" needs [LAYER, LONG_PRODUCT, RULE];
    PARAMETERS = "part/parameters" needs [FINITE, RULE];
    SETTLE_BY_UPDATE = "part/settle_by_update" needs [PARAMETERS];
    SETTLE_BY_GRADIENT = "part/settle_by_gradient" needs [FINITE, RULE];
    TAIL = "part/tail" needs [LAYER];
    FOUR = "part/four" needs [];
    LOSS = "part/loss" needs [FINITE, FOUR, MEMBER];
    PARTS = "part/parts" needs [];
    ONLY_PART = "part/only_part" needs [PARTS, PLACE];
    MIXED_PARTS = "part/mixed_parts" needs [MIX, PARTS];
    SCORES_IN_ROWS = "part/scores_in_rows" needs [FOUR, LAYER];
    SCORES_IN_MEMORY = "part/scores_in_memory" needs [FOUR, PLACE];
    HEAD_SCORES = "part/head_scores" needs [FOUR, LAYER, SUM_OVER_NEIGHBOURS];
    SCORE_ROWS = "part/score_rows" needs [FOUR, PLACE];

    // Stages: the entry points, with their bindings.
    LOSS_ROWS = "stage/loss_rows" needs [FINITE];
    GATHER_STAGE = "stage/gather" needs [WINDOWS];
    PADDING = "stage/padding" needs [PLACE];
    TAIL_STAGE = "stage/tail" needs [OUTPUTS, TAIL];
    TAIL_BACKWARD = "stage/tail_backward" needs [DROPOUT, OUTPUTS, TAIL];
    TAPS = "stage/taps" needs [OUTPUTS];
    TAPS_BACKWARD = "stage/taps_backward" needs [OUTPUTS];
    FORWARD_BY_LANES = "stage/forward_by_lanes" needs [LONG_PRODUCT, OUTPUTS, WEIGHTS];
    FORWARD_STAGED = "stage/forward_staged" needs [OUTPUTS, PRODUCT];
    HEAD = "stage/head" needs [HEAD_SCORES, LAYER, LONG_PRODUCT, LOSS, SCORES_IN_MEMORY];
    LOSS_STAGE = "stage/loss" needs [LOSS, SCORES_IN_ROWS];
    BACKWARD_BY_LANES = "stage/backward_by_lanes" needs [INPUT_GRADIENT];
    BACKWARD_STAGED = "stage/backward_staged" needs [LAYER, MEMBER, PRODUCT];
    DENSE_BACKWARD = "stage/dense_backward" needs [LAYER, MEMBER, PRODUCT, RULE, STAGED_ROWS, SUM_OVER_WORKGROUP];
    GRADIENT_BY_LANES = "stage/gradient_by_lanes" needs [SUM_OVER_WORKGROUP, WEIGHT_GRADIENT];
    GRADIENT_STAGED = "stage/gradient_staged" needs [LAYER, PRODUCT, RULE, STAGED_ROWS, SUM_OVER_WORKGROUP];
    UPDATE = "stage/update" needs [PARAMETERS, SUM_OVER_WORKGROUP];
    STEP_RESULTS = "stage/step_results" needs [PLACE, SUM_OVER_WORKGROUP];
    EVALUATION = "stage/evaluation" needs [LOSS, ONLY_PART];
    SCORES = "stage/scores" needs [FOUR, PLACE];
}

/// A source, and another that declares the same and takes its place.
pub type Replaced = (&'static Kernel, &'static Kernel);

/// The text of `kernels` and of all sources that they need. Each occurs once, after its dependencies.
pub fn with_needs(kernels: &[&'static Kernel]) -> String {
    with_replaced_needs(kernels, &[])
}

/// As [`with_needs`], with others in the place of some.
pub fn with_replaced_needs(kernels: &[&'static Kernel], replaced: &[Replaced]) -> String {
    let mut ordered = Vec::new();
    kernels.iter().for_each(|kernel| add(kernel, replaced, &mut ordered));
    ordered.iter().map(|kernel| kernel.source).collect::<Vec<_>>().join("\n")
}

fn add(kernel: &'static Kernel, replaced: &[Replaced], ordered: &mut Vec<&'static Kernel>) {
    let other = replaced.iter().find(|(usual, _)| usual.name == kernel.name);
    let kernel = other.map_or(kernel, |(_, other)| *other);
    if !ordered.iter().any(|known| known.name == kernel.name) {
        kernel.needs.iter().for_each(|need| add(need, replaced, ordered));
        ordered.push(kernel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of the WGSL files in `folder`, a folder of this crate.
    fn files(folder: &str) -> Vec<String> {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let names = path.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter_map(|name| Some(format!("{folder}{}", name.strip_suffix(".wgsl")?))).collect()
    }

    #[test]
    fn every_file_is_in_the_index() {
        let mut files =
            [files("activation/"), files("loss/"), files("optimizer/"), files("part/"), files("stage/")].concat();
        let mut index: Vec<&str> = ALL.iter().map(|kernel| kernel.name).collect();
        files.sort();
        index.sort_unstable();
        assert_eq!(files, index);
    }

    #[test]
    fn a_source_comes_once_and_after_what_it_needs() {
        let text = with_needs(&[&FORWARD_STAGED, &LOSS]);
        assert_eq!(text.matches("struct Layer {").count(), 1);
        let place = |line: &str| text.find(line).unwrap();
        assert!(place("struct Layer {") < place("fn staged_quad("));
        assert!(place("fn four_of(") < place("fn loss_of("));
    }

    #[test]
    fn another_source_stands_where_the_usual_one_would() {
        let usual = with_needs(&[&HEAD]);
        let other = with_replaced_needs(&[&HEAD], &[(&THROUGH_RELU, &THROUGH_TAIL)]);
        assert_eq!(other, usual.replace(THROUGH_RELU.source, THROUGH_TAIL.source));
        assert_ne!(other, usual);
    }
}
