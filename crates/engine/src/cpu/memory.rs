//! The memory that a fleet may use.

use std::fs::read_to_string;

/// The memory assumed if the system does not report any.
const UNKNOWN: u64 = 4 << 30;

/// Bytes for a fleet: half of the memory that the system and the control group have available. The other half is for the
/// data set, other programs and the page cache. Only Linux reports it; elsewhere 4 GiB are assumed to be available.
pub(super) fn for_a_fleet() -> u64 {
    let read = |path: &str| read_to_string(path).ok();
    let system_free = read("/proc/meminfo").and_then(|meminfo| available(&meminfo));
    // Inside a container this is the container's own group.
    let group_free = read("/sys/fs/cgroup/memory.max")
        .zip(read("/sys/fs/cgroup/memory.current"))
        .and_then(|(most, used)| left(&most, &used));
    system_free.into_iter().chain(group_free).min().unwrap_or(UNKNOWN) / 2
}

/// `MemAvailable` of `/proc/meminfo`, in bytes.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// The bytes that a control group may still use of `most`; none if it has no limit (`max`).
fn left(most: &str, used: &str) -> Option<u64> {
    let (most, used): (u64, u64) = (most.trim().parse().ok()?, used.trim().parse().ok()?);
    Some(most.saturating_sub(used))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linux_is_understood() {
        let meminfo = "MemTotal:       24684084 kB\nMemFree:  1 kB\nMemAvailable:   22810912 kB\nBuffers: 5 kB\n";
        assert_eq!(available(meminfo), Some(22_810_912 * 1024));
        assert_eq!(available("MemTotal: 24684084 kB\n"), None);
        assert_eq!(available("MemAvailable: much\n"), None);
        assert_eq!(left("1000\n", "400\n"), Some(600));
        assert_eq!(left("1000\n", "1400\n"), Some(0));
        assert_eq!(left("max\n", "400\n"), None);
    }

    #[test]
    fn a_fleet_gets_at_most_half_of_the_memory() {
        let all = read_to_string("/proc/meminfo").ok().and_then(|meminfo| {
            let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
            line.trim().strip_suffix("kB")?.trim().parse().ok().map(|kib: u64| kib * 1024)
        });
        let bytes = for_a_fleet();
        assert!(bytes > 0 && bytes <= all.unwrap_or(UNKNOWN) / 2, "{bytes} of {all:?}");
    }
}
