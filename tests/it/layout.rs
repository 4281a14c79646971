//! The layout of the code: imports run one way, and a model's name is spelt in its own file alone.
//!
//! Both are read from the tokens of the files, beginning with `lib.rs` and following its modules, so that comments, nested
//! modules and test code anywhere in a file are told apart as the compiler does.

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// Modules, from the top of `lib.rs` down, each with its source files.
type Modules = Vec<(String, Vec<Source>)>;

/// A source file.
struct Source {
    path: PathBuf,
    tokens: Vec<TokenTree>,
    /// Whether it is compiled for tests only.
    is_test: bool,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

impl Source {
    fn read(path: PathBuf, is_test: bool) -> Self {
        let text = fs::read_to_string(&path).expect("a source file");
        let tokens: TokenStream = text.parse().expect("it compiles");
        Self {
            path,
            tokens: tokens.into_iter().collect(),
            is_test,
        }
    }

    /// The file of its module `name`.
    fn child(&self, name: &str) -> PathBuf {
        let folder = match self.path.file_stem().and_then(|stem| stem.to_str()) {
            Some("lib" | "mod") => self.path.with_file_name(""),
            _ => self.path.with_extension(""),
        };
        let path = folder.join(format!("{name}.rs"));
        if path.exists() {
            path
        } else {
            folder.join(name).join("mod.rs")
        }
    }

    /// The modules that it has files of, and whether each is compiled for tests only.
    fn children(&self) -> Vec<(String, bool)> {
        let of = |tokens: &[TokenTree]| -> Vec<String> {
            tokens
                .windows(3)
                .filter(|three| is_word(&three[0], "mod") && is_sign(&three[2], ';'))
                .map(|three| three[1].to_string())
                .collect()
        };
        let shipped = of(&without_tests(&self.tokens));
        of(&self.tokens)
            .into_iter()
            .map(|name| {
                let is_test = self.is_test || !shipped.contains(&name);
                (name, is_test)
            })
            .collect()
    }
}

fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == word)
}

fn is_sign(token: &TokenTree, sign: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == sign)
}

/// The attribute that begins at the front of `tokens`, if one does.
fn attribute(tokens: &[TokenTree]) -> Option<&Group> {
    match tokens {
        [sign, TokenTree::Group(group), ..]
            if is_sign(sign, '#') && group.delimiter() == Delimiter::Bracket =>
        {
            Some(group)
        }
        _ => None,
    }
}

/// The tokens but for items under `#[cfg(test)]`, each up to its block or semicolon.
fn without_tests(tokens: &[TokenTree]) -> Vec<TokenTree> {
    let mut kept = Vec::new();
    let mut place = 0;
    while let Some(token) = tokens.get(place) {
        let attribute = attribute(&tokens[place..]).map(ToString::to_string);
        if attribute.is_some_and(|text| text.replace(' ', "") == "[cfg(test)]") {
            place += tokens[place..]
                .iter()
                .position(|token| {
                    let is_block = |group: &Group| group.delimiter() == Delimiter::Brace;
                    is_sign(token, ';')
                        || matches!(token, TokenTree::Group(group) if is_block(group))
                })
                .expect("an attribute is followed by an item");
        } else {
            kept.push(token.clone());
        }
        place += 1;
    }
    kept
}

/// Calls `each` with every run of tokens: the given ones, and what is in their brackets. Documentation is passed over.
fn walk(tokens: &[TokenTree], ships_only: bool, each: &mut dyn FnMut(&[TokenTree])) {
    let tokens = if ships_only {
        without_tests(tokens)
    } else {
        tokens.to_vec()
    };
    each(&tokens);
    for token in &tokens {
        if let TokenTree::Group(group) = token {
            let inner: Vec<TokenTree> = group.stream().into_iter().collect();
            if !inner.first().is_some_and(|first| is_word(first, "doc")) {
                walk(&inner, ships_only, each);
            }
        }
    }
}

