use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::error::Result as OrRefusal;

/// A file in a folder of its own.
struct Place {
    _folder: TempDir,
    path: PathBuf,
}

fn place(name: &str, bytes: &[u8]) -> Place {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    Place {
        _folder: folder,
        path,
    }
}

fn rows(file: &[u8]) -> Vec<f64> {
    let file = place("a.npy", file);
    Array::open(&file.path).unwrap().values().unwrap()
}

macro_rules! bytes {
    ($type:ty, $to:ident, $values:expr) => {
        $values
            .iter()
            .flat_map(|&value| (value as $type).$to())
            .collect::<Vec<u8>>()
    };
}

#[test]
fn every_number_is_read_in_either_byte_order() {
    let values = [0.0f64, 1.0, 2.0, 100.0, 127.0, 3.0];
    let halves: Vec<f16> = values.iter().map(|&value| f16::from_f64(value)).collect();
    for (kind, data) in [
        ("|b1", vec![0, 1, 1, 1, 1, 1]),
        ("|i1", bytes!(i8, to_le_bytes, values)),
        ("|u1", bytes!(u8, to_le_bytes, values)),
        ("<i2", bytes!(i16, to_le_bytes, values)),
        (">i2", bytes!(i16, to_be_bytes, values)),
        ("<u2", bytes!(u16, to_le_bytes, values)),
        (">u2", bytes!(u16, to_be_bytes, values)),
        ("<i4", bytes!(i32, to_le_bytes, values)),
        (">i4", bytes!(i32, to_be_bytes, values)),
        ("<u4", bytes!(u32, to_le_bytes, values)),
        (">u4", bytes!(u32, to_be_bytes, values)),
        ("<i8", bytes!(i64, to_le_bytes, values)),
        (">i8", bytes!(i64, to_be_bytes, values)),
        ("<u8", bytes!(u64, to_le_bytes, values)),
        (">u8", bytes!(u64, to_be_bytes, values)),
        ("<f4", bytes!(f32, to_le_bytes, values)),
        (">f4", bytes!(f32, to_be_bytes, values)),
        ("<f8", bytes!(f64, to_le_bytes, values)),
        (">f8", bytes!(f64, to_be_bytes, values)),
        (
            "<f2",
            halves.iter().flat_map(|half| half.to_le_bytes()).collect(),
        ),
        (
            ">f2",
            halves.iter().flat_map(|half| half.to_be_bytes()).collect(),
        ),
    ] {
        let found = rows(&npy(kind, "False", "(2, 3)", &data));
        match kind {
            "|b1" => assert_eq!(found, [0.0, 1.0, 1.0, 1.0, 1.0, 1.0]),
            _ => assert_eq!(found, values, "{kind}"),
        }
    }
}

#[test]
fn fortran_order_is_turned_block_by_block() {
    let (count, columns) = (50, 7);
    let value = |row: usize, column: usize| (row * 10 + column) as f64;
    let places = (0..columns).flat_map(|column| (0..count).map(move |row| value(row, column)));
    let data: Vec<u8> = places.flat_map(f64::to_le_bytes).collect();
    let file = place("a.npy", &npy("<f8", "True", "(50, 7)", &data));
    let array = Array::open(&file.path).unwrap();
    for range in [0..50, 0..1, 13..29, 49..50, 20..20] {
        let expected = range
            .clone()
            .flat_map(|row| (0..columns).map(move |column| value(row, column)));
        let mut found = vec![-1.0];
        array.rows(range.clone(), &mut found).unwrap();
        assert_eq!(found[1..], expected.collect::<Vec<_>>(), "{range:?}");
    }
}

#[test]
fn headers_of_every_version_are_read() {
    let one = npy(
        "<f4",
        "False",
        "(1, 2)",
        &bytes!(f32, to_le_bytes, [1.5, 2.5]),
    );
    let length = u16::from_le_bytes([one[8], one[9]]);
    for version in [2, 3] {
        let mut file = one[..6].to_vec();
        file.extend([version, 0]);
        file.extend(u32::from(length).to_le_bytes());
        file.extend(&one[10..]);
        assert_eq!(rows(&file), [1.5, 2.5], "version {version}");
    }
}

