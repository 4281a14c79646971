//! `histogen study` as a user runs it: the folder for readers, their answers, and the score.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use image::{Rgb, RgbImage};
use serde_json::{Value, json};

use crate::lab::Lab;

/// Two folders of images: smooth ones, which compress well, and noisy ones.
fn folders(lab: &Lab, count: u32) {
    for (folder, noise) in [("generated", 0), ("real/a", 90), ("real/b", 90)] {
        fs::create_dir_all(lab.path(folder)).expect("a folder");
        for number in 0..count {
            let image = RgbImage::from_fn(32, 32, |x, y| {
                let mixed = (x * 97 + y * 57 + number * 31).wrapping_mul(2_654_435_761) >> 25;
                let level = (100 + 3 * number) as u8 + (mixed * noise / 128) as u8;
                Rgb([level, level / 2, level])
            });
            let path = lab.path(&format!("{folder}/{number}.png"));
            image.save(path).expect("an image");
        }
    }
}

fn read(lab: &Lab, name: &str) -> Value {
    serde_json::from_str(&lab.read(name)).expect("JSON")
}

fn items(key: &Value) -> &[Value] {
    key["items"].as_array().expect("a list")
}

/// Answers of a reader who gives `answer` of each item.
fn answers(key: &Value, reader: &str, answer: impl Fn(&Value) -> &'static str) -> Value {
    let answers = items(key).iter().map(|item| {
        json!({"item": item["item"], "answer": answer(item), "sure": true, "milliseconds": 900})
    });
    let answers: Vec<Value> = answers.collect();
    json!({"study": key["study"], "reader": reader, "finished": true, "answers": answers})
}

fn write(lab: &Lab, name: &str, value: &Value) {
    fs::write(lab.path(name), value.to_string()).expect("a file");
}

#[test]
fn the_folder_for_readers_says_nothing_of_what_is_real() {
    let lab = Lab::new();
    folders(&lab, 12);
    lab.succeed("study make generated real --n 9 --out readers --seed 4");
    let key = read(&lab, "readers-key.json");
    let kinds: Vec<&str> = items(&key)
        .iter()
        .filter_map(|item| item["kind"].as_str())
        .collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "real").count(), 9);
    assert_eq!(kinds.len(), 18);
    // Shuffled: neither kind after the other.
    let changes = kinds.windows(2).filter(|two| two[0] != two[1]).count();
    assert!(changes > 3, "{kinds:?}");
    // Files alike but for their pixels, by names that count.
    let mut names = BTreeSet::new();
    let mut sizes = BTreeSet::new();
    for entry in fs::read_dir(lab.path("readers")).expect("a folder") {
        let path = entry.expect("an entry").path();
        names.insert(
            path.file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned(),
        );
        if path.extension().is_some_and(|ending| ending == "png") {
            sizes.insert(fs::metadata(&path).expect("a file").len());
        }
    }
    let expected: BTreeSet<String> = (1..=18)
        .map(|number| format!("{number:03}.png"))
        .chain(["index.html".to_owned()])
        .collect();
    assert_eq!((names, sizes.len()), (expected, 1));
    // The pixels are those of the key; the page knows neither kinds nor sources.
    let page = lab.read("readers/index.html");
    assert!(
        !page.contains("http:") && !page.contains("https:"),
        "needs no network"
    );
    for item in items(&key) {
        let name = item["item"].as_str().expect("a name");
        let picture = image::open(lab.path(&format!("readers/{name}.png"))).expect("an image");
        let hash = histogen::digest::sha256(picture.into_rgb8().as_raw());
        assert_eq!(item["sha256"], hash.as_str());
        assert!(!page.contains(&hash));
    }
    // The same seed, the same test; another one, another.
    let again = |seed: u32| {
        let out = format!("again{seed}");
        lab.succeed(&format!(
            "study make generated real --n 9 --out {out} --seed {seed}"
        ));
        read(&lab, &format!("{out}-key.json"))["study"].clone()
    };
    assert_eq!(again(4), key["study"]);
    assert_ne!(again(5), key["study"]);
}

