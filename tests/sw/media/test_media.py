import struct
import zlib

import numpy as np
import pytest

from flightvgm.media import (
    MediaError,
    check_target,
    contact_sheet,
    encode_png,
    replacing,
    to_pixels,
    upscale,
    write_video,
)


def video(frames=3, size=8):
    return np.random.default_rng(0).random((frames, size, size, 3))


def decode_png(data):
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    position, chunks = 8, {}
    while position < len(data):
        (length,) = struct.unpack(">I", data[position : position + 4])
        kind, body = data[position + 4 : position + 8], data[position + 8 : position + 8 + length]
        assert struct.unpack(">I", data[position + 8 + length : position + 12 + length])[0] == zlib.crc32(kind + body)
        chunks[kind] = body
        position += 12 + length
    width, height = struct.unpack(">II", chunks[b"IHDR"][:8])
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, 1 + 3 * width)
    assert not lines[:, 0].any()
    return lines[:, 1:].reshape(height, width, 3)


def test_png_holds_the_picture():
    picture = to_pixels(video())[0]
    np.testing.assert_array_equal(decode_png(encode_png(picture)), picture)


def test_pixels_round_and_clip():
    frames = np.array([-1.0, 0.0, 0.5, 2.0, 1.0, 0.999]).reshape(1, 1, 2, 3)
    assert to_pixels(frames).ravel().tolist() == [0, 0, 128, 255, 255, 255]


def test_nan_is_refused():
    with pytest.raises(ValueError, match="NaN"):
        to_pixels(np.full((1, 2, 2, 3), np.nan))


@pytest.mark.parametrize(("size", "enlarged"), [(32, 256), (48, 288), (256, 256), (300, 300), (1, 256)])
def test_small_videos_become_visible(size, enlarged):
    pixels = np.zeros((1, size, size, 3), np.uint8)
    assert upscale(pixels).shape == (1, enlarged, enlarged, 3)


def test_upscale_repeats_pixels():
    pixels = to_pixels(video(1, 2))
    assert (upscale(pixels, 3)[0, :3, :3] == pixels[0, 0, 0]).all()


def test_sheet_has_a_line_for_each_video():
    sheet = contact_sheet([video(3, 8), video(2, 8)], factor=2)
    assert sheet.shape == (8 + 2 * 24, 8 + 3 * 24, 3)
    np.testing.assert_array_equal(sheet[8:24, 8:24], upscale(to_pixels(video(3, 8)), 2)[0])


@pytest.mark.parametrize("suffix", [".gif", ".png", ".mp4"])
def test_video_is_written(tmp_path, suffix):
    pytest.importorskip({".gif": "PIL", ".mp4": "imageio_ffmpeg", ".png": "zlib"}[suffix])
    path = tmp_path / f"video{suffix}"
    write_video(path, video())
    assert path.stat().st_size > 100
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_gif_has_all_frames(tmp_path):
    image = pytest.importorskip("PIL.Image")
    path = tmp_path / "video.gif"
    write_video(path, video(4))
    with image.open(path) as picture:
        assert (picture.n_frames, picture.size) == (4, (256, 256))


def test_failure_leaves_the_old_file(tmp_path):
    path = tmp_path / "file.png"
    path.write_text("old")

    def fail():
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("name", ["video.avi", "video", "missing/video.png", "folder.png"])
def test_impossible_targets_are_refused(tmp_path, name):
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(MediaError):
        check_target(tmp_path / name)


def test_a_missing_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MediaError, match=r"flightvgm\[video\]"):
        check_target(tmp_path / "video.gif")
