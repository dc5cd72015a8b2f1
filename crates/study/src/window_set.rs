//! The windows of a corpus as the set that a session reads.

use std::borrow::Cow;
use std::sync::Arc;

use triax_data::Windows;
use triax_engine::WindowSet;
use triax_model::Preparation;

/// `windows` (n_windows, window, channels) as a session reads them, each prepared by itself.
///
/// Values are copied only if something is derived, or if there is something to normalise and the memory of `windows` has another
/// owner.
///
/// # Errors
/// As [`Preparation::apply`].
pub fn window_set(
    windows: Windows,
    preparation: &Preparation,
    window: usize,
    channels: usize,
) -> Result<WindowSet, String> {
    let Windows { values, labels, origins: _ } = windows;
    let windows = prepare(values, preparation, window, channels)?;
    Ok(WindowSet { windows, labels, sample_weights: None })
}

/// `values` (n_windows, window, channels), each window prepared by itself; see [`window_set()`].
///
/// # Errors
/// As [`Preparation::apply`].
pub fn prepare(
    mut values: Arc<[f32]>,
    preparation: &Preparation,
    window: usize,
    channels: usize,
) -> Result<Arc<[f32]>, String> {
    match (&preparation.derivation, preparation.normalisation) {
        (None, None) => {}
        (None, Some(normalisation)) => normalisation.apply(Arc::make_mut(&mut values), window, channels)?,
        (Some(_), _) => values = preparation.apply(Cow::Borrowed(&values), window, channels)?.into(),
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use triax_model::PerWindow;

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
        let set = window_set(windows.clone(), &Preparation::default(), 3, 2).unwrap();
        assert!(Arc::ptr_eq(&set.windows, &windows.values) && Arc::ptr_eq(&set.labels, &windows.labels));
    }

    #[test]
    fn windows_are_normalised_in_place_unless_somebody_else_reads_them() {
        let mut expected = windows().values.to_vec();
        PerWindow::Standardise.apply(&mut expected, 3, 2).unwrap();

        let shared = windows();
        let set = window_set(shared.clone(), &PerWindow::Standardise.into(), 3, 2).unwrap();
        assert_eq!(*set.windows, expected);
        assert_eq!(shared, windows(), "the windows as they were cut");

        let own = windows();
        let place = own.values.as_ptr();
        let set = window_set(own, &PerWindow::Standardise.into(), 3, 2).unwrap();
        assert_eq!(*set.windows, expected);
        assert_eq!(set.windows.as_ptr(), place);
    }

    #[test]
    fn channels_are_derived_into_memory_of_their_own() {
        let three =
            Windows { values: [3.0, 4.0, 12.0, 0.0, 0.0, 2.0].into(), labels: [1].into(), ..Windows::default() };
        let norm = "derive:norm:groups=1".parse().unwrap();
        let set = window_set(three.clone(), &norm, 2, 3).unwrap();
        assert_eq!((&*set.windows, &*set.labels), (&[13.0, 2.0][..], &[1][..]));
        assert!(window_set(windows(), &norm, 3, 2).is_err());
    }

    #[test]
    fn channels_without_gravity_are_refused() {
        assert!(window_set(windows(), &PerWindow::AlignGravity.into(), 3, 2).unwrap_err().contains("there are 2"));
    }
}
