// SPDX-License-Identifier: Apache-2.0

//! The crate tsink, driven for `varve-bench compare` (bench/versus_embedded.c).
//!
//! ```text
//! PROGRAM --version
//! PROGRAM insert --dir DIR --values FILE --series N --steps N --call N
//! PROGRAM select --dir DIR --series N --steps N [--selects N --span N]
//! PROGRAM durable --dir DIR --values FILE --threads N --steps N
//! ```
//!
//! The values are doubles in the machine's order, step after step, series after series; row k of
//! series i is at start + k*step, metric cpu_usage_user, label hostname=host_i. Figures are one
//! line of JSON.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use tsink::wal::WalSyncMode;
use tsink::{DataPoint, Label, Row, Storage, StorageBuilder, TimestampPrecision};

const METRIC: &str = "cpu_usage_user";
const START_NS: i64 = 1_451_606_400_000_000_000;
const STEP_NS: i64 = 10_000_000_000;

type Answer<T> = Result<T, Box<dyn Error + Send + Sync>>;

struct Job {
    options: HashMap<String, String>,
}

impl Job {
    fn number(&self, name: &str) -> usize {
        self.options.get(name).and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    fn text(&self, name: &str) -> &str {
        self.options.get(name).map_or("", String::as_str)
    }

    fn values(&self) -> Answer<Vec<f64>> {
        let bytes = std::fs::read(self.text("--values"))?;
        Ok(bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect())
    }

    /// Without a sync for each call, as long as `is_durable` is not asked for; the data are of 2016.
    fn open(&self, is_durable: bool) -> Answer<Arc<dyn Storage>> {
        let mode = if is_durable {
            WalSyncMode::PerAppend
        } else {
            WalSyncMode::Periodic(Duration::from_secs(3600))
        };
        Ok(StorageBuilder::new()
            .with_data_path(self.text("--dir"))
            .with_timestamp_precision(TimestampPrecision::Nanoseconds)
            .with_retention_enforced(false)
            .with_max_writers(self.number("--threads").max(2))
            .with_wal_sync_mode(mode)
            .build()?)
    }
}

fn labels(series: usize) -> Vec<Label> {
    vec![Label::new("hostname", format!("host_{series}"))]
}

fn time(step: usize) -> i64 {
    START_NS + step as i64 * STEP_NS
}

/// Rows of one call in a vector that is used again.
fn insert(job: &Job) -> Answer<()> {
    let values = job.values()?;
    let (series, call) = (job.number("--series"), job.number("--call"));
    let total = series * job.number("--steps");
    let storage = job.open(false)?;
    let names: Vec<Vec<Label>> = (0..series).map(labels).collect();
    let mut rows: Vec<Row> = (0..call)
        .map(|i| Row::with_labels(METRIC, names[i % series].clone(), DataPoint::new(0, 0.0)))
        .collect();
    let start = Instant::now();
    let mut at = 0;
    while at < total {
        let count = call.min(total - at);
        for (i, row) in rows.iter_mut().take(count).enumerate() {
            if series % call != 0 || call < series {
                row.set_labels(names[(at + i) % series].clone());
            }
            row.set_data_point(DataPoint::new(time((at + i) / series), values[at + i]));
        }
        storage.insert_rows(&rows[..count])?;
        at += count;
    }
    let appended = start.elapsed().as_secs_f64();
    storage.close()?;
    let whole = start.elapsed().as_secs_f64();
    println!("{{\"rows\":{total},\"append_s\":{appended},\"total_s\":{whole}}}");
    Ok(())
}

/// Every series from end to end, or some selects of some rows.
fn select(job: &Job) -> Answer<()> {
    let (series, steps) = (job.number("--series"), job.number("--steps"));
    let storage = job.open(false)?;
    let (mut selects, mut span) = (job.number("--selects"), job.number("--span"));
    if selects == 0 {
        (selects, span) = (series, steps);
    }
    let (mut sum, mut count) = (0.0, 0);
    let start = Instant::now();
    for i in 0..selects {
        let first = if span < steps { i * 104_729 % (steps - span) } else { 0 };
        let names = labels(i * 7919 % series);
        let points = storage.select(METRIC, &names, time(first), time(first + span))?;
        sum += points.iter().filter_map(DataPoint::value_as_f64).sum::<f64>();
        count += points.len();
    }
    let seconds = start.elapsed().as_secs_f64();
    storage.close()?;
    println!("{{\"rows\":{count},\"sum\":{sum},\"seconds\":{seconds}}}");
    Ok(())
}

/// Threads with a series each; every call is one row and waits for its sync.
fn durable(job: &Job) -> Answer<()> {
    let values = Arc::new(job.values()?);
    let (threads, steps) = (job.number("--threads"), job.number("--steps"));
    let storage = job.open(true)?;
    let barrier = Arc::new(Barrier::new(threads + 1));
    let workers: Vec<_> = (0..threads)
        .map(|i| {
            let (storage, barrier, values) = (storage.clone(), barrier.clone(), values.clone());
            thread::spawn(move || -> Answer<()> {
                let mut row = [Row::with_labels(METRIC, labels(i), DataPoint::new(0, 0.0))];
                barrier.wait();
                for step in 0..steps {
                    row[0].set_data_point(DataPoint::new(time(step), values[step * threads + i]));
                    storage.insert_rows(&row)?;
                }
                Ok(())
            })
        })
        .collect();
    barrier.wait();
    let start = Instant::now();
    for worker in workers {
        worker.join().map_err(|_| "a thread panicked")??;
    }
    let seconds = start.elapsed().as_secs_f64();
    storage.close()?;
    println!("{{\"rows\":{},\"append_s\":{seconds},\"total_s\":{seconds}}}", threads * steps);
    Ok(())
}

fn main() -> Answer<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let operation = arguments.first().map_or("--version", String::as_str);
    let options = arguments.get(1..).unwrap_or(&[]).chunks_exact(2);
    let job = Job { options: options.map(|pair| (pair[0].clone(), pair[1].clone())).collect() };
    match operation {
        "--version" => {
            println!("tsink version {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
        "insert" => insert(&job),
        "select" => select(&job),
        "durable" => durable(&job),
        _ => Err(format!("unknown operation {operation}").into()),
    }
}
