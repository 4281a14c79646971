//! The MFT-SNN against PyTorch, and what its training promises: frozen layers do not move, a resumed training ends where an
//! undisturbed one does, test slides are never trained on.
//!
//! `tests/golden/siamese/make.py` computed the expected numbers.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};
use burn_optim::GradientsParams;
use histogen::device;
use histogen::images::Images;
use histogen::nn::vgg::Vgg16;
use histogen::random::Random;
use histogen::reward::{
    Autoencoder, EncoderStart, SnnConfig, Stage, Trainer, contrastive_loss, distance,
    mean_squared_error, reconstruction_optimiser, similarity_optimiser,
};
use safetensors::SafeTensors;

use crate::golden::{Golden, INPUT, check_optimiser, wave};
use crate::lab::{Lab, assert_same_trace};
use crate::schema::assert_ledgers;

/// Three convolutions; `learning` of them learn in the first stage, one in the second.
fn config(layers: usize, learning: usize) -> SnnConfig {
    let mut config = SnnConfig {
        pretrained: EncoderStart::None,
        encoder_layers: layers,
        decoder_width: 16,
        image_size: 16,
        slide_size: 16,
        ..SnnConfig::default()
    };
    config.stage1.layers = learning;
    config.stage2.layers = 1;
    config
}

/// Gives every weight and bias the formula's values: those of the encoder count from 0, those of the decoder from 6.
struct Fill {
    next: usize,
    path: Vec<String>,
}

impl ModuleMapper for Fill {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let is_learned = matches!(
            self.path.last().map(String::as_str),
            Some("weight" | "bias")
        );
        if !is_learned {
            return parameter;
        }
        let scale = if self.next < 6 { 0.1 } else { 0.2 };
        let values = wave(parameter.dims(), self.next, scale, 0.0);
        self.next += 1;
        let learns = parameter.is_require_grad();
        parameter.map(|_| values).set_require_grad(learns)
    }
}

fn network(learning: usize) -> Autoencoder {
    let network = Autoencoder::new(&config(3, learning), &device::cpu()).expect("a network");
    let (next, path) = (0, Vec::new());
    let mut network = network.map(&mut Fill { next, path });
    network.encoder = network.encoder.with_trainable(learning);
    network
}

/// The gradients of weights and biases in module order; none where a parameter has no gradient.
struct Found<'a> {
    gradients: &'a GradientsParams,
    tensors: Vec<Option<TensorData>>,
    path: Vec<String>,
}

impl ModuleVisitor for Found<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        if matches!(
            self.path.last().map(String::as_str),
            Some("weight" | "bias")
        ) {
            let gradient = self.gradients.get::<D>(parameter.id);
            self.tensors.push(gradient.map(Tensor::into_data));
        }
    }
}

fn gradients<M: Module>(module: &M, loss: &Tensor<1>) -> Vec<Option<TensorData>> {
    let gradients = GradientsParams::from_grads(loss.backward(), module);
    let mut found = Found {
        gradients: &gradients,
        tensors: Vec::new(),
        path: Vec::new(),
    };
    module.visit(&mut found);
    found.tensors
}

fn check(golden: &mut Golden, name: &str, gradient: Option<&TensorData>) {
    let gradient = gradient
        .unwrap_or_else(|| panic!("{name} has no gradient"))
        .clone();
    match gradient.shape().num_dims() {
        1 => golden.check(name, Tensor::<1>::from_data(gradient, &device::cpu())),
        _ => golden.check(name, Tensor::<4>::from_data(gradient, &device::cpu())),
    }
}

fn labels() -> Tensor<1> {
    let values = TensorData::from([1.0f32, 0.0, 1.0, 0.0, 0.0]);
    Tensor::from_data(values, &device::cpu())
}

#[test]
fn the_contrastive_loss_and_its_gradient_are_those_of_pytorch() {
    let mut golden = Golden::of("siamese", "contrastive loss");
    let rows = |place| wave([5, 7], INPUT + place, 0.5, 0.5).require_grad();
    let (left, right) = (rows(0), rows(1));
    let loss = contrastive_loss(distance(left.clone(), right.clone()), labels(), 1.0);
    golden.check("value", loss.clone());
    let gradients = loss.backward();
    golden.check("left gradient", left.grad(&gradients).expect("a gradient"));
    golden.check(
        "right gradient",
        right.grad(&gradients).expect("a gradient"),
    );
    golden.finish();
}

