//! The WGSL of losses, composed of the sources of `kernels/` by a typed key.

use triax_kernels::Kernel;

use crate::{Loss, SmoothedLoss};

/// The invocations of a workgroup of every loss kernel: the default limit of WebGPU.
pub const WORKGROUP: u32 = 256;

/// The most workgroups of a grid in one dimension: the default limit of WebGPU.
const MAX_GROUPS: u32 = 65_535;

/// Everything that the source of a loss kernel depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LossKernelKey {
    /// The loss.
    pub loss: Loss,
    /// The number of invocations that share a row: one of [`LossKernelKey::LANES`].
    pub lanes: u32,
}

impl LossKernelKey {
    /// The possible numbers of lanes.
    pub const LANES: [u32; 6] = [1, 2, 4, 8, 16, 32];

    /// The kernel for `classes` classes: a lane for about eight of them. Fewer lanes need fewer barriers; more lanes read
    /// more adjacent scores at the same time.
    pub fn for_classes(loss: Loss, classes: usize) -> Self {
        let lanes = (classes / 8).clamp(1, 32) as u32;
        Self { loss, lanes: 1 << lanes.ilog2() }
    }

    /// Every kernel that [`LossKernelKey::for_classes`] can choose.
    pub fn all() -> impl Iterator<Item = Self> {
        Loss::ALL.into_iter().flat_map(|loss| Self::LANES.map(|lanes| Self { loss, lanes }))
    }

    /// The grid of workgroups for `rows` rows, with as few lines as the limit of one dimension allows. `None` if no grid is
    /// large enough.
    pub fn grid(self, rows: usize) -> Option<(u32, u32)> {
        let groups = u32::try_from(rows.div_ceil((WORKGROUP / self.lanes) as usize)).ok()?;
        let y = groups.div_ceil(MAX_GROUPS).max(1);
        (y <= MAX_GROUPS).then(|| (groups.div_ceil(y), y))
    }
}

/// The WGSL of a loss: the prefix of its functions, the prefix of its structure, and the source.
fn functions(loss: Loss) -> (&'static str, &'static str, &'static Kernel) {
    match loss {
        Loss::Hinge => ("hinge", "Hinge", &triax_kernels::HINGE),
        Loss::SquaredHinge => ("squared_hinge", "SquaredHinge", &triax_kernels::SQUARED_HINGE),
        Loss::CategoricalHinge => ("categorical_hinge", "CategoricalHinge", &triax_kernels::CATEGORICAL_HINGE),
        Loss::CategoricalCrossentropy => {
            ("categorical_crossentropy", "CategoricalCrossentropy", &triax_kernels::CATEGORICAL_CROSSENTROPY)
        }
    }
}

/// The WGSL of a loss of a training step, as [`functions`], and the argument that its value and gradient take beyond those
/// of others.
fn smoothed_functions(loss: SmoothedLoss) -> (&'static str, &'static str, &'static Kernel, String) {
    if loss.smoothing() == 0.0 {
        let (x, structure, source) = functions(loss.loss());
        return (x, structure, source, String::new());
    }
    // All digits, so that it is read as the same number.
    let smoothing = format!(", {:?}", f64::from(loss.smoothing()));
    ("smoothed_crossentropy", "SmoothedCrossentropy", &triax_kernels::SMOOTHED_CROSSENTROPY, smoothing)
}

