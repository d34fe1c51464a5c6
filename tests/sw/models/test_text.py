import numpy as np
import pytest

from flightvgm.models import PromptError, load_checkpoint
from flightvgm.models.conditioning import frame_code, with_frame_code


@pytest.fixture
def encoder(tiny_checkpoint):
    return load_checkpoint(tiny_checkpoint).text_encoder


def test_a_caption_is_words_plus_places(encoder):
    caption = encoder("A red circle, bouncing")
    numbers = [encoder.vocabulary.index(word) for word in ("a", "red", "circle", "bouncing")]
    assert caption.valid == 4
    np.testing.assert_array_equal(caption.tokens[:4], encoder.words[numbers] + encoder.places[:4])
    np.testing.assert_array_equal(caption.tokens[4:], encoder.words[0] + encoder.places[4:])


@pytest.mark.parametrize(("prompt", "words"), [("a red dog", "'dog'"), ("", "0 words"), ("a " * 17, "17 words"),
                                               ("<pad>", "unknown word")])  # fmt: skip
def test_what_cannot_be_read_is_refused(encoder, prompt, words):
    with pytest.raises(PromptError, match=words):
        encoder(prompt)


def test_the_null_caption_has_the_prompts_length(tiny_checkpoint):
    checkpoint = load_checkpoint(tiny_checkpoint)
    null = checkpoint.null_caption(5)
    assert null.valid == 5
    np.testing.assert_array_equal(null.tokens, checkpoint.weights["y_embedder.y_embedding"])


def test_the_frame_code_runs_from_minus_one_to_one():
    code = frame_code(3)
    np.testing.assert_allclose(code, [[-1, 0, 1], [-1, 1, -1], [0, 0, 0]], atol=1e-12)
    assert frame_code(1).tolist() == [[0], [1], [0]]


def test_the_frame_code_follows_the_picture():
    video = with_frame_code(np.ones((3, 2, 4, 4)))
    assert video.shape == (6, 2, 4, 4)
    assert video[3, 1].tolist() == np.ones((4, 4)).tolist()


def test_it_is_the_frame_code_of_training():
    pytest.importorskip("torch")
    from flightvgm.training.batches import frame_code as trained

    np.testing.assert_allclose(frame_code(6), trained(6).numpy(), atol=1e-6)
