//! CPU time and memory of a process, and how many files this one may open.

use std::{collections::HashMap, fs, path::PathBuf};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Memory of a process, in KiB.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Resident now.
    pub resident: u64,
    /// The most that was ever resident.
    pub peak: u64,
}

/// User and system time of a process so far, by thread, in nanoseconds. (`/proc/PID/stat` has the sum, but in steps of
/// 10 ms; a switch takes less.)
#[derive(Clone, Debug)]
pub struct CpuClock {
    pid: u32,
    threads: HashMap<PathBuf, u64>,
}

impl CpuClock {
    /// Reads the clocks of a process.
    pub fn of(pid: u32) -> Self {
        let tasks = fs::read_dir(format!("/proc/{pid}/task"))
            .into_iter()
            .flatten()
            .flatten();
        let threads = tasks
            .filter_map(|task| {
                let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
                let time = text.split_whitespace().next()?.parse().ok()?;
                Some((task.path(), time))
            })
            .collect();
        Self { pid, threads }
    }

    /// Seconds from then until now. A thread that has ended since is left out: those of tokio's pools end after seconds
    /// without work.
    pub fn elapsed(&self) -> f64 {
        let now = Self::of(self.pid);
        let used = now.threads.iter().map(|(thread, time)| {
            let before = self.threads.get(thread).copied().unwrap_or_default();
            time.saturating_sub(before)
        });
        used.sum::<u64>() as f64 / 1e9
    }
}

/// Memory as Linux counts it.
pub fn memory(pid: u32) -> Option<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    Some(Memory {
        resident: field("VmRSS:")?,
        peak: field("VmHWM:")?,
    })
}

/// Raises the number of files that may be open to the most that is allowed, for this process and those that it starts.
/// False: it is less than `needed`.
pub fn open_files(needed: u64) -> bool {
    let limit = getrlimit(Resource::Nofile);
    let allowed = limit.maximum.unwrap_or(u64::MAX);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).is_ok() && allowed >= needed
}
