//! The windows of a corpus as the set that a session reads.

use std::sync::Arc;

use triax_data::Windows;
use triax_engine::WindowSet;
use triax_model::PerWindow;

/// `windows` (n_windows, window, channels) as a session reads them, each normalised by itself as `per_window` says.
///
/// Values are copied only if there is something to normalise and the memory of `windows` has another owner.
///
/// # Errors
/// As [`PerWindow::apply`].
pub fn window_set(
    windows: Windows,
    per_window: Option<PerWindow>,
    window: usize,
    channels: usize,
) -> Result<WindowSet, String> {
    let Windows { mut values, labels, origins: _ } = windows;
    if let Some(per_window) = per_window {
        per_window.apply(Arc::make_mut(&mut values), window, channels)?;
    }
    Ok(WindowSet { windows: values, labels, sample_weights: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two windows of three rows in two channels.
    fn windows() -> Windows {
        Windows {
            values: [1.0, 0.5, 2.0, 0.25, 4.0, 0.5, -3.0, 1.0, 0.0, 1.0, 3.0, 4.0].into(),
            labels: [1, 0].into(),
            ..Windows::default()
        }
    }

    #[test]
    fn windows_that_stay_as_they_are_share_their_memory() {
        let windows = windows();
        let set = window_set(windows.clone(), None, 3, 2).unwrap();
        assert!(Arc::ptr_eq(&set.windows, &windows.values) && Arc::ptr_eq(&set.labels, &windows.labels));
    }

    #[test]
    fn windows_are_normalised_in_place_unless_somebody_else_reads_them() {
        let mut expected = windows().values.to_vec();
        PerWindow::Standardise.apply(&mut expected, 3, 2).unwrap();

        let shared = windows();
        let set = window_set(shared.clone(), Some(PerWindow::Standardise), 3, 2).unwrap();
        assert_eq!(*set.windows, expected);
        assert_eq!(shared, windows(), "the windows as they were cut");

        let own = windows();
        let place = own.values.as_ptr();
        let set = window_set(own, Some(PerWindow::Standardise), 3, 2).unwrap();
        assert_eq!(*set.windows, expected);
        assert_eq!(set.windows.as_ptr(), place);
    }

    #[test]
    fn channels_without_gravity_are_refused() {
        assert!(window_set(windows(), Some(PerWindow::AlignGravity), 3, 2).unwrap_err().contains("there are 2"));
    }
}