/// The sources of `losses`, and functions that choose among them by `which`, the index of a loss in the list:
/// `loss_identity`, `loss_term`, `loss_combine`, `loss_value` and `loss_gradient`, over a `LossRow` that holds a row of
/// each. Losses that differ in their smoothing share a row.
pub fn chosen_losses(losses: &[SmoothedLoss]) -> String {
    let mut sources: Vec<&Kernel> = Vec::new();
    let mut rows: Vec<(&str, &str)> = Vec::new();
    for &loss in losses {
        let (x, structure, source, _) = smoothed_functions(loss);
        for source in source.needs.iter().copied().chain([source]) {
            if !sources.iter().any(|known| known.name == source.name) {
                sources.push(source);
            }
        }
        if !rows.contains(&(x, structure)) {
            rows.push((x, structure));
        }
    }
    let mut text: String = sources.iter().map(|source| source.source).collect();
    let each = |text: &dyn Fn(&str, &str) -> String| -> Vec<String> {
        let functions = losses.iter().map(|&loss| smoothed_functions(loss));
        functions.map(|(x, _, _, argument)| text(x, &argument)).collect()
    };
    // The cases of a switch by the index of the loss; the last loss is the default.
    let choose = |cases: &[String]| -> String {
        let place = |i: usize| if i + 1 < cases.len() { format!("case {i}u") } else { "default".to_owned() };
        cases.iter().enumerate().map(|(i, case)| format!("        {}: {{ {case} }}\n", place(i))).collect()
    };
    let fields: String = rows.iter().map(|(x, structure)| format!("    {x}: {structure}Row,\n")).collect();
    let identities = rows.iter().map(|(x, _)| format!("{x}_identity()")).collect::<Vec<_>>().join(", ");
    let terms = choose(&each(&|x, _| format!("row.{x} = {x}_term(score, is_true);")));
    let combined = choose(&each(&|x, _| format!("row.{x} = {x}_combine(a.{x}, b.{x});")));
    let values = choose(&each(&|x, argument| format!("return {x}_value(row.{x}, n_classes{argument});")));
    let gradients =
        choose(&each(&|x, argument| format!("return {x}_gradient(row.{x}, score, is_true, n_classes{argument});")));
    text += &format!(
        "
struct LossRow {{
{fields}}}
fn loss_identity() -> LossRow {{
    return LossRow({identities});
}}
fn loss_term(which: u32, score: f32, is_true: bool) -> LossRow {{
    var row = loss_identity();
    switch which {{
{terms}    }}
    return row;
}}
fn loss_combine(which: u32, a: LossRow, b: LossRow) -> LossRow {{
    var row = a;
    switch which {{
{combined}    }}
    return row;
}}
fn loss_value(which: u32, row: LossRow, n_classes: u32) -> f32 {{
    switch which {{
{values}    }}
}}
fn loss_gradient(which: u32, row: LossRow, score: f32, is_true: bool, n_classes: u32) -> f32 {{
    switch which {{
{gradients}    }}
}}
"
    );
    text
}

