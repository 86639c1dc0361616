#!/usr/bin/env python3
"""Writes images/: small files of every kind that Decode reads, and images/NAME.ppm, what Pillow decodes them to (alpha laid over black)."""
import os, sys
import numpy as np
from PIL import Image

here = os.path.join(os.path.dirname(__file__), "images")
os.makedirs(here, exist_ok=True)
y, x = np.mgrid[0:17, 0:23]
rgb = np.stack([x * 11, y * 15, (x * y) * 3 % 256], -1).astype(np.uint8)
alpha = ((x + y) * 6).astype(np.uint8)
rgba = np.concatenate([rgb, alpha[..., None]], -1)
color, clear = Image.fromarray(rgb), Image.fromarray(rgba)
grey16 = Image.fromarray((x * 2500 + y * 300).astype(np.uint16))
palette = color.quantize(16)
save = {
    "rgb.png": (color, {}), "rgba.png": (clear, {}), "grey.png": (color.convert("L"), {}), "grey16.png": (grey16, {}),
    "palette.png": (palette, {}), "bits.png": (color.convert("1"), {}), "grey_alpha.png": (clear.convert("LA"), {}),
    "palette_clear.png": (palette, {"transparency": 3}),
    "lossless.webp": (color, {"lossless": True}), "lossy.webp": (color, {"quality": 90}),
    "lossless_alpha.webp": (clear, {"lossless": True, "exact": True}), "lossy_alpha.webp": (clear, {"quality": 90}),
    "baseline.jpg": (color, {"quality": 90}), "progressive.jpg": (color, {"quality": 90, "progressive": True}),
    "grey.jpg": (color.convert("L"), {"quality": 90}), "cmyk.jpg": (color.convert("CMYK"), {"quality": 90}),
    "full.jpg": (color, {"quality": 90, "subsampling": 0}),
}
for name, (im, options) in save.items():
    path = os.path.join(here, name)
    im.save(path, **options)
    back = Image.open(path)
    if back.mode.startswith("I"):
        back = Image.fromarray((np.asarray(back) >> 8).astype(np.uint8))
    if back.mode in ("RGBA", "LA") or "transparency" in back.info:
        back = back.convert("RGBA")
        a = np.asarray(back).astype(np.int64)
        back = Image.fromarray(((a[..., :3] * a[..., 3:] + 127) // 255).astype(np.uint8))
    back.convert("RGB").save(path + ".ppm")
