use histogen::random::Random;
fn main() {
    let f = |name: &str, level: u64| {
        let v: Vec<Vec<Vec<Vec<f32>>>> = [3u64, 4]
            .iter()
            .map(|&s| {
                let n = Random::new(s).at(level).stream(name).normals(4);
                vec![vec![vec![n[0], n[1]], vec![n[2], n[3]]]]
            })
            .collect();
        v
    };
    let mut m = std::collections::BTreeMap::new();
    m.insert("start".to_string(), f("sample", 0));
    for l in 1..8 {
        m.insert(format!("level {l}"), f("sample/noise", l));
    }
    println!("{}", serde_json::to_string_pretty(&m).unwrap());
}
