//! `histogen retrieve`, `histogen duplicates` and the page of uploads, as a user has them.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use histogen::features::{FeatureFile, Features};
use histogen::retrieval::{Similarity, nearest};
use image::{Rgb, RgbImage};
use npyz::WriterBuilder;
use serde::Deserialize;
use serde_json::Value;

use crate::lab::Lab;
use crate::page::Server;

/// What `make.py` wrote.
#[derive(Deserialize)]
struct Golden {
    cosine: Vec<Vec<usize>>,
    euclidean: Vec<Vec<usize>>,
}

/// The formula of `make.py`.
fn features(rows: usize, shift: usize) -> Features {
    const COLUMNS: usize = 12;
    let places = (0..rows).flat_map(|row| (0..COLUMNS).map(move |column| (row, column)));
    let values = places.map(|(row, column)| {
        let whole = (row * 37 + column * 101 + row * column * 13 + shift) % 251;
        (whole as f32 - 100.0) / 16.0
    });
    Features::new(rows, COLUMNS, values.collect())
}

#[test]
fn what_is_found_is_what_numpy_finds_by_sorting_everything() {
    let golden: Golden =
        serde_json::from_str(include_str!("../golden/retrieval/data.json")).expect("JSON");
    let lab = Lab::new();
    let set = features(1300, 0);
    let file = File::create(lab.path("set.npy")).expect("a file");
    let mut writer = npyz::WriteOptions::new()
        .default_dtype()
        .shape(&[set.rows as u64, set.columns as u64])
        .writer(file)
        .begin_nd()
        .expect("a header");
    writer.extend(set.values.iter().copied()).expect("numbers");
    writer.finish().expect("written");
    let mut queries = features(7, 5);
    queries.values[..12].copy_from_slice(set.row(700));
    let file = FeatureFile::open(&lab.path("set.npy")).expect("features");
    for (similarity, expected) in [
        (Similarity::Cosine, golden.cosine),
        (Similarity::Euclidean, golden.euclidean),
    ] {
        let found = nearest(&queries, &file, 20, similarity).expect("neighbours");
        let places: Vec<Vec<usize>> = found
            .iter()
            .map(|found| found.iter().map(|found| found.index).collect())
            .collect();
        assert_eq!(places, expected, "{similarity:?}");
    }
}

/// An image that differs from all of other numbers, everywhere.
fn picture(number: u32) -> RgbImage {
    RgbImage::from_fn(32, 32, |x, y| {
        let noise = |salt: u32| {
            let mixed =
                (x / 4 + 9 * (y / 4) + 131 * number + 977 * salt).wrapping_mul(2_654_435_761);
            ((mixed ^ (mixed >> 13)).wrapping_mul(2_246_822_519) >> 24) as u8
        };
        Rgb([noise(1), noise(2), noise(3)])
    })
}

/// Writes the pictures of these numbers into a folder.
fn pictures(lab: &Lab, folder: &str, numbers: impl IntoIterator<Item = u32>) {
    fs::create_dir_all(lab.path(folder)).expect("a folder");
    for number in numbers {
        let path = lab.path(&format!("{folder}/{number:04}.png"));
        picture(number).save(path).expect("an image");
    }
}

fn refused(lab: &Lab, arguments: &str, message: &str, hint: &str) {
    let expected = format!("error: {message}\n\nhint: {hint}");
    assert_eq!(lab.refused(arguments), expected, "{arguments}");
}

#[test]
fn a_copy_is_found_first_with_a_sheet_beside_it() {
    let lab = Lab::new();
    pictures(&lab, "set/a", 0..20);
    pictures(&lab, "set/b", 20..40);
    pictures(&lab, "queries", [7, 33]);
    for options in ["", "--similarity euclidean", "--features vgg16-random"] {
        let options = if options.contains("vgg16") {
            options.to_owned()
        } else {
            format!("{options} --features pixels")
        };
        let printed = lab.succeed(&format!("retrieve queries --in set -k 3 --json {options}"));
        let rows: Value = serde_json::from_str(&printed).expect("JSON");
        for (row, (name, class)) in [("a/0007.png", "a"), ("b/0033.png", "b")]
            .into_iter()
            .enumerate()
        {
            let found = &rows[row]["found"];
            assert_eq!(found.as_array().map(Vec::len), Some(3));
            assert_eq!(
                (&found[0]["name"], &found[0]["class"]),
                (&name.into(), &class.into())
            );
        }
        let score = rows[0]["found"][0]["score"].as_f64().expect("a score");
        let best = f64::from(u8::from(!options.contains("euclidean")));
        assert!((score - best).abs() < 1e-12, "{options}: {score}");
    }
    // A row of the sheet has the query and three images, 256 pixels wide each.
    let sheet = image::open(lab.path("neighbours.png")).expect("a picture");
    assert!(sheet.width() > 4 * 256 && sheet.height() > 2 * 256);
    let printed = lab.succeed("retrieve queries/0007.png --in set -k 2 --features pixels");
    assert!(
        printed.contains("    1  1.000000  a  a/0007.png"),
        "{printed}"
    );
    assert!(
        printed.contains("by cosine similarity of pixels"),
        "{printed}"
    );
}

