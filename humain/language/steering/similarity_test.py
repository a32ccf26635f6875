"""Similarity: counts, weights and biases worked out by hand, and what they do to a language model."""

import math

import pytest
import torch

from humain.language.steering.similarity import SentenceVocabulary, SimilarityProcessor
from humain.language.testing import tiny_language_models

pytestmark = pytest.mark.filterwarnings("error")

SENTENCES = ["Smelt iron ore into iron plates.", "Saw wood into planks.", "Mine the copper ore."]
EMBEDDINGS = torch.tensor([[2.0, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 1.0]])
NO_IDS = torch.zeros(2, 0, dtype=torch.int64)


@pytest.fixture(scope="module", params=sorted(tiny_language_models.ARCHITECTURES))
def loaded(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp(request.param)
    texts = [" " + sentence for sentence in SENTENCES] * 2 + ["Step:", "Next:"] * 2
    tiny_language_models.save(directory, texts, architecture=request.param)
    return tiny_language_models.load(directory)


@pytest.fixture(scope="module")
def vocabulary(loaded):
    return SentenceVocabulary.build(SENTENCES, EMBEDDINGS, loaded[1])


def token_id(tokenizer, token):
    (found,) = tokenizer(token)["input_ids"]
    return found


def test_tokens_are_counted_by_sentence(loaded, vocabulary):
    tokenizer = loaded[1]
    counts = vocabulary.counts.to_dense()
    rows = {" iron": [2, 0, 0], " ore": [1, 0, 1], " into": [1, 1, 0], " Saw": [0, 1, 0], ".": [1, 1, 1]}
    for token, expected in rows.items():
        assert counts[token_id(tokenizer, token)].tolist() == expected
    # Smelt iron ore into iron plates . / Saw wood into planks . / Mine the copper ore .
    assert counts.sum(dim=0).tolist() == [7, 5, 5]
    assert counts.shape == (1 + max(token_id(tokenizer, token) for token in [*_words(), "."]), 3)


def _words():
    return {" " + word for sentence in SENTENCES for word in sentence[:-1].split()}


def test_the_prefix_decides_on_the_first_token(loaded):
    tokenizer = loaded[1]
    inside = SentenceVocabulary.build(["wood wood"], torch.ones(1, 2), tokenizer, prefix="").counts.to_dense()
    assert inside[token_id(tokenizer, " wood")].tolist() == [1]
    behind = SentenceVocabulary.build(["wood wood"], torch.ones(1, 2), tokenizer).counts.to_dense()
    assert behind[token_id(tokenizer, " wood")].tolist() == [2]


def test_special_tokens_and_white_space_are_not_counted(loaded):
    tokenizer = loaded[1]
    text = f"wood \n\n {tiny_language_models.END}"
    assert len(tokenizer(" " + text)["input_ids"]) > 2
    counts = SentenceVocabulary.build([text], torch.ones(1, 2), tokenizer).counts.to_dense()
    assert counts.nonzero().tolist() == [[token_id(tokenizer, " wood"), 0]]


def test_embeddings_are_kept_at_length_1(vocabulary):
    assert torch.equal(vocabulary.embeddings, torch.eye(3))
    plain = SentenceVocabulary(embeddings=torch.eye(2), counts=torch.eye(2).to_sparse())
    guide = torch.tensor([[0.3, 0.4]])
    expected = plain.expected_counts(guide, temperature=0.1)
    for scale in (1e-37, 5.0, 1e38):
        torch.testing.assert_close(plain.expected_counts(guide * scale, temperature=0.1), expected)


def test_expected_counts_by_hand():
    # Two sentences at right angles, cosines 0.6 and 0.8 to the guide (3, 4); at the temperature 0.2 / log 3 their
    # weights are as 1 to 3. Token 0: 2 and 0 times, token 1: 1 and 1, token 2: 0 and 4.
    counts = torch.tensor([[2.0, 0.0], [1.0, 1.0], [0.0, 4.0]]).to_sparse()
    vocabulary = SentenceVocabulary(embeddings=torch.eye(2), counts=counts)
    guides = torch.tensor([[3.0, 4.0], [-4.0, -3.0]])
    # The second guide's cosines are -0.8 and -0.6: the same difference.
    expected = torch.tensor([[0.5, 1.0, 3.0], [0.5, 1.0, 3.0]])
    torch.testing.assert_close(vocabulary.expected_counts(guides, temperature=0.2 / math.log(3)), expected)
    # Cold, the most similar sentence alone counts; hot, all count the same.
    cold = vocabulary.expected_counts(guides[:1], temperature=1e-3)
    torch.testing.assert_close(cold, torch.tensor([[0.0, 1.0, 4.0]]))
    hot = vocabulary.expected_counts(guides[:1], temperature=1e6)
    torch.testing.assert_close(hot, torch.tensor([[1.0, 1.0, 2.0]]))


def test_biases_by_hand():
    # floor 0.25: log(1 + 3 d), which for d = 0, 1/3 and 1 (also for a count of 5) is 0, log 2, log 4.
    processor = SimilarityProcessor(torch.tensor([[0.0, 1 / 3, 1.0, 5.0]]), [1.0, 0.5], floor=0.25)
    scores = torch.tensor([[0.0, 1.0, 2.0, 3.0, 9.0], [0.0, 0.0, 0.0, -math.inf, 9.0]])
    # The model's fifth token is in no sentence.
    expected = torch.tensor(
        [
            [0.0, 1 + math.log(2), 2 + math.log(4), 3 + math.log(4), 9.0],
            [0.0, math.log(2) / 2, math.log(2), -math.inf, 9.0],
        ]
    )
    before = scores.clone()
    torch.testing.assert_close(processor(NO_IDS, scores), expected)
    assert torch.equal(scores, before)


def test_at_strength_1_a_token_of_all_sentences_is_worth_1_over_floor_others():
    processor = SimilarityProcessor(torch.tensor([[0.0, 1.0]]), floor=0.01)
    probabilities = torch.softmax(processor(NO_IDS[:1], torch.zeros(1, 2)), dim=-1)
    # 1 to 100.
    torch.testing.assert_close(probabilities, torch.tensor([[1 / 101, 100 / 101]]))


def test_what_has_been_written_is_owed_no_more():
    # Prompt of 2; token 1 is owed 2.5 times, token 2 once; floor 0.5: log(1 + d).
    processor = SimilarityProcessor(torch.tensor([[0.0, 2.5, 1.0]]), floor=0.5, prompt_length=2)
    written = [([], 1, 1), ([1], 1, 1), ([1, 1], 0.5, 1), ([1, 1, 1], 0, 1), ([2, 0], 1, 0), ([3, 3], 1, 1)]
    for tokens, first, second in written:
        input_ids = torch.tensor([[1, 2, *tokens]])
        expected = torch.tensor([[0.0, math.log1p(first), math.log1p(second), 0.0]])
        torch.testing.assert_close(processor(input_ids, torch.zeros(1, 4)), expected)
    # Without the length of the prompt nothing counts as written.
    forever = SimilarityProcessor(torch.tensor([[0.0, 2.5, 1.0]]), floor=0.5)
    expected = torch.tensor([[0.0, math.log(2), math.log(2)]])
    torch.testing.assert_close(forever(torch.tensor([[1, 1, 1, 2, 2]]), torch.zeros(1, 3)), expected)


def test_each_row_counts_what_it_has_written_itself():
    processor = SimilarityProcessor(torch.ones(2, 2), [1.0, 2.0], floor=0.5, prompt_length=0)
    steered = processor(torch.tensor([[0], [1]]), torch.zeros(2, 2))
    torch.testing.assert_close(steered, torch.tensor([[0.0, math.log(2)], [2 * math.log(2), 0.0]]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("prompt_length", [None, 0, 1])
def test_strength_0_is_bit_identical_row_by_row(dtype, prompt_length):
    counts = torch.tensor([[1.0, 0.5, 0.0], [0.5, 0.25, 3.0]])
    scores = torch.tensor([[-0.0, -math.inf, 0.1], [0.3, -0.0, 5e-39]], dtype=dtype)
    input_ids = torch.tensor([[0, 1, 1], [2, 0, 1]])
    nothing = SimilarityProcessor(counts, 0.0, prompt_length=prompt_length)
    assert nothing(input_ids, scores) is scores
    first = SimilarityProcessor(counts, [0.0, 1.0], prompt_length=prompt_length)(input_ids, scores)
    assert first.dtype == dtype
    assert torch.equal(first[0], scores[0])
    assert torch.signbit(first[0]).tolist() == [True, True, False]
    assert not torch.equal(first[1], scores[1])


@pytest.mark.parametrize("sentence", range(len(SENTENCES)))
def test_log_probabilities_of_the_guides_tokens_rise_with_the_strength(loaded, vocabulary, sentence):
    model, tokenizer = loaded
    prompt = tokenizer("Next:")["input_ids"]
    rest = tokenizer(" " + SENTENCES[sentence])["input_ids"]
    input_ids = torch.tensor([prompt + rest])
    expected_counts = vocabulary.expected_counts(EMBEDDINGS[[sentence]], temperature=0.05)
    with torch.no_grad():
        logits = model(input_ids).logits[0]
    positions = torch.arange(len(prompt) - 1, input_ids.shape[1] - 1)
    unsteered = torch.log_softmax(logits, dim=-1)[positions, input_ids[0, positions + 1]]

    def log_probs(strength, prompt_length):
        """Of each token of the sentence, given those before it."""
        processor = SimilarityProcessor(expected_counts, strength, prompt_length=prompt_length)
        found = []
        for position in range(len(prompt), input_ids.shape[1]):
            scores = processor(input_ids[:, :position], logits[None, position - 1])
            found.append(torch.log_softmax(scores, dim=-1)[0, input_ids[0, position]])
        return torch.stack(found)

    for prompt_length in (None, len(prompt)):
        by_strength = torch.stack([log_probs(strength, prompt_length) for strength in (0, 0.25, 0.5, 1, 2, 4)])
        assert torch.equal(by_strength[0], unsteered)
        assert (by_strength.diff(dim=0) > 0).all()
        # Some 320 tokens that are about as probable: a sentence's own take nearly all there is at 100 to 1, squared.
        assert by_strength[0].mean() < -5
        assert by_strength[4].mean() > -2.5


def test_other_sentences_tokens_fall(loaded, vocabulary):
    model, tokenizer = loaded
    with torch.no_grad():
        logits = model(torch.tensor([tokenizer("Next:")["input_ids"]])).logits[:, -1]
    expected_counts = vocabulary.expected_counts(EMBEDDINGS[[1]], temperature=0.05)
    before = torch.log_softmax(logits, dim=-1)
    after = torch.log_softmax(SimilarityProcessor(expected_counts)(NO_IDS[:1], logits), dim=-1)
    changes = {token: float((after - before)[0, token_id(tokenizer, token)]) for token in _words()}
    assert {token for token, change in changes.items() if change > 0} == {" Saw", " wood", " into", " planks"}


@pytest.mark.parametrize(
    ("sentences", "embeddings", "message"),
    [
        ([], torch.zeros(0, 2), "there are 0 sentences"),
        (["wood"], torch.ones(2, 2), r"the shape \[2, 2\], but there are 1 sentences"),
        (["wood"], torch.ones(2), r"the shape \[2\]"),
        (["wood"], torch.tensor([[math.nan, 1.0]]), "1 of 2 numbers of the embeddings are not finite"),
        (["wood", "ore"], torch.tensor([[1.0, 0.0], [0.0, 0.0]]), "number 1 of the embeddings is 0"),
        ([" ", ""], torch.ones(2, 2), "none of the 2 sentences has a token"),
    ],
)
def test_what_makes_no_vocabulary_is_refused(loaded, sentences, embeddings, message):
    with pytest.raises(ValueError, match=message):
        SentenceVocabulary.build(sentences, embeddings, loaded[1])


@pytest.mark.parametrize(
    ("guides", "temperature", "message"),
    [
        (torch.ones(1, 2), 0.1, r"guides have the shape \[1, 2\].* width 3"),
        (torch.ones(3), 0.1, r"guides have the shape \[3\]"),
        (torch.tensor([[math.inf, 0.0, 0.0]]), 0.1, "1 of 3 numbers of the guides"),
        (torch.zeros(1, 3), 0.1, "number 0 of the guides is 0"),
        (torch.ones(1, 3), 0.0, "greater than 0, not 0.0"),
        (torch.ones(1, 3), math.nan, "greater than 0, not nan"),
    ],
)
def test_what_makes_no_guide_is_refused(vocabulary, guides, temperature, message):
    with pytest.raises(ValueError, match=message):
        vocabulary.expected_counts(guides, temperature=temperature)


@pytest.mark.parametrize(
    ("strengths", "settings", "message"),
    [
        (1.0, {"floor": 0.0}, "between 0 and 1, not 0.0"),
        (1.0, {"floor": 1.0}, "between 0 and 1, not 1.0"),
        ([1.0, -1.0], {}, r"at least 0, not \[1.0, -1.0\]"),
        (math.nan, {}, "at least 0, not nan"),
        ([1.0, 1.0, 1.0], {}, "3 strengths for 2 requests"),
        (1.0, {"prompt_length": -1}, "prompt_length must be at least 0, not -1"),
    ],
)
def test_what_makes_no_processor_is_refused(strengths, settings, message):
    with pytest.raises(ValueError, match=message):
        SimilarityProcessor(torch.ones(2, 3), strengths, **settings)


def test_a_batch_or_a_model_that_does_not_fit_is_refused():
    processor = SimilarityProcessor(torch.ones(2, 3))
    with pytest.raises(ValueError, match="given 4 rows, but 2 requests"):
        processor(NO_IDS, torch.zeros(4, 3))
    with pytest.raises(ValueError, match="the model has 2 tokens, but the vocabulary has the id 2"):
        processor(NO_IDS, torch.zeros(2, 2))


def test_the_defaults():
    made = SimilarityProcessor.__init__
    assert (made.__defaults__, made.__kwdefaults__) == ((1.0,), {"floor": 0.01, "prompt_length": None})


def test_settings_may_go_to_the_very_edge():
    counts = torch.tensor([[0.0, 1.0]])
    # At strength 0 nothing changes; with a floor of nearly 1 a token is hardly worth more than another.
    assert torch.equal(SimilarityProcessor(counts, 0.0)(NO_IDS[:1], torch.ones(1, 2)), torch.ones(1, 2))
    raised = SimilarityProcessor(counts, floor=0.999, prompt_length=0)(NO_IDS[:1], torch.zeros(1, 2))
    torch.testing.assert_close(raised, torch.tensor([[0.0, math.log(1 / 0.999)]]))
    # A model of just as many tokens as the vocabulary has.
    assert SimilarityProcessor(counts)(NO_IDS[:1], torch.zeros(1, 2)).shape == (1, 2)
