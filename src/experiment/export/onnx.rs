//! A generator as ONNX, operator set 17: the few messages of the format that it needs, written as protocol buffers.
//!
//! The numbers of fields are those of `onnx.proto3` (ONNX 1.12). A crate for the format brings a code generator and its schema for
//! what is seven messages here.

use crate::nn::activation::Activation;
use crate::nn::plain_generator::{PlainGenerator, PlainLayer};

/// The version of the format.
const IR_VERSION: u64 = 8;
const OPERATOR_SET: u64 = 17;
/// `TensorProto.DataType`.
const FLOAT: u64 = 1;
const INT64: u64 = 7;
/// `AttributeProto.AttributeType`.
const KIND_FLOAT: u64 = 1;
const KIND_INT: u64 = 2;
const KIND_INTS: u64 = 7;
/// The stabiliser of batch normalisation, PyTorch's default.
const EPSILON: f32 = 1e-5;

/// A message of a protocol buffer under construction.
#[derive(Clone, Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// A whole number (wire type 0).
    fn int(mut self, field: u64, value: u64) -> Self {
        self.varint(field << 3);
        self.varint(value);
        self
    }

    /// An f32 (wire type 5).
    fn float(mut self, field: u64, value: f32) -> Self {
        self.varint(field << 3 | 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// Bytes, text or a message (wire type 2).
    fn bytes(mut self, field: u64, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    fn message(self, field: u64, message: &Self) -> Self {
        self.bytes(field, &message.0)
    }
}

/// A network under construction: its nodes, and the numbers that they take.
#[derive(Default)]
struct Graph {
    nodes: Vec<Message>,
    initializers: Vec<Message>,
}

/// What a node takes besides tensors.
enum Attribute<'a> {
    Float(&'a str, f32),
    Int(&'a str, i64),
    Ints(&'a str, &'a [usize]),
}

impl Graph {
    /// Adds a node whose one output is called `output`.
    fn node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        output: &str,
        attributes: &[Attribute<'_>],
    ) {
        let mut node = Message::default();
        for input in inputs {
            node = node.bytes(1, input);
        }
        node = node.bytes(2, output).bytes(3, output).bytes(4, operator);
        for attribute in attributes {
            let message = match attribute {
                Attribute::Float(name, value) => Message::default()
                    .bytes(1, name)
                    .float(2, *value)
                    .int(20, KIND_FLOAT),
                Attribute::Int(name, value) => Message::default()
                    .bytes(1, name)
                    .int(3, *value as u64)
                    .int(20, KIND_INT),
                Attribute::Ints(name, values) => {
                    let named = Message::default().bytes(1, name);
                    let all = values
                        .iter()
                        .fold(named, |all, &value| all.int(8, value as u64));
                    all.int(20, KIND_INTS)
                }
            };
            node = node.message(5, &message);
        }
        self.nodes.push(node);
    }

    fn tensor(&mut self, name: &str, kind: u64, shape: &[usize], bytes: Vec<u8>) {
        let tensor = shape.iter().fold(Message::default(), |tensor, &length| {
            tensor.int(1, length as u64)
        });
        self.initializers
            .push(tensor.int(2, kind).bytes(8, name).bytes(9, bytes));
    }

    fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        let bytes = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        self.tensor(name, FLOAT, shape, bytes);
    }

    fn integers(&mut self, name: &str, shape: &[usize], values: &[i64]) {
        let bytes = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        self.tensor(name, INT64, shape, bytes);
    }

    /// Adds a layer that reads `input`, and returns what its output is called.
    fn layer(&mut self, place: usize, layer: &PlainLayer, input: &str) -> String {
        let name = |part: &str| format!("layer{place}.{part}");
        let (weight, output) = (name("weight"), name("maps"));
        self.floats(&weight, &layer.shape, &layer.weight);
        let kernel = &layer.shape[2..];
        self.node(
            "ConvTranspose",
            &[input, &weight],
            &output,
            &[
                Attribute::Ints("kernel_shape", kernel),
                Attribute::Ints("strides", &[layer.stride; 2]),
                Attribute::Ints("pads", &[layer.padding; 4]),
            ],
        );
        let mut last = output;
        if let Some(norm) = &layer.norm {
            let parts = ["scale", "shift", "mean", "variance"].map(name);
            for (part, values) in parts.iter().zip(norm) {
                self.floats(part, &[values.len()], values);
            }
            let [scale, shift, mean, variance] = &parts;
            let normalised = name("normalised");
            let inputs = [&last, scale, shift, mean, variance].map(String::as_str);
            let epsilon = Attribute::Float("epsilon", EPSILON);
            self.node("BatchNormalization", &inputs, &normalised, &[epsilon]);
            last = normalised;
        }
        let (operator, attributes) = match layer.activation {
            Activation::Relu => ("Relu", Vec::new()),
            Activation::LeakyRelu(slope) => ("LeakyRelu", vec![Attribute::Float("alpha", slope)]),
            Activation::Softplus => ("Softplus", Vec::new()),
            Activation::Tanh => ("Tanh", Vec::new()),
            Activation::Identity => return last,
            Activation::Silu => {
                let (gate, output) = (name("gate"), name("output"));
                self.node("Sigmoid", &[&last], &gate, &[]);
                self.node("Mul", &[&last, &gate], &output, &[]);
                return output;
            }
        };
        let output = name("output");
        self.node(operator, &[&last], &output, &attributes);
        output
    }
}

/// An input or output called `name` with as many images as there are, then `shape`.
fn value(name: &str, kind: u64, shape: &[usize]) -> Message {
    let images = Message::default().bytes(2, "images");
    let mut dimensions = Message::default().message(1, &images);
    for &length in shape {
        dimensions = dimensions.message(1, &Message::default().int(1, length as u64));
    }
    let tensor = Message::default().int(1, kind).message(2, &dimensions);
    let kind = Message::default().message(1, &tensor);
    Message::default().bytes(1, name).message(2, &kind)
}

/// The bytes of an ONNX file: inputs `z` [n, latent] and, with classes, `class` `[n]`; output `image` of `shape` (channels,
/// height, width) in [-1, 1].
pub(super) fn onnx(generator: &PlainGenerator, name: &str, shape: [usize; 3]) -> Vec<u8> {
    let PlainGenerator {
        latent,
        classes,
        layers,
    } = generator;
    let mut graph = Graph::default();
    let mut inputs = vec![value("z", FLOAT, &[*latent])];
    let mut last = "z".to_owned();
    if *classes > 0 {
        inputs.push(value("class", INT64, &[]));
        graph.integers("classes", &[], &[*classes as i64]);
        graph.floats("off_on", &[2], &[0.0, 1.0]);
        let axis = |axis| [Attribute::Int("axis", axis)];
        graph.node(
            "OneHot",
            &["class", "classes", "off_on"],
            "one_hot",
            &axis(-1),
        );
        graph.node("Concat", &["z", "one_hot"], "conditioned", &axis(1));
        last = String::from("conditioned");
    }
    graph.integers("one_place", &[4], &[-1, (latent + classes) as i64, 1, 1]);
    graph.node("Reshape", &[&last, "one_place"], "place", &[]);
    last = String::from("place");
    for (place, layer) in layers.iter().enumerate() {
        last = graph.layer(place, layer, &last);
    }
    graph.node("Identity", &[&last], "image", &[]);

    // The graph and what stands around it.
    let mut message = Message::default();
    for node in &graph.nodes {
        message = message.message(1, node);
    }
    message = message.bytes(2, name);
    for initializer in &graph.initializers {
        message = message.message(5, initializer);
    }
    for input in &inputs {
        message = message.message(11, input);
    }
    message = message.message(12, &value("image", FLOAT, &shape));
    let operators = Message::default().bytes(1, "").int(2, OPERATOR_SET);
    let model = Message::default()
        .int(1, IR_VERSION)
        .bytes(2, "histogen")
        .bytes(3, env!("CARGO_PKG_VERSION"))
        .message(7, &message)
        .message(8, &operators);
    model.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_messages_are_written_as_protocol_buffers_are() {
        // The examples of the encoding's documentation: 150 in field 1, "testing" in field 2, that message in field 3.
        let number = Message::default().int(1, 150);
        assert_eq!(number.0, [0x08, 0x96, 0x01]);
        let text = Message::default().bytes(2, "testing");
        assert_eq!(
            text.0,
            [0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67]
        );
        let nested = Message::default().message(3, &number);
        assert_eq!(nested.0, [0x1a, 0x03, 0x08, 0x96, 0x01]);
        assert_eq!(Message::default().float(2, 1.0).0, [0x15, 0, 0, 0x80, 0x3f]);
        // -1 is ten bytes.
        assert_eq!(Message::default().int(3, -1i64 as u64).0.len(), 11);
    }
}
