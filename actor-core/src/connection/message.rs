//! One message of a raw WebSocket, either way.

use bytes::Bytes;

use super::Frame;

/// A message of a raw WebSocket, as it was sent: nothing is encoded or decoded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Message {
    /// A text.
    Text(String),
    /// Any bytes.
    Binary(Bytes),
}

impl Message {
    /// How many bytes it has.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Message> for Frame {
    fn from(message: Message) -> Self {
        match message {
            Message::Text(text) => Self {
                bytes: text.into(),
                text: true,
            },
            Message::Binary(bytes) => Self { bytes, text: false },
        }
    }
}

/// Fails when a text is not UTF-8.
impl TryFrom<Frame> for Message {
    type Error = std::string::FromUtf8Error;

    fn try_from(frame: Frame) -> Result<Self, Self::Error> {
        if frame.text {
            // Without a copy when nobody else holds the bytes.
            String::from_utf8(frame.bytes.into()).map(Self::Text)
        } else {
            Ok(Self::Binary(frame.bytes))
        }
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Self {
        Self::Binary(bytes)
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Binary(bytes.into())
    }
}
