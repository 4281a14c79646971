"""Small TIFF and SVS files of every kind that is read, and what other readers find in them.

    pip install numpy==2.4.6 tifffile==2026.3.3 imagecodecs==2026.3.6 pillow==13.0.0
    python make.py            needs libvips 8.14.1 (Debian: libvips-tools)
    python make.py SHARED     what is right of the files of `../shared`; needs openslide-python==1.4.7 and OpenSlide 3.4.1

`expected.json` has the levels of each file with the SHA-256 of their pixels as 8-bit RGB, from tifffile (Pillow where it says so);
JPEG has `<file>.<level>.png` instead, decoded by libjpeg-turbo. Pictures are 50 x 40, so that tiles of 16 x 16 and strips of 7 rows
reach beyond them.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

HERE = Path(__file__).parent
TILES, STRIPS = {"tile": (16, 16)}, {"rowsperstrip": 7}
expected = {}


def picture(width=50, height=40):
    """Pink with violet dots, a little noise: u8 [height, width, 3]."""
    y, x = np.mgrid[:height, :width]
    random = np.random.default_rng(0)
    dots = np.sin(x / 3.1) * np.sin(y / 2.7) > 0.6
    colours = np.where(dots[..., None], (110, 60, 140), (225, 150, 190))
    return np.clip(colours + (x // 4)[..., None] - random.integers(0, 3, (height, width, 1)), 0, 255).astype(np.uint8)


def rgb_of(values, page):
    """8-bit RGB of what tifffile read from `page`, by the definitions of TIFF 6.0; transparency on white."""
    if page.planarconfig == 2 and values.ndim == 3:
        values = np.moveaxis(values, 0, -1)
    if values.ndim == 2:
        values = values[..., None]
    if values.dtype.kind == "f":
        values = np.floor(np.clip(values, 0, 1) * 255 + 0.5)
    elif page.photometric.name == "PALETTE":
        values = (page.colormap.T // 256)[values[..., 0]]
    elif page.bitspersample == 1:
        values = values * 255
    elif page.bitspersample == 4:
        values = values * 17
    elif values.dtype == np.uint16:
        values = (values.astype(np.int64) + 128) // 257
    values = values.astype(np.int64)
    colours = 3 if values.shape[-1] >= 3 else 1
    rgb = np.repeat(values[..., :1], 3, -1) if colours == 1 else values[..., :3]
    if page.photometric.name == "MINISWHITE":
        rgb = 255 - rgb
    if page.photometric.name == "SEPARATED":
        light = np.float32(1) - values[..., 3:].astype(np.float32) / np.float32(255)
        rgb = ((np.float32(255) - rgb.astype(np.float32)) * light).astype(np.int64)
    elif values.shape[-1] == colours + 1 and page.extrasamples and page.extrasamples[0] in (1, 2):
        alpha = values[..., -1:]
        rgb = (rgb * alpha + 255 * (255 - alpha) + 127) // 255
    return rgb.astype(np.uint8)


def note(name, levels, tile, resolution=None):
    """Writes down what the levels of a file are: arrays of 8-bit RGB."""
    is_jpeg = "jpeg" in name
    rows = []
    for level, rgb in enumerate(levels):
        row = {"size": [rgb.shape[1], rgb.shape[0]]}
        if is_jpeg:
            Image.fromarray(rgb).save(HERE / f"{name}.{level}.png", optimize=True)
        else:
            row["sha256"] = hashlib.sha256(np.ascontiguousarray(rgb).tobytes()).hexdigest()
        rows.append(row)
    expected[name] = {"levels": rows, "tile": list(tile), "micrometres_per_pixel": resolution}


def write(name, values, resolution=None, **options):
    """Writes one image with tifffile, and what tifffile reads from it."""
    tifffile.imwrite(HERE / name, values, metadata=None, software=False, **options)
    with tifffile.TiffFile(HERE / name) as file:
        page = file.pages[0]
        rgb = rgb_of(page.asarray(), page)
    height, width = rgb.shape[:2]
    tile = options.get("tile") or (min(options.get("rowsperstrip", height), height), width)
    note(name, [rgb], tile[::-1], resolution)


def vips(name, values, *options, levels, tile):
    """Writes a file with libvips; `levels` picks its levels from tifffile's file."""
    with tempfile.NamedTemporaryFile(suffix=".png") as source:
        Image.fromarray(values).save(source.name)
        subprocess.run(["vips", "tiffsave", source.name, str(HERE / name), *options], check=True)
    with tifffile.TiffFile(HERE / name) as file:
        note(name, [rgb_of(page.asarray(), page) for page in levels(file)], tile)


