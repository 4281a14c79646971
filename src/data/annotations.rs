//! Regions drawn on slides, from the XML of Aperio's ImageScope, as the whole slides of BACH have them.
//!
//! A region's class is the `Value` of its first attribute that has one, else its `Text`, else that of the annotation it stands
//! in (an attribute's `Value`, then its `Name`), in lower case. Vertices are in pixels of level 0; one region is what its
//! outline encloses by the even-odd rule. Where regions overlap, the smallest counts: it was drawn into the other. A region
//! marked `NegativeROA` takes what it encloses out again.

use std::fs;
use std::path::Path;

use roxmltree::{Document, Node};

use crate::error::{Result, refuse};

/// The class of what lies in no region.
pub const NORMAL: &str = "normal";
/// Largest annotation file that is read, in bytes: BACH's have a few million.
const LARGEST: u64 = 1 << 28;

/// The regions of a slide.
#[derive(Debug, PartialEq)]
pub struct Regions {
    /// The smallest first.
    regions: Vec<Region>,
}

#[derive(Debug, PartialEq)]
struct Region {
    /// None where it takes out.
    class: Option<String>,
    /// Column and row of each corner, in pixels of level 0.
    vertices: Vec<(f64, f64)>,
}

/// Where a horizontal line crosses the outlines of regions.
pub struct Line<'a> {
    /// The class of each region that the line crosses, and the columns where, ascending.
    crossings: Vec<(Option<&'a str>, Vec<f64>)>,
}

impl Regions {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// For a file that is no XML, has no regions, or a region without a class or with a corner that is no place.
    pub fn read(path: &Path) -> Result<Self> {
        let refused = |what: &str| {
            refuse(
                format!("annotations `{}`: {what}", path.display()),
                "export the annotations of the slide as XML from ImageScope again, or take the file out of the folder",
            )
        };
        let length = fs::metadata(path).map_err(|error| refused(&error.to_string()))?;
        if length.len() > LARGEST {
            return Err(refused("the file is too large for annotations"));
        }
        let text = fs::read_to_string(path).map_err(|error| refused(&error.to_string()))?;
        Self::parse(&text).map_err(|what| refused(&what))
    }

    /// The regions that `text` describes, or what is wrong with it.
    fn parse(text: &str) -> std::result::Result<Self, String> {
        let document = Document::parse(text.trim_start_matches('\u{feff}'))
            .map_err(|error| format!("no XML: {error}"))?;
        if !document.root_element().has_tag_name("Annotations") {
            return Err("it has no `Annotations` on top".to_owned());
        }
        let found = document.descendants();
        let mut regions = found
            .filter(|node| node.has_tag_name("Region"))
            .filter_map(|node| region(node).transpose())
            .collect::<std::result::Result<Vec<Region>, String>>()?;
        if regions.is_empty() {
            return Err("it has no region with an area".to_owned());
        }
        regions.sort_by(|a, b| a.area().total_cmp(&b.area()));
        Ok(Self { regions })
    }

    /// The classes of the regions.
    pub fn classes(&self) -> impl Iterator<Item = &str> {
        self.regions
            .iter()
            .filter_map(|region| region.class.as_deref())
    }

    /// The line at row `y`, in pixels of level 0.
    pub fn line(&self, y: f64) -> Line<'_> {
        let crossed = self.regions.iter().map(|region| {
            let class = region.class.as_deref();
            (class, region.crossings(y))
        });
        Line {
            crossings: crossed.filter(|(_, at)| !at.is_empty()).collect(),
        }
    }
}

impl Region {
    /// The edges, the last back to the first corner.
    fn edges(&self) -> impl Iterator<Item = ((f64, f64), (f64, f64))> {
        let next = self.vertices.iter().cycle().skip(1);
        self.vertices.iter().copied().zip(next.copied())
    }

    /// The area of an outline that does not cross itself (the shoelace formula).
    fn area(&self) -> f64 {
        let twice: f64 = self.edges().map(|(a, b)| a.0 * b.1 - b.0 * a.1).sum();
        twice.abs() / 2.0
    }

    /// The columns where the outline crosses row `y`, ascending. An edge has its upper end and not its lower one, so that a corner
    /// is crossed once.
    fn crossings(&self, y: f64) -> Vec<f64> {
        let crossed = self.edges().filter(|(a, b)| (a.1 <= y) != (b.1 <= y));
        let mut columns: Vec<f64> = crossed
            .map(|(a, b)| a.0 + (y - a.1) / (b.1 - a.1) * (b.0 - a.0))
            .collect();
        columns.sort_by(f64::total_cmp);
        columns
    }
}

impl<'a> Line<'a> {
    /// The class at column `x`, in pixels of level 0.
    pub fn class_at(&self, x: f64) -> &'a str {
        let inside = |columns: &Vec<f64>| columns.partition_point(|&column| column <= x) % 2 == 1;
        let region = self.crossings.iter().find(|(_, columns)| inside(columns));
        region.and_then(|(class, _)| *class).unwrap_or(NORMAL)
    }
}

/// What a `Region` element describes; none if it has no area (an arrow, a ruler).
fn region(node: Node<'_, '_>) -> std::result::Result<Option<Region>, String> {
    let name = node.attribute("Id").unwrap_or("?");
    let vertices: Vec<(f64, f64)> = node
        .descendants()
        .filter(|node| node.has_tag_name("Vertex"))
        .map(|vertex| {
            let number = |key| {
                let value: Option<f64> = vertex.attribute(key).and_then(|text| text.parse().ok());
                value.filter(|value| value.abs() < 1e9)
            };
            number("X").zip(number("Y"))
        })
        .collect::<Option<_>>()
        .ok_or_else(|| format!("region {name} has a vertex without a place"))?;
    if vertices.len() < 3 {
        return Ok(None);
    }
    let takes_out = node.attribute("NegativeROA") == Some("1");
    let class = class(node).or_else(|| node.ancestors().find(is_annotation).and_then(class));
    match (takes_out, class) {
        (true, _) => Ok(Some(Region {
            class: None,
            vertices,
        })),
        (false, Some(class)) => Ok(Some(Region {
            class: Some(class),
            vertices,
        })),
        (false, None) => Err(format!(
            "region {name} has no class, neither an attribute's `Value` nor a `Text`"
        )),
    }
}

fn is_annotation(node: &Node<'_, '_>) -> bool {
    node.has_tag_name("Annotation")
}

/// The class that an element, a `Region` or an `Annotation`, says of itself.
fn class(node: Node<'_, '_>) -> Option<String> {
    let attributes = node
        .children()
        .filter(|child| child.has_tag_name("Attributes"));
    let values = attributes
        .flat_map(|attributes| attributes.children())
        .filter(|child| child.has_tag_name("Attribute"))
        .filter_map(|attribute| attribute.attribute("Value"));
    let named = ["Text", "Name"].map(|key| node.attribute(key));
    let texts = values.chain(named.into_iter().flatten());
    let mut classes = texts.map(|text| text.trim().to_lowercase());
    classes.find(|class| !class.is_empty())
}

#[cfg(test)]
mod tests;
