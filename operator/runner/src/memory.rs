//! Whether the kernel killed for want of memory, told by the control group that this process is in.

use std::fs;
use std::path::Path;

/// How often the kernel killed a process of this container because its memory was over; `None`
/// where the system does not say (control groups of version 1, or none).
pub(crate) fn kills() -> Option<u64> {
    let group = group(&fs::read_to_string("/proc/self/cgroup").ok()?)?.to_owned();
    let events = Path::new("/sys/fs/cgroup")
        .join(group.trim_start_matches('/'))
        .join("memory.events");
    count(&fs::read_to_string(events).ok()?)
}

/// The path of the control group in `/proc/PID/cgroup` (cgroups(7)).
fn group(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("0::"))
}

/// `oom_kill` in `memory.events` (the kernel's `admin-guide/cgroup-v2.rst`).
fn count(events: &str) -> Option<u64> {
    events
        .lines()
        .find_map(|line| line.strip_prefix("oom_kill "))
        .and_then(|number| number.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_kills_is_read() {
        assert_eq!(count("low 0\noom 3\noom_kill 2\noom_group_kill 1\n"), Some(2));
        assert_eq!(count(""), None);
        assert_eq!(group("1:cpu:/x\n0::/kubepods/a\n"), Some("/kubepods/a"));
    }
}
