use super::*;

fn number(mean: f64, spread: Option<f64>, protocol: &str) -> TableCell {
    let values = match spread {
        Some(spread) => vec![mean - spread, mean, mean + spread],
        None => vec![mean],
    };
    let protocol = protocol.to_owned();
    TableCell::Number {
        mean,
        spread,
        interval: spread.map(|spread| (mean - 2.484 * spread, mean + 2.484 * spread)),
        over_images: None,
        n: values.len(),
        seeds: (0..).take(values.len()).collect(),
        values,
        digits: 2,
        protocol,
    }
}

fn row(name: &str, reference: bool, cells: Vec<TableCell>) -> Row {
    Row {
        name: name.to_owned(),
        reference,
        cells,
    }
}

fn published(printed: &str) -> TableCell {
    TableCell::Published {
        value: printed.parse().unwrap(),
        printed: printed.to_owned(),
    }
}

fn table() -> Table {
    let lower = Some(Direction::Lower);
    let columns = vec![
        Column::new("FID", lower),
        Column::new("F1", Some(Direction::Higher)),
        Column::new("FID", None).in_group("published"),
        Column::new("Note", None),
    ];
    let mut table = Table::new("Table 1: FID & F1", "Model", columns);
    table.caption = "Distances, 100% phantom_slides.".to_owned();
    table.notes = vec!["All settings: `table1-protocol`.".to_owned()];
    let failed =
        TableCell::Failed("`precision-recall` needs at least 4 real images, given 3".to_owned());
    let rows = [
        row(
            "dcgan",
            false,
            vec![
                number(57.446, Some(1.204), "aaaaaaaa"),
                number(0.5, None, "bbbbbbbb"),
                published("57.45"),
                TableCell::Text("collapsed".to_owned()),
            ],
        ),
        row(
            "real",
            true,
            vec![
                number(1.25, Some(0.5), "aaaaaaaa"),
                number(1.0, None, "bbbbbbbb"),
                TableCell::Missing,
                TableCell::Missing,
            ],
        ),
        row(
            "rl-eo",
            false,
            vec![
                number(144.0, Some(0.125), "aaaaaaaa"),
                failed,
                published("44.04"),
                TableCell::Missing,
            ],
        ),
        row(
            "sngan",
            false,
            vec![
                TableCell::Missing,
                number(0.75, None, "bbbbbbbb"),
                published("290.08"),
                TableCell::Missing,
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

Model            FID ↓        F1 ↑  FID (published)  Note
────────────────────────────────────────────────────────────────
dcgan   57.45 ± 1.20 *        0.50            57.45  collapsed
rl-eo  144.00 ± 0.12    failed [1]            44.04  -
sngan              -          0.75           290.08  -
────────────────────────────────────────────────────────────────
real     1.25 ± 0.50          1.00                -  -

Mean ± standard deviation over 1 to 3 seeds (not a confidence interval); one seed has none.
The best is marked with * where the 95 % interval of its paired difference to every other excludes zero.
All settings: `table1-protocol`.
Protocols: FID aaaaaaaa, F1 bbbbbbbb.
[1] `precision-recall` needs at least 4 real images, given 3.
"
    );
}

#[test]
fn markdown() {
    assert_eq!(
        table().markdown(),
        "**Table 1: FID & F1.** Distances, 100% phantom_slides.

| Model | FID ↓ | F1 ↑ | FID (published) | Note |
| --- | ---: | ---: | ---: | --- |
| dcgan | **57.45 ± 1.20** | 0.50 | 57.45 | collapsed |
| rl-eo | 144.00 ± 0.12 | failed [1] | 44.04 | - |
| sngan | - | 0.75 | 290.08 | - |
| *real* | 1.25 ± 0.50 | 1.00 | - | - |

Mean ± standard deviation over 1 to 3 seeds (not a confidence interval); one seed has none.

The best is in bold where the 95 % interval of its paired difference to every other excludes zero.

All settings: `table1-protocol`.

Protocols: FID aaaaaaaa, F1 bbbbbbbb.

[1] `precision-recall` needs at least 4 real images, given 3.
"
    );
}

#[test]
fn csv_has_the_numbers_in_full() {
    let text = table().csv().unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "row,kind,column,mean,sd,low,high,n,values,seeds,best,protocol,note"
    );
    assert_eq!(lines.len(), 1 + 4 * 4);
    for line in [
        "dcgan,model,F1,0.5,,,,1,0.5,0,,bbbbbbbb,",
        "dcgan,model,FID (published),57.45,,,,,,,,published,printed 57.45",
        "dcgan,model,Note,,,,,,,,,,collapsed",
        "real,reference,FID,1.25,0.5,0.008000000000000007,2.492,3,0.75 1.25 1.75,0 1 2,,aaaaaaaa,",
        r#"rl-eo,model,F1,,,,,,,,,,"failed: `precision-recall` needs at least 4 real images, given 3""#,
        "sngan,model,FID,,,,,,,,,,missing",
    ] {
        assert!(lines.contains(&line), "{line}\n{text}");
    }
    assert_eq!(
        text.matches(",best,").count(),
        2,
        "the heading and one cell: {text}"
    );
}

#[test]
fn a_wide_table_is_shrunk_to_the_width_of_the_text() {
    let mut wide = table();
    for _ in 0..2 {
        wide.columns.push(wide.columns[0].clone());
        for row in &mut wide.rows {
            row.cells.push(row.cells[0].clone());
        }
    }
    let mut long = table();
    long.rows[0].name = "a long name".repeat(6);
    for table in [wide, long] {
        let text = table.latex("tab:wide");
        for part in [
            "threeparttable,adjustbox}.\n",
            "  \\centering\n  \\begin{adjustbox}{max width=\\textwidth}\n  \\begin{threeparttable}\n",
            "  \\end{threeparttable}\n  \\end{adjustbox}\n\\end{table}\n",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
    assert!(!table().latex("tab:narrow").contains("adjustbox"));
}

#[test]
fn latex() {
    assert_eq!(
        table().latex("tab:one"),
        r"% Needs \usepackage{booktabs,siunitx,threeparttable}.
\begin{table}
  \centering
  \begin{threeparttable}
    \caption{Distances, 100\% phantom\_slides.}
    \label{tab:one}
    \sisetup{separate-uncertainty=true, retain-zero-uncertainty=true, group-digits=none, detect-weight=true}
    \begin{tabular}{@{}lS[table-format=3.2(3)]S[table-format=1.2]rl@{}}
      \toprule
       &  &  & \multicolumn{1}{c}{published} &  \\
      \cmidrule(l){4-4}
      Model & {FID $\downarrow$} & {F1 $\uparrow$} & {FID} & {Note} \\
      \midrule
      dcgan & \bfseries 57.45 +- 1.20 & 0.50 & 57.45 & collapsed \\
      rl-eo & 144.00 +- 0.12 & {failed\tnote{1}} & 44.04 & -- \\
      sngan & {--} & 0.75 & 290.08 & -- \\
      \midrule
      real & 1.25 +- 0.50 & 1.00 & -- & -- \\
      \bottomrule
    \end{tabular}
    \begin{tablenotes}[flushleft]
      \footnotesize
      \item Mean $\pm$ standard deviation over 1 to 3 seeds (not a confidence interval); one seed has none.
      \item The best is in bold where the 95 \% interval of its paired difference to every other excludes zero.
      \item All settings: \texttt{table1-protocol}.
      \item Protocols: FID aaaaaaaa, F1 bbbbbbbb.
      \item[1] \texttt{precision-recall} needs at least 4 real images, given 3.
    \end{tablenotes}
  \end{threeparttable}
\end{table}
"
    );
}

#[test]
fn html() {
    assert_eq!(
        table().html(),
        "<table class=\"results\">
<caption><b>Table 1: FID &amp; F1.</b> Distances, 100% phantom_slides.</caption>
<thead>
<tr><td></td><td colspan=\"2\"></td><th scope=\"colgroup\" colspan=\"1\">published</th><td colspan=\"1\"></td></tr>
<tr><th scope=\"col\">Model</th>\
<th scope=\"col\" data-better=\"lower\">FID <span role=\"img\" aria-label=\"lower is better\">↓</span></th>\
<th scope=\"col\" data-better=\"higher\">F1 <span role=\"img\" aria-label=\"higher is better\">↑</span></th>\
<th scope=\"col\">FID</th><th scope=\"col\">Note</th></tr>
</thead>
<tbody>
<tr><th scope=\"row\">dcgan</th><td class=\"best\" data-value=\"57.446\"><strong>57.45 ± 1.20</strong></td>\
<td data-value=\"0.5\">0.50</td><td data-value=\"57.45\">57.45</td><td>collapsed</td></tr>
<tr><th scope=\"row\">rl-eo</th><td data-value=\"144\">144.00 ± 0.12</td><td>failed [1]</td>\
<td data-value=\"44.04\">44.04</td><td>–</td></tr>
<tr><th scope=\"row\">sngan</th><td>–</td><td data-value=\"0.75\">0.75</td>\
<td data-value=\"290.08\">290.08</td><td>–</td></tr>
</tbody>
<tbody class=\"reference\">
<tr><th scope=\"row\">real</th><td data-value=\"1.25\">1.25 ± 0.50</td><td data-value=\"1\">1.00</td>\
<td>–</td><td>–</td></tr>
</tbody>
</table>
"
    );
    assert!(table().notes_html().ends_with(
        "<li>Protocols: FID aaaaaaaa, F1 bbbbbbbb.</li>\n<li>[1] <code>precision-recall</code> needs at least 4 real \
         images, given 3.</li>\n</ul>\n"
    ));
}

#[test]
fn a_column_refuses_a_number_of_another_protocol() {
    let mut table = table();
    let before = table.clone();
    let other = vec![
        number(1.0, None, "cccccccc"),
        TableCell::Missing,
        TableCell::Missing,
        TableCell::Missing,
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
        TableCell::Missing,
        TableCell::Missing,
        TableCell::Missing,
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
        TableCell::Missing,
        TableCell::Missing,
        TableCell::Missing,
    ];
    let error = table().push(row("lsgan", false, cells)).unwrap_err();
    assert_eq!(error.to_string(), "row `lsgan` has NaN in column `FID`");
}

/// The table of one column in which models have these numbers, one a seed.
fn of_seeds(direction: Direction, models: &[(&str, &[f64])]) -> Table {
    let columns = vec![Column::new("KID", Some(direction))];
    let mut table = Table::new("Seeds", "Model", columns);
    for (name, values) in models {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let cell = TableCell::Number {
            mean,
            spread: (values.len() > 1).then_some(0.5),
            interval: None,
            over_images: None,
            n: values.len(),
            values: values.to_vec(),
            seeds: (0..).take(values.len()).collect(),
            digits: 2,
            protocol: "p".to_owned(),
        };
        table.push(row(name, false, vec![cell])).unwrap();
    }
    table
}

#[test]
fn a_best_is_marked_only_where_seeds_show_it() {
    let best = |direction, models: &[(&str, &[f64])]| {
        let table = of_seeds(direction, models);
        table.best(0).map(|row| row.name.clone())
    };
    let (low, high, same): (&[f64], &[f64], &[f64]) =
        (&[1.0, 1.2, 0.9], &[3.0, 3.3, 2.8], &[1.0, 1.2, 0.9]);
    let models = [("a", low), ("b", high)];
    assert_eq!(best(Direction::Lower, &models).as_deref(), Some("a"));
    assert_eq!(best(Direction::Higher, &models).as_deref(), Some("b"));
    // Seeds that move both alike do not hide a difference; seeds that move them apart do.
    let paired: [(&str, &[f64]); 2] = [("a", &[1.0, 11.0, 21.0]), ("b", &[2.0, 12.1, 22.2])];
    assert_eq!(best(Direction::Lower, &paired).as_deref(), Some("a"));
    let apart: [(&str, &[f64]); 2] = [("a", &[1.0, 11.0, 21.0]), ("b", &[22.2, 2.0, 12.1])];
    assert_eq!(best(Direction::Lower, &apart), None);
    // Every other must be excluded: a third that is the same is not.
    assert_eq!(
        best(Direction::Lower, &[("a", low), ("b", high), ("c", same)]),
        None
    );
    // One model, one seed, other seeds.
    assert_eq!(best(Direction::Lower, &models[..1]), None);
    assert_eq!(
        best(Direction::Lower, &[("a", &[1.0]), ("b", &[9.0])]),
        None
    );
    assert_eq!(
        best(Direction::Lower, &[("a", low), ("b", &[9.0, 9.1])]),
        None
    );
}

#[test]
fn none_is_best_while_a_training_is_unfinished() {
    let mut table = of_seeds(
        Direction::Lower,
        &[("a", &[1.0, 1.2, 0.9]), ("b", &[3.0, 3.3, 2.8])],
    );
    assert!(table.best(0).is_some());
    let unfinished = TableCell::Unfinished("seed 2 running, after step 40".to_owned());
    table.push(row("c", false, vec![unfinished])).unwrap();
    assert!(table.best(0).is_none());
    let text = table.markdown();
    assert!(text.contains("| c | unfinished [1] |"), "{text}");
    assert!(text.contains("None is marked as the best"), "{text}");
    assert!(
        text.ends_with("\n[1] seed 2 running, after step 40.\n"),
        "{text}"
    );
}

#[test]
fn one_seed_says_so() {
    let table = of_seeds(Direction::Lower, &[("a", &[1.0]), ("b", &[2.0])]);
    let text = table.markdown();
    assert!(!text.contains("**1.00**"), "{text}");
    assert!(
        text.contains("n = 1: one seed, so there is no spread"),
        "{text}"
    );
}

#[test]
fn equal_failures_share_a_note() {
    let columns = vec![Column::new("Precision", None), Column::new("Recall", None)];
    let mut table = Table::new("Failures", "Model", columns);
    let failed = |reason: &str| TableCell::Failed(reason.to_owned());
    let cells = vec![failed("too few images"), failed("too few images")];
    table.push(row("a", false, cells)).unwrap();
    let cells = vec![TableCell::Missing, failed("diverged at step 9")];
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
    let absent = TableCell::Absent("no latent space".to_owned());
    table.push(row("b", false, vec![absent])).unwrap();
    let text = table.markdown();
    assert!(text.contains("| b | - [1] |"), "{text}");
    assert!(text.ends_with("\n[1] no latent space.\n"), "{text}");
    assert!(table.csv().unwrap().contains("none: no latent space"));
    assert!(table.latex("tab:p").contains("b & {--\\tnote{1}}"));
}