#[test]
fn the_gradient_reaches_the_learning_convolutions_as_in_pytorch_and_no_frozen_one() {
    let mut golden = Golden::of("siamese", "siamese");
    let network = network(2);
    let images = |place| wave([5, 3, 8, 8], INPUT + place, 0.9, 0.0);
    let embeddings = network.embed(Tensor::cat(vec![images(0), images(1)], 0));
    golden.check("embeddings", embeddings.clone());
    let [left, right] = [0, 5].map(|first| embeddings.clone().narrow(0, first, 5));
    let loss = contrastive_loss(distance(left, right), labels(), 1.0);
    golden.check("value", loss.clone());
    let found = gradients(&network, &loss);
    assert!(
        found[0].is_none() && found[1].is_none(),
        "the first convolution is frozen"
    );
    for (layer, place) in [(1, 2), (2, 4)] {
        check(
            &mut golden,
            &format!("weight {layer}"),
            found[place].as_ref(),
        );
        check(
            &mut golden,
            &format!("bias {layer}"),
            found[place + 1].as_ref(),
        );
    }
    assert!(
        found[6..].iter().all(Option::is_none),
        "the decoder takes no part"
    );
    golden.finish();
}

#[test]
fn the_reconstruction_and_its_gradient_are_those_of_pytorch() {
    let mut golden = Golden::of("siamese", "reconstruction");
    let network = network(3);
    let images = wave([4, 3, 8, 8], INPUT, 0.9, 0.0);
    golden.check("output", network.reconstruct(images.clone()));
    let loss = mean_squared_error(images.clone(), network.reconstruct(images));
    golden.check("value", loss.clone());
    let found = gradients(&network, &loss);
    for (half, first) in [("encoder", 0), ("decoder", 6)] {
        for layer in 0..3 {
            let (weight, bias) = (first + 2 * layer, first + 2 * layer + 1);
            check(
                &mut golden,
                &format!("{half} weight {layer}"),
                found[weight].as_ref(),
            );
            check(
                &mut golden,
                &format!("{half} bias {layer}"),
                found[bias].as_ref(),
            );
        }
    }
    golden.finish();
}

/// The gradients are so small that the epsilons show: 1e-8 of Adam, 1e-10 of Adagrad.
#[test]
fn both_optimisers_are_those_of_pytorch() {
    let adam = Golden::of("siamese", "similarity optimiser");
    check_optimiser(adam, similarity_optimiser(), 5e-4, 1e-7);
    let adagrad = Golden::of("siamese", "reconstruction optimiser");
    check_optimiser(adagrad, reconstruction_optimiser(), 1e-3, 1e-9);
}

/// The bytes of each tensor of an encoder, by name.
fn encoder(trainer: &Trainer) -> BTreeMap<String, Vec<u8>> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("encoder.safetensors");
    trainer.network().encoder.save(&path, &[]).expect("saved");
    tensors(&path)
}

fn tensors(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let bytes = fs::read(path).expect("a file");
    let file = SafeTensors::deserialize(&bytes).expect("safetensors");
    file.tensors()
        .into_iter()
        .map(|(name, view)| (name, view.data().to_vec()))
        .collect()
}

fn images(count: usize, place: u64) -> Images {
    let values = Random::new(place)
        .stream("images")
        .normals(count * 3 * 16 * 16);
    let values = values
        .into_iter()
        .map(|value| value.clamp(-1.0, 1.0))
        .collect();
    Images::new(count, 3, 16, values)
}

#[test]
fn frozen_layers_do_not_move_by_a_bit_in_either_stage() {
    let config = config(4, 3);
    let network = Autoencoder::new(&config, &device::cpu()).expect("a network");
    let mut trainer = Trainer::new(network, &config, &device::cpu());
    let similar = [true, false, true, false];
    let mut before = encoder(&trainer);
    for (stage, frozen) in [
        (Stage::Slides, vec!["features.0"]),
        (
            Stage::Patches,
            vec!["features.0", "features.2", "features.5"],
        ),
    ] {
        trainer.begin(stage);
        for step in 0..3 {
            let scalars = trainer.step(&images(4, step), &images(4, 10 + step), &similar);
            assert!(
                scalars.iter().all(|(_, value)| value.is_finite()),
                "{scalars:?}"
            );
        }
        let after = encoder(&trainer);
        assert_eq!(after.len(), 8);
        for (name, bytes) in &after {
            let is_frozen = frozen
                .iter()
                .any(|place| name.starts_with(&format!("{place}.")));
            let is_equal = *bytes == before[name];
            assert_eq!(is_equal, is_frozen, "{stage:?}: {name}");
        }
        before = after;
    }
}

