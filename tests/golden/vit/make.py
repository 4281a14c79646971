"""Writes data.json: what timm's vision transformers compute with weights of a formula, for `tests/it/vit.rs`.

    pip install torch timm pillow torchvision numpy
    python tests/golden/vit/make.py

Every architecture is built by timm at a reduced width and depth, one whole (`whole`). Its tensors are computed under the names
and in the shapes of the published file (`tensors`), and turned into timm's state here. Position embeddings of another grid are
resampled by the call of PyTorch that the publisher makes. The formula is `uniform` of `../inception/formula.py`; see `tensor`.
`resize` has Pillow's bytes, `half_pixel` PyTorch's numbers. Versions stand in data.json.
"""

import json
import sys
from pathlib import Path

import numpy as np
import PIL
import timm
import torch
import torch.nn.functional as F
import torchvision
from PIL import Image
from timm.layers import SwiGLUPacked

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "inception"))
from formula import uniform  # noqa: E402

SWIGLU = dict(mlp_layer=SwiGLUPacked, act_layer=torch.nn.SiLU)
# Width, depth and heads of the reduced networks, and numbers between the linear maps.
WIDTH, DEPTH, HEADS, HIDDEN = 48, 2, 3, 64
SMALL = dict(embed_dim=WIDTH, depth=DEPTH, num_heads=HEADS)

# timm's model and arguments, the naming of the published file, its grid, tokens with positions before the patches, how
# positions are resampled.
CASES = {
    "dinov2-vitb14": ("vit_base_patch14_dinov2", {}, "dinov2", 37, 1, "offset"),
    "dinov2-vitg14": ("vit_giant_patch14_dinov2", {}, "dinov2", 37, 1, "offset"),
    "dinov2-vitb14-reg": ("vit_base_patch14_reg4_dinov2", {}, "dinov2", 37, 1, "antialias"),
    "dinov2-vitl14-reg": ("vit_large_patch14_reg4_dinov2", {}, "timm", 37, 0, "antialias"),
    "dinov2-vitg14-reg": ("vit_giant_patch14_reg4_dinov2", {}, "dinov2", 37, 1, "antialias"),
    "dinov2-vitl14": ("vit_large_patch14_dinov2", {}, "transformers-dinov2", 37, 1, "offset"),
    "phikon": ("vit_base_patch16_224", {}, "transformers-vit", 14, 1, None),
    "phikon-v2": ("vit_large_patch16_224", dict(init_values=1e-5), "transformers-dinov2", 14, 1, None),
    "uni": ("vit_large_patch16_224", dict(init_values=1e-5, dynamic_img_size=True), "timm", 14, 1, None),
    "hibou-b": (
        "vit_base_patch14_reg4_dinov2",
        SWIGLU,
        "transformers-dinov2",
        16,
        1,
        None,
    ),
    "h-optimus-0": ("vit_giant_patch14_reg4_dinov2", {}, "timm", 16, 0, None),
    "virchow2": (
        "vit_huge_patch14_224",
        dict(init_values=1e-5, reg_tokens=4, global_pool="", dynamic_img_size=True, **SWIGLU),
        "timm",
        16,
        5,
        None,
    ),
    "clip-vitl14-336": ("vit_large_patch14_clip_quickgelu_336", {}, "clip", 24, 1, None),
}
# Numbers that CLIP's class token is projected to.
PROJECTED = 20


def tensor(name, shape):
    """The tensor of a published file: u in [-1, 1) by name and place, scaled by what it is."""
    u = uniform(name, int(np.prod(shape)))
    if name.endswith(("gamma", "lambda1")):
        u = 0.6 + 0.4 * u
    elif "norm" in name and name.endswith("weight"):
        u = 1 + 0.2 * u
    elif name.endswith("bias"):
        u = 0.2 * u
    elif name.endswith("weight"):
        u = u * np.sqrt(6 / np.prod(shape[1:]))
    else:
        u = 0.5 * u
    return torch.from_numpy(u.astype(np.float32).reshape(shape))


