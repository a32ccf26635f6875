"""A model of one's own writes what its likeliest tokens say, or samples by seed; a text that isn't over is none."""

import pytest
import torch

from humain import errors
from humain.language import pretrained
from humain.language.testing import small_models
from humain.language.writers.huggingface import HuggingFaceWriter
from humain.language.writers.writer import UnfinishedError

pytestmark = pytest.mark.filterwarnings("error")

_TEMPLATE = "mine {goal} ."
_GOALS = ("ore", "gears", "plates", "coal")
_CHAT = "{% for message in messages %}{{ message['content'] }} {% endfor %}{% if add_generation_prompt %}the{% endif %}"


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory):
    return str(small_models.save_gpt2(tmp_path_factory.mktemp("model")))


def _likeliest(folder, prompt, num_tokens):
    """What the model says word by word, computed from the start for each; without the end."""
    tokenizer, model = pretrained.load_causal(folder)
    ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
    num_prompt = ids.shape[1]
    for _ in range(num_tokens):
        with torch.inference_mode():
            token = model(ids).logits[0, -1].argmax()
        if token == tokenizer.eos_token_id:
            break
        ids = torch.cat([ids, token[None, None]], dim=1)
    return tokenizer.decode(ids[0, num_prompt:])


def test_without_temperature_the_likeliest_tokens_are_taken(folder):
    texts = [HuggingFaceWriter(folder, template=_TEMPLATE).write(goal) for goal in _GOALS]
    assert texts == [_likeliest(folder, f"mine {goal} .", 30) for goal in _GOALS]
    assert all(len(set(text.split())) > 2 for text in texts)
    assert len(set(texts)) > 1
    assert not any(small_models.END in text for text in texts)


def test_sampling_goes_by_seed_and_goal_and_not_by_what_was_written_before(folder):
    def texts(goals, seed):
        writer = HuggingFaceWriter(
            folder, template=_TEMPLATE, temperature=2.0, seed=seed, max_tokens=50, stop=(" coal",)
        )
        return [writer.write(goal) for goal in goals]

    first = texts(_GOALS, seed=1)
    torch.rand(3)
    assert texts(_GOALS[::-1], seed=1) == first[::-1]
    assert texts(_GOALS, seed=2) != first
    assert first != [HuggingFaceWriter(folder, template=_TEMPLATE).write(goal) for goal in _GOALS]


def test_writing_leaves_the_random_numbers_of_others_alone(folder):
    writer = HuggingFaceWriter(folder, template=_TEMPLATE, temperature=1.0, stop=("the",))
    torch.manual_seed(0)
    expected = torch.rand(2)[1]
    torch.manual_seed(0)
    torch.rand(1)
    writer.write("ore")
    assert torch.rand(1)[0] == expected


def test_a_text_that_is_not_over_is_refused(folder):
    words = _likeliest(folder, "mine ore .", 30).split()
    # One token more is needed than words: the end itself.
    assert HuggingFaceWriter(folder, template=_TEMPLATE, max_tokens=len(words) + 1).write("ore").split() == words
    with pytest.raises(
        UnfinishedError, match=rf"goal 'ore' was not finished within {len(words)} tokens; raise max_tok"
    ):
        HuggingFaceWriter(folder, template=_TEMPLATE, max_tokens=len(words)).write("ore")


def test_a_text_ends_before_what_it_is_to_stop_at(folder, monkeypatch):
    words = _likeliest(folder, "mine ore .", 30).split()
    at = 3
    stop = " ".join(words[at : at + 2])
    assert stop not in " ".join(words[: at + 1])
    # The end does not come within so few tokens: what stops it is the text.
    writer = HuggingFaceWriter(folder, template=_TEMPLATE, max_tokens=at + 2, stop=("never", stop))
    assert writer.write("ore").split() == words[:at]
    # And no more is written than that.
    writer = HuggingFaceWriter(folder, template=_TEMPLATE, stop=("never", stop))
    num_tokens = []
    generate = writer._model.generate

    def counting(**options):
        output = generate(**options)
        num_tokens.append(output.shape[1] - options["input_ids"].shape[1])
        return output

    monkeypatch.setattr(writer._model, "generate", counting)
    assert writer.write("ore").split() == words[:at]
    assert num_tokens == [at + 2]


def test_white_space_that_a_text_begins_with_does_not_stop_it(folder, monkeypatch):
    writer = HuggingFaceWriter(folder, template=_TEMPLATE, stop=("\n",))
    # The model has no token for a line feed, so its tokenizer says one for its second word, and one before everything.
    first, second, *_ = _likeliest(folder, "mine ore .", 30).split()
    decode = writer._tokenizer.decode
    monkeypatch.setattr(
        writer._tokenizer, "decode", lambda *ids, **options: "\n " + decode(*ids, **options).replace(second, "\n")
    )
    assert first != second
    assert writer.write("ore") == first


def test_a_template_for_chats_is_used(tmp_path, folder):
    chatting = str(small_models.save_gpt2(tmp_path, chat_template=_CHAT))
    written = HuggingFaceWriter(chatting, template=_TEMPLATE).write("ore")
    assert written == _likeliest(folder, "mine ore . the", 30)
    assert written != _likeliest(folder, "mine ore .", 30)


def test_a_prompt_that_fills_the_model_is_refused(folder):
    writer = HuggingFaceWriter(folder, template=_TEMPLATE, stop=("the",))
    with pytest.raises(errors.UserError, match="has 64 tokens, and huggingface:.* takes 64 with its answer; shorten"):
        writer.write(" ".join(["ore"] * 62))
    # Room for one token is room for one.
    with pytest.raises(UnfinishedError, match="within 1 tokens"):
        HuggingFaceWriter(folder, template=_TEMPLATE).write(" ".join(["ore"] * 61))


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"temperature": -1.0}, "temperature is -1.0 and max_tokens 512; they must be at least 0"),
        ({"max_tokens": 0}, "max_tokens 0; they must be at least 0 and at least 1"),
        ({"template": "mine ore"}, "the template 'mine ore' has no {goal}; put it where the goal goes"),
    ],
)
def test_settings_that_are_none_are_refused_before_anything_is_loaded(settings, match):
    with pytest.raises(ValueError, match=match):
        HuggingFaceWriter("nothing/there", **settings)


def test_the_defaults():
    defaults = dict(HuggingFaceWriter.__init__.__kwdefaults__ or {})
    del defaults["template"]
    assert defaults == {"temperature": 0.0, "seed": 0, "max_tokens": 512, "stop": ()}