#[test]
fn a_saved_encoder_comes_back_bit_for_bit_with_its_normalisation() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("encoder.safetensors");
    let network = network(3).encoder;
    network
        .save(&path, &[("note", "of its training")])
        .expect("saved");
    let (again, _) = Vgg16::from_file(3, &path, &device::cpu()).expect("read");
    let pictures = wave([2, 3, 8, 8], INPUT, 0.9, 0.0);
    let [left, right] = [network, again].map(|network| network.embed(pictures.clone()).into_data());
    assert_eq!(left, right);
    let text = fs::read(&path).expect("a file");
    assert!(String::from_utf8_lossy(&text[..600]).contains("of its training"));
}

#[test]
fn training_separates_pairs_of_the_kinds_it_was_shown() {
    let config = SnnConfig {
        contrastive_rate: 2e-3,
        ..config(2, 2)
    };
    let network = Autoencoder::new(&config, &device::cpu()).expect("a network");
    let mut trainer = Trainer::new(network, &config, &device::cpu());
    // Toy images of two kinds; a pair is similar if both are of one kind.
    let all = crate::toy::images(64, 0);
    let mut losses = Vec::new();
    for step in 0..60 {
        let mut stream = Random::new(1).at(step).stream("pairs");
        let (left, right) = (stream.choose(64, 16), stream.choose(64, 16));
        let similar: Vec<bool> = left
            .iter()
            .zip(&right)
            .map(|(a, b)| a % 2 == b % 2)
            .collect();
        let scalars = trainer.step(
            &all.select(&left).to_images(),
            &all.select(&right).to_images(),
            &similar,
        );
        losses.push(scalars);
    }
    let mean = |range: std::ops::Range<usize>, name: &str| {
        let found = losses[range.clone()]
            .iter()
            .flatten()
            .filter(|(known, _)| *known == name);
        found.map(|(_, value)| value).sum::<f64>() / range.len() as f64
    };
    for name in ["contrastive_loss", "reconstruction_error"] {
        let (first, last) = (mean(0..10, name), mean(50..60, name));
        assert!(
            last < 0.7 * first,
            "{name}: {first} at first, {last} at last"
        );
    }
}

const TRAIN: &str = "snn train --profile smoke";

/// The last line of stdout is the run's folder.
fn folder(printed: &str) -> &str {
    printed.trim_end().lines().last().expect("a line")
}

#[test]
fn a_network_is_trained_once_measured_and_used_as_a_judge() {
    let lab = Lab::new();
    let printed = lab.succeed(TRAIN);
    assert!(
        printed.contains("mft-snn") && printed.contains("vgg16-random"),
        "{printed}"
    );
    assert!(
        printed.contains("random weights (`pretrained = \"none\"`)"),
        "{printed}"
    );
    let snn = folder(&printed).to_owned();
    let again = lab.run(TRAIN);
    assert!(
        again.errors.contains("mft-snn: already trained"),
        "{}",
        again.errors
    );
    assert_eq!(again.output, printed);

    let said = lab.run("train table1 --model rl-eo --profile smoke");
    assert!(
        said.errors
            .contains(&format!("mft-snn: already trained, in `{snn}`")),
        "{}",
        said.errors
    );
    let run = said.output.trim();
    let config = lab.read(format!("{run}/config.toml"));
    assert!(config.contains("[reward.judge.snn.settings"), "{config}");
    assert!(config.contains("source = \"mft-snn\""), "{config}");
    // Drawing samples needs no reward model.
    fs::remove_dir_all(lab.path("runs/cache")).expect("a cache");
    lab.succeed(&format!("sample {run} --n 4 --out grid.png"));

    let measured = lab.succeed("snn evaluate --profile smoke --json");
    let measured: serde_json::Value = serde_json::from_str(&measured).expect("JSON");
    let run = measured["run"].as_str().expect("a folder");
    assert!(lab.path(run).join("config.toml").exists(), "{run}");
    assert_eq!(measured["networks"][0]["network"], "mft-snn");
    assert_ledgers(&lab.path("runs"));
    for file in [
        "evaluation.json",
        "separation.md",
        "distances-mft-snn.png",
        "distances-vgg16-random.png",
        "neighbours-mft-snn.png",
        "neighbours-mft-snn.csv",
    ] {
        assert!(
            lab.path(&format!("reports/snn/{file}")).exists(),
            "no {file}"
        );
    }
}

