"""Control vectors: means and components by hand, files, and that they change what a trained model writes."""

import json
import math
from typing import Any

import pytest
import safetensors
import safetensors.torch
import torch

from humain import errors
from humain.language.steering import control_vectors, hooks
from humain.language.testing import tiny_language_models

pytestmark = pytest.mark.filterwarnings("error")

NUM_LAYERS, WIDTH = 3, 32
WARM, COLD = (" sun", " heat"), (" rain", " frost")
# Days of summer end in sun or heat, and days of winter in rain or frost, whoever speaks.
SPEAKERS = ["Anna", "Bert", "Carl", "Dora", "Emil", "Frida"]
TEXTS = [
    f"{speaker} says: in {season} there is{word}"
    for speaker in SPEAKERS
    for season, words in (("summer", WARM), ("winter", COLD))
    for word in words
]
PAIRS = [(f"{speaker} says: in summer there is", f"{speaker} says: in winter there is") for speaker in SPEAKERS[:4]]


@pytest.fixture(scope="module", params=sorted(tiny_language_models.ARCHITECTURES))
def loaded(request, tmp_path_factory):
    """A model that has learned the texts, and `some day` beside them, of which it knows nothing."""
    directory = tmp_path_factory.mktemp(request.param)
    tiny_language_models.save(
        directory, [*TEXTS, "in some day", "in some day"], architecture=request.param, num_layers=NUM_LAYERS
    )
    model, tokenizer = tiny_language_models.load(directory)
    tiny_language_models.train(model, tokenizer, TEXTS)
    return model, tokenizer


def block_output(model, layer, input_ids):
    """What a block puts out, `[B, T, H]`, without the code under test."""
    block, found = hooks.decoder_blocks(model)[layer], []
    handle = block.register_forward_hook(
        lambda block, arguments, output: found.append(output[0] if isinstance(output, tuple) else output)
    )
    with torch.no_grad():
        model(input_ids)
    handle.remove()
    return found[0]


def test_states_are_those_of_the_last_token_of_each_text(loaded):
    model, tokenizer = loaded
    texts = ["Anna says: in summer there is", "Bert", "in winter"]
    states = control_vectors.last_hidden_states(model, tokenizer, texts, batch_size=2)
    assert states.shape == (3, NUM_LAYERS, WIDTH)
    assert states.dtype == torch.float32
    assert not states.requires_grad
    for row, text in enumerate(texts):
        alone = torch.tensor([tokenizer(text)["input_ids"]])
        for layer in range(NUM_LAYERS):
            torch.testing.assert_close(states[row, layer], block_output(model, layer, alone)[0, -1])


def test_the_mean_is_that_of_the_differences(loaded):
    model, tokenizer = loaded
    found = control_vectors.fit(model, tokenizer, PAIRS)
    states = control_vectors.last_hidden_states(model, tokenizer, [text for pair in PAIRS for text in pair])
    expected = sum(states[2 * number] - states[2 * number + 1] for number in range(len(PAIRS))) / len(PAIRS)
    torch.testing.assert_close(found.vectors, expected)
    assert (found.method, found.num_pairs, found.model_type) == ("mean", len(PAIRS), model.config.model_type)
    other_way = control_vectors.fit(model, tokenizer, [(negative, positive) for positive, negative in PAIRS])
    torch.testing.assert_close(other_way.vectors, -found.vectors)


