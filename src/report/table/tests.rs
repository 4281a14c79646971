use super::*;

fn number(mean: f64, spread: Option<f64>, protocol: &str) -> Cell {
    let values = match spread {
        Some(spread) => vec![mean - spread, mean, mean + spread],
        None => vec![mean],
    };
    let protocol = protocol.to_owned();
    Cell::Number {
        mean,
        spread,
        interval: spread.map(|spread| (mean - 2.484 * spread, mean + 2.484 * spread)),
        n: values.len(),
        seeds: (0..).take(values.len()).collect(),
        values,
        digits: 2,
        protocol,
    }
}

fn row(name: &str, reference: bool, cells: Vec<Cell>) -> Row {
    Row {
        name: name.to_owned(),
        reference,
        cells,
    }
}

fn published(printed: &str) -> Cell {
    Cell::Published {
        value: printed.parse().unwrap(),
        printed: printed.to_owned(),
    }
}

fn table() -> Table {
    let lower = Some(Direction::Lower);
    let columns = vec![
        Column::new("FID", lower),
        Column::new("F1", Some(Direction::Higher)),
        Column::new("FID (paper)", lower),
        Column::new("Note", None),
    ];
    let mut table = Table::new("Table 1: FID & F1", "Model", columns);
    table.caption = vec!["Profile `quick`, 100% phantom_slides.".to_owned()];
    let failed =
        Cell::Failed("`precision-recall` needs at least 4 real images, given 3".to_owned());
    let rows = [
        row(
            "dcgan",
            false,
            vec![
                number(57.446, Some(1.204), "aaaaaaaa"),
                number(0.5, None, "bbbbbbbb"),
                published("57.45"),
                Cell::Text("collapsed".to_owned()),
            ],
        ),
        row(
            "real",
            true,
            vec![
                number(1.25, Some(0.5), "aaaaaaaa"),
                number(1.0, None, "bbbbbbbb"),
                Cell::Missing,
                Cell::Missing,
            ],
        ),
        row(
            "rl-eo",
            false,
            vec![
                number(144.0, Some(0.125), "aaaaaaaa"),
                failed,
                published("44.04"),
                Cell::Missing,
            ],
        ),
        row(
            "sngan",
            false,
            vec![
                Cell::Missing,
                number(0.75, None, "bbbbbbbb"),
                published("290.08"),
                Cell::Missing,
            ],
        ),
    ];
    for row in rows {
        table.push(row).unwrap();
    }
    table
}

#[test]
fn terminal() {
    assert_eq!(
        table().terminal(),
        "Table 1: FID & F1

Model            FID ↓          F1 ↑  FID (paper) ↓  Note
────────────────────────────────────────────────────────────────
dcgan   57.45 ± 1.20 *        0.50          57.45    collapsed
rl-eo  144.00 ± 0.12    failed [1]          44.04 *  -
sngan              -          0.75 *       290.08    -
────────────────────────────────────────────────────────────────
real     1.25 ± 0.50          1.00              -    -

Profile `quick`, 100% phantom_slides.
Mean ± standard deviation over 1 to 3 seeds.
Best model marked with *.
Protocols: FID aaaaaaaa, F1 bbbbbbbb, FID (paper) published.
[1] `precision-recall` needs at least 4 real images, given 3.
"
    );
}

#[test]
fn markdown() {
    assert_eq!(
        table().markdown(),
        "**Table 1: FID & F1**

| Model | FID ↓ | F1 ↑ | FID (paper) ↓ | Note |
| --- | ---: | ---: | ---: | --- |
| dcgan | **57.45 ± 1.20** | 0.50 | 57.45 | collapsed |
| rl-eo | 144.00 ± 0.12 | failed [1] | **44.04** | - |
| sngan | - | **0.75** | 290.08 | - |
| *real* | 1.25 ± 0.50 | 1.00 | - | - |

Profile `quick`, 100% phantom_slides.

Mean ± standard deviation over 1 to 3 seeds.

Best model in bold.

Protocols: FID aaaaaaaa, F1 bbbbbbbb, FID (paper) published.

[1] `precision-recall` needs at least 4 real images, given 3.
"
    );
}

#[test]
fn csv_has_the_numbers_in_full() {
    assert_eq!(
        table().csv().unwrap(),
        r#"row,kind,column,mean,sd,n,protocol,note
dcgan,model,FID,57.446,1.204,3,aaaaaaaa,
dcgan,model,F1,0.5,,1,bbbbbbbb,
dcgan,model,FID (paper),57.45,,,published,printed 57.45
dcgan,model,Note,,,,,collapsed
real,reference,FID,1.25,0.5,3,aaaaaaaa,
real,reference,F1,1,,1,bbbbbbbb,
real,reference,FID (paper),,,,,missing
real,reference,Note,,,,,missing
rl-eo,model,FID,144,0.125,3,aaaaaaaa,
rl-eo,model,F1,,,,,"failed: `precision-recall` needs at least 4 real images, given 3"
rl-eo,model,FID (paper),44.04,,,published,printed 44.04
rl-eo,model,Note,,,,,missing
sngan,model,FID,,,,,missing
sngan,model,F1,0.75,,1,bbbbbbbb,
sngan,model,FID (paper),290.08,,,published,printed 290.08
sngan,model,Note,,,,,missing
"#
    );
}