#[test]
fn a_killed_training_goes_on_to_the_weights_of_an_undisturbed_one() {
    const LONG: &str = "snn train --profile smoke --set logging.checkpoint_every=3 \
                        --set snn.stage1.pairs=120 --set snn.stage2.pairs=240";
    let (disturbed, undisturbed) = (Lab::new(), Lab::new());
    let printed = undisturbed.succeed(LONG);
    let run = folder(&printed);
    disturbed.kill_after_checkpoint(LONG, run);
    disturbed.succeed(LONG);
    assert_same_trace(&disturbed.path(run), &undisturbed.path(run), "mft-snn");
}

#[test]
fn what_no_pairs_can_be_made_of_is_refused_with_the_setting_that_helps() {
    let lab = Lab::new();
    for number in 0..4 {
        lab.slide(&format!("one/{number}.png"), 160, 160);
    }
    let error = lab.refused(&format!("{TRAIN} --data one"));
    assert!(
        error.starts_with(
            "error: pairs of two classes need a second class: all slides are of class `all`"
        ),
        "{error}"
    );
    assert!(
        error.contains("--set snn.dissimilar=[\"other-slide\"]"),
        "{error}"
    );
    // Two held-out slides, so that other slides can be measured too.
    let printed = lab.succeed(&format!(
        "{TRAIN} --data one --set snn.dissimilar=[\"other-slide\"] --set data.held_out=0.5"
    ));
    assert!(printed.contains("other-slide"), "{printed}");

    // One training slide in each class.
    for class in ["a", "b"] {
        for number in 0..2 {
            lab.slide(&format!("two/{class}/{number}.png"), 160, 160);
        }
    }
    let error = lab.refused(&format!("{TRAIN} --data two"));
    assert!(error.contains("need a class with two slides"), "{error}");
    assert!(
        error.contains("--set snn.dissimilar=[\"other-class\"]"),
        "{error}"
    );

    lab.slide("single/0.png", 160, 160);
    let error = lab.refused(&format!("{TRAIN} --data single"));
    assert!(error.contains("has only one slide with patches"), "{error}");
}

#[test]
fn weights_are_asked_for_by_name_and_must_fit() {
    let lab = Lab::new();
    let error = lab.refused(&format!("{TRAIN} --set snn.pretrained=vgg16"));
    assert!(
        error.contains("`snn.pretrained` is `vgg16`, and no weights file is given"),
        "{error}"
    );
    assert!(error.contains("--set snn.pretrained=none"), "{error}");
    let error = lab.refused(&format!("{TRAIN} --set snn.weights=some.safetensors"));
    assert!(
        error.contains("`snn.weights` is given, but `snn.pretrained` is `none`"),
        "{error}"
    );
    let with = "--set snn.pretrained=vgg16 --set snn.weights=";
    let error = lab.refused(&format!("{TRAIN} {with}nowhere.pth"));
    assert!(
        error.contains("cannot read the weights file `nowhere.pth`"),
        "{error}"
    );
    let bytes = [0u8; 4 * 64];
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![64], &bytes);
    let views = [("conv1.weight", view.expect("a tensor"))];
    fs::write(
        lab.path("resnet.safetensors"),
        safetensors::serialize(views, None).expect("a file"),
    )
    .expect("written");
    let error = lab.refused(&format!("{TRAIN} {with}resnet.safetensors"));
    assert!(
        error.contains("features.0.weight") && error.contains("resnet.safetensors"),
        "{error}"
    );
    let error = lab.refused(&format!("{TRAIN} --set snn.stage1.layers=12"));
    assert!(
        error.contains("`snn.stage1.layers` is 12, the encoder has 2"),
        "{error}"
    );
}

#[test]
fn a_judge_trained_on_other_data_is_allowed_recorded_and_shown() {
    let lab = Lab::new();
    let printed = lab.succeed(&format!("{TRAIN} --set data.seed=7"));
    let snn = folder(&printed);
    let said = lab.run(&format!(
        "reproduce table1 --profile smoke --set systems=[{{name=\"rl-eo\"}}] --set reward.snn={snn}"
    ));
    assert_eq!(said.code, 0, "{}", said.errors);
    let protocol = lab.read("reports/table1/table1-protocol.md");
    assert!(
        protocol.contains("other data than that of the run"),
        "{protocol}"
    );
    let error = lab.refused("train table1 --model rl-eo --profile smoke --set reward.snn=nowhere");
    assert!(
        error.contains("`nowhere` is not a trained MFT-SNN"),
        "{error}"
    );
}