fn modules() -> Modules {
    let library = Source::read(root().join("lib.rs"), false);
    library
        .children()
        .into_iter()
        .map(|(name, is_test)| {
            let mut found = vec![Source::read(library.child(&name), is_test)];
            let mut read = 0;
            while let Some(source) = found.get(read) {
                let children = source.children();
                let children = children
                    .into_iter()
                    .map(|(name, is_test)| Source::read(source.child(&name), is_test));
                let children: Vec<Source> = children.collect();
                found.extend(children);
                read += 1;
            }
            (name, found)
        })
        .collect()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_file_belongs_to_a_module() {
    let modules = modules();
    let known: Vec<&Path> = modules
        .iter()
        .flat_map(|(_, sources)| sources.iter().map(|source| source.path.as_path()))
        .collect();
    for path in files_below(&root()) {
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue; // what a page is made of
        }
        let is_root = path == root().join("lib.rs") || path == root().join("main.rs");
        assert!(
            is_root || known.contains(&path.as_path()),
            "{} is no module's",
            path.display()
        );
    }
}

#[test]
fn a_module_imports_only_what_stands_above_it() {
    let modules = modules();
    assert!(modules.len() > 10, "lib.rs lists the modules");
    let names: Vec<&str> = modules.iter().map(|(name, _)| name.as_str()).collect();
    let mut wrong = Vec::new();
    for (place, (module, sources)) in modules.iter().enumerate() {
        for source in sources {
            walk(&source.tokens, false, &mut |tokens| {
                for four in tokens.windows(4) {
                    if is_word(&four[0], "crate") && is_sign(&four[1], ':') {
                        let name = four[3].to_string();
                        let line = four[0].span().start().line;
                        if !names[..=place].contains(&name.as_str()) {
                            let path = source.path.display();
                            wrong.push(format!(
                                "{path}:{line}: `{module}` imports `{name}`, which does not stand above it"
                            ));
                        }
                    }
                }
            });
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_models_name_is_spelt_in_models_alone() {
    let mut known = Vec::new();
    for entry in histogen::models::MODELS.built_in() {
        known.push(entry.name);
    }
    assert!(known.len() > 5, "the registry has models");
    let (mut found, mut literals) = (Vec::new(), 0);
    for (module, sources) in modules() {
        for source in sources {
            if module == "models" || source.is_test {
                continue;
            }
            let path = source.path.strip_prefix(root()).expect("a file of src");
            let path = path.display().to_string();
            walk(&source.tokens, true, &mut |tokens| {
                for token in tokens {
                    let TokenTree::Literal(literal) = token else {
                        continue;
                    };
                    literals += 1;
                    let text = literal.to_string();
                    // A name is a whole word: `dcgan` is none in `improved-dcgan`.
                    let words =
                        text.split(|letter: char| !letter.is_alphanumeric() && letter != '-');
                    for name in words.filter(|word| known.contains(word)) {
                        let line = literal.span().start().line;
                        found.push(format!("{path}:{line}: names `{name}`"));
                    }
                }
            });
        }
    }
    assert!(literals > 100, "the sources hold text");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn one_file_spells_the_paths_of_runs_and_reports() {
    for (module, sources) in modules() {
        for source in sources {
            let is_it = source.path.ends_with("src/workspace.rs");
            if is_it || source.is_test || module == "tracker" {
                continue; // an MLflow server has paths of its own
            }
            let text = fs::read_to_string(&source.path).expect("a source file");
            for folder in ["runs", "reports"] {
                for end in ["/", "\""] {
                    let spelt = format!(".join(\"{folder}{end}");
                    assert!(
                        !text.contains(&spelt),
                        "{} has {spelt}",
                        source.path.display()
                    );
                }
            }
        }
    }
}

#[test]
fn commands_are_arguments_in_and_lines_out() {
    let modules = modules();
    let (_, commands) = modules
        .iter()
        .find(|(name, _)| name == "commands")
        .expect("a module of that name");
    assert!(commands.len() > 20, "a command is a file");
    let mut wrong = Vec::new();
    for source in commands.iter().filter(|source| !source.is_test) {
        let text = fs::read_to_string(&source.path).expect("a source file");
        // Tests stand at the end.
        let lines = text.lines().take_while(|line| *line != "#[cfg(test)]");
        let lines = lines.count();
        if lines >= 120 {
            wrong.push(format!("{} has {lines} lines", source.path.display()));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}: the work of a command goes to a module of the library",
        wrong.join(", ")
    );
}
