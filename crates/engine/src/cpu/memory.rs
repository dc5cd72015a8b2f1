//! The memory that a fleet may take.

use std::fs::read_to_string;

/// Where the system does not say what it has to give.
const UNKNOWN: u64 = 4 << 30;

/// Bytes for a fleet: half of the memory that the system and a control group still have to give. The other half is for the
/// data set, for what runs beside, and for the page cache. Linux tells; elsewhere 4 GiB are taken to be there.
pub(super) fn for_a_fleet() -> u64 {
    let read = |path: &str| read_to_string(path).ok();
    let of_system = read("/proc/meminfo").and_then(|meminfo| available(&meminfo));
    // The group that a container sees as the root of all.
    let of_group = read("/sys/fs/cgroup/memory.max")
        .zip(read("/sys/fs/cgroup/memory.current"))
        .and_then(|(most, used)| left(&most, &used));
    of_system.into_iter().chain(of_group).min().unwrap_or(UNKNOWN) / 2
}

/// `MemAvailable` of `/proc/meminfo`, in bytes.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// What a group may still take of its `most`, both in bytes; none where it is not bounded (`max`).
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
    fn there_is_some_memory() {
        assert!(for_a_fleet() > 1 << 20);
    }
}
