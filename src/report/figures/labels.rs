//! Names at the ends of curves, moved apart where they would touch.

use super::canvas::{Anchor, Canvas, Frame, Point, Stroke, Text};
use super::chart::Curve;
use super::style::{SMALL, readable};

/// Space between the axes and a name.
pub(super) const BESIDE: f64 = 4.0;

/// Names the curves at the right of `frame`, each as near to its end as the others let it; a thin line leads to a name that
/// was moved.
pub(super) fn end_labels(canvas: &mut Canvas, frame: Frame, ends: &[(&Curve, Point)]) {
    let wanted: Vec<f64> = ends.iter().map(|(_, end)| end[1]).collect();
    let room = (frame.top - 6.0, frame.bottom + 6.0);
    let places = moved_apart(&wanted, SMALL + 1.0, room);
    for ((curve, [x, y]), place) in ends.iter().zip(places) {
        let left = frame.right + BESIDE;
        if (place - y).abs() > 2.0 || left - x > BESIDE + 6.0 {
            let stroke = Stroke::new(curve.colour, 0.4);
            canvas.line(vec![[x + 1.0, *y], [left - 0.8, place]], stroke);
        }
        let at = [left, place + 0.36 * SMALL];
        let label = Text::new(&curve.label, at, Anchor::Start).size(SMALL);
        canvas.text(label.colour(readable(curve.colour)));
    }
}

/// Places near the `wanted` ones and in their order that are `distance` apart, between `low` and `high` as far as there is
/// room: groups of places that touch are centred on the mean of what their members want.
pub(super) fn moved_apart(wanted: &[f64], distance: f64, (low, high): (f64, f64)) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|&one, &other| wanted[one].total_cmp(&wanted[other]));
    // Groups: the first member's place, and the members.
    let mut groups: Vec<(f64, Vec<usize>)> = Vec::new();
    for index in order {
        groups.push((wanted[index], vec![index]));
        loop {
            let last = groups.len() - 1;
            let (first, members) = &groups[last];
            let length = (members.len() - 1) as f64 * distance;
            // Within the room, from the top where there is too little.
            let first = first.min(high - length).max(low);
            groups[last].0 = first;
            if last == 0 {
                break;
            }
            let (above, others) = &groups[last - 1];
            if above + others.len() as f64 * distance <= first {
                break;
            }
            let (_, members) = groups.pop().expect("there are two");
            let group = groups.last_mut().expect("there are two");
            group.1.extend(members);
            let sum: f64 = group
                .1
                .iter()
                .enumerate()
                .map(|(place, member)| wanted[*member] - place as f64 * distance)
                .sum();
            group.0 = sum / group.1.len() as f64;
        }
    }
    let mut places = vec![0.0; wanted.len()];
    for (first, members) in groups {
        for (place, member) in members.into_iter().enumerate() {
            places[member] = first + place as f64 * distance;
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_moved_apart_no_further_than_they_must() {
        assert_eq!(moved_apart(&[10.0, 50.0], 7.0, (0.0, 100.0)), [10.0, 50.0]);
        let close = moved_apart(&[30.0, 30.0, 90.0], 8.0, (0.0, 100.0));
        assert_eq!(close, [26.0, 34.0, 90.0]);
        assert_eq!(moved_apart(&[34.0, 30.0], 8.0, (0.0, 100.0)), [36.0, 28.0]);
        assert_eq!(moved_apart(&[99.0, 99.0], 8.0, (0.0, 100.0)), [92.0, 100.0]);
        assert_eq!(moved_apart(&[1.0, 1.0], 8.0, (0.0, 100.0)), [0.0, 8.0]);
    }
}
