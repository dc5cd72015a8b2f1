//! `triax._triax`: the compiled part of the Python package.
//!
//! It hands arrays, settings (as JSON, named as on the command line) and results over between Python and the library, and
//! knows nothing of scikit-learn. Everything that a user meets is in `triax/*.py`.
//!
//! | module | contents |
//! |---|---|
//! | `training` | a network, trained on arrays |
//! | `adapt` | kernels and pools for windows that are shorter than the settings expect |
//! | `watch` | the thread that works, while the caller's thread shows progress and listens for Ctrl-C |
//! | `predictor` | trained networks |
//! | `exchange` | trained networks as files of other programs, and from them |
//! | `recordings` | what the command line reads, as arrays |
//! | `studies` | studies and audits |
//! | `settings`, `errors` | settings from Python, errors and notices to Python |

mod adapt;
mod errors;
mod exchange;
mod predictor;
mod recordings;
mod settings;
mod studies;
mod training;
mod watch;

use pyo3::prelude::*;

#[pymodule]
mod _triax {
    #[pymodule_export]
    use crate::exchange::{Exported, export, export_formats, import_network};
    #[pymodule_export]
    use crate::predictor::{Predictor, load, write};
    #[pymodule_export]
    use crate::recordings::{Corpus, Windows, read};
    #[pymodule_export]
    use crate::settings::settings;
    #[pymodule_export]
    use crate::studies::{audit, audit_of, study};
    #[pymodule_export]
    use crate::training::{Fitted, fit};

    use super::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
