"""Steered generation: strength 0 is nothing, each request goes its own way, padding and caches change nothing."""

import contextlib
import re

import pytest
import torch
from transformers import LogitsProcessorList

from humain import errors
from humain.language.steering import batches, generation
from humain.language.steering.generation import Steering, steered_generate
from humain.language.steering.similarity import SentenceVocabulary
from humain.language.testing import tiny_language_models

pytestmark = pytest.mark.filterwarnings("error")

NUM_LAYERS, WIDTH = 3, 32
SENTENCES = [
    "Smelt iron ore into iron plates.",
    "Saw wood into planks.",
    "Mine the copper ore.",
    "Build a radar from gears and plates.",
]
GUIDES = torch.eye(4)
# Of 6, 9, 2 and 7 tokens.
PROMPTS = ["Goal: radar. Step:", "Goal: iron plates and copper. Step:", "Step:", "Then build iron gears. Step:"]
PROMPT_LENGTH = 9
DTYPES = [torch.float32, torch.bfloat16]


@pytest.fixture(scope="module", params=sorted(tiny_language_models.ARCHITECTURES))
def directories(request, tmp_path_factory):
    """A model as it was made, and one that writes any of the sentences after any of the prompts."""
    new, trained = (tmp_path_factory.mktemp(f"{request.param}_{name}") for name in ("new", "trained"))
    texts = [f"{prompt} {sentence}" for prompt in PROMPTS for sentence in SENTENCES]
    tiny_language_models.save(new, texts, architecture=request.param, num_layers=NUM_LAYERS)
    model, tokenizer = tiny_language_models.load(new)
    tiny_language_models.train(model, tokenizer, texts)
    model.save_pretrained(trained)
    tokenizer.save_pretrained(trained)
    return new, trained


@pytest.fixture(params=DTYPES, ids=str)
def loaded(request, directories):
    return tiny_language_models.load(directories[0], dtype=request.param)


@pytest.fixture
def trained(directories):
    return tiny_language_models.load(directories[1])


@pytest.fixture
def steering(directories):
    tokenizer = tiny_language_models.load(directories[0])[1]
    return Steering(SentenceVocabulary.build(SENTENCES, GUIDES, tokenizer))


@pytest.fixture
def vectors():
    """Some for each request, `[4, num_layers, H]`."""
    return torch.randn(4, NUM_LAYERS, WIDTH, generator=torch.Generator().manual_seed(0))


def generate(loaded, *, processor=None, hidden=None, **settings):
    """Logits before and after processing, `[num_steps, B, W]` each, of eight greedy steps after the prompts."""
    model, tokenizer = loaded
    batch = batches.tokenize(tokenizer, PROMPTS, side="left", device=model.device)
    assert batch.attention_mask.sum(dim=1).tolist() == [6, PROMPT_LENGTH, 2, 7]
    with hidden or contextlib.nullcontext():
        output = model.generate(
            input_ids=batch.input_ids,
            attention_mask=batch.attention_mask,
            logits_processor=LogitsProcessorList([] if processor is None else [processor]),
            pad_token_id=batches.padding_id(tokenizer),
            do_sample=False,
            min_new_tokens=8,
            max_new_tokens=8,
            return_dict_in_generate=True,
            output_logits=True,
            output_scores=True,
            **settings,
        )
    return torch.stack(output.logits), torch.stack(output.scores)


def num_hooks(model):
    return sum(len(module._forward_hooks) for module in model.modules())


@pytest.mark.parametrize("ways", ["processor", "hidden", "both"])
@pytest.mark.parametrize("use_cache", [True, False])
def test_strength_0_gives_bit_identical_logits(loaded, steering, vectors, ways, use_cache):
    logits, scores = generate(loaded, use_cache=use_cache)
    steered = generate(
        loaded,
        processor=None if ways == "hidden" else steering.processor(GUIDES, 0.0, prompt_length=PROMPT_LENGTH),
        hidden=None if ways == "processor" else steering.hidden(loaded[0], vectors, torch.zeros(4)),
        use_cache=use_cache,
    )
    assert torch.equal(steered[0], logits)
    assert torch.equal(steered[1], scores)