def published(model, naming, grid, positioned):
    """For every tensor of timm's state the tensors of the published file that make it, by name and shape."""
    names = {}
    for name, value in model.state_dict().items():
        shape = list(value.shape)
        width = shape[-1]
        if name == "pos_embed":
            shape = [1, positioned + grid * grid, width]
        parts = [(name, shape)]
        if naming == "dinov2":
            new = name.replace("reg_token", "register_tokens")
            if model_is_gated(model):
                new = new.replace("mlp.fc1", "mlp.w12").replace("mlp.fc2", "mlp.w3")
            parts = [(new, shape)]
        elif naming == "clip":
            parts = clip(name, shape)
        elif naming.startswith("transformers"):
            parts = transformers(name, shape, naming, model_is_gated(model))
        names[name] = parts
    return names


def model_is_gated(model):
    return model.blocks[0].mlp.fc1.out_features != model.blocks[0].mlp.fc2.in_features


def transformers(name, shape, naming, gated):
    if ".attn.qkv." in name:
        block, kind = name.split(".")[1], name.split(".")[-1]
        shape = [shape[0] // 3, *shape[1:]]
        each = ("query", "key", "value")
        return [(f"encoder.layer.{block}.attention.attention.{part}.{kind}", shape) for part in each]
    vit = naming == "transformers-vit"
    fc = ("mlp.weights_in", "mlp.weights_out") if gated else ("mlp.fc1", "mlp.fc2")
    fc = ("intermediate.dense", "output.dense") if vit else fc
    turns = {
        "cls_token": "embeddings.cls_token",
        "reg_token": "embeddings.register_tokens",
        "pos_embed": "embeddings.position_embeddings",
        "patch_embed.proj": "embeddings.patch_embeddings.projection",
        "blocks.": "encoder.layer.",
        "attn.proj": "attention.output.dense",
        "ls1.gamma": "layer_scale1.lambda1",
        "ls2.gamma": "layer_scale2.lambda1",
        "mlp.fc1": fc[0],
        "mlp.fc2": fc[1],
    }
    if vit:
        turns |= {"norm1": "layernorm_before", "norm2": "layernorm_after"}
    if name.startswith("norm."):
        return [(name.replace("norm.", "layernorm."), shape)]
    for old, new in turns.items():
        name = name.replace(old, new)
    return [(name, shape)]


def clip(name, shape):
    if ".attn.qkv." in name:
        block, kind = name.split(".")[1], name.split(".")[-1]
        shape = [shape[0] // 3, *shape[1:]]
        return [(f"vision_model.encoder.layers.{block}.self_attn.{part}_proj.{kind}", shape) for part in "qkv"]
    if name == "head.bias":  # there is none
        return []
    turns = {
        "cls_token": "vision_model.embeddings.class_embedding",
        "pos_embed": "vision_model.embeddings.position_embedding.weight",
        "patch_embed.proj": "vision_model.embeddings.patch_embedding",
        "norm_pre": "vision_model.pre_layrnorm",
        "blocks.": "vision_model.encoder.layers.",
        "attn.proj": "self_attn.out_proj",
        "norm1": "layer_norm1",
        "norm2": "layer_norm2",
        "head": "visual_projection",
    }
    if name.startswith("norm."):
        return [(name.replace("norm.", "vision_model.post_layernorm."), shape)]
    shape = [length for length in shape if length != 1]
    for old, new in turns.items():
        name = name.replace(old, new)
    return [(name, shape)]


def resample(positions, grid, side, way):
    """[1, grid^2, width] -> [1, side^2, width], by the publishers' calls."""
    if grid == side:
        return positions
    maps = positions.reshape(1, grid, grid, -1).permute(0, 3, 1, 2)
    if way == "offset":
        factor = float(side + 0.1) / grid
        maps = F.interpolate(maps, scale_factor=(factor, factor), mode="bicubic", antialias=False)
    else:
        maps = F.interpolate(maps, size=(side, side), mode="bicubic", antialias=True)
    return maps.permute(0, 2, 3, 1).reshape(1, side * side, -1)


def state(model, names, grid, positioned, way):
    """timm's state from the published tensors."""
    shapes = {name: value.shape for name, value in model.state_dict().items()}
    made = {}
    for name, parts in names.items():
        values = torch.cat([tensor(*part) for part in parts]) if parts else torch.zeros(shapes[name])
        flat = len(parts) == 1 and len(parts[0][1]) < len(shapes[name])
        made[name] = values.reshape(1, -1, values.shape[-1]) if flat else values
    before, patches = made["pos_embed"][:, :positioned], made["pos_embed"][:, positioned:]
    patches = resample(patches, grid, model.patch_embed.grid_size[0], way)
    if model.no_embed_class and positioned:
        made["cls_token"] = made["cls_token"] + before
        before = before[:, :0]
    made["pos_embed"] = torch.cat([before, patches], 1)
    return made


def images(size):
    """Two images whose byte i is (37 i^2 + 11 i + i / 13 + 91 image) mod 256, rows of pixels, channels last."""
    i = np.arange(size * size * 3, dtype=np.int64)
    base = 37 * i * i + 11 * i + i // 13
    return [((base + 91 * image) % 256).astype(np.uint8).reshape(size, size, 3) for image in range(2)]


def planes(size):
    """[2, 3, size, size]: what the networks are given."""
    values = uniform("images", 2 * 3 * size * size)
    return torch.from_numpy((2 * values).astype(np.float32).reshape(2, 3, size, size))


def features(model, inputs):
    with torch.no_grad():
        if model.num_classes:  # CLIP's projection
            return model.eval()(inputs)
        tokens = model.eval().forward_features(inputs)
    if model.global_pool == "":  # Virchow2's card: class token, and mean of the patches without registers
        return torch.cat([tokens[:, 0], tokens[:, 5:].mean(1)], 1)
    return tokens[:, 0]


def build(name, arguments, reduced):
    is_clip = "clip" in name
    arguments = dict(arguments, img_size=336 if is_clip else 224, num_classes=PROJECTED if is_clip else 0)
    if reduced:
        arguments |= SMALL
        gated = "mlp_layer" in arguments or "giant" in name
        arguments["mlp_ratio"] = (2 if gated else 1) * HIDDEN / WIDTH
    return timm.create_model(name, pretrained=False, **arguments)


def rounded(tensor):
    return [round(float(value), 6) for value in tensor.flatten()]


def case(name, arguments, naming, grid, positioned, way, inputs, reduced=True):
    model = build(name, arguments, reduced)
    names = published(model, naming, grid, positioned)
    model.load_state_dict(state(model, names, grid, positioned, way))
    if naming == "transformers-vit":
        for module in model.modules():
            if isinstance(module, torch.nn.LayerNorm):
                module.eps = 1e-12
    found = features(model, inputs)
    return {
        "hidden": model.blocks[0].mlp.fc2.in_features,
        "tensors": {part: shape for parts in names.values() for part, shape in parts},
        "features": [rounded(row) for row in found],
    }


def resized(filter_, size):
    return [np.asarray(Image.fromarray(image).resize((224, 224), filter_)) for image in images(size)]


def main():
    cases = {name: case(*arguments, planes(336 if "336" in name else 224)) for name, arguments in CASES.items()}
    # A whole network from bytes, as dgm-eval prepares them.
    transform = torchvision.transforms.Compose([
        torchvision.transforms.Resize((224, 224), torchvision.transforms.InterpolationMode.BICUBIC),
        torchvision.transforms.ToTensor(),
        torchvision.transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ])
    inputs = torch.stack([transform(Image.fromarray(image)) for image in images(96)])
    whole = case("vit_small_patch14_dinov2", {}, "dinov2", 37, 1, "offset", inputs, reduced=False)
    half_pixel = {
        size: rounded(
            F.interpolate(
                torch.from_numpy(np.stack(images(size))).permute(0, 3, 1, 2).float(),
                size=(336, 336),
                mode="bicubic",
            ).flatten()[::2003]
        )
        for size in (32, 224, 500)
    }
    ways = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
    resizes = {
        way: {size: np.stack(resized(ways[way], size)).flatten()[::1009].tolist() for size in (32, 224, 300)}
        for way in ways
    }
    data = {
        "versions": {
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
            "timm": timm.__version__,
            "pillow": PIL.__version__,
            "numpy": np.__version__,
        },
        "width": WIDTH,
        "depth": DEPTH,
        "heads": HEADS,
        "cases": cases,
        "whole": whole,
        "projected": PROJECTED,
        "resize": resizes,
        "half_pixel": half_pixel,
    }
    text = json.dumps(data, separators=(",", ":")).replace('},"', '},\n"')
    (HERE / "data.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
