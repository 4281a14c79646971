# Recipes for those who have `just`; every one is a plain command that works without it.

histogen := "cargo run --release --quiet --"

[private]
default:
    @just --list --unsorted

# Table 1 of the paper, from nothing (options pass through: `just reproduce-table1 --data slides/`)
[group('run')]
reproduce-table1 *options:
    {{ histogen }} reproduce table1 {{ options }}

# All tables that can be rendered
[group('run')]
reproduce-all *options:
    {{ histogen }} reproduce all {{ options }}

# The same with each model under its own paper's optimiser
[group('run')]
reproduce-canonical *options:
    {{ histogen }} reproduce all --experiment table1-canonical {{ options }}

# The weight of the reward, varied (and so for the other ablations; the reward model's weights: --set snn.weights=FILE)
[group('run')]
ablate-reward-weight *options:
    {{ histogen }} ablate reward-weight {{ options }}

# Where the reward enters, varied
[group('run')]
ablate-reward-coupling *options:
    {{ histogen }} ablate reward-coupling {{ options }}

# Who gives the reward, varied
[group('run')]
ablate-reward-source *options:
    {{ histogen }} ablate reward-source {{ options }}

# How many layers the first stage of the MFT-SNN trains, varied
[group('run')]
ablate-layers *options:
    {{ histogen }} ablate layers {{ options }}

# A course report on MNIST: `just mnist zoo`, `icr`, `mixture` or `drs` (real digits: `--profile experiments/profiles/digits.toml --data FILE`)
[group('run')]
mnist study="zoo" *options:
    {{ histogen }} reproduce mnist-{{ study }} {{ options }}

# A CNN and class-conditional systems where images are few
[group('run')]
low-data *options:
    {{ histogen }} reproduce ac-gan-low-data {{ options }}

# The same, tested on shifted images too
[group('run')]
shift *options:
    {{ histogen }} reproduce ac-gan-shift {{ options }}

# What generated images are good for: classifiers trained on them, tested on real slides
[group('run')]
downstream *options:
    {{ histogen }} reproduce downstream {{ options }}

# What pretraining without labels is worth: nuclei, noise, resolution
[group('run')]
transfer *options:
    {{ histogen }} reproduce transfer {{ options }}

# The MFT-SNN by itself: trained, and measured on held-out slides
[group('run')]
snn *options:
    {{ histogen }} snn evaluate {{ options }}

# The report in `reports/table1`: pictures that look like tissue, from a folder of H&E images
[group('run')]
example-report data="../shared/data/histology/slides" *options:
    {{ histogen }} reproduce all --profile example --data {{ data }} --set 'data.classes=["benign", "malignant"]' {{ options }}

# The figures (and tables) of all reports again, from ledgers, caches and pictures alone
[group('run')]
figures out=".":
    #!/usr/bin/env bash
    set -euo pipefail
    for record in "{{ out }}"/reports/*/experiment.toml; do
        {{ histogen }} report "$(basename "$(dirname "$record")")" --out "{{ out }}"
    done

# A tracking server on this machine (MLflow with SQLite, all of it in target/mlflow)
[group('run')]
mlflow port="5000":
    #!/usr/bin/env bash
    set -euo pipefail
    program=$(.ci/mlflow)
    cd target/mlflow
    echo "In another terminal:  export MLFLOW_TRACKING_URI=http://127.0.0.1:{{ port }}"
    echo "Then train, and open  http://127.0.0.1:{{ port }}  -> the experiment -> a run: Model metrics, System metrics, Artifacts."
    echo "Runs from before:     histogen track sync      (Ctrl-C here ends the server; what it has stays)"
    exec "$program" server --host 127.0.0.1 --port {{ port }} --backend-store-uri sqlite:///mlflow.db --artifacts-destination artifacts

# Format, lints and documentation, as CI checks them
[group('check')]
check:
    cargo fmt --check
    cargo clippy --release --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --release --no-deps

# All tests, those against a real MLflow server and in a browser too
[group('check')]
test:
    HISTOGEN_MLFLOW="$(.ci/mlflow)" HISTOGEN_CHROMIUM="$(.ci/chromium)" HISTOGEN_SLURM="$(.ci/slurm)" HISTOGEN_ONNX="$(.ci/onnx)" \
        cargo test --release -- --include-ignored
    cargo test --release --features dashboard --lib --test it dashboard

# The archive of a release, the same bytes for the same commit: target/release-archive/ (needs cargo-about)
[group('release')]
release:
    .ci/release

# A container of the program on nothing: target/container/ (needs buildah)
[group('release')]
container:
    .ci/container

# Licences of all crates, none twice unasked, none that needs more than Rust
[group('check')]
deny:
    .ci/deny

# The Python wheel, with the program in it: target/wheels/
[group('release')]
wheel:
    .ci/wheel

# The Python module: built, installed beside its test tools under target/python, tested, its types checked
[group('check')]
python-test:
    .ci/python

# Gradients and samples of every model on a GPU (or Mesa's software device) beside the CPU's
[group('check')]
gpu-parity:
    cargo test --release --features wgpu --test gpu_parity -- --nocapture

# The feature cuda, type-checked only (its LLVM is fetched when it is linked)
[group('check')]
gpu-check:
    DOCS_RS=1 cargo check --release --features cuda

# 200 kills at random moments, every byte compared with undisturbed runs (options: `just soak --kills 40 --models ddpm`)
[group('check')]
soak *options:
    cargo build --release
    python3 tests/soak.py {{ options }}

# Sweeps on a Slurm of this machine, disturbed at random, every byte compared (about fifteen minutes)
[group('check')]
cluster slurm="../shared/slurm" *options:
    cargo build --release
    python3 tests/cluster.py --slurm {{ slurm }} {{ options }}

# Races against PyTorch, which `python` must have (`just bench --quick`: about five minutes)
[group('check')]
bench *options:
    python3 benches/race.py {{ options }}

# The whole main job in seconds
[group('check')]
smoke:
    {{ histogen }} reproduce all --profile smoke --out target/smoke

# What CI runs
[group('check')]
ci: check test smoke
