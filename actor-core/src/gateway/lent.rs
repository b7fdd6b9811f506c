//! The body of a request that may be brought to an actor more than once. It is not copied: who has it lends it, and
//! has it back whole unless somebody has begun to read.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::request::Body;

/// A body, until somebody reads it.
pub(super) struct Lent(Arc<Home>);

type Home = Mutex<Option<Body>>;

impl Lent {
    pub(super) fn new(body: Body) -> Self {
        Self(Arc::new(Mutex::new(Some(body))))
    }

    /// The body. Of those that are lent, the one that is read first has it.
    pub(super) fn lend(&self) -> Body {
        if at(&self.0).as_ref().is_none_or(Body::is_end_stream) {
            return Body::empty();
        }
        Body::new(Reader {
            home: Arc::clone(&self.0),
            body: None,
        })
    }
}

/// A body that is fetched once it is read.
struct Reader {
    home: Arc<Home>,
    body: Option<Body>,
}

impl Reader {
    fn look<T>(&self, look: impl FnOnce(Option<&Body>) -> T) -> T {
        match &self.body {
            Some(body) => look(Some(body)),
            None => look(at(&self.home).as_ref()),
        }
    }
}

impl HttpBody for Reader {
    type Data = Bytes;
    type Error = axum_core::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.body.is_none() {
            let body = at(&self.home).take();
            self.body = body;
        }
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.look(|it| it.is_none_or(Body::is_end_stream))
    }

    fn size_hint(&self) -> SizeHint {
        self.look(|it| it.map_or_else(|| SizeHint::with_exact(0), Body::size_hint))
    }
}

fn at(home: &Home) -> MutexGuard<'_, Option<Body>> {
    home.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn read(body: &mut Body) -> Option<Bytes> {
        let mut cx = Context::from_waker(Waker::noop());
        match Pin::new(body).poll_frame(&mut cx) {
            Poll::Ready(frame) => frame.map(|it| it.unwrap().into_data().unwrap()),
            Poll::Pending => panic!("it is all there"),
        }
    }

    #[test]
    fn who_reads_first_has_it() {
        let lent = Lent::new(Body::from("all of it"));
        drop(lent.lend());
        let (mut first, mut second) = (lent.lend(), lent.lend());
        for body in [&first, &second] {
            assert_eq!(
                (body.size_hint().exact(), body.is_end_stream()),
                (Some(9), false)
            );
        }
        assert_eq!(read(&mut first), Some("all of it".into()));
        assert_eq!(read(&mut second), None);
        assert!(first.is_end_stream() && second.is_end_stream());
        assert!(lent.lend().is_end_stream());
    }
}
