//! The child process from outside: start it, hear it, kill it.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use tokio::time::Instant;

use crate::child::{MARK, ORDERS, Orders, Record};

/// A record, and when it was heard.
pub(crate) type Said = (Instant, Record);

pub(crate) struct Process {
    child: Child,
    input: Option<ChildStdin>,
    records: Receiver<Said>,
    killed_at: Option<Instant>,
}

impl Process {
    /// Starts this test binary again, to do as ordered.
    pub(crate) fn start(orders: &Orders) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture", "--test-threads=1"])
            .env(ORDERS, serde_json::to_string(orders).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let out = child.stdout.take().unwrap();
        let (heard, records) = mpsc::channel();
        thread::spawn(move || {
            // Ends with the pipe. A last line cut short would have no end of line and does not count.
            let mut out = BufReader::new(out);
            let mut line = String::new();
            while out.read_line(&mut line).is_ok_and(|it| it != 0) {
                if let Some(record) = line.strip_prefix(MARK).and_then(|it| it.strip_suffix('\n')) {
                    let record = serde_json::from_str(record).unwrap();
                    if heard.send((Instant::now(), record)).is_err() {
                        return;
                    }
                }
                line.clear();
            }
        });
        Self {
            child,
            input,
            records,
            killed_at: None,
        }
    }

    /// What it says next.
    pub(crate) fn next(&mut self, patience: Duration) -> Result<Said, String> {
        self.records
            .recv_timeout(patience)
            .map_err(|it| format!("the process says nothing: {it}"))
    }

    /// Kills it after a while, and gives back all it said until then.
    pub(crate) fn kill_after(&mut self, life: Duration) -> Vec<Said> {
        let end = Instant::now() + life;
        let mut said = Vec::new();
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            match self.records.recv_timeout(left) {
                Ok(it) => said.push(it),
                Err(_) => break,
            }
        }
        self.killed_at = Some(Instant::now());
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        // What is still in the pipe was written before it died.
        said.extend(self.records.iter());
        said
    }

    pub(crate) fn killed_at(&self) -> Instant {
        self.killed_at.unwrap()
    }

    /// Lets it end in good order, and gives back the rest of what it said.
    pub(crate) fn end(&mut self) -> Result<Vec<Said>, String> {
        drop(self.input.take());
        let said = self.records.iter().collect();
        let status = self.child.wait().map_err(|it| it.to_string())?;
        if status.success() {
            return Ok(said);
        }
        Err(format!("the process ended with {status}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Only after a failure is it still there.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