#[test]
fn a_store_says_slide_and_place_and_an_mft_snn_compares() {
    let lab = Lab::new();
    let run = lab.succeed("snn train --profile smoke");
    let run = run.lines().last().expect("a folder");
    let mut stores = fs::read_dir(lab.path("runs/cache/patches")).expect("a cache");
    let store = stores.next().expect("a store").expect("a folder").path();
    let opened = histogen::data::PatchStore::open(&store).expect("a store");
    let patch = opened.read(&[5]).expect("a patch");
    let query = patch.grid(1, 1);
    let query = image::imageops::crop_imm(&query, 2, 2, patch.size as u32, patch.size as u32);
    query
        .to_image()
        .save(lab.path("query.png"))
        .expect("an image");
    let options = format!("query.png --in {} --snn {run} -k 4 --json", store.display());
    let printed = lab.succeed(&format!("retrieve {options}"));
    let rows: Value = serde_json::from_str(&printed).expect("JSON");
    let compared = rows[0]["compared_by"].as_str().expect("words");
    assert!(
        compared.starts_with("cosine similarity of MFT-SNN "),
        "{compared}"
    );
    let record = &opened.records()[5];
    let first = &rows[0]["found"][0];
    assert_eq!(first["slide"], record.slide.as_str());
    assert_eq!(first["place"], serde_json::json!([record.x, record.y]));
    refused(
        &lab,
        &format!("retrieve {options} --similarity euclidean"),
        "the similarity of an MFT-SNN is the cosine of its embeddings",
        "leave `--similarity` out",
    );
    let store = store.display();
    refused(
        &lab,
        &format!("retrieve query.png --in {store} --split tets"),
        "unknown split `tets`",
        "did you mean `test`?",
    );
}

#[test]
fn searches_that_make_no_sense_are_refused() {
    let lab = Lab::new();
    pictures(&lab, "set", 0..4);
    lab.slide("large.png", 48, 40);
    fs::create_dir(lab.path("empty")).expect("a folder");
    fs::write(lab.path("text.png"), "text").expect("a file");
    refused(
        &lab,
        "retrieve large.png --in set --features pixels",
        "`large.png` is 48 x 40, the images of `set` are 32 x 32",
        "give a patch of 32 x 32 pixels at the same scale: nothing is resized",
    );
    refused(
        &lab,
        "retrieve set/0001.png --in set -k 5 --features pixels",
        "`-k` is 5, the set has 4 images",
        "ask for 1 to 4",
    );
    refused(
        &lab,
        "retrieve set --in empty",
        "no images in `empty`",
        "looked in all sub-folders for `.png`, `.jpg`, `.jpeg`, `.tif`, `.tiff`",
    );
    refused(
        &lab,
        "retrieve set --in set --features pixel",
        "unknown feature extractor `pixel`",
        "did you mean `pixels`?",
    );
    refused(
        &lab,
        "retrieve set --in set --split test",
        "`--split` has no meaning: `set` is not a patch store",
        "leave it out",
    );
    let said = lab.refused("retrieve text.png --in set --features pixels");
    assert!(
        said.starts_with("error: cannot decode `text.png`: "),
        "{said}"
    );
    let said = lab.refused("retrieve set --in set --snn set");
    assert!(
        said.starts_with("error: `set` is not a trained MFT-SNN: "),
        "{said}"
    );
    refused(
        &lab,
        "duplicates set --features pixels --threshold 1.5",
        "`--threshold` is 1.5, which is no cosine similarity",
        "set a cosine up to 1, for example 0.999",
    );
    refused(
        &lab,
        "duplicates set --features pixels --images 1",
        "1 images have no pairs",
        "give a set of at least two images",
    );
    refused(
        &lab,
        "duplicates set --features pixels --pairs 4 --judged 5",
        "`--judged` is 5, the picture has 4 pairs",
        "count those in the picture alone, or ask for more with `--pairs`",
    );
}

/// More images than features, which all in memory would take 16 MiB more.
#[cfg(target_os = "linux")]
#[test]
fn memory_of_a_search_does_not_grow_with_the_set() {
    const ALLOWED: u64 = 8 << 10; // KiB: names of files
    let lab = Lab::new();
    pictures(&lab, "kinds", 0..50);
    let (few, many) = (800, 6_000);
    for count in [few, many] {
        fs::create_dir(lab.path(&count.to_string())).expect("a folder");
        for number in 0..count {
            let kind = lab.path(&format!("kinds/{:04}.png", number % 50));
            fs::hard_link(kind, lab.path(&format!("{count}/{number}.png"))).expect("a link");
        }
    }
    let of = |count| {
        lab.peak_memory(&format!(
            "retrieve kinds/0003.png --in {count} --features pixels -k 5"
        ))
    };
    let (less, more) = (of(few), of(many));
    assert!(more < less + ALLOWED, "{less} KiB, {more} KiB");
}