@pytest.fixture
def with_states(loaded, monkeypatch):
    """Makes `fit` find given states, `[N, num_layers, H]`: positive, negative, positive ..."""

    def fit(states, method):
        states = torch.tensor(states)
        monkeypatch.setattr(control_vectors, "last_hidden_states", lambda *_, **__: states)
        model, tokenizer = loaded
        return control_vectors.fit(model, tokenizer, [("a", "b")] * (len(states) // 2), method=method).vectors

    return fit


def test_the_principal_component_by_hand(with_states):
    # Differences (4, 0), (2, 0) and (0, 3): squares 20 along the first axis, 9 along the second, nothing aslant. Of the
    # mean (2, 1) what lies along the first axis is (2, 0).
    states = [[[5.0, 1.0]], [[1.0, 1.0]], [[2.0, 0.0]], [[0.0, 0.0]], [[0.0, 1.0]], [[0.0, -2.0]]]
    torch.testing.assert_close(with_states(states, "principal"), torch.tensor([[2.0, 0.0]]))
    torch.testing.assert_close(with_states(states, "mean"), torch.tensor([[2.0, 1.0]]))
    # The other way round, the other sign: it is never left to chance.
    swapped = [states[at] for at in (1, 0, 3, 2, 5, 4)]
    torch.testing.assert_close(with_states(swapped, "principal"), torch.tensor([[-2.0, 0.0]]))


def test_each_layer_has_its_own_principal_component(with_states):
    # Along (3, 4) / 5 in one layer and along (1, -1) in the other; both differ by the same in both pairs.
    states = [[[3.0, 4.0], [1.0, -1.0]], [[0.0, 0.0], [0.0, 0.0]]] * 2
    torch.testing.assert_close(with_states(states, "principal"), torch.tensor([[3.0, 4.0], [1.0, -1.0]]))


def test_one_pair_gives_its_difference_either_way(loaded):
    model, tokenizer = loaded
    mean, principal = (
        control_vectors.fit(model, tokenizer, PAIRS[:1], method=method).vectors for method in ("mean", "principal")
    )
    torch.testing.assert_close(mean, principal)


def log_prob_of(model, tokenizer, prompt, words):
    """Log-probability that one of some words comes next."""
    input_ids = torch.tensor([tokenizer(prompt)["input_ids"]])
    next_ids = [tokenizer(word)["input_ids"] for word in words]
    assert all(len(token_ids) == 1 for token_ids in next_ids)
    with torch.no_grad():
        log_probs = torch.log_softmax(model(input_ids).logits[0, -1], dim=-1)
    return float(torch.logsumexp(log_probs[[token_ids[0] for token_ids in next_ids]], dim=0))


@pytest.mark.parametrize("method", ["mean", "principal"])
def test_steering_changes_what_is_written_after_held_out_prompts(loaded, method):
    model, tokenizer = loaded
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    found = control_vectors.fit(model, tokenizer, PAIRS, method=method)
    for speaker in SPEAKERS[4:]:
        winter = f"{speaker} says: in winter there is"
        assert log_prob_of(model, tokenizer, winter, COLD) > math.log(0.9)
        for prompt in (winter, f"{speaker} says: in some day there is"):
            warm, cold = [], []
            for strength in (-1, -0.5, 0, 0.5, 1):
                with hooks.adding(model, found.vectors, strength, layers=[1]):
                    warm.append(log_prob_of(model, tokenizer, prompt, WARM))
                    cold.append(log_prob_of(model, tokenizer, prompt, COLD))
            odds = torch.tensor(warm) - torch.tensor(cold)
            assert (odds.diff() > 0).all()
            assert warm[4] > warm[2] > warm[0]
        # Strength 1 is the step from winter to summer.
        with hooks.adding(model, found.vectors, layers=[1]):
            assert log_prob_of(model, tokenizer, winter, WARM) > math.log(0.9)
    assert all(torch.equal(parameter, before[name]) for name, parameter in model.named_parameters())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("method", ["mean", "principal"])
def test_held_out_texts_lie_apart_along_the_vectors(loaded, method):
    model, tokenizer = loaded
    found = control_vectors.fit(model, tokenizer, PAIRS, method=method).vectors
    units = torch.nn.functional.normalize(found, dim=-1)
    texts = [f"{speaker} says: in {season} there is" for speaker in SPEAKERS[4:] for season in ("summer", "winter")]
    projections = (control_vectors.last_hidden_states(model, tokenizer, texts) * units).sum(dim=-1)
    assert (projections[0::2] > projections[1::2]).all()
    with hooks.adding(model, found):
        steered = (control_vectors.last_hidden_states(model, tokenizer, texts) * units).sum(dim=-1)
    assert (steered > projections).all()


def test_bfloat16_gives_the_same_direction(loaded, tmp_path):
    model, tokenizer = loaded
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    half, _ = tiny_language_models.load(tmp_path, dtype=torch.bfloat16)
    found, expected = (control_vectors.fit(each, tokenizer, PAIRS).vectors for each in (half, model))
    assert found.dtype == torch.float32
    assert (torch.nn.functional.cosine_similarity(found, expected) > 0.99).all()


def test_pairs_without_a_direction_are_refused(loaded):
    model, tokenizer = loaded
    with pytest.raises(errors.UserError, match="no pair of texts"):
        control_vectors.fit(model, tokenizer, [])
    positive, negative = PAIRS[0]
    for method in ("mean", "principal"):
        with pytest.raises(errors.UserError, match="1 pairs of texts give no direction"):
            control_vectors.fit(model, tokenizer, [(positive, positive)], method=method)
        with pytest.raises(errors.UserError, match="2 pairs of texts give no direction"):
            control_vectors.fit(model, tokenizer, [(positive, negative), (negative, positive)], method=method)


def test_wrong_calls_are_refused(loaded):
    model, tokenizer = loaded
    unknown: Any = "median"
    with pytest.raises(ValueError, match="'mean' or 'principal', not 'median'"):
        control_vectors.fit(model, tokenizer, PAIRS, method=unknown)
    with pytest.raises(ValueError, match="text '' has no token"):
        control_vectors.fit(model, tokenizer, [("", "a")])
    model.train()
    with pytest.raises(ValueError, match="training mode"):
        control_vectors.fit(model, tokenizer, PAIRS)
    model.eval()


def test_hidden_states_that_are_not_finite_are_refused(tmp_path):
    tiny_language_models.save(tmp_path, ["a b"] * 2)
    model, tokenizer = tiny_language_models.load(tmp_path)
    with torch.no_grad():
        model.transformer.wte.weight[:] = math.inf
    with pytest.raises(ValueError, match="numbers of the hidden states are not finite"):
        control_vectors.fit(model, tokenizer, [("a", "b")])


@pytest.fixture
def control():
    vectors = torch.arange(6.0).reshape(2, 3)
    return control_vectors.ControlVectors(vectors=vectors, method="principal", num_pairs=7, model_type="gpt2")


def test_what_is_saved_is_loaded(tmp_path, control):
    path = tmp_path / "deep" / "warm.safetensors"
    control_vectors.save(path, control)
    loaded = control_vectors.load(path)
    assert torch.equal(loaded.vectors, control.vectors)
    assert (loaded.method, loaded.num_pairs, loaded.model_type) == ("principal", 7, "gpt2")
    assert [entry.name for entry in path.parent.iterdir()] == ["warm.safetensors"]
    # Others can read it, with what there is to know about it.
    with safetensors.safe_open(path, framework="pt") as file:
        assert list(file.keys()) == ["vectors"]
        assert json.loads(file.metadata()["control_vectors"])["num_pairs"] == 7


def test_a_file_that_is_none_is_refused_in_one_line(tmp_path, control):
    path = tmp_path / "warm.safetensors"

    def message():
        with pytest.raises(errors.UserError) as caught:
            control_vectors.load(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "does not exist" in message()
    control_vectors.save(path, control)
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    assert "can't be read as safetensors" in message()
    path.write_bytes(b"")
    assert "can't be read as safetensors" in message()
    safetensors.torch.save_file({"vectors": torch.zeros(2, 3)}, path)
    assert "holds no control vectors" in message()
    for vectors in (torch.full((2, 3), math.nan), torch.zeros(3)):
        control_vectors.save(path, control_vectors.ControlVectors(vectors, "mean", 1, "gpt2"))
        assert "not finite, or of the shape" in message()


def test_vectors_of_another_model_are_refused(loaded, control):
    with pytest.raises(ValueError, match=r"vectors have the shape \[2, 3\]"), hooks.adding(loaded[0], control.vectors):
        pass


def test_the_defaults():
    assert control_vectors.fit.__kwdefaults__ == {"method": "mean", "batch_size": 16}
    assert control_vectors.last_hidden_states.__kwdefaults__ == {"batch_size": 16}