def lossless():
    rgb = picture()
    write("strips.tif", rgb, photometric="rgb", **STRIPS)
    write("one_strip.tif", rgb, photometric="rgb", byteorder=">", rowsperstrip=40)
    write("tiles.tif", rgb, photometric="rgb", **TILES)
    write("packbits.tif", rgb, photometric="rgb", compression="packbits", **STRIPS)
    write("lzw_predictor.tif", rgb, photometric="rgb", compression="lzw", predictor=True, **STRIPS)
    write("lzw_tiles.tif", rgb, photometric="rgb", compression="lzw", **TILES)
    noise = np.random.default_rng(1).integers(0, 256, (64, 80, 3)).astype(np.uint8)
    write("lzw_full_table.tif", noise[:48], photometric="rgb", compression="lzw", rowsperstrip=48)
    write("deflate_predictor.tif", rgb, photometric="rgb", compression="adobe_deflate", predictor=True, **TILES)
    write("deflate_32946.tif", rgb, photometric="rgb", compression="deflate", **STRIPS)
    write("zstd_predictor.tif", rgb, photometric="rgb", compression="zstd", predictor=True, **TILES)
    write("zstd_strips.tif", rgb, photometric="rgb", compression="zstd", **STRIPS)
    write("bigtiff.tif", rgb, photometric="rgb", compression="adobe_deflate", bigtiff=True, **TILES)
    write("bigtiff_big_endian.tif", rgb, photometric="rgb", bigtiff=True, byteorder=">", **STRIPS)
    planes = np.moveaxis(rgb, -1, 0)
    write("planes_tiles.tif", planes, photometric="rgb", planarconfig="separate", compression="adobe_deflate", predictor=True, **TILES)
    write("planes_strips.tif", planes, photometric="rgb", planarconfig="separate", **STRIPS)