#[test]
fn planted_duplicates_are_found_and_none_among_distinct_images() {
    let lab = Lab::new();
    pictures(&lab, "distinct", 0..60);
    pictures(&lab, "planted", 0..60);
    // Two copies of one image, one of another, and one that differs in a few pixels.
    for (from, to) in [(3, "z1"), (3, "z2"), (9, "z3")] {
        let path = |name: &str| lab.path(&format!("planted/{name}.png"));
        fs::copy(path(&format!("{from:04}")), path(to)).expect("a copy");
    }
    let mut near = picture(20);
    for x in 0..8 {
        near.put_pixel(x, 31, Rgb([128; 3]));
    }
    near.save(lab.path("planted/z4.png")).expect("an image");
    let look = |options: &str| -> Value {
        let printed = lab.succeed(&format!("duplicates {options} --features pixels --json"));
        serde_json::from_str(&printed).expect("JSON")
    };
    let none = look("distinct --threshold 0.995");
    assert_eq!(
        (&none["identical_pairs"], &none["near_pairs"]),
        (&0.into(), &0.into())
    );
    assert_eq!(none["support"]["estimate"], Value::Null);
    let low = none["support"]["low"].as_f64().expect("a bound");
    assert!((low - 1770.0 / 20f64.ln()).abs() < 1e-6, "{low}");

    let found = look("planted --threshold 0.995");
    // 3 + 1 pairs with the same bytes, in the order of the names; one more that is near.
    assert_eq!(
        found["identical"],
        serde_json::json!([[3, 60, 61], [9, 62]])
    );
    assert_eq!(
        (&found["identical_pairs"], &found["near_pairs"]),
        (&4.into(), &1.into())
    );
    let closest = &found["closest"][0];
    assert_eq!(
        (&closest["first"], &closest["second"]),
        (&20.into(), &63.into())
    );
    assert_eq!(found["support"]["collisions"], 5);
    let estimate = found["support"]["estimate"].as_f64().expect("an estimate");
    assert!((estimate - 64.0 * 63.0 / 10.0).abs() < 1e-9, "{estimate}");

    // Without a threshold only the same bytes count, and what a person saw.
    let bytes = look("planted");
    assert_eq!(
        (&bytes["near_pairs"], &bytes["support"]["collisions"]),
        (&Value::Null, &4.into())
    );
    assert_eq!(look("planted --judged 2")["support"]["collisions"], 6);
    let printed = lab.succeed("duplicates distinct --features pixels --pairs 2");
    assert!(
        printed.contains("no two equal images among 60"),
        "{printed}"
    );
    assert!(lab.path("duplicates.png").exists());
}

/// The bytes of a form with a file.
fn form(bytes: &[u8]) -> Vec<u8> {
    let mut body = b"--X\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\n\
                     Content-Type: image/png\r\n\r\n"
        .to_vec();
    body.extend_from_slice(bytes);
    body.extend_from_slice(b"\r\n--X--\r\n");
    body
}

/// The status and text of the answer to a form.
fn post(server: &Server, path: &str, headers: &str, body: &[u8]) -> (String, String) {
    let mut stream = TcpStream::connect(&server.address).expect("it listens");
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
         Content-Type: multipart/form-data; boundary=X\r\n{headers}\r\n",
        server.address
    )
    .expect("sent");
    stream.write_all(body).expect("sent");
    // No more comes: a server that waits for the rest of a refused upload may close.
    stream.shutdown(Shutdown::Write).expect("shut");
    let mut bytes = Vec::new();
    // What is left of a refused upload may be cut off; the answer is there before.
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (status, rest) = text.split_once("\r\n").expect("a status line");
    (status.to_owned(), rest.to_owned())
}

