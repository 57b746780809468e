"""Pictures are sent as small as providers take them."""

import base64
import io
import os
import random
import subprocess
import sys

import pytest

from alphalab.errors import ToolError
from alphalab.tools import images
from alphalab.tools.images import image_size
from alphalab.tools.scaling import LONGEST_SIDE, MAX_BYTES, MAX_PIXELS, fitted

Image = pytest.importorskip("PIL.Image")


def _file(image, form, **options):
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def _fitted(data):
    sent, media_type, size = fitted(data, *image_size(data), name="x")
    assert image_size(sent) == (media_type, size)
    return sent, media_type, size


def _noise(mode, width, height):
    return Image.frombytes(mode, (width, height), os.urandom(width * height * len(mode)))


def _halves(mode, size):
    picture = Image.new(mode, size, "red")
    picture.paste("blue", (size[0] // 2, 0, *size))
    return picture


def _colour(image, x, y):
    red, _, blue = image.convert("RGB").getpixel((x, y))
    return "red" if red - blue > 140 else "blue" if blue - red > 140 else (red, blue)


def test_a_small_picture_is_sent_as_it_is():
    data = _file(Image.new("RGB", (30, 20)), "PNG")
    assert _fitted(data)[0] is data


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_a_large_picture_is_scaled_down_in_its_own_format(form):
    assert _fitted(_file(Image.new("RGB", (3136, 1000)), form))[1:] == (f"image/{form.lower()}", (1568, 500))


def test_what_is_still_too_large_becomes_a_jpeg():
    data = _file(_noise("RGB", 1568, 1568), "PNG")
    assert len(data) > MAX_BYTES
    sent, media_type, size = _fitted(data)
    assert (media_type, size) == ("image/jpeg", (1568, 1568))
    assert len(base64.b64encode(sent)) <= 5 * 2**20


@pytest.mark.parametrize("orientation", [3, 6, 8])
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("size", [(300, 200), (3000, 2000)])
def test_a_picture_is_turned_upright_before_it_is_scaled(form, size, orientation):
    upright = _halves("RGB", size)
    turned = upright.transpose(
        {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}[orientation]
    )
    exif = Image.Exif()
    exif[0x0112] = orientation
    sent, _, (width, height) = _fitted(_file(turned, form, exif=exif))
    seen = Image.open(io.BytesIO(sent))
    assert seen.getexif().get(0x0112, 1) == 1
    assert (width, height) == (min(size[0], LONGEST_SIDE), size[1] * min(size[0], LONGEST_SIDE) // size[0])
    assert _colour(seen, width // 4, height // 2) == "red"
    assert _colour(seen, 3 * width // 4, height // 2) == "blue"


def test_an_upright_picture_from_a_camera_is_sent_as_it_is():
    exif = Image.Exif()
    exif[0x0112] = 1
    data = _file(_halves("RGB", (300, 200)), "JPEG", exif=exif)
    assert _fitted(data)[0] is data


def test_transparency_is_white_in_a_jpeg():
    picture = _noise("RGBA", 1568, 1568)
    picture.paste((0, 0, 0, 0), (0, 0, 400, 400))
    picture.paste((0, 0, 0, 128), (400, 0, 800, 400))
    sent, media_type, _ = _fitted(_file(picture, "PNG"))
    assert media_type == "image/jpeg"
    seen = Image.open(io.BytesIO(sent)).convert("L")
    assert seen.getpixel((200, 200)) > 250
    assert abs(seen.getpixel((600, 200)) - 127) < 6


def test_transparency_is_kept_where_the_format_has_it():
    picture = Image.new("RGBA", (3000, 2000), (255, 0, 0, 0))
    sent, media_type, _ = _fitted(_file(picture, "PNG"))
    assert media_type == "image/png"
    assert Image.open(io.BytesIO(sent)).convert("RGBA").getpixel((5, 5))[3] == 0


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF"])
def test_damage_anywhere_is_a_refusal_or_a_picture(form):
    exif = Image.Exif()
    exif[0x0112] = 6
    whole = _file(_noise("RGB", 60, 40), form, **({} if form == "GIF" else {"exif": exif}))
    dice = random.Random(0)
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(dice.randint(1, 4)):
            data[dice.randrange(len(data)) if dice.random() < 0.5 else dice.randrange(min(len(data), 120))] = (
                dice.randrange(256)
            )
        known = image_size(bytes(data))
        try:
            if known is not None:
                fitted(bytes(data), *known, name="x")
        except ToolError:
            continue


_PEAK = """import sys
from alphalab.tools.images import image_size
from alphalab.tools.scaling import fitted
def kib(name): return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name))
data = open(sys.argv[1], "rb").read()
fitted(open(sys.argv[2], "rb").read(), "image/png", (3, 3), name="warm")
open("/proc/self/clear_refs", "w").write("5")
before = kib("VmRSS")
print(fitted(data, *image_size(data), name="x")[1:])
print((kib("VmHWM") - before) // 1024)
"""


@pytest.mark.parametrize(("mode", "bound_mib"), [("RGB", 330), ("RGBA", 520), ("L", 160)])
def test_the_largest_picture_that_is_taken_costs_bounded_memory(tmp_path, mode, bound_mib):
    side = int(MAX_PIXELS**0.5)
    (tmp_path / "large.png").write_bytes(_file(Image.new(mode, (side, side)), "PNG", compress_level=1))
    (tmp_path / "small.png").write_bytes(_file(Image.new("RGB", (3, 3)), "PNG"))
    command = [sys.executable, "-c", _PEAK, str(tmp_path / "large.png"), str(tmp_path / "small.png")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=50).stdout.splitlines()
    assert printed[0] == f"('image/png', ({LONGEST_SIDE}, {LONGEST_SIDE}))"
    assert int(printed[1]) < bound_mib


def test_the_largest_file_that_is_read_can_be_sent():
    side = int((images.MAX_BYTES * 0.98 / 3) ** 0.5)
    data = _file(_noise("RGB", side, side), "PNG", compress_level=0)
    assert 0.95 * images.MAX_BYTES < len(data) <= images.MAX_BYTES
    sent, _, size = _fitted(data)
    assert size == (LONGEST_SIDE, LONGEST_SIDE)
    assert len(sent) <= MAX_BYTES


def test_an_animation_is_sent_as_its_first_frame():
    first, second = Image.new("RGB", (9, 9), "red"), Image.new("RGB", (9, 9), "blue")
    sent, media_type, _ = _fitted(_file(first, "GIF", save_all=True, append_images=[second]))
    assert media_type == "image/png"
    assert Image.open(io.BytesIO(sent)).convert("RGB").getpixel((1, 1)) == (255, 0, 0)


def test_sixteen_bits_keep_their_range():
    sent, _, _ = _fitted(_file(Image.new("I;16", (9, 9), 32896), "PNG"))
    assert Image.open(io.BytesIO(sent)).convert("L").getpixel((1, 1)) == 128


def test_printing_colours_become_screen_colours():
    sent, media_type, _ = _fitted(_file(Image.new("CMYK", (9, 9)), "JPEG"))
    assert (media_type, Image.open(io.BytesIO(sent)).mode) == ("image/jpeg", "RGB")


def test_a_picture_that_is_cut_off_is_refused():
    data = _file(Image.frombytes("RGB", (90, 90), os.urandom(24300)), "PNG")
    with pytest.raises(ToolError, match="cut off or damaged"):
        _fitted(data[: len(data) // 2])


def test_a_bomb_is_refused_by_its_header():
    with pytest.raises(ToolError, match="100000 x 100000 pixels"):
        fitted(b"", "image/png", (100_000, 100_000), name="x")


def test_without_pillow_a_large_picture_says_what_to_do(monkeypatch):
    small, large = (_file(Image.new("RGB", (side, 9)), "PNG") for side in (9, 2000))
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert _fitted(small)[0] is small
    with pytest.raises(ToolError, match=r"alphalab\[plots\].*lower dpi"):
        _fitted(large)