/// An archive of members, packed by `method`.
fn archive(members: &[(&str, Vec<u8>)], method: zip::CompressionMethod) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in members {
        writer.start_file(*name, options).unwrap();
        io::Write::write_all(&mut writer, bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn matrix(shape: &str, count: usize) -> Vec<u8> {
    let values: Vec<f64> = (0..count).map(|value| value as f64).collect();
    npy("<f8", "False", shape, &bytes!(f64, to_le_bytes, values))
}

/// What is taken of an archive of arrays, by name.
fn taken(members: &[(&str, Vec<u8>)]) -> OrRefusal<(Content, Option<String>)> {
    let file = place("a.npz", &archive(members, zip::CompressionMethod::Stored));
    look(&file.path).map(|found| (found.content, found.member))
}

#[test]
fn archives_are_read_stored_and_deflated() {
    let members = [
        ("b.npy", matrix("(2,)", 2)),
        ("features.npy", matrix("(3, 4)", 12)),
    ];
    for method in [
        zip::CompressionMethod::Stored,
        zip::CompressionMethod::Deflated,
    ] {
        let bytes = archive(&members, method);
        let file = place("a.npz", &bytes);
        let found = look(&file.path).unwrap();
        assert_eq!(
            (found.content, found.member.as_deref()),
            (Content::Features, Some("features"))
        );
        let expected: Vec<f64> = (0..12).map(f64::from).collect();
        assert_eq!(
            found.array().unwrap().values().unwrap(),
            expected,
            "{method}"
        );
        let mut archive = Archive::open(&file.path).unwrap();
        assert_eq!(archive.array("b").unwrap().values().unwrap(), [0.0, 1.0]);
        let error = archive.array("c").unwrap_err().to_string();
        assert!(error.ends_with("a.npz` has no array `c`"), "{error}");
        // Cut anywhere, it is refused.
        for end in [10, bytes.len() / 2, bytes.len() - 1] {
            let cut = place("a.npz", &bytes[..end]);
            let error = look(&cut.path).unwrap_err().to_string();
            assert!(
                error.contains("a.npz` is no whole `.npz` archive: "),
                "{error}"
            );
        }
    }
}

#[test]
fn the_tools_archives_are_taken_for_what_they_are() {
    let images = || npy("|u1", "False", "(2, 2, 2, 3)", &[0; 24]);
    let pickled = || npy("|O", "False", "()", b"\x80\x04.");
    let text = || npy("<U2", "False", "()", &[0; 8]);
    for (members, content, member) in [
        // pytorch-fid and clean-fid
        (
            vec![
                ("mu.npy", matrix("(3,)", 3)),
                ("sigma.npy", matrix("(3, 3)", 9)),
            ],
            Content::Statistics,
            None,
        ),
        // ADM's reference batch
        (
            vec![
                ("arr_0.npy", images()),
                ("mu.npy", matrix("(3,)", 3)),
                ("sigma.npy", matrix("(3, 3)", 9)),
                ("mu_s.npy", matrix("(2,)", 2)),
                ("sigma_s.npy", matrix("(2, 2)", 4)),
            ],
            Content::Images,
            Some("arr_0"),
        ),
        // EDM's and ADM's samples with labels
        (
            vec![("arr_0.npy", images()), ("arr_1.npy", matrix("(2,)", 2))],
            Content::Images,
            Some("arr_0"),
        ),
        // dgm-eval's representations
        (
            vec![
                ("model.npy", text()),
                ("reps.npy", matrix("(3, 2)", 6)),
                ("hparams.npy", pickled()),
            ],
            Content::Features,
            Some("reps"),
        ),
        // clean-fid's features for KID
        (
            vec![("feats.npy", matrix("(3, 2)", 6))],
            Content::Features,
            Some("feats"),
        ),
        // `numpy.savez(path, features)`, and a name of one's own
        (
            vec![("arr_0.npy", matrix("(3, 2)", 6))],
            Content::Features,
            Some("arr_0"),
        ),
        (
            vec![
                ("uni.npy", matrix("(3, 2)", 6)),
                ("ids.npy", matrix("(3,)", 3)),
            ],
            Content::Features,
            Some("uni"),
        ),
        (vec![("x.npy", images())], Content::Images, Some("x")),
    ] {
        let names: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
        assert_eq!(
            taken(&members).unwrap(),
            (content, member.map(str::to_owned)),
            "{names:?}"
        );
    }
}

#[test]
fn archives_that_say_too_little_or_too_much_are_refused() {
    let said = |members: &[(&str, Vec<u8>)]| {
        let message = taken(members).unwrap_err().to_string();
        message.split_once("a.npz` ").unwrap().1.to_owned()
    };
    assert_eq!(
        said(&[
            ("uni.npy", matrix("(3, 2)", 6)),
            ("virchow.npy", matrix("(3, 2)", 6))
        ]),
        "has several arrays that could be meant: `uni`, `virchow`"
    );
    assert_eq!(
        said(&[("a.npy", npy("|O", "False", "(3,)", b"\x80\x04."))]),
        "holds no features (n x features), no images and no `mu` and `sigma`: `a` (it holds Python objects (pickled), which \
         are not read)"
    );
    assert_eq!(
        said(&[("mu.npy", matrix("(3,)", 3))]),
        "holds no features (n x features), no images and no `mu` and `sigma`: `mu` (<f8 [3])"
    );
    assert_eq!(
        said(&[]),
        "holds no features (n x features), no images and no `mu` and `sigma`: no arrays"
    );
    // A name says which.
    let both = [
        ("uni.npy", matrix("(3, 2)", 6)),
        ("virchow.npy", matrix("(3, 2)", 6)),
    ];
    let file = place("a.npz", &archive(&both, zip::CompressionMethod::Stored));
    let named = |name: &str| look(Path::new(&format!("{}:{name}", file.path.display())));
    assert_eq!(named("virchow").unwrap().member.as_deref(), Some("virchow"));
    let error = named("gigapath").unwrap_err().to_string();
    assert!(error.ends_with("a.npz` has no array `gigapath`"), "{error}");
}

#[test]
fn what_is_written_is_read_back_and_the_same_bytes_again() {
    let write = || {
        let mut writer = ArchiveWriter::new(io::Cursor::new(Vec::new()));
        writer.add_f64("mu", &[2], &[0.5, -1.25]).unwrap();
        writer
            .add_f64("sigma", &[2, 2], &[1.0, 0.5, 0.5, 2.0])
            .unwrap();
        writer.add_f32("z", &[1, 2], &[1.5, 2.5]).unwrap();
        writer.add_i64("classes", &[2], &[0, 3]).unwrap();
        writer.finish().unwrap().into_inner()
    };
    let file = place("a.npz", &write());
    let mut archive = Archive::open(&file.path).unwrap();
    let mut values = |name: &str| archive.array(name).unwrap().values().unwrap();
    assert_eq!(values("mu"), [0.5, -1.25]);
    assert_eq!(values("sigma"), [1.0, 0.5, 0.5, 2.0]);
    assert_eq!(values("z"), [1.5, 2.5]);
    assert_eq!(values("classes"), [0.0, 3.0]);
    assert_eq!(write(), write());
}
