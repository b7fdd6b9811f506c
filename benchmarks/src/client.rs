//! A lean HTTP/1.1 and WebSocket client: whole requests made beforehand, the least of parsing, so
//! that the load generator is not what is measured. Both sides of a cell use it alike.

use std::{net::SocketAddr, ops::Range};

use anyhow::{Context, Result, bail, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// One kept-open connection.
pub(crate) struct Line {
    stream: TcpStream,
    received: Vec<u8>,
    used: usize,
}

impl Line {
    /// Connects.
    pub(crate) async fn open(addr: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            received: Vec::new(),
            used: 0,
        })
    }

    /// Sends a request made by [`post`] and waits for the answer, which must be a 200.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<&[u8]> {
        self.stream.write_all(request).await?;
        let (status, body) = self.answer().await?;
        let body = &self.received[body];
        ensure!(
            status == 200,
            "answered {status}: {}",
            String::from_utf8_lossy(body)
        );
        Ok(body)
    }

    /// Turns the line into a WebSocket speaking the json encoding.
    pub(crate) async fn upgrade(&mut self, target: &str) -> Result<()> {
        let request = format!(
            "GET {target} HTTP/1.1\r\nhost: bench\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             sec-websocket-protocol: rivet,rivet_encoding.json\r\n\r\n"
        );
        self.stream.write_all(request.as_bytes()).await?;
        let (status, _) = self.answer().await?;
        ensure!(status == 101, "the upgrade was answered {status}");
        Ok(())
    }

    /// Sends a frame made by [`text`] and waits for one back.
    pub(crate) async fn exchange(&mut self, frame: &[u8]) -> Result<&[u8]> {
        self.send(frame).await?;
        self.frame().await
    }

    /// Sends a frame made by [`text`].
    pub(crate) async fn send(&mut self, frame: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(frame).await?)
    }

    /// Waits for the next frame.
    pub(crate) async fn frame(&mut self) -> Result<&[u8]> {
        let frame = loop {
            match parse_frame(&self.received[self.used..])? {
                Some(frame) => break frame,
                None => self.more().await?,
            }
        };
        let start = self.used;
        self.used += frame.payload.end;
        let payload = &self.received[start + frame.payload.start..start + frame.payload.end];
        ensure!(
            frame.opcode != CLOSE,
            "closed: {}",
            String::from_utf8_lossy(payload)
        );
        Ok(payload)
    }

    async fn answer(&mut self) -> Result<(u16, Range<usize>)> {
        let (status, body) = loop {
            match parse_answer(&self.received[self.used..])? {
                Some(answer) => break answer,
                None => self.more().await?,
            }
        };
        let body = self.used + body.start..self.used + body.end;
        self.used = body.end;
        Ok((status, body))
    }

    async fn more(&mut self) -> Result<()> {
        if self.used > 0 {
            self.received.drain(..self.used);
            self.used = 0;
        }
        let read = self.stream.read_buf(&mut self.received).await?;
        if read == 0 {
            bail!("the server hung up");
        }
        Ok(())
    }
}

/// A `POST` of JSON as it goes over the line.
pub(crate) fn post(target: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {target} HTTP/1.1\r\nhost: bench\r\nx-rivet-encoding: json\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A text frame as it goes over the line, masked with zeros.
pub(crate) fn text(payload: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match u8::try_from(payload.len()) {
        Ok(short @ ..126) => frame.push(0x80 | short),
        _ => {
            let length = u16::try_from(payload.len()).expect("benchmark frames are below 64 KiB");
            frame.push(0x80 | 126);
            frame.extend(length.to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload.as_bytes());
    frame
}

const CLOSE: u8 = 8;

struct Frame {
    opcode: u8,
    payload: Range<usize>,
}

/// The frame at the start of `bytes`, if it is all there.
fn parse_frame(bytes: &[u8]) -> Result<Option<Frame>> {
    let [first, second, rest @ ..] = bytes else {
        return Ok(None);
    };
    let (head, length) = match second {
        short @ ..126 => (2, usize::from(*short)),
        126 => {
            let [high, low, ..] = rest else {
                return Ok(None);
            };
            (4, usize::from(u16::from_be_bytes([*high, *low])))
        }
        _ => bail!("a frame longer than any that was asked for"),
    };
    let payload = head..head + length;
    Ok((payload.end <= bytes.len()).then_some(Frame {
        opcode: first & 0x0f,
        payload,
    }))
}

/// Status and body of the answer at the start of `bytes`, if it is all there.
fn parse_answer(bytes: &[u8]) -> Result<Option<(u16, Range<usize>)>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut answer = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = answer.parse(bytes)? else {
        return Ok(None);
    };
    let status = answer.code.context("an answer without status")?;
    let length = answer
        .headers
        .iter()
        .find(|it| it.name.eq_ignore_ascii_case("content-length"));
    let body = match length {
        Some(length) => head..head + std::str::from_utf8(length.value)?.parse::<usize>()?,
        None if status == 101 => head..head,
        None => bail!("an answer {status} of unknown length"),
    };
    Ok((body.end <= bytes.len()).then_some((status, body)))
}