/// The whole source of the kernel `loss_rows`, entry point `main`.
pub fn loss_kernel(key: LossKernelKey) -> String {
    let (x, structure, source) = functions(key.loss);
    let bound = format!(
        "const LANES: u32 = {lanes}u;
alias LossRow = {structure}Row;
fn loss_identity() -> LossRow {{ return {x}_identity(); }}
fn loss_term(score: f32, is_true: bool) -> LossRow {{ return {x}_term(score, is_true); }}
fn loss_combine(a: LossRow, b: LossRow) -> LossRow {{ return {x}_combine(a, b); }}
fn loss_value(row: LossRow, n_classes: u32) -> f32 {{ return {x}_value(row, n_classes); }}
fn loss_gradient(row: LossRow, score: f32, is_true: bool, n_classes: u32) -> f32 {{
    return {x}_gradient(row, score, is_true, n_classes);
}}",
        lanes = key.lanes,
    );
    [source.source, &bound, &triax_kernels::with_needs(&[&triax_kernels::LOSS_ROWS])].join("\n")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use triax_testing::{assert_browser_compiles, assert_translates, assert_within_limits, parse_shader};

    use super::*;

    /// Every loss, and cross-entropy with two smoothings.
    fn all_losses() -> Vec<SmoothedLoss> {
        let smoothed = [0.1, 0.25].map(|by| SmoothedLoss::new(Loss::CategoricalCrossentropy, by).unwrap());
        Loss::ALL.map(SmoothedLoss::from).into_iter().chain(smoothed).collect()
    }

    #[test]
    fn a_smoothed_loss_brings_what_it_needs_once_and_its_smoothing() {
        let smoothed = all_losses().split_off(Loss::ALL.len());
        let alone = chosen_losses(&smoothed);
        parse_shader(&alone);
        for text in [&alone, &chosen_losses(&all_losses())] {
            assert_eq!(text.matches("struct CategoricalCrossentropyRow {").count(), 1);
            assert_eq!(text.matches("struct SmoothedCrossentropyRow {").count(), 1);
            // 0.1 is rounded to f32 first.
            for argument in ["n_classes, 0.10000000149011612)", "n_classes, 0.25)"] {
                assert_eq!(text.matches(argument).count(), 2, "{argument}");
            }
        }
    }

    #[test]
    fn every_kernel_becomes_spirv_msl_hlsl_and_glsl() {
        for key in LossKernelKey::all() {
            assert_translates(&loss_kernel(key), &format!("{key:?}"));
        }
    }

    #[test]
    fn a_browser_compiles_every_kernel() {
        let mut sources: Vec<(String, String)> =
            LossKernelKey::all().map(|key| (format!("{key:?}"), loss_kernel(key))).collect();
        sources.push(("all losses".to_owned(), chosen_losses(&all_losses())));
        assert_browser_compiles(&sources);
    }

    #[test]
    fn every_kernel_stays_within_the_default_limits() {
        for key in LossKernelKey::all() {
            let source = loss_kernel(key);
            let found = assert_within_limits(&source, &format!("{key:?}"));
            assert_eq!(found.workgroup, [WORKGROUP, 1, 1]);
            assert_eq!(found.storage_buffers, 6, "as the header of loss_rows.wgsl lists them");
            assert!(found.workgroup_bytes <= 4_096, "{key:?} needs {found:?}, more than its header says");

            // A buffer that is bound but not used would vanish from an inferred layout.
            let (module, info) = parse_shader(&source);
            let used = info.get_entry_point(0);
            for (handle, variable) in module.global_variables.iter() {
                assert!(!used[handle].is_empty(), "{key:?} does not use {:?}", variable.name);
            }
        }
    }

    #[test]
    fn different_keys_have_different_sources() {
        let sources: HashSet<String> = LossKernelKey::all().map(loss_kernel).collect();
        assert_eq!(sources.len(), LossKernelKey::all().count());
    }

    #[test]
    fn what_a_key_forgets_to_declare_does_not_compile() {
        let source = loss_kernel(LossKernelKey { loss: Loss::Hinge, lanes: 4 });
        for line in ["const LANES: u32 = 4u;", "alias LossRow = HingeRow;"] {
            let broken = source.replace(line, "");
            assert_ne!(broken, source);
            assert!(naga::front::wgsl::parse_str(&broken).is_err(), "compiles without `{line}`");
        }
    }

    #[test]
    fn the_losses_can_stand_in_one_source() {
        let (module, _) = parse_shader(&chosen_losses(&all_losses()));
        for loss in Loss::ALL.map(Loss::name).into_iter().chain(["smoothed_crossentropy"]) {
            for function in ["identity", "term", "combine", "value", "gradient"] {
                let name = format!("{loss}_{function}");
                assert!(module.functions.iter().any(|(_, f)| f.name.as_deref() == Some(&name)), "{name}");
            }
        }
    }

    #[test]
    fn every_number_of_classes_has_a_kernel_that_is_tested() {
        let all: HashSet<LossKernelKey> = LossKernelKey::all().collect();
        for loss in Loss::ALL {
            for classes in 2..=1_024 {
                assert!(all.contains(&LossKernelKey::for_classes(loss, classes)), "{classes} classes");
            }
        }
        let lanes = |classes| LossKernelKey::for_classes(Loss::Hinge, classes).lanes;
        assert_eq!([2, 6, 15, 16, 31, 32, 255, 256, 1_024].map(lanes), [1, 1, 1, 2, 2, 4, 16, 32, 32]);
    }

    #[test]
    fn grids_cover_the_rows_within_the_limits() {
        for key in LossKernelKey::LANES.map(|lanes| LossKernelKey { loss: Loss::Hinge, lanes }) {
            let rows_a_group = (WORKGROUP / key.lanes) as usize;
            for rows in [1, 2, 7, 8, 9, 255, 256, 257, 65_535, 524_280, 524_281, 999_983, 1_000_000, 1 << 27] {
                let (x, y) = key.grid(rows).unwrap();
                assert!((1..=65_535).contains(&x) && (1..=65_535).contains(&y));
                let groups = x as usize * y as usize;
                assert!(groups * rows_a_group >= rows, "{rows} rows");
                // No more than one workgroup for each line of the grid is idle.
                assert!((groups - y as usize) * rows_a_group < rows, "{rows} rows");
            }
            assert_eq!(key.grid(0), Some((0, 1)));
        }
        assert_eq!(LossKernelKey { loss: Loss::Hinge, lanes: 32 }.grid(usize::MAX), None);
    }
}
