//! What is left once the floor is divided out: whole numbers, coupled, in classes of codebooks.

use super::{Symbol, book::Book, setup::Setup, tables};

/// Turns a pair of values into the greater one and how far the other is from it: Vorbis I, section 1.3.3. Far opposites, which
/// only sounds far beyond full scale have, come as near as the codebooks reach.
pub(super) fn couple(left: i32, right: i32) -> (i32, i32) {
    let (greater, apart) = if left.abs() > right.abs() {
        (left, if left > 0 { left - right } else { right - left })
    } else {
        (right, if right > 0 { left - right } else { right - left })
    };
    (greater, apart.clamp(-tables::MOST, tables::MOST))
}

/// Codes the residues of a block; reused from block to block.
#[derive(Default)]
pub(super) struct Residue {
    values: Vec<i32>,
    /// By partition, then by channel: the class, and where its symbols are in `parts`.
    classes: Vec<Vec<Choice>>,
    parts: Vec<Symbol>,
}

#[derive(Clone, Copy)]
struct Choice {
    class: usize,
    from: usize,
    to: usize,
}

impl Residue {
    /// Appends a block's symbols; `ints` are the quantised values of each channel, coupled where there are two, and
    /// `used` tells which channels have a floor.
    pub(super) fn code(
        &mut self,
        setup: &Setup,
        size: usize,
        ints: &[Vec<i32>],
        used: &[bool],
        symbols: &mut Vec<Symbol>,
    ) {
        let coded = setup.coded[size];
        self.classes.clear();
        self.parts.clear();
        let weights = &setup.class_costs[size];
        if setup.paired {
            if used.contains(&true) {
                self.values.clear();
                let both = ints[0][..coded].iter().zip(&ints[1][..coded]);
                self.values.extend(both.flat_map(|(&a, &b)| [a, b]));
                self.choose(&setup.books, weights, tables::PARTITION[size]);
            }
        } else {
            for (ints, _) in ints.iter().zip(used).filter(|(_, used)| **used) {
                self.values.clear();
                self.values.extend_from_slice(&ints[..coded]);
                self.choose(&setup.books, weights, tables::PARTITION[size]);
            }
        }
        self.tell(size, symbols);
    }

    /// Chooses the cheapest class for each partition of a vector.
    fn choose(&mut self, books: &[Book], weights: &[f32], partition: usize) {
        let mut row = Vec::with_capacity(self.values.len() / partition);
        for values in self.values.chunks_exact(partition) {
            let class = cheapest(values, books, weights);
            let from = self.parts.len();
            passes(class, values, |book, entry| self.parts.push(Symbol::new(book, entry)));
            row.push(Choice { class, from, to: self.parts.len() });
        }
        self.classes.push(row);
    }

    /// Puts the symbols in the order in which decoders want them: section 8.6.2.
    fn tell(&self, size: usize, symbols: &mut Vec<Symbol>) {
        let partitions = self.classes.first().map_or(0, Vec::len);
        for pass in 0..2 {
            for first in (0..partitions).step_by(tables::CLASS_WORD) {
                let word = first..(first + tables::CLASS_WORD).min(partitions);
                if pass == 0 {
                    for row in &self.classes {
                        let class = |at: usize| row.get(at).map_or(0, |choice| choice.class);
                        let entry = class(first) * tables::CLASSES.len() + class(first + 1);
                        symbols.push(Symbol::new(tables::class_book(size), entry));
                    }
                }
                for at in word {
                    for row in &self.classes {
                        let Choice { class, from, to } = row[at];
                        let parts = &self.parts[from..to];
                        if class == tables::ESCAPE {
                            let coarse = tables::CLASSES[class][0];
                            symbols.extend(parts.iter().filter(|s| (s.book() == coarse) == (pass == 0)));
                        } else if pass == 0 {
                            symbols.extend(parts);
                        }
                    }
                }
            }
        }
    }
}

/// What each class costs by itself, from the lengths of the class words.
pub(super) fn class_costs(words: &Book) -> Vec<f32> {
    let classes = tables::CLASSES.len();
    let share = |entry: usize| libm::pow(2.0, -f64::from(words.lens[entry]));
    let of = |class: usize| (0..classes).map(|other| share(class * classes + other)).sum::<f64>();
    (0..classes).map(|class| -libm::log2(of(class)) as f32).collect()
}

fn cheapest(values: &[i32], books: &[Book], weights: &[f32]) -> usize {
    let most = values.iter().fold(0, |most, value| most.max(value.abs()));
    let sparse = || values.chunks(8).all(|part| part.iter().filter(|value| **value != 0).count() <= tables::SPARSE);
    let classes = match most {
        0 => return 0,
        1 if sparse() => 1..6,
        1 => 2..7,
        2 => 5..9,
        3..=4 => 7..10,
        5..=8 => 9..11,
        9..=12 => 10..11,
        _ => return tables::ESCAPE,
    };
    let mut best = (f32::MAX, 0);
    for class in classes {
        let book = &books[tables::CLASSES[class][0]];
        let mut bits = weights[class];
        passes(class, values, |_, entry| bits += f32::from(book.lens[entry]));
        if bits < best.0 {
            best = (bits, class);
        }
    }
    best.1
}

/// The entries that stand for `values` in a class, book by book.
fn passes(class: usize, values: &[i32], mut entry: impl FnMut(usize, usize)) {
    let index = |part: &[i32], most: i32| {
        part.iter().rev().fold(0, |index, value| index * (2 * most + 1) + value + most) as usize
    };
    if class == tables::ESCAPE {
        let [coarse, fine] = [tables::CLASSES[class][0], tables::CLASSES[class][1]];
        let round = |value: i32| (value + value.signum() * (tables::COARSE / 2)) / tables::COARSE;
        for &value in values {
            entry(coarse, (round(value) + 80) as usize);
        }
        for pair in values.chunks_exact(2) {
            let rest = [pair[0], pair[1]].map(|value| value - round(value) * tables::COARSE);
            entry(fine, index(&rest, 12));
        }
        return;
    }
    let Some(&book) = tables::CLASSES[class].first() else { return };
    let (dim, most) = match class {
        1 => (8, 1),
        2..=4 => (4, 1),
        5..=6 => (4, 2),
        7..=8 => (2, 4),
        9 => (2, 8),
        _ => (2, 12),
    };
    for part in values.chunks_exact(dim) {
        entry(book, index(part, most));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoders_get_both_channels_back() {
        for left in -20..=20 {
            for right in -20..=20 {
                let (m, a) = couple(left, right);
                let back = match (m > 0, a > 0) {
                    (true, true) => (m, m - a),
                    (true, false) => (m + a, m),
                    (false, true) => (m, m + a),
                    (false, false) => (m - a, m),
                };
                assert_eq!(back, (left, right));
            }
        }
    }

    #[test]
    fn every_value_has_a_class() {
        let mut values = vec![0; 16];
        for value in -tables::MOST..=tables::MOST {
            values[3] = value;
            let (mut coarse, mut fine) = (Vec::new(), Vec::new());
            let places = [tables::CLASSES[tables::ESCAPE][0], tables::CLASSES[tables::ESCAPE][1]];
            passes(tables::ESCAPE, &values, |book, entry| {
                if book == places[0] { coarse.push(entry as i32 - 80) } else { fine.push(entry as i32) }
            });
            assert!(fine.iter().all(|entry| (0..625).contains(entry)), "{value}");
            assert_eq!(coarse[3] * 25 + fine[1] / 25 - 12, value);
        }
    }
}
