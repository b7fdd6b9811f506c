//! What to do for those who wait for an actor when a life of it ends before it has taken anything from
//! them (R1). Told what happened, it answers what to do; it waits for nothing itself.

/// What became of a wake that somebody waited for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// The actor took what waited.
    Ready,
    /// It stopped first.
    Stopped,
}

/// What those are to expect who wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// Another life.
    WakeAgain,
    /// A refusal: none of the lives so far took anything, so the next will hardly.
    GiveUp,
}

/// How often in a row an actor was woken in vain.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wakes(u8);

impl Wakes {
    /// How often in a row an actor is woken in vain before who waits is refused.
    pub(crate) const MOST: u8 = 8;

    /// A life has ended, and somebody waits for the next.
    pub(crate) fn on(&mut self, outcome: Outcome) -> Verdict {
        self.0 = match outcome {
            Outcome::Ready => 0,
            Outcome::Stopped => self.0 + 1,
        };
        if self.0 < Self::MOST {
            return Verdict::WakeAgain;
        }
        // Whoever comes next has all tries again.
        self.0 = 0;
        Verdict::GiveUp
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r1_eight_wakes_in_vain_are_enough() {
        let mut wakes = Wakes::default();
        for _ in 0..3 {
            for _ in 1..Wakes::MOST {
                assert_eq!(wakes.on(Outcome::Stopped), Verdict::WakeAgain);
            }
            assert_eq!(wakes.on(Outcome::Stopped), Verdict::GiveUp);
        }
        for _ in 0..100 {
            for _ in 1..Wakes::MOST {
                assert_eq!(wakes.on(Outcome::Stopped), Verdict::WakeAgain);
            }
            assert_eq!(wakes.on(Outcome::Ready), Verdict::WakeAgain);
        }
    }
}
