//! Which class is where, on closed forms; and what is no annotation file.

use super::*;
use crate::random::Random;

/// A region of BACH's form.
fn described(class: &str, corners: &[(f64, f64)], more: &str) -> String {
    let vertices: Vec<String> = corners
        .iter()
        .map(|(x, y)| format!("<Vertex X=\"{x}\" Y=\"{y}\" Z=\"0\"/>"))
        .collect();
    format!(
        "<Region Id=\"1\" Text=\"\" {more}><Attributes><Attribute Id=\"1\" Name=\"0\" Value=\"{class}\"/></Attributes>\
         <Vertices>{}</Vertices></Region>",
        vertices.concat()
    )
}

fn file(regions: &[String]) -> String {
    format!(
        "<Annotations MicronsPerPixel=\"0.467\"><Annotation Id=\"1\" Name=\"\"><Regions>\
         <RegionAttributeHeaders/>{}</Regions></Annotation></Annotations>",
        regions.concat()
    )
}

fn square(left: f64, top: f64, side: f64) -> [(f64, f64); 4] {
    let (right, bottom) = (left + side, top + side);
    [(left, top), (right, top), (right, bottom), (left, bottom)]
}

/// The fraction of a square of `side` pixels that is of `class`, by its pixels' centres.
fn fraction(regions: &Regions, class: &str, side: usize) -> f64 {
    let of_row = |y: usize| {
        let line = regions.line(y as f64 + 0.5);
        let is = |x: &usize| line.class_at(*x as f64 + 0.5) == class;
        (0..side).filter(is).count()
    };
    (0..side).map(of_row).sum::<usize>() as f64 / (side * side) as f64
}

#[test]
fn the_area_of_a_disc_and_of_a_star_are_the_closed_forms() {
    use std::f64::consts::PI;
    let on_circle = |turns: f64| {
        let angle = 2.0 * PI * turns;
        (200.0 + 150.0 * angle.cos(), 200.0 + 150.0 * angle.sin())
    };
    let circle: Vec<_> = (0..1000)
        .map(|k| on_circle(f64::from(k) / 1000.0))
        .collect();
    let disc = Regions::parse(&file(&[described("Benign", &circle, "")])).unwrap();
    let area = fraction(&disc, "benign", 400) * 400.0 * 400.0;
    assert!(
        (area / (PI * 150.0 * 150.0) - 1.0).abs() < 2e-3,
        "{area} pixels"
    );
    // Of a pentagram the inner pentagon is enclosed twice, and so outside by the even-odd rule: five points are left. With the
    // circle's radius 1, its inner corners lie on the radius r = cos 72 / cos 36.
    let star: Vec<_> = (0..5).map(|k| on_circle(f64::from(2 * k) / 5.0)).collect();
    let star = Regions::parse(&file(&[described("Benign", &star, "")])).unwrap();
    let inner = (72f64).to_radians().cos() / (36f64).to_radians().cos();
    let (sin, cos) = (36f64).to_radians().sin_cos();
    let whole = 5.0 * inner * sin; // ten triangles with sides 1 and r, the angle 36 degrees between
    let pentagon = 5.0 * inner * inner * sin * cos;
    let expected = (whole - pentagon) * 150.0 * 150.0;
    let area = fraction(&star, "benign", 400) * 400.0 * 400.0;
    assert!(
        (area / expected - 1.0).abs() < 5e-3,
        "{area}, expected {expected}"
    );
}

#[test]
fn the_smallest_region_counts_and_a_negative_one_takes_out() {
    let regions = Regions::parse(&file(&[
        described("Carcinoma in situ", &square(20.0, 20.0, 10.0), ""),
        described("Carcinoma invasive", &square(0.0, 0.0, 100.0), ""),
        described("", &square(60.0, 60.0, 20.0), "NegativeROA=\"1\""),
    ]))
    .unwrap();
    let at = |x: f64, y: f64| regions.line(y).class_at(x);
    assert_eq!(at(25.0, 25.0), "carcinoma in situ");
    assert_eq!(at(50.0, 25.0), "carcinoma invasive");
    assert_eq!(at(70.0, 70.0), NORMAL);
    assert_eq!(at(150.0, 25.0), NORMAL);
    let percent = |class: &str| (100.0 * fraction(&regions, class, 100)).round() as u32;
    assert_eq!((percent("carcinoma in situ"), percent(NORMAL)), (1, 4));
    // A side belongs to the square that begins there.
    assert_eq!(at(0.0, 0.0), "carcinoma invasive");
    assert_eq!(at(100.0, 0.0), NORMAL);
    let mut classes: Vec<&str> = regions.classes().collect();
    classes.sort_unstable();
    assert_eq!(classes, ["carcinoma in situ", "carcinoma invasive"]);
}