@pytest.mark.parametrize("ways", ["processor", "hidden", "both"])
def test_a_request_of_strength_0_among_others_is_bit_identical(loaded, steering, vectors, ways):
    logits, scores = generate(loaded)
    strengths = [1.0, 0.0, 2.0, 0.0]
    steered_logits, steered_scores = generate(
        loaded,
        processor=None if ways == "hidden" else steering.processor(GUIDES, strengths),
        hidden=None if ways == "processor" else steering.hidden(loaded[0], vectors, strengths),
    )
    for row in (1, 3):
        assert torch.equal(steered_logits[:, row], logits[:, row])
        assert torch.equal(steered_scores[:, row], scores[:, row])
    for row in (0, 2):
        assert not torch.allclose(steered_scores[0, row], scores[0, row], atol=0.1)


def test_a_cache_changes_nothing(directories, steering, vectors):
    loaded = tiny_language_models.load(directories[0])
    both = [
        generate(
            loaded,
            processor=steering.processor(GUIDES, prompt_length=PROMPT_LENGTH),
            hidden=steering.hidden(loaded[0], vectors, [0.5, -0.5, 1.0, 0.0]),
            use_cache=use_cache,
        )
        for use_cache in (True, False)
    ]
    torch.testing.assert_close(both[0][1], both[1][1], atol=1e-4, rtol=1e-4)


def test_only_the_chosen_layers_are_steered(directories, vectors, steering):
    loaded = tiny_language_models.load(directories[0])
    some = Steering(steering.vocabulary, layers=(0, 2))
    without = vectors.clone()
    without[:, 1] = 0
    expected = generate(loaded, hidden=steering.hidden(loaded[0], without))
    assert torch.equal(generate(loaded, hidden=some.hidden(loaded[0], vectors))[0], expected[0])


def test_each_prompt_is_continued_towards_its_guide(trained, steering):
    model, tokenizer = trained
    # Without steering the continuation depends on the prompt alone; with it, on the guide.
    for order in ([0, 1, 2, 3], [3, 0, 1, 2], [1, 1, 2, 2]):
        guides = GUIDES[order]
        unsteered = steered_generate(model, tokenizer, PROMPTS, guides, steering=steering, strengths=0)
        assert unsteered == steered_generate(model, tokenizer, PROMPTS, GUIDES, steering=steering, strengths=0)
        steered = steered_generate(model, tokenizer, PROMPTS, guides, steering=steering)
        assert steered == [SENTENCES[sentence] for sentence in order]
        # Half unsteered.
        mixed = steered_generate(model, tokenizer, PROMPTS, guides, steering=steering, strengths=[1, 0, 1, 0])
        assert mixed == [steered[0], unsteered[1], steered[2], unsteered[3]]


def test_what_has_been_written_is_not_written_again(directories, steering):
    # A model that knows nothing, steered so hard that nothing else counts, writes each token as often as its sentence.
    model, tokenizer = tiny_language_models.load(directories[0])
    for row, sentence in enumerate(SENTENCES):
        (text,) = steered_generate(
            model,
            tokenizer,
            PROMPTS[row : row + 1],
            GUIDES[row : row + 1],
            steering=steering,
            strengths=5,
            generation={"max_new_tokens": len(tokenizer(" " + sentence)["input_ids"])},
        )
        owed, written = (re.findall(r"\w+|\.", each) for each in (sentence, text))
        assert sorted(written) == sorted(owed)


def test_a_prompt_is_continued_alone_as_in_a_batch(loaded, steering, vectors):
    model, tokenizer = loaded
    strengths, vector_strengths = [0.0, 0.2, 0.4, 0.6], [1.0, -1.0, 0.0, 2.0]
    together = steered_generate(
        model,
        tokenizer,
        PROMPTS,
        GUIDES,
        steering=steering,
        strengths=strengths,
        vectors=vectors,
        vector_strengths=vector_strengths,
        generation={"max_new_tokens": 8},
    )
    for row in range(len(PROMPTS)):
        alone = steered_generate(
            model,
            tokenizer,
            PROMPTS[row : row + 1],
            GUIDES[row : row + 1],
            steering=steering,
            strengths=strengths[row],
            vectors=vectors[row],
            vector_strengths=vector_strengths[row],
            generation={"max_new_tokens": 8},
        )
        assert alone == together[row : row + 1]


