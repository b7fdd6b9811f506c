//! Reads a request's body, up to a limit.

use std::time::Duration;

use actor_core::{ActorError, gateway::incoming_too_long};
use axum::body::{Body, HttpBody as _};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use tokio::time::timeout;

/// Reads the whole body, of any framing.
///
/// # Errors
///
/// `message.incoming_too_long` once it has more than `limit` bytes, `actor.invalid_request` when the
/// client stops in the middle.
pub(crate) async fn read(mut body: Body, limit: usize) -> Result<Bytes, ActorError> {
    let announced = body.size_hint().lower();
    if let Some(announced) = usize::try_from(announced).ok().filter(|it| limit < *it) {
        skip(body).await;
        return Err(incoming_too_long(announced, limit));
    }
    // Most bodies come in one piece, which is then not copied.
    let Some(first) = next(&mut body).await? else {
        return Ok(Bytes::new());
    };
    if limit < first.len() {
        skip(body).await;
        return Err(incoming_too_long(first.len(), limit));
    }
    if body.is_end_stream() {
        return Ok(first);
    }
    let Some(second) = next(&mut body).await? else {
        return Ok(first);
    };
    let mut all = BytesMut::with_capacity(limit.min(2 * (first.len() + second.len())));
    all.extend_from_slice(&first);
    let mut more = Some(second);
    while let Some(piece) = more {
        if limit < all.len() + piece.len() {
            skip(body).await;
            return Err(incoming_too_long(all.len() + piece.len(), limit));
        }
        all.extend_from_slice(&piece);
        more = next(&mut body).await?;
    }
    Ok(all.freeze())
}

/// The next piece of data, `None` after the last.
async fn next(body: &mut Body) -> Result<Option<Bytes>, ActorError> {
    while let Some(frame) = body.frame().await {
        match frame.map(http_body::Frame::into_data) {
            Ok(Ok(piece)) if piece.is_empty() => {}
            Ok(Ok(piece)) => return Ok(Some(piece)),
            // Trailers say nothing to actors.
            Ok(Err(_)) => {}
            Err(error) => return Err(broken(&error)),
        }
    }
    Ok(None)
}

/// Reads on for a moment and forgets what comes: a client that is still sending when the connection
/// goes would not see the answer.
pub(super) async fn skip(mut body: Body) {
    let all = async {
        let mut left = SKIPPED_BYTES;
        while let Ok(Some(piece)) = next(&mut body).await {
            left = left.saturating_sub(piece.len());
            if left == 0 {
                return;
            }
        }
    };
    // Whoever takes longer does without the answer.
    let _ = timeout(SKIPPED_FOR, all).await;
}

fn broken(error: &axum::Error) -> ActorError {
    ActorError::new(
        "actor",
        "invalid_request",
        format!("the body cannot be read: {error}"),
    )
}

/// Most bytes that are read and forgotten of a body that is too long.
const SKIPPED_BYTES: usize = 1024 * 1024;
/// Longest time that is spent on it.
const SKIPPED_FOR: Duration = Duration::from_secs(2);