#[test]
fn an_upload_is_answered_and_kept_nowhere() {
    let lab = Lab::new();
    pictures(&lab, "set/a", 0..15);
    fs::create_dir(lab.path("work")).expect("a folder");
    let server = Server::start_with(
        &lab,
        "serve --port 0 --retrieve set --features pixels --out work",
    );
    let before = crate::page::everything(&lab.path(""));
    let (status, page) = server.get("/retrieve");
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert!(
        page.contains("A patch of 32 × 32 pixels") && !page.contains("<script"),
        "{page}"
    );
    assert!(server.get("/").1.contains("href=\"/retrieve\""));

    let send = |body: &[u8]| {
        let length = format!("Content-Length: {}\r\n", body.len());
        post(&server, "/retrieve", &length, body)
    };
    let (status, page) = send(&form(&fs::read(lab.path("set/a/0004.png")).expect("bytes")));
    assert_eq!(status, "HTTP/1.1 200 OK");
    // The query and the twelve that are shown, the copy first.
    assert_eq!(page.matches("data:image/png;base64,").count(), 13);
    let first = page.find("<strong>1.0000</strong>").expect("the copy");
    assert!(page[first..].starts_with("<strong>1.0000</strong><span>a</span><span>a/0004.png"));

    for (body, expected) in [
        (form(b"text"), "The file is no image that can be read"),
        (form(b""), "No file was chosen."),
        (b"nothing".to_vec(), "The request is not that of the form."),
    ] {
        let (status, page) = send(&body);
        assert_eq!(status, "HTTP/1.1 400 Bad Request");
        assert!(page.contains(expected), "{page}");
    }
    let mut large = Vec::new();
    let encoder = image::codecs::png::PngEncoder::new(&mut large);
    RgbImage::new(64, 40)
        .write_with_encoder(encoder)
        .expect("an image");
    let (status, page) = send(&form(&large));
    assert_eq!(status, "HTTP/1.1 400 Bad Request");
    assert!(
        page.contains("is 64 x 40, the images of <code>set</code> are 32 x 32"),
        "{page}"
    );

    // Too long: refused by what it says of itself, before any of it was sent.
    let (status, page) = post(&server, "/retrieve", "Content-Length: 99999999\r\n", b"");
    assert!(status.contains("413"), "{status}");
    assert!(page.contains("8 MiB at most"), "{page}");
    // Those that stall hold nobody up, and are not too many.
    let stall = || {
        let mut stream = TcpStream::connect(&server.address).expect("it listens");
        write!(
            stream,
            "POST /retrieve HTTP/1.1\r\nHost: {}\r\nContent-Length: 100000\r\n\
             Content-Type: multipart/form-data; boundary=X\r\n\r\n--X",
            server.address
        )
        .expect("sent");
        stream.set_nonblocking(true).expect("a socket");
        stream
    };
    let mut stalled: Vec<TcpStream> = (0..8).map(|_| stall()).collect();
    let body = form(&fs::read(lab.path("set/a/0004.png")).expect("bytes"));
    let until = |status: &str, stalled: &mut [TcpStream]| {
        let begin = Instant::now();
        loop {
            let answer = send(&body);
            if answer.0.contains(status) {
                return answer.1;
            }
            assert!(begin.elapsed() < Duration::from_mins(1), "{}", answer.0);
            thread::sleep(Duration::from_millis(50));
            // One that comes while the image above is read is the ninth: it is answered, and stalls no more.
            for stream in stalled.iter_mut() {
                if stream.peek(&mut [0]).is_ok() {
                    *stream = stall();
                }
            }
        }
    };
    assert!(until("503", &mut stalled).contains("Other images are being sent."));
    assert_eq!(server.get("/retrieve").0, "HTTP/1.1 200 OK");
    drop(stalled);
    until("200", &mut []);
    // From another page, and to where nothing is taken.
    let body = form(b"text");
    let length = format!("Content-Length: {}\r\n", body.len());
    let elsewhere = format!("{length}Origin: http://elsewhere.example\r\n");
    assert!(
        post(&server, "/retrieve", &elsewhere, &body)
            .0
            .contains("403")
    );
    let own = format!("{length}Origin: http://{}\r\n", server.address);
    assert!(post(&server, "/retrieve", &own, &body).0.contains("400"));
    assert!(post(&server, "/", &length, &body).0.contains("405"));
    assert!(
        crate::page::everything(&lab.path("")) == before,
        "nothing is written"
    );
}

#[test]
#[ignore = "needs Chromium: set HISTOGEN_CHROMIUM to what `.ci/chromium` prints, and run with --include-ignored"]
fn a_browser_finds_nothing_wrong_with_the_page_of_uploads() {
    let chromium = std::env::var("HISTOGEN_CHROMIUM").expect("HISTOGEN_CHROMIUM is set");
    let lab = Lab::new();
    pictures(&lab, "set/a", 0..15);
    let server = Server::start_with(&lab, "serve --port 0 --retrieve set --features pixels");
    let output = Command::new(&chromium)
        .args(["--headless=new", "--no-sandbox", "--disable-gpu"])
        .args(["--enable-logging=stderr", "--timeout=3000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", lab.path("browser").display()))
        .arg(format!("http://{}/retrieve", server.address))
        .output()
        .expect("Chromium starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.contains("CONSOLE"), "{errors}");
    let page = String::from_utf8_lossy(&output.stdout);
    assert!(page.contains("Find similar images"), "{page}");
}
