//! Sensor recordings: readers, repair, splits, windows, scaling and a synthetic set.
