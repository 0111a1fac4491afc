//! What processes use, from /proc: CPU time with that of their children, and the most memory that they had.

use std::{collections::HashMap, fs, time::Instant};

use anyhow::{Context as _, bail};

/// CPU time in /proc/PID/stat is counted in these parts of a second on every Linux that the relay runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// A part of the system whose CPU time is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    Relay,
    Broker,
    Postgres,
    Simulator,
    /// The benchmark itself: it publishes, polls, and plays bare lapin.
    Bench,
}

/// Looks after the processes of some parts.
#[derive(Clone, Default)]
pub struct Watch {
    roots: Vec<(Part, u32)>,
}

/// A stretch of time that has begun.
pub struct Begun {
    watch: Watch,
    at: Instant,
    busy: f64,
    seconds: HashMap<Part, f64>,
}

/// What a stretch of time cost.
#[derive(Clone, Debug)]
pub struct Span {
    wall: f64,
    cores: usize,
    /// CPU seconds of everything on the machine.
    busy: f64,
    seconds: HashMap<Part, f64>,
}

impl Watch {
    pub fn add(&mut self, part: Part, root: u32) {
        self.roots.push((part, root));
    }

    /// The same and one more.
    pub fn with(&self, part: Part, root: u32) -> Watch {
        let mut watch = self.clone();
        watch.add(part, root);
        watch
    }

    pub fn begin(&self) -> anyhow::Result<Begun> {
        Ok(Begun {
            watch: self.clone(),
            at: Instant::now(),
            busy: busy_seconds()?,
            seconds: self.seconds()?,
        })
    }

    fn seconds(&self) -> anyhow::Result<HashMap<Part, f64>> {
        let all = all_processes()?;
        let mut seconds = HashMap::new();
        let roots: Vec<u32> = self.roots.iter().map(|(_, root)| *root).collect();
        for (part, root) in &self.roots {
            *seconds.entry(*part).or_default() += family_seconds(&all, *root, &roots);
        }
        Ok(seconds)
    }
}

impl Begun {
    pub fn end(self) -> anyhow::Result<Span> {
        let wall = self.at.elapsed().as_secs_f64();
        let busy = busy_seconds()? - self.busy;
        let mut seconds = self.watch.seconds()?;
        for (part, value) in &mut seconds {
            *value -= self.seconds.get(part).copied().unwrap_or_default();
        }
        Ok(Span {
            wall,
            cores: std::thread::available_parallelism()?.get(),
            busy,
            seconds,
        })
    }
}

impl Span {
    /// By the clock on the wall.
    pub fn seconds(&self) -> f64 {
        self.wall
    }

    /// CPU seconds of a part; `None` where its processes cannot be seen, as in a container.
    pub fn cpu(&self, part: Part) -> Option<f64> {
        self.seconds.get(&part).copied()
    }

    /// CPU seconds of all parts that can be seen.
    pub fn cpu_of_all(&self) -> f64 {
        self.seconds.values().sum()
    }

    /// What share of the machine others took meanwhile, from 0 to 1.
    pub fn taken_by_others(&self) -> f64 {
        ((self.busy - self.cpu_of_all()) / (self.wall * self.cores as f64)).max(0.0)
    }

    /// The same in words.
    pub fn noise(&self) -> String {
        format!("others took {:.0} % of the machine", self.taken_by_others() * 100.0)
    }
}

struct Process {
    id: u32,
    parent: u32,
    name: String,
    /// Its own and that of its children that have ended.
    ticks: u64,
}

fn all_processes() -> anyhow::Result<Vec<Process>> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc").context("read /proc")? {
        let path = entry?.path().join("stat");
        // What is no process has no such file, and a process may have ended meanwhile.
        if let Ok(stat) = fs::read_to_string(path)
            && let Some(process) = parse(&stat)
        {
            all.push(process);
        }
    }
    Ok(all)
}

fn parse(stat: &str) -> Option<Process> {
    let (id, rest) = stat.split_once(" (")?;
    // The name may hold anything, parentheses too; what follows it is numbers.
    let (name, rest) = rest.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Process {
        id: id.parse().ok()?,
        parent: fields.get(1)?.parse().ok()?,
        name: name.to_owned(),
        ticks: number(11)? + number(12)? + number(13)? + number(14)?,
    })
}

/// CPU seconds of a process and its descendants, without those that are counted by themselves.
fn family_seconds(all: &[Process], root: u32, counted_apart: &[u32]) -> f64 {
    let mut family = vec![root];
    let mut ticks = 0;
    while let Some(id) = family.pop() {
        for process in all {
            if process.id == id {
                ticks += process.ticks;
            }
            if process.parent == id && !counted_apart.contains(&process.id) {
                family.push(process.id);
            }
        }
    }
    ticks as f64 / TICKS_PER_SECOND
}

/// CPU seconds of the whole machine since it started.
fn busy_seconds() -> anyhow::Result<f64> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().context("/proc/stat is empty")?;
    let ticks: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    // user nice system idle iowait irq softirq steal; what comes after is counted in user already.
    let busy: u64 = ticks.iter().take(8).sum::<u64>() - ticks[3] - ticks[4];
    Ok(busy as f64 / TICKS_PER_SECOND)
}

/// A child of this process, by the first fifteen letters of its program's name.
pub fn child(name: &str) -> anyhow::Result<u32> {
    let own = std::process::id();
    let mut found = all_processes()?;
    found.retain(|process| process.parent == own && process.name == name);
    match found.as_slice() {
        [one] => Ok(one.id),
        others => bail!("{} children are called {name}", others.len()),
    }
}

/// The parent of a process, if both are called so; a number that somebody else told may be of another machine or container.
pub fn parent_of(id: u32, name: &str) -> Option<u32> {
    let process = named(id, name)?;
    named(process.parent, name).map(|parent| parent.id)
}

/// A process, if it is called so.
pub fn checked(id: u32, name: &str) -> Option<u32> {
    named(id, name).map(|process| process.id)
}

fn named(id: u32, name: &str) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    parse(&stat).filter(|process| process.name == name)
}

/// The most memory that a process had so far, in MiB.
pub fn peak_memory(id: u32) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: f64 = line
        .and_then(|line| line.trim().strip_suffix(" kB"))
        .context("no VmHWM")?
        .trim()
        .parse()?;
    Ok(kib / 1024.0)
}