def kinds_of_pixels():
    rgb = picture()
    y, x = np.mgrid[:40, :50]
    grey = rgb[..., 1]
    alpha = ((x * 5 + y) % 256).astype(np.uint8)
    deep = rgb.astype(np.uint16) * 257 - (x * 13 % 200).astype(np.uint16)[..., None]
    write("rgb16_predictor.tif", deep, photometric="rgb", compression="lzw", predictor=True, **STRIPS)
    write("rgb16_big_endian.tif", deep, photometric="rgb", compression="adobe_deflate", predictor=True, byteorder=">", **TILES)
    write("rgb16_planes.tif", np.moveaxis(deep, -1, 0), photometric="rgb", planarconfig="separate", compression="adobe_deflate", **TILES)
    write("grey16.tif", deep[..., 0], photometric="minisblack", byteorder=">", **STRIPS)
    write("grey.tif", grey, photometric="minisblack", compression="adobe_deflate", predictor=True, **TILES)
    write("min_is_white.tif", grey, photometric="miniswhite", compression="packbits", **STRIPS)
    write("float.tif", deep.astype(np.float32) / 60000 - 0.1, photometric="rgb", compression="adobe_deflate", **STRIPS)
    rgba = np.dstack([rgb, alpha])
    write("rgba.tif", rgba, photometric="rgb", extrasamples=["unassalpha"], compression="adobe_deflate", **TILES)
    write("rgba_planes.tif", np.moveaxis(rgba, -1, 0), photometric="rgb", planarconfig="separate", extrasamples=["unassalpha"], compression="adobe_deflate", **TILES)
    write("rgb_and_more.tif", rgba, photometric="rgb", extrasamples=["unspecified"], compression="adobe_deflate", **TILES)
    write("rgba16.tif", rgba.astype(np.uint16) * 257, photometric="rgb", extrasamples=["unassalpha"], compression="adobe_deflate", **STRIPS)
    write("grey_alpha.tif", np.dstack([grey, alpha]), photometric="minisblack", extrasamples=["unassalpha"], planarconfig="contig", compression="lzw", **STRIPS)
    write("cmyk.tif", np.dstack([255 - rgb, alpha // 4]), photometric="separated", compression="lzw", **STRIPS)
    colours = np.random.default_rng(2).integers(0, 256, (3, 256)).astype(np.uint16) * 257
    write("palette.tif", (grey // 2), photometric="palette", colormap=colours, compression="lzw", **STRIPS)
    bilevel, small = Image.fromarray(grey > 150), HERE / "bilevel.tif"
    bilevel.save(small, compression="packbits")
    note(small.name, [np.asarray(Image.open(small).convert("RGB"))], (50, 40))  # Pillow
    first = lambda file: file.pages[:1]
    vips("four_bits.tif", grey, "--bitdepth", "4", "--compression", "deflate", "--predictor", "none", levels=first, tile=(50, 40))


def jpeg():
    rgb = picture()
    for name, subsampling in {"420": (2, 2), "422": (2, 1), "444": (1, 1)}.items():
        write(f"jpeg_{name}.tif", rgb, photometric="ycbcr", compression="jpeg", compressionargs={"level": 90}, subsampling=subsampling, **TILES)
    write("jpeg_grey.tif", rgb[..., 1], photometric="minisblack", compression="jpeg", **TILES)
    first = lambda file: file.pages[:1]
    # Tables are shared; from quality 90 on libvips writes RGB, below YCbCr.
    tiles = ("--tile", "--tile-width", "32", "--tile-height", "32")
    vips("jpeg_tables.tif", rgb, "--compression", "jpeg", "--Q", "75", *tiles, levels=first, tile=(32, 32))
    vips("jpeg_rgb.tif", rgb, "--compression", "jpeg", "--Q", "90", *tiles, levels=first, tile=(32, 32))
    Image.fromarray(rgb).save(HERE / "jpeg_strips.tif", compression="jpeg", quality=90)
    with tifffile.TiffFile(HERE / "jpeg_strips.tif") as file:
        page = file.pages[0]
        note("jpeg_strips.tif", [rgb_of(page.asarray(), page)], (50, page.rowsperstrip))


def pyramids():
    rgb = picture(100, 75)
    tiles = ("--tile", "--tile-width", "16", "--tile-height", "16", "--pyramid")
    vips("pyramid_pages.tif", rgb, "--compression", "lzw", *tiles, levels=lambda file: file.pages, tile=(16, 16))
    inner = lambda file: [file.pages[0], *file.pages[0].pages]
    vips("pyramid_subifd_jpeg.tif", rgb, "--compression", "jpeg", "--subifd", *tiles, levels=inner, tile=(16, 16))
    # As Aperio's scanners write: level 0, thumbnail in strips, level 1, label and overview in strips.
    reduced = rgb[: 72, :100].reshape(18, 4, 25, 4, 3).mean((1, 3)).astype(np.uint8)
    about = "Aperio Image Library v11.2.1 \r\n100x75 (16x16) JPEG/RGB Q=90|AppMag = 20|MPP = 0.4990|Left = 1.5"
    common = {"photometric": "rgb", "metadata": None, "software": False, "compression": "adobe_deflate"}
    with tifffile.TiffWriter(HERE / "aperio.svs") as file:
        file.write(rgb, description=about, **TILES, **common)
        file.write(rgb[::2, ::2], description="Aperio thumbnail", rowsperstrip=8, **common)
        file.write(reduced, description=about, **TILES, **common)
        file.write(rgb[:38, :50], description="Aperio label 50x38", subfiletype=1, rowsperstrip=8, **common)
        file.write(rgb[:30, :50], description="Aperio macro 50x30", subfiletype=9, rowsperstrip=8, **common)
    note("aperio.svs", [rgb, reduced], (16, 16), 0.499)
    # A preview that is packed in another way is no level.
    with tifffile.TiffWriter(HERE / "preview.tif") as file:
        file.write(rgb, **TILES, **common)
        file.write(rgb[:74:2, ::2], subfiletype=1, rowsperstrip=37, **{**common, "compression": "packbits"})
    note("preview.tif", [rgb], (16, 16))
    # For OpenSlide, so it is not among those that are read without it. 33005: RGB.
    options = {**common, "compression": 33005, "compressionargs": {"level": 60, "codecformat": "j2k"}}
    tifffile.imwrite(HERE / "jpeg_2000.svs", rgb, description=about, **TILES, **options)


def resolutions():
    rgb = picture()[:16, :16]
    for name, dots, unit, found in [
        ("40000_per_cm.tif", (40000, 40000), "centimeter", 0.25),
        ("50800_per_inch.tif", (50800, 50800), "inch", 0.5),
        ("72_per_inch.tif", (72, 72), "inch", None),
        ("not_square.tif", (40000, 20000), "centimeter", None),
        ("no_unit.tif", (40000, 40000), "none", None),
    ]:
        tifffile.imwrite(HERE / name, rgb, photometric="rgb", compression="adobe_deflate", metadata=None, software=False, resolution=dots, resolutionunit=unit)
        note(name, [rgb], (16, 16), found)


def shared(root):
    """The pixels of files that lie elsewhere: digests, and pieces of those with JPEG."""
    import openslide

    def digest(name):
        with tifffile.TiffFile(root / name) as file:
            rgb = rgb_of(file.pages[0].asarray(), file.pages[0])
        return hashlib.sha256(rgb.tobytes()).hexdigest()

    images = sorted(str(path.relative_to(root)) for path in root.glob("data/histology/slides/*/*.tif"))
    digests = {name: digest(name) for name in ["cases/zstd.tif", *images]}
    (HERE / "shared.json").write_text(json.dumps(digests, indent=1) + "\n")
    for name in ["bigtiff_jpeg_ycbcr.tif", "pyramid.svs"]:
        with tifffile.TiffFile(root / "cases" / name) as file:
            for level, page in enumerate(file.pages):
                Image.fromarray(page.asarray()[30:80, 40:110]).save(HERE / f"shared_{name}.{level}.png")
    slide = openslide.OpenSlide(root / "data/histology/wsi/openslide__cmu-1-small-region.svs")
    slide.read_region((1150, 1400), 0, (140, 100)).convert("RGB").save(HERE / "shared_cmu.png")


if sys.argv[1:]:
    shared(Path(sys.argv[1]))
    sys.exit()
lossless()
kinds_of_pixels()
jpeg()
pyramids()
resolutions()
(HERE / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
