//! Starts the fixture server for a test and cuts its connections on demand.
//! What the published client does with it is in `tests/`, not here.

use std::{
    env,
    net::{Ipv4Addr, SocketAddr},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    sync::watch,
    time::{Instant, sleep},
};

/// How long the server may take until it answers `GET /health`.
const STARTED_WITHIN: Duration = Duration::from_secs(15);

/// How often readiness is asked for.
const ASKED_EVERY: Duration = Duration::from_millis(20);

/// A fixture server of its own, killed when dropped.
#[derive(Debug)]
pub struct Fixtures {
    address: SocketAddr,
    _process: Child,
    _data: TempDir,
}

impl Fixtures {
    /// Starts the binary named by the environment variable `FIXTURE_SERVER` on a free port.
    ///
    /// # Errors
    ///
    /// When the variable is missing, the binary does not start, or it is not ready in time.
    ///
    /// # Cancel safety
    ///
    /// Cancelled, the process is killed.
    pub async fn start() -> Result<Self> {
        let binary = env::var("FIXTURE_SERVER")
            .context("FIXTURE_SERVER is not set: it names the fixture server's binary")?;
        let address = free_address().await?;
        let data = tempfile::tempdir()?;
        let mut process = Command::new(&binary)
            .env("PORT", address.port().to_string())
            .env("HOST", address.ip().to_string())
            .env("FIXTURE_DATA_DIR", data.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{binary} does not start"))?;
        let deadline = Instant::now() + STARTED_WITHIN;
        while !is_ready(address).await {
            if let Some(status) = process.try_wait()? {
                bail!("the server ended at start: {status}");
            }
            if Instant::now() > deadline {
                bail!("the server is not ready within {STARTED_WITHIN:?}");
            }
            sleep(ASKED_EVERY).await;
        }
        Ok(Self {
            address,
            _process: process,
            _data: data,
        })
    }

    /// The endpoint a client is given.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A front of this server whose connections can be cut.
    ///
    /// # Errors
    ///
    /// When no port is free.
    ///
    /// # Cancel safety
    ///
    /// Cancelled, nothing listens.
    pub async fn front(&self) -> Result<Front> {
        Front::new(self.address).await
    }
}

async fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await?
        .local_addr()?)
}

async fn is_ready(address: SocketAddr) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        let request =
            format!("GET /health HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        anyhow::Ok(answer.starts_with(b"HTTP/1.1 2"))
    };
    ask.await.unwrap_or(false)
}

/// Forwards TCP connections to a server and cuts them all when asked.
#[derive(Debug)]
pub struct Front {
    address: SocketAddr,
    generation: Arc<watch::Sender<u64>>,
}

impl Front {
    async fn new(server: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let generation = Arc::new(watch::Sender::new(0));
        let cuts = Arc::downgrade(&generation);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Some(cuts) = cuts.upgrade() else { return };
                tokio::spawn(forward(client, server, cuts.subscribe()));
            }
        });
        Ok(Self {
            address,
            generation,
        })
    }

    /// The endpoint a client is given.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Cuts every open connection, as a broken network does; new ones are forwarded.
    pub fn cut(&self) {
        self.generation.send_modify(|generation| *generation += 1);
    }
}

async fn forward(mut client: TcpStream, server: SocketAddr, mut cut: watch::Receiver<u64>) {
    let Ok(mut backend) = TcpStream::connect(server).await else {
        return;
    };
    // Either direction's end or the cut closes both; the reason does not matter here.
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut backend) => {}
        _ = cut.changed() => {}
    }
}
