#!/usr/bin/env python3
"""Writes pillow.json: for each case an operation, its arguments and the SHA-256 of what Pillow makes of a synthetic image.

  make.py > pillow.json
"""
import hashlib, json, math
import numpy as np
from PIL import Image, ImageEnhance, ImageOps


def synthetic(width, height, channels):
    state, out = 12345, bytearray()
    for y in range(height):
        for x in range(width):
            for c in range(channels):
                state = (state * 1103515245 + 12345) & 0x7FFFFFFF
                out.append((x * 255 // max(1, width - 1) * (c + 1) + y * 3 + (state >> 16) % 48) & 255)
    mode = "RGB" if channels == 3 else "L"
    return Image.frombytes(mode, (width, height), bytes(out))


filters = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}


def hue(im, shift):
    h, s, v = im.convert("HSV").split()
    h = Image.fromarray((np.asarray(h).astype(np.int32) + shift).astype(np.uint8))
    return Image.merge("HSV", (h, s, v)).convert("RGB")


ops = {
    "resize": lambda im, w, h, f: im.resize((w, h), filters[f]),
    "resized_crop": lambda im, x, y, cw, ch, w, h, f: im.crop((x, y, x + cw, y + ch)).resize((w, h), filters[f]),
    "brightness": lambda im, f: ImageEnhance.Brightness(im).enhance(f),
    "contrast": lambda im, f: ImageEnhance.Contrast(im).enhance(f),
    "saturation": lambda im, f: ImageEnhance.Color(im).enhance(f),
    "sharpness": lambda im, f: ImageEnhance.Sharpness(im).enhance(f),
    "hue": hue,
    "posterize": lambda im, b: ImageOps.posterize(im, b),
    "solarize": lambda im, t: ImageOps.solarize(im, t),
    "autocontrast": lambda im: ImageOps.autocontrast(im),
    "equalize": lambda im: ImageOps.equalize(im),
    "grayscale": lambda im: im.convert("L").convert("RGB"),
    "affine": lambda im, *m: im.transform(im.size, Image.AFFINE, m, Image.NEAREST),
}
cases = []


def case(size, op, *args):
    im = synthetic(*size)
    out = ops[op](im, *args)
    cases.append(dict(size=size, op=op, args=args, width=out.width, height=out.height, sha256=hashlib.sha256(out.tobytes()).hexdigest()))


for size in [(57, 43, 3), (57, 43, 1), (1, 9, 3), (300, 200, 3)]:
    for f in filters:
        for w, h in [(57, 43), (20, 15), (114, 129), (57, 10), (13, 43), (1, 1), (224, 224)]:
            case(size, "resize", w, h, f)
for f in filters:
    case((57, 43, 3), "resized_crop", 5, 7, 31, 29, 24, 24, f)
    case((57, 43, 3), "resized_crop", 0, 1, 57, 40, 57, 20, f)
    case((57, 43, 1), "resized_crop", 3, 0, 10, 43, 10, 43, f)
for channels in (1, 3):
    size = (57, 43, channels)
    for f in [0, 0.1, 0.5, 0.875, 1, 1.25, 1.9, 3.3]:
        case(size, "brightness", f)
        case(size, "contrast", f)
        case(size, "sharpness", f)
        if channels == 3:
            case(size, "saturation", f)
    for b in [1, 4, 7, 8]:
        case(size, "posterize", b)
    for t in [0, 77, 128, 255]:
        case(size, "solarize", t)
    case(size, "autocontrast")
    case(size, "equalize")
    case((8, 8, channels), "equalize")
    for m in [(1, 0.3, 0, 0, 1, 0), (1, -0.17, 0, 0, 1, 0), (1, 0, 0, 0.21, 1, 0), (1, 0, 12, 0, 1, 0), (1, 0, 0, 0, 1, -7), (0.9, -0.4, 10.5, 0.4, 0.9, -8.25)]:
        case(size, "affine", *m)
case((57, 43, 3), "grayscale")
for s in [1, 30, 100, 255]:
    case((300, 200, 3), "hue", s)
print(json.dumps(cases, indent=None).replace("}, {", "},\n{"))

