"""Pictures are sent as small as providers take them."""

import io
import os
import sys

import pytest

from alphalab.errors import ToolError
from alphalab.tools.images import image_size
from alphalab.tools.scaling import MAX_BYTES, fitted

Image = pytest.importorskip("PIL.Image")


def _file(image, form, **options):
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def _fitted(data):
    sent, media_type, size = fitted(data, *image_size(data), name="x")
    assert image_size(sent) == (media_type, size)
    return sent, media_type, size


def test_a_small_picture_is_sent_as_it_is():
    data = _file(Image.new("RGB", (30, 20)), "PNG")
    assert _fitted(data)[0] is data


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_a_large_picture_is_scaled_down_in_its_own_format(form):
    assert _fitted(_file(Image.new("RGB", (3136, 1000)), form))[1:] == (f"image/{form.lower()}", (1568, 500))


def test_what_is_still_too_large_becomes_a_jpeg():
    noise = Image.frombytes("RGB", (1568, 1568), os.urandom(1568 * 1568 * 3))
    sent, media_type, _ = _fitted(_file(noise, "PNG"))
    assert media_type == "image/jpeg"
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
