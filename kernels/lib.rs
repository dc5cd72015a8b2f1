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
    LOSS_ROWS = "loss_rows" needs [FINITE];
    FINITE = "finite" needs [];

    // Index of an invocation, and the words of its model and step.
    TILE = "tile" needs [];
    MEMBER = "member" needs [TILE];

    // Stages of a training step.
    GATHER = "gather" needs [MEMBER, TILE];
    AUGMENT = "augment" needs [GATHER, MEMBER, PHILOX, TILE];
    AFFINE = "affine" needs [];
    AFFINE_FORWARD = "affine_forward" needs [AFFINE, SUM_OVER_LANES, TILE];
    AFFINE_BACKWARD = "affine_backward" needs [AFFINE, MEMBER, TILE];
    AFFINE_GRADIENT = "affine_gradient" needs [AFFINE, SUM_OVER_LANES, TILE];
    MAX_POOL = "max_pool" needs [FINITE, TILE];
    DROPOUT = "dropout" needs [MEMBER, PHILOX, TILE];
    LOSS = "loss" needs [FINITE, GATHER, MEMBER, SUM_OVER_LANES, TILE];

    // Optimizers.
    RULE = "optimizer/rule" needs [MEMBER, TILE];
    SGD = "optimizer/sgd" needs [RULE, TILE];
    MOMENTUM = "optimizer/momentum" needs [RULE, TILE];
    RMS_PROP = "optimizer/rms_prop" needs [RULE, TILE];
    ADAM = "optimizer/adam" needs [RULE, TILE];

    // Parts shared by several stages.
    PHILOX = "philox" needs [];
    SUM_OVER_LANES = "sum_over_lanes" needs [];
    SUM_OVER_WORKGROUP = "sum_over_workgroup" needs [];

    // Entry points.
    SAMPLE_PASS = "sample_pass" needs [LOSS, TILE];
    PARAMETER_PASS = "parameter_pass" needs [AFFINE_GRADIENT, RULE, SUM_OVER_WORKGROUP, TILE];
    GRADIENT_PASS = "gradient_pass" needs [AFFINE_GRADIENT, SUM_OVER_WORKGROUP, TILE];
    UPDATE_PASS = "update_pass" needs [MEMBER, RULE, SUM_OVER_WORKGROUP, TILE];
    STEP_RESULTS = "step_results" needs [SUM_OVER_WORKGROUP, TILE];
    EVALUATION_PASS = "evaluation_pass" needs [GATHER, LOSS, TILE];
}

/// The text of `kernels` and of all sources that they need. Each occurs once, after its dependencies.
pub fn with_needs(kernels: &[&'static Kernel]) -> String {
    let mut ordered = Vec::new();
    kernels.iter().for_each(|kernel| add(kernel, &mut ordered));
    ordered.iter().map(|kernel| kernel.source).collect::<Vec<_>>().join("\n")
}

fn add(kernel: &'static Kernel, ordered: &mut Vec<&'static Kernel>) {
    if !ordered.iter().any(|known| known.name == kernel.name) {
        kernel.needs.iter().for_each(|need| add(need, ordered));
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
        let mut files = [files(""), files("loss/"), files("optimizer/")].concat();
        let mut index: Vec<&str> = ALL.iter().map(|kernel| kernel.name).collect();
        files.sort();
        index.sort_unstable();
        assert_eq!(files, index);
    }

    #[test]
    fn a_source_comes_once_and_after_what_it_needs() {
        let text = with_needs(&[&AFFINE_FORWARD, &LOSS]);
        assert_eq!(text.matches("struct Affine {").count(), 1);
        let place = |line: &str| text.find(line).unwrap();
        assert!(place("struct Affine {") < place("fn affine_forward("));
        assert!(place("fn gather(") < place("fn loss_of("));
    }
}