def test_vectors_decide_too(trained, steering, vectors):
    model, tokenizer = trained
    plain, steered = (
        steered_generate(
            model, tokenizer, PROMPTS, GUIDES, steering=steering, vectors=10 * vectors, vector_strengths=strength
        )
        for strength in (0, [0, 1, 1, 0])
    )
    assert plain == SENTENCES
    assert [one == other for one, other in zip(steered, plain, strict=True)] == [True, False, False, True]


def test_settings_reach_the_model(trained, steering):
    model, tokenizer = trained
    (short,) = steered_generate(
        model, tokenizer, PROMPTS[:1], GUIDES[:1], steering=steering, generation={"max_new_tokens": 2}
    )
    assert SENTENCES[0].startswith(short)
    assert len(tokenizer(" " + short)["input_ids"]) == 2
    torch.manual_seed(0)
    sampled = {
        steered_generate(
            model,
            tokenizer,
            PROMPTS[:1],
            GUIDES[:1],
            steering=steering,
            strengths=0,
            generation={"do_sample": True, "temperature": 1.5},
        )[0]
        for _ in range(8)
    }
    assert len(sampled) > 1


def test_beams_take_a_row_of_guides_and_vectors_each(trained, steering, vectors):
    model, tokenizer = trained
    batch = batches.tokenize(tokenizer, PROMPTS, side="left", device=model.device)
    processor = steering.processor(GUIDES.repeat_interleave(3, dim=0), prompt_length=batch.width)
    with steering.hidden(model, vectors.repeat_interleave(3, dim=0), 0.01):
        output = model.generate(
            input_ids=batch.input_ids,
            attention_mask=batch.attention_mask,
            logits_processor=LogitsProcessorList([processor]),
            pad_token_id=tokenizer.eos_token_id,
            num_beams=3,
            max_new_tokens=20,
        )
    texts = tokenizer.batch_decode(output[:, batch.width :], skip_special_tokens=True)
    assert [text.strip() for text in texts] == SENTENCES


def test_hooks_come_off_and_gradients_are_not_kept(trained, steering, vectors, monkeypatch):
    model, tokenizer = trained
    hooks_before = num_hooks(model)
    steered_generate(model, tokenizer, PROMPTS, GUIDES, steering=steering, vectors=vectors)
    assert num_hooks(model) == hooks_before
    assert all(parameter.grad is None for parameter in model.parameters())

    def interrupted(input_ids, scores):
        assert num_hooks(model) == hooks_before + NUM_LAYERS
        raise KeyboardInterrupt

    monkeypatch.setattr(generation.SimilarityProcessor, "__call__", lambda self, *given: interrupted(*given))
    with pytest.raises(KeyboardInterrupt):
        steered_generate(model, tokenizer, PROMPTS, GUIDES, steering=steering, vectors=vectors)
    assert num_hooks(model) == hooks_before


def test_what_does_not_fit_is_refused(trained, steering):
    model, tokenizer = trained

    def refused(message, prompts=PROMPTS, guides=GUIDES, error=ValueError, **settings):
        with pytest.raises(error, match=message):
            steered_generate(model, tokenizer, prompts, guides, steering=steering, **settings)

    refused("3 guides for 4 prompts", guides=GUIDES[:3])
    refused("no text to tokenize", prompts=[], guides=GUIDES[:0])
    refused("the text '' has no token", prompts=["", *PROMPTS[1:]])
    refused("2 strengths for 4 requests", strengths=[1.0, 2.0])
    refused("num_beams can.t be set", generation={"num_beams": 2})
    refused("num_return_sequences can.t be set", generation={"num_return_sequences": 2})
    refused("given 4 rows, but 3 requests", vectors=torch.ones(3, NUM_LAYERS, WIDTH))
    long = [f"{PROMPTS[0]} " + "ore " * 100] * 4
    refused(r"with 64 more it is longer than the model's context of 128", prompts=long, error=errors.UserError)


def test_the_defaults(steering):
    plain = Steering(steering.vocabulary)
    assert (plain.temperature, plain.floor, plain.layers) == (0.05, 0.01, None)
    assert Steering.processor.__defaults__ == (1.0,)
    assert Steering.hidden.__defaults__ == (1.0,)
    given = dict(steered_generate.__kwdefaults__ or {})
    assert (given["strengths"], given["vector_strengths"]) == (1.0, 1.0)
    assert dict(generation._DEFAULTS) == {"max_new_tokens": 64, "do_sample": False}