#[test]
fn a_class_is_an_attribute_a_text_or_the_name_of_the_annotation() {
    let vertices =
        "<Vertices><Vertex X='0' Y='0'/><Vertex X='9' Y='0'/><Vertex X='0' Y='9'/></Vertices>";
    let class_of = |annotation: &str, region: &str| {
        let text = format!(
            "<Annotations><Annotation {annotation}><Regions><Region Id='7' {region}>{vertices}</Region></Regions>\
             </Annotation></Annotations>"
        );
        Regions::parse(&text).map(|regions| regions.line(1.0).class_at(1.0).to_owned())
    };
    assert_eq!(
        class_of("Name='Tumour'", "Text=' Benign '").unwrap(),
        "benign"
    );
    assert_eq!(class_of("Name='Tumour'", "Text=''").unwrap(), "tumour");
    assert_eq!(
        class_of("Name=''", "").unwrap_err(),
        "region 7 has no class, neither an attribute's `Value` nor a `Text`"
    );
}

#[test]
fn what_is_no_annotation_file_is_refused() {
    let refused = |text: &str| Regions::parse(text).unwrap_err();
    assert!(refused("").starts_with("no XML: "));
    assert!(refused("<Annotations>").starts_with("no XML: "));
    assert_eq!(refused("<a/>"), "it has no `Annotations` on top");
    assert_eq!(refused("<Annotations/>"), "it has no region with an area");
    let ruler = described("x", &[(0.0, 0.0), (1.0, 1.0)], "");
    assert_eq!(refused(&file(&[ruler])), "it has no region with an area");
    let lost = described("x", &square(0.0, 0.0, 9.0), "").replace("\"9\"", "\"nan\"");
    assert_eq!(
        refused(&file(&[lost])),
        "region 1 has a vertex without a place"
    );
    // Entities that multiply: no document type is read.
    let bomb = "<!DOCTYPE a [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]><Annotations>&b;</Annotations>";
    assert!(refused(bomb).starts_with("no XML: "));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.xml");
    fs::write(&path, b"<Annotations>\xff</Annotations>").unwrap();
    let error = Regions::read(&path).unwrap_err().to_string();
    assert!(
        error.starts_with("annotations `") && error.contains("UTF-8"),
        "{error}"
    );
}

#[test]
fn damaged_files_are_read_or_refused_and_nothing_else() {
    let regions = [
        described("Benign", &square(3.0, 4.0, 50.0), ""),
        described("Carcinoma invasive", &square(10.0, 20.0, 300.5), ""),
    ];
    let whole = file(&regions).into_bytes();
    let mut stream = Random::new(0).stream("damage");
    let (mut read, mut refused) = (0, 0);
    for round in 0..20_000 {
        let mut bytes = whole.clone();
        if round % 2 == 0 {
            bytes.truncate(stream.below(whole.len()));
        }
        for _ in 0..round % 5 {
            if !bytes.is_empty() {
                let place = stream.below(bytes.len());
                bytes[place] ^= 1 << stream.below(8);
            }
        }
        match String::from_utf8(bytes).map(|text| Regions::parse(&text)) {
            Ok(Ok(regions)) => {
                let _ = regions.line(25.0).class_at(25.0);
                read += 1;
            }
            _ => refused += 1,
        }
    }
    assert!(
        read > 500 && refused > 5000,
        "{read} read, {refused} refused"
    );
    let deep = "<Annotations>".repeat(200_000);
    assert!(Regions::parse(&deep).is_err());
}
