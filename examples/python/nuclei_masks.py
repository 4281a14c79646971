"""Masks of nuclei by colour alone, for slides that nobody has annotated: haematoxylin by colour deconvolution (Ruifrok and Johnston
2001, scikit-image's `rgb2hed`), Otsu's threshold for each image, small specks removed. They are weak labels: nuclei that touch are one,
dark stroma and ink count as nuclei.

    python nuclei_masks.py SLIDES MASKS          needs scikit-image
    histogen reproduce transfer-segment --data SLIDES --set data.masks=MASKS --set 'data.mask_classes=["background=0", "nucleus=1"]'
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.color import rgb2hed
from skimage.filters import gaussian, threshold_otsu
from skimage.morphology import disk, opening, remove_small_holes, remove_small_objects

slides, masks = map(Path, sys.argv[1:])
for path in sorted(slides.rglob("*")):
    if path.suffix.lower() not in (".png", ".jpg", ".jpeg", ".tif", ".tiff"):
        continue
    image = np.asarray(Image.open(path).convert("RGB"))
    haematoxylin = gaussian(rgb2hed(image)[..., 0], sigma=2)
    nuclei = opening(haematoxylin > threshold_otsu(haematoxylin), disk(3))
    nuclei = remove_small_holes(remove_small_objects(nuclei, max_size=100), max_size=100)
    mask = Image.fromarray(nuclei.astype(np.uint8), mode="P")
    mask.putpalette([255, 255, 255, 60, 30, 140])
    target = (masks / path.relative_to(slides)).with_suffix(".png")
    target.parent.mkdir(parents=True, exist_ok=True)
    mask.save(target)