#[test]
fn latex() {
    assert_eq!(
        table().latex("tab:one"),
        r"\begin{table}
  \centering
  \caption{Table 1: FID \& F1. Profile \texttt{quick}, 100\% phantom\_slides. Mean $\pm$ standard deviation over 1 to 3 seeds. Best model in bold. Protocols: FID aaaaaaaa, F1 bbbbbbbb, FID (paper) published. [1] \texttt{precision-recall} needs at least 4 real images, given 3.}
  \label{tab:one}
  \begin{tabular}{lrrrl}
    \toprule
    Model & FID $\downarrow$ & F1 $\uparrow$ & FID (paper) $\downarrow$ & Note \\
    \midrule
    dcgan & \textbf{57.45 $\pm$ 1.20} & 0.50 & 57.45 & collapsed \\
    rl-eo & 144.00 $\pm$ 0.12 & failed [1] & \textbf{44.04} & $-$ \\
    sngan & $-$ & \textbf{0.75} & 290.08 & $-$ \\
    \midrule
    real & 1.25 $\pm$ 0.50 & 1.00 & $-$ & $-$ \\
    \bottomrule
  \end{tabular}
\end{table}
"
    );
}

#[test]
fn a_column_refuses_a_number_of_another_protocol() {
    let mut table = table();
    let before = table.clone();
    let other = vec![
        number(1.0, None, "cccccccc"),
        Cell::Missing,
        Cell::Missing,
        Cell::Missing,
    ];
    let error = table.push(row("lsgan", false, other)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "column `FID` would mix protocols: row `lsgan` is measured under `cccccccc`, the rows above under \
         `aaaaaaaa`"
    );
    assert_eq!(table, before);
}

#[test]
fn a_column_refuses_a_published_number_among_measured_ones() {
    let cells = vec![
        published("203.53"),
        Cell::Missing,
        Cell::Missing,
        Cell::Missing,
    ];
    let error = table().push(row("lsgan", false, cells)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "column `FID` would mix protocols: row `lsgan` is measured under `published`, the rows above under \
         `aaaaaaaa`"
    );
}

#[test]
fn a_number_that_is_none_is_refused() {
    let cells = vec![
        number(f64::NAN, None, "aaaaaaaa"),
        Cell::Missing,
        Cell::Missing,
        Cell::Missing,
    ];
    let error = table().push(row("lsgan", false, cells)).unwrap_err();
    assert_eq!(error.to_string(), "row `lsgan` has NaN in column `FID`");
}

#[test]
fn equal_numbers_are_both_the_best_unless_there_are_no_others() {
    let mut table = Table::new(
        "Ties",
        "Model",
        vec![Column::new("KID", Some(Direction::Lower))],
    );
    table
        .push(row("a", false, vec![number(1.0, None, "p")]))
        .unwrap();
    assert!(!table.markdown().contains("**1.00**"));
    table
        .push(row("b", false, vec![number(1.0, None, "p")]))
        .unwrap();
    let text = table.markdown();
    assert!(
        !text.contains("**1.00**") && !text.contains("Best"),
        "{text}"
    );
    table
        .push(row("c", false, vec![number(2.0, None, "p")]))
        .unwrap();
    let text = table.markdown();
    assert_eq!(text.matches("**1.00**").count(), 2, "{text}");
    assert!(text.contains("Best model in bold."), "{text}");
}

#[test]
fn equal_failures_share_a_note() {
    let columns = vec![Column::new("Precision", None), Column::new("Recall", None)];
    let mut table = Table::new("Failures", "Model", columns);
    let failed = |reason: &str| Cell::Failed(reason.to_owned());
    let cells = vec![failed("too few images"), failed("too few images")];
    table.push(row("a", false, cells)).unwrap();
    let cells = vec![Cell::Missing, failed("diverged at step 9")];
    table.push(row("b", false, cells)).unwrap();
    let text = table.markdown();
    assert!(
        text.contains("| a | failed [1] | failed [1] |\n| b | - | failed [2] |"),
        "{text}"
    );
    assert!(
        text.ends_with("\n[1] too few images.\n\n[2] diverged at step 9.\n"),
        "{text}"
    );
}

#[test]
fn a_number_that_there_cannot_be_is_a_dash_with_a_reason() {
    let columns = vec![Column::new("PPL", Some(Direction::Lower))];
    let mut table = Table::new("Paths", "Model", columns);
    table
        .push(row("a", false, vec![number(1.0, None, "p")]))
        .unwrap();
    let absent = Cell::Absent("no latent space".to_owned());
    table.push(row("b", false, vec![absent])).unwrap();
    let text = table.markdown();
    assert!(text.contains("| b | - [1] |"), "{text}");
    assert!(text.ends_with("\n[1] no latent space.\n"), "{text}");
    assert!(table.csv().unwrap().contains("none: no latent space"));
    assert!(table.latex("tab:p").contains("b & $-$ [1]"));
}