#[test]
fn readers_are_scored_by_themselves_and_together() {
    let lab = Lab::new();
    folders(&lab, 12);
    lab.succeed("study make generated real --n 10 --out readers");
    let key = read(&lab, "readers-key.json");
    let opposite = |item: &Value| {
        if item["kind"] == "real" {
            "generated"
        } else {
            "real"
        }
    };
    let right = |item: &Value| {
        if item["kind"] == "real" {
            "real"
        } else {
            "generated"
        }
    };
    write(&lab, "ann.json", &answers(&key, "Ann", right));
    write(&lab, "bob.json", &answers(&key, "Bob", opposite));
    // Half of either kind right, as somebody who guesses.
    let mut guesses = answers(&key, "Cleo", right);
    for kind in ["real", "generated"] {
        let places = (0..20).filter(|&place| items(&key)[place]["kind"] == kind);
        for place in places.take(5) {
            guesses["answers"][place]["answer"] = opposite(&items(&key)[place]).into();
            guesses["answers"][place]["sure"] = false.into();
        }
    }
    write(&lab, "cleo.json", &guesses);
    let printed = lab.succeed("study score readers-key.json ann.json bob.json cleo.json --json");
    let score: Value = serde_json::from_str(&printed).expect("JSON");
    let number = |value: &Value| value.as_f64().expect("a number");
    let [ann, bob, cleo] = [0, 1, 2].map(|reader| &score["readers"][reader]);
    assert_eq!(
        (number(&ann["accuracy"]), number(&bob["accuracy"])),
        (1.0, 0.0)
    );
    // 2 inv_cdf(10.5 / 11)
    assert!(
        (number(&ann["detection"][0]) - 3.381_243).abs() < 1e-5,
        "{ann}"
    );
    assert!((number(&ann["detection"][0]) + number(&bob["detection"][0])).abs() < 1e-9);
    assert_eq!(
        (&cleo["hits"], &cleo["correct_rejections"]),
        (&5.into(), &5.into())
    );
    assert_eq!(
        (&cleo["sure"], &cleo["sure_and_right"]),
        (&10.into(), &10.into())
    );
    assert!(number(&cleo["detection"][0]).abs() < 1e-9);
    let (low, high) = (number(&cleo["interval"][0]), number(&cleo["interval"][1]));
    assert!(low < 0.3 && high > 0.7, "{low} to {high}");
    // Over readers: the mean, with readers as the unit, and rates that stay rates.
    let all = &score["accuracy"];
    assert_eq!((&all["readers"], number(&all["mean"])), (&3.into(), 0.5));
    assert_eq!(all["interval"], json!([0.0, 1.0]));
    assert_eq!(
        score["by_class"].as_object().map(serde_json::Map::len),
        Some(2)
    );
    let table = lab.succeed("study score readers-key.json ann.json bob.json cleo.json");
    for part in [
        "all, mean of 3",
        "class a, mean of 3",
        "guessing, as far as these answers tell: Cleo.",
    ] {
        assert!(table.contains(part), "{part}: {table}");
    }
    let one = lab.succeed("study score readers-key.json ann.json");
    assert!(
        one.contains("one reader has no spread over readers"),
        "{one}"
    );
}

#[test]
fn answers_and_tests_that_cannot_be_are_refused() {
    let lab = Lab::new();
    folders(&lab, 6);
    lab.succeed("study make generated real --n 5 --out readers");
    lab.succeed("study make generated real --n 5 --out others --seed 1");
    let key = read(&lab, "readers-key.json");
    let whole = answers(&key, "Ann", |_| "real");
    write(&lab, "ann.json", &whole);
    let change = |name: &str, change: &dyn Fn(&mut Value)| {
        let mut changed = whole.clone();
        change(&mut changed);
        write(&lab, name, &changed);
        lab.refused(&format!("study score readers-key.json {name}"))
    };
    for (name, how, message) in [
        (
            "unknown.json",
            &(|value: &mut Value| value["answers"][0]["item"] = "099".into())
                as &dyn Fn(&mut Value),
            "`unknown.json` answers patch `099`, which the test does not have",
        ),
        (
            "repeated.json",
            &|value: &mut Value| value["answers"][0]["item"] = value["answers"][1]["item"].clone(),
            "`repeated.json` answers patch `002` twice",
        ),
        (
            "unfinished.json",
            &|value: &mut Value| value["answers"].as_array_mut().expect("a list").truncate(4),
            "`unfinished.json` answers 4 of 10 patches",
        ),
        (
            "none.json",
            &|value: &mut Value| value["answers"] = json!([]),
            "`none.json` answers 0 of 10 patches",
        ),
        (
            "word.json",
            &|value: &mut Value| value["answers"][0]["answer"] = "maybe".into(),
            "`word.json` is no file of answers: unknown variant `maybe`",
        ),
    ] {
        let said = change(name, how);
        assert!(said.starts_with(&format!("error: {message}")), "{said}");
    }
    lab.succeed("study score readers-key.json unfinished.json --unfinished");
    let other = lab.refused("study score others-key.json ann.json");
    assert!(
        other.contains("has answers to the test") && other.contains("the key is that of"),
        "{other}"
    );
    let twice = lab.refused("study score readers-key.json ann.json ann.json");
    assert!(
        twice.starts_with("error: the list of readers has `Ann` twice"),
        "{twice}"
    );
    let no_key = lab.refused("study score ann.json ann.json");
    assert!(
        no_key.starts_with("error: `ann.json` is no key of a reading test: "),
        "{no_key}"
    );
    // A key that was altered.
    let mut altered = key.clone();
    altered["items"][0]["sha256"] = "0".into();
    write(&lab, "altered.json", &altered);
    let said = lab.refused("study score altered.json ann.json");
    assert!(
        said.contains("its items are not those it was written with"),
        "{said}"
    );

    for (arguments, message) in [
        (
            "study make generated real --n 5 --out readers",
            "`readers-key.json` is there already",
        ),
        (
            "study make generated real --n 5 --out readers --key k.json",
            "`readers` is there already",
        ),
        (
            "study make generated real --n 5 --out new --key new/key.json",
            "the key `new/key.json` would lie in the readers' folder",
        ),
        (
            "study make generated real --n 7 --out new",
            "`generated` has 6 images, `--images` asks for 7",
        ),
        ("study make generated real --n 0 --out new", "`--n` is 0"),
    ] {
        let said = lab.refused(arguments);
        assert!(
            said.starts_with(&format!("error: {message}")),
            "{arguments}: {said}"
        );
    }
    assert!(!lab.path("new").exists());
}

