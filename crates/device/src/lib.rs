//! Finds the GPUs of this machine and opens one.
