//! How a series moves: its last readings as a window, compared with the windows that it is made of.
//!
//! Windows are kept as prototypes, as k-means does, but one by one: a window near a prototype moves it a little, one far
//! from all becomes a prototype itself, and the one that is met least makes room. linfa's k-means takes a batch and a fixed
//! number of centres; per reading it allocates, and a shape that was never seen moves a centre instead of standing out.

/// Readings of a window, each of two neighbours taken together.
const LENGTH: usize = 12;
pub(super) const STRIDE: usize = 2;
/// Readings that a window spans.
pub(super) const SPAN: usize = LENGTH * STRIDE;
/// Prototypes at most.
const PROTOTYPES: usize = 40;
/// A window becomes a prototype while there is room when it is farther than this many usual distances from all, and takes
/// the place of another one from this on.
const FAR: f32 = 0.8;
const ALIEN: f32 = 3.0;
/// How far a window moves its prototype.
const MOVE: f32 = 0.05;
/// How fast a prototype that is not met loses its place.
const FADE: f32 = 0.999;
/// When being met counts for so much, all is brought down again.
const WORTH_MAX: f32 = 1e6;
/// The weight of a distance in what is usual, and how much of what is usual one can count for.
const WEIGHT: f32 = 0.002;
const CLIP: f32 = 2.0;

type Window = [f32; LENGTH];

/// The prototypes of a series: their windows, and how often each was met.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shape {
    windows: Vec<Window>,
    met: Vec<f32>,
    /// What being met once counts for now, beside what it counted for at first: in place of fading all others each time.
    worth: Worth,
    usual: f32,
    seen: f32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Worth(f32);

impl Default for Worth {
    fn default() -> Self {
        Self(1.0)
    }
}

/// The window that ends with the newest of `newest_first`, around `level`, in units of `spread`.
pub(super) fn window(newest_first: impl Iterator<Item = f32>, level: f32, spread: f32) -> Window {
    let mut window = [0.0; LENGTH];
    for (at, value) in newest_first.take(SPAN).enumerate() {
        window[at / STRIDE] += value / STRIDE as f32;
    }
    window.map(|mean| (mean - level) / spread.max(1e-9))
}

fn distance(a: &Window, b: &Window) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f32>() / LENGTH as f32
}

impl Shape {
    /// How far a window is from what the series is made of, in usual distances; then it is part of it.
    pub fn take(&mut self, window: Window) -> f32 {
        let near = |(at, known): (usize, &Window)| (distance(known, &window), at);
        let nearest = self.windows.iter().enumerate().map(near).min_by(|a, b| a.0.total_cmp(&b.0));
        let Some((far, at)) = nearest else {
            self.keep(window);
            return 0.0;
        };
        let told = far / self.usual.max(1e-9);
        self.seen += 1.0;
        let counted = if self.seen > 20.0 { far.min(CLIP * self.usual) } else { far };
        self.usual += (counted - self.usual) * (1.0 / self.seen).max(WEIGHT);
        if self.windows.len() < PROTOTYPES && far > FAR * self.usual {
            self.keep(window);
        } else if far > ALIEN * self.usual {
            let least = (0..self.met.len()).min_by(|a, b| self.met[*a].total_cmp(&self.met[*b]));
            let place = least.expect("there is a nearest one");
            (self.windows[place], self.met[place]) = (window, self.worth.0);
        } else {
            self.windows[at].iter_mut().zip(window).for_each(|(own, value)| *own += (value - *own) * MOVE);
            self.met[at] += self.worth.0;
        }
        self.fade();
        if self.seen > 20.0 { told } else { 0.0 }
    }

    /// What was met until now is worth less than what comes.
    fn fade(&mut self) {
        self.worth.0 /= FADE;
        if self.worth.0 > WORTH_MAX {
            let worth = self.worth.0;
            self.met.iter_mut().for_each(|met| *met /= worth);
            self.worth = Worth::default();
        }
    }

    fn keep(&mut self, window: Window) {
        // Grown by halves they would hold up to twice as many as are ever used.
        if self.windows.len() == self.windows.capacity() {
            self.windows.reserve_exact(PROTOTYPES / 5);
            self.met.reserve_exact(PROTOTYPES / 5);
        }
        self.windows.push(window);
        self.met.push(self.worth.0);
    }

    /// Writes it for [`Shape::read`].
    pub fn write(&self, out: &mut super::state::Writer<'_>) {
        out.f32(self.usual);
        out.f32(self.seen);
        out.u8(self.windows.len() as u8);
        for (window, met) in self.windows.iter().zip(&self.met) {
            out.f32(met / self.worth.0);
            window.iter().for_each(|value| out.f32(*value));
        }
    }

    /// Reads what [`Shape::write`] wrote.
    pub fn read(from: &mut super::state::Reader<'_>) -> Option<Self> {
        let (usual, seen) = (from.finite()?, from.finite()?);
        let count = usize::from(from.u8()?);
        let (mut windows, mut met) =
            (Vec::with_capacity(count.min(PROTOTYPES)), Vec::with_capacity(count.min(PROTOTYPES)));
        for _ in 0..count {
            met.push(from.finite()?);
            let mut window = [0.0; LENGTH];
            for value in &mut window {
                *value = from.finite()?;
            }
            windows.push(window);
        }
        (count <= PROTOTYPES).then_some(Self { windows, met, worth: Worth::default(), usual, seen })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(at: usize) -> [f32; LENGTH] {
        let value = |n: usize| ((at + n) % 12) as f32 - 6.0 + ((at * 7 + n * 3) % 5) as f32 / 10.0;
        std::array::from_fn(value)
    }

    #[test]
    fn a_shape_that_was_never_seen_stands_out_at_a_level_that_was() {
        let mut shape = Shape::default();
        (0..1000).for_each(|at| {
            shape.take(wave(at));
        });
        assert!(shape.take(wave(3)) < 3.0);
        let flat = shape.take([0.0; LENGTH]);
        assert!(flat > 2.5, "{flat}");
        assert!(shape.windows.len() <= PROTOTYPES);
    }
}