/// What a reader does, at the end of the page: an answer to each patch, one of them taken back, and what is saved shown.
const READER: &str = r#"
<script>
const press = (key) => document.dispatchEvent(new KeyboardEvent("keydown", { key, cancelable: true }));
URL.createObjectURL = (blob) => {
  blob.text().then((text) => {
    const shown = document.createElement("pre");
    shown.id = "answers";
    shown.textContent = text;
    document.body.append(shown);
  });
  return '#';
};
document.getElementById("start").click();
press("1");
press("Backspace");
press("4");
for (let answered = 1; answered < 6; answered += 1) press(String(answered % 4 + 1));
document.getElementById("reader").value = "Dora <D>";
document.getElementById("save").requestSubmit();
</script>
"#;

#[test]
#[ignore = "needs Chromium: set HISTOGEN_CHROMIUM to what `.ci/chromium` prints, and run with --include-ignored"]
fn a_reader_in_a_browser_answers_and_is_scored() {
    let chromium = std::env::var("HISTOGEN_CHROMIUM").expect("HISTOGEN_CHROMIUM is set");
    let lab = Lab::new();
    folders(&lab, 6);
    lab.succeed("study make generated real --n 3 --out readers");
    let page = lab
        .read("readers/index.html")
        .replace("</body>", &format!("{READER}</body>"));
    fs::write(lab.path("readers/reader.html"), page).expect("a page");
    let output = Command::new(&chromium)
        .args(["--headless=new", "--no-sandbox", "--disable-gpu"])
        .args([
            "--enable-logging=stderr",
            "--virtual-time-budget=5000",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", lab.path("browser").display()))
        .arg(format!(
            "file://{}",
            lab.path("readers/reader.html").display()
        ))
        .output()
        .expect("Chromium starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.contains("CONSOLE"), "{errors}");
    let shown = String::from_utf8_lossy(&output.stdout);
    let saved = shown.split("<pre id=\"answers\">").nth(1).expect("answers");
    let saved = saved.split("</pre>").next().expect("the end");
    let saved = saved
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&");
    fs::write(lab.path("answers.json"), &saved).expect("a file");
    let value: Value = serde_json::from_str(&saved).expect("JSON");
    let given: Vec<(&Value, &Value)> = value["answers"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|answer| (&answer["answer"], &answer["sure"]))
        .collect();
    let (real, generated) = (json!("real"), json!("generated"));
    let (sure, unsure) = (json!(true), json!(false));
    // Keys 4 (after 1 was taken back), 2, 3, 4, 1, 2.
    assert_eq!(
        given,
        [
            (&generated, &sure),
            (&real, &unsure),
            (&generated, &unsure),
            (&generated, &sure),
            (&real, &sure),
            (&real, &unsure),
        ]
    );
    let printed = lab.succeed("study score readers-key.json answers.json");
    assert!(printed.contains("Dora <D>"), "{printed}");
}
