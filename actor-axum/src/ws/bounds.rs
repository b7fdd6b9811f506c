//! Where frames end in what a client sends. Pure; what they say is for others to read.

/// Follows the bytes of one client, frame by frame. Small, since every socket has one.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    /// Of the frame after its head, or what is known of that.
    left: u64,
    at: At,
    /// How long its mask is.
    mask: u8,
    /// Whether the message goes on in another frame.
    goes_on: bool,
}

/// Where in a frame the next byte is.
#[derive(Clone, Copy, Debug, Default)]
enum At {
    /// The first, which says what the frame is.
    #[default]
    Start,
    /// The second, which has a short length.
    Length,
    /// One of a longer length, of which there are so many.
    Longer(u8),
    /// After the head, in the mask or what the frame says.
    Rest,
}

impl Bounds {
    /// How many of `bytes`, which come next, belong to the frame under way: never more than up to its end, and none
    /// only of none.
    pub(super) fn take(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while let Some(byte) = bytes.get(taken) {
            if let At::Rest = self.at {
                let rest = bytes.len() - taken;
                let some = usize::try_from(self.left).map_or(rest, |it| it.min(rest));
                taken += some;
                self.ends_after(self.left - some as u64);
            } else {
                taken += 1;
                self.read(*byte);
            }
            if let At::Start = self.at {
                break;
            }
        }
        taken
    }

    /// Whether the next byte begins a message.
    pub(super) fn is_between_messages(&self) -> bool {
        matches!(self.at, At::Start) && !self.goes_on
    }

    /// Takes a byte of a frame's head.
    fn read(&mut self, byte: u8) {
        match self.at {
            At::Start => {
                // Pings and their like may come in the middle of a message.
                if byte & CONTROL == 0 {
                    self.goes_on = byte & FINAL == 0;
                }
                self.at = At::Length;
            }
            At::Length => {
                self.mask = if byte & MASKED == 0 { 0 } else { 4 };
                self.left = 0;
                match byte & !MASKED {
                    126 => self.at = At::Longer(2),
                    127 => self.at = At::Longer(8),
                    short => self.ends_after(u64::from(short + self.mask)),
                }
            }
            At::Longer(bytes) => {
                self.left = self.left << 8 | u64::from(byte);
                if bytes == 1 {
                    self.ends_after(self.left.saturating_add(self.mask.into()));
                } else {
                    self.at = At::Longer(bytes - 1);
                }
            }
            At::Rest => {}
        }
    }

    fn ends_after(&mut self, left: u64) {
        self.left = left;
        self.at = if left == 0 { At::Start } else { At::Rest };
    }
}

/// Of a frame's first byte: it ends a message.
const FINAL: u8 = 0x80;
/// Of a frame's first byte: it is no part of a message.
const CONTROL: u8 = 0x08;
/// Of the second: a mask follows the length.
const MASKED: u8 = 0x80;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tungstenite::protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    };

    use super::*;

    /// A frame of a client, of one of the three lengths of a length.
    fn frame() -> impl Strategy<Value = (Vec<u8>, bool, bool)> {
        let len = prop_oneof![0..130_usize, 120..140_usize, 65_530..65_540_usize];
        (len, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
            |(len, is_control, is_final, is_masked)| {
                let is_final = is_final || is_control;
                let mut frame = if is_control {
                    Frame::ping(vec![1; len % 126])
                } else {
                    Frame::message(vec![1; len], OpCode::Data(Data::Binary), is_final)
                };
                if is_masked {
                    frame.header_mut().mask = Some([2; 4]);
                }
                let mut bytes = Vec::new();
                frame.format(&mut bytes).unwrap();
                (bytes, is_control, is_final)
            },
        )
    }

    proptest! {
        /// However the bytes are cut: every frame is taken whole and alone.
        #[test]
        fn frames_are_told_apart(
            frames in prop::collection::vec(frame(), 0..8),
            cuts in prop::collection::vec(1..2_000_usize, 1..20),
        ) {
            let all: Vec<u8> = frames.iter().flat_map(|it| it.0.clone()).collect();
            let mut ends = Vec::new();
            let mut goes_on = false;
            for (bytes, is_control, is_final) in &frames {
                goes_on = if *is_control { goes_on } else { !is_final };
                ends.push((ends.last().map_or(0, |it: &(usize, bool)| it.0) + bytes.len(), !goes_on));
            }
            let mut ends = ends.into_iter().peekable();
            let mut bounds = Bounds::default();
            let (mut at, mut cuts) = (0, cuts.into_iter().cycle());
            while at < all.len() {
                let to = all.len().min(at + cuts.next().unwrap());
                let taken = bounds.take(&all[at..to]);
                prop_assert!(0 < taken);
                at += taken;
                let (end, is_whole) = *ends.peek().unwrap();
                prop_assert!(at <= end, "{at} is past {end}");
                prop_assert!(at == end || at == to, "{at} is neither {end} nor {to}");
                if at == end {
                    prop_assert_eq!(bounds.is_between_messages(), is_whole);
                    ends.next();
                } else {
                    prop_assert!(!bounds.is_between_messages());
                }
            }
        }
    }

    #[test]
    fn a_length_beyond_all_bounds_is_none_to_fall_over() {
        let mut bounds = Bounds::default();
        let head = [0x82, 0xff, 255, 255, 255, 255, 255, 255, 255, 255];
        assert_eq!(bounds.take(&head), head.len());
        assert_eq!(bounds.take(&[0; 100]), 100);
        assert_eq!(bounds.take(&[]), 0);
    }
}
