"""Pictures: real ones are read by their headers, everything else is refused."""

import struct
import warnings

import pytest

from alphalab.commands import Access
from alphalab.errors import ToolError
from alphalab.tools import ToolContext, images, view_image
from alphalab.tools.images import image_size
from alphalab.workspace import Workspace


@pytest.fixture
def ctx(tmp_path):
    return ToolContext(workspace=Workspace(tmp_path), cwd=tmp_path, access=Access(readable=(tmp_path,)))


def test_sizes_of_files_that_a_real_encoder_wrote(tmp_path):
    pillow = pytest.importorskip("PIL.Image")
    picture = pillow.new("RGB", (301, 77), (10, 20, 30))
    kinds = {
        "png": ("image/png", {}),
        "gif": ("image/gif", {}),
        "jpeg": ("image/jpeg", {"exif": b"Exif\0\0" + bytes(500)}),
        "webp": ("image/webp", {"lossless": True}),
    }
    for suffix, (media_type, options) in kinds.items():
        path = tmp_path / f"x.{suffix}"
        picture.save(path, **options)
        assert image_size(path.read_bytes()) == (media_type, (301, 77)), suffix
    picture.save(tmp_path / "progressive.jpeg", progressive=True)
    assert image_size((tmp_path / "progressive.jpeg").read_bytes()) == ("image/jpeg", (301, 77))
    picture.save(tmp_path / "lossy.webp", quality=50)
    assert image_size((tmp_path / "lossy.webp").read_bytes()) == ("image/webp", (301, 77))
    picture.convert("RGBA").save(tmp_path / "extended.webp", exif=b"Exif\0\0MM")
    assert image_size((tmp_path / "extended.webp").read_bytes()) == ("image/webp", (301, 77))


async def test_a_plot_comes_back_as_a_picture(ctx, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        matplotlib = pytest.importorskip("matplotlib")
        matplotlib.use("agg")
        from matplotlib.figure import Figure
    figure = Figure(figsize=(3, 2), dpi=100)
    figure.subplots().plot([1, 2])
    figure.savefig(tmp_path / "plot.png")
    block = await view_image.call(ctx, {"path": "plot.png"})
    assert (block.media_type, block.width, block.height) == ("image/png", 300, 200)
    assert block.data == (tmp_path / "plot.png").read_bytes()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<svg/>",
        b"\x89PNG\r\n\x1a\n",
        b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + struct.pack(">II", 0, 5),
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xe0\x00\x04ab\x00",
        b"\xff\xd8\xff\xe0\x00\x00" * 3,
        b"GIF89a\x01",
        b"RIFF\0\0\0\0WEBPVP8 ",
        b"RIFF\0\0\0\0WAVEfmt ",
    ],
)
async def test_what_is_no_picture_is_refused(ctx, tmp_path, data):
    (tmp_path / "x.png").write_bytes(data)
    with pytest.raises(ToolError, match="not a PNG, JPEG, GIF or WebP"):
        await view_image.call(ctx, {"path": "x.png"})


async def test_large_pictures_are_refused_before_they_are_read(ctx, tmp_path):
    with (tmp_path / "big.png").open("wb") as stream:
        stream.truncate(images.MAX_BYTES + 1)
    with pytest.raises(ToolError, match="lower dpi"):
        await view_image.call(ctx, {"path": "big.png"})
