"""Hooks: what is added is what was asked for, on two architectures, and nothing stays behind."""

import gc
import inspect

import pytest
import torch
import transformers

from humain.language.steering import hooks
from humain.language.testing import tiny_language_models

pytestmark = pytest.mark.filterwarnings("error")

NUM_LAYERS, WIDTH = 3, 32


@pytest.fixture(scope="module", params=sorted(tiny_language_models.ARCHITECTURES))
def model(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp(request.param)
    tiny_language_models.save(directory, ["a b"], architecture=request.param, num_layers=NUM_LAYERS)
    return tiny_language_models.load(directory)[0]


@pytest.fixture
def vectors():
    return torch.randn(NUM_LAYERS, WIDTH, generator=torch.Generator().manual_seed(0))


def ids(num_rows=2):
    return torch.arange(5 * num_rows).reshape(num_rows, 5) + 40


@torch.no_grad()
def logits(model, num_rows=2):
    return model(ids(num_rows)).logits


@torch.no_grad()
def hidden_states(model):
    """The embeddings and what each block but the last puts out, `[num_layers, B, T, H]`; the last is normalized."""
    return torch.stack(model(ids(), output_hidden_states=True).hidden_states[:-1])


def num_hooks(model):
    return sum(len(module._forward_hooks) for module in model.modules())


def test_blocks_are_found_first_to_last(model):
    blocks = hooks.decoder_blocks(model)
    assert len(blocks) == NUM_LAYERS
    assert len({type(block) for block in blocks}) == 1
    assert type(blocks[0]).__name__ in ("GPT2Block", "Qwen2DecoderLayer")
    order = []

    def reader(layer):
        return lambda hidden: order.append((layer, tuple(hidden.shape)))

    with hooks.reading({block: reader(layer) for layer, block in enumerate(blocks)}):
        logits(model)
    assert order == [(layer, (2, 5, WIDTH)) for layer in range(NUM_LAYERS)]


def test_lists_within_a_block_are_not_taken_for_the_blocks():
    config = transformers.GPT2Config(vocab_size=20, n_embd=16, n_layer=3, n_head=2)
    model = transformers.AutoModelForCausalLM.from_config(config)
    for block in model.transformer.h:
        block.experts = torch.nn.ModuleList(torch.nn.Identity() for _ in range(3))
    assert hooks.decoder_blocks(model) == list(model.transformer.h)


def test_the_decoder_of_an_encoder_and_decoder_counts_its_own_layers():
    sizes = {"encoder_layers": 2, "decoder_layers": 3, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    config = transformers.BartConfig(
        vocab_size=20, d_model=16, encoder_ffn_dim=8, decoder_ffn_dim=8, pad_token_id=0, **sizes
    )
    model = transformers.BartForCausalLM(config)
    assert hooks.decoder_blocks(model) == list(model.model.decoder.layers)


def test_blocks_are_found_where_the_decoder_is_not_what_it_is_called():
    # Its module named `decoder` is the output layer.
    sizes = {"num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 8}
    ids = dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"), 0)
    config = transformers.ModernBertDecoderConfig(vocab_size=20, hidden_size=16, **sizes, **ids)
    model = transformers.AutoModelForCausalLM.from_config(config)
    assert isinstance(model.get_decoder(), torch.nn.Linear)
    assert hooks.decoder_blocks(model) == list(model.model.layers)


def test_a_model_without_blocks_is_refused_by_name():
    config = transformers.XLMConfig(vocab_size=20, emb_dim=16, n_layers=3, n_heads=2, is_encoder=True)
    with pytest.raises(ValueError, match=r"XLMWithLMHeadModel has 3 layers.* not 4 \(attentions, layer_norm1, ffns"):
        hooks.decoder_blocks(transformers.XLMWithLMHeadModel(config))
    model = transformers.AutoModelForCausalLM.from_config(
        transformers.GPT2Config(vocab_size=20, n_embd=16, n_layer=3, n_head=2)
    )
    model.transformer.h = torch.nn.ModuleList(model.transformer.h[:2])
    with pytest.raises(ValueError, match=r"GPT2LMHeadModel has 3 layers.* not 0 \(none\)"):
        hooks.decoder_blocks(model)


def test_hidden_states_are_those_without_plus_the_vector(model, vectors):
    before = hidden_states(model)
    with hooks.adding(model, vectors, 0.5, layers=[1]):
        during = hidden_states(model)
    # Block 1 gives element 2; all before it is as it was.
    assert torch.equal(during[:2], before[:2])
    torch.testing.assert_close(during[2], before[2] + 0.5 * vectors[1])


def test_layers_are_steered_one_on_top_of_the_other(model, vectors):
    with hooks.adding(model, vectors, layers=[0]):
        first = hidden_states(model)
    with hooks.adding(model, vectors, layers=(1, 0)):
        both = hidden_states(model)
    assert torch.equal(both[1], first[1])
    torch.testing.assert_close(both[2], first[2] + vectors[1])
    with hooks.adding(model, vectors):
        every = logits(model)
    with hooks.adding(model, vectors, layers=range(NUM_LAYERS)):
        assert torch.equal(logits(model), every)


def test_each_request_has_its_own_vectors_and_strength(model, vectors):
    per_request = torch.stack([vectors, -vectors.flip(0), 3 * vectors])
    factors = [0.5, 2.0, 0.0]
    with hooks.adding(model, per_request, factors):
        together = logits(model, num_rows=3)
    for row, (own, factor) in enumerate(zip(per_request, factors, strict=True)):
        with hooks.adding(model, own, factor):
            torch.testing.assert_close(together[row], logits(model, num_rows=3)[row])
    # The unsteered request does not notice the others.
    assert torch.equal(together[2], logits(model, num_rows=3)[2])
    assert not torch.allclose(together[:2], logits(model, num_rows=3)[:2], atol=0.01)


@pytest.mark.parametrize("strength", [0, 0.0, [0.0, 0.0], torch.zeros(2)])
def test_strength_0_puts_no_hook_on(model, vectors, strength):
    before, hooks_before = logits(model), num_hooks(model)
    with hooks.adding(model, vectors, strength):
        assert num_hooks(model) == hooks_before
        assert torch.equal(logits(model), before)


def test_nested_contexts_add_up_and_come_off_one_by_one(model, vectors):
    before, hooks_before = logits(model), num_hooks(model)
    with hooks.adding(model, vectors, 2.0, layers=[0]):
        outer = logits(model)
        with hooks.adding(model, vectors, -0.5, layers=[0]):
            inner = logits(model)
        assert torch.equal(logits(model), outer)
    assert torch.equal(logits(model), before)
    with hooks.adding(model, vectors, 1.5, layers=[0]):
        torch.testing.assert_close(logits(model), inner)
    assert num_hooks(model) == hooks_before


def test_an_exception_takes_the_hooks_off(model, vectors):
    before, hooks_before = logits(model), num_hooks(model)
    with pytest.raises(RuntimeError, match="inside"), hooks.adding(model, vectors), hooks.adding(model, vectors):
        assert num_hooks(model) == hooks_before + 2 * NUM_LAYERS
        raise RuntimeError("inside")
    three = hooks.adding(model, vectors.expand(3, -1, -1))
    with pytest.raises(ValueError, match="given 2 rows, but 3 requests"), three:
        logits(model)
    with pytest.raises(KeyboardInterrupt), hooks.adding(model, vectors):
        raise KeyboardInterrupt
    assert num_hooks(model) == hooks_before
    assert torch.equal(logits(model), before)


def test_a_generator_that_is_thrown_away_takes_them_off(model, vectors):
    hooks_before = num_hooks(model)

    def stream():
        with hooks.adding(model, vectors):
            for _ in range(10):
                yield logits(model)

    steps = stream()
    next(steps)
    assert num_hooks(model) == hooks_before + NUM_LAYERS
    steps.close()
    assert num_hooks(model) == hooks_before
    abandoned = stream()
    next(abandoned)
    assert num_hooks(model) == hooks_before + NUM_LAYERS
    del abandoned
    gc.collect()
    assert num_hooks(model) == hooks_before


def test_a_context_that_is_entered_and_lost_takes_them_off(model, vectors):
    hooks_before = num_hooks(model)
    context = hooks.adding(model, vectors)
    context.__enter__()
    assert num_hooks(model) == hooks_before + NUM_LAYERS
    del context
    gc.collect()
    assert num_hooks(model) == hooks_before


def test_hooks_put_on_before_one_fails_come_off(model, vectors):
    class Refuses(torch.nn.Module):
        def register_forward_hook(self, *arguments, **options):
            raise RuntimeError("no hook here")

    hooks_before = num_hooks(model)
    functions = {hooks.decoder_blocks(model)[0]: torch.neg, Refuses(): torch.neg}
    for context in (hooks.changing, hooks.reading):
        with pytest.raises(RuntimeError, match="no hook here"), context(functions):
            pass
    assert num_hooks(model) == hooks_before


@pytest.mark.parametrize("container", [tuple, list])
def test_what_a_block_puts_out_beside_hidden_states_stays(container):
    class Block(torch.nn.Module):
        def forward(self, hidden):
            return container([hidden, "cache"])

    block, hidden = Block(), torch.ones(1, 2, 3)
    seen: list[torch.Tensor] = []
    with hooks.changing({block: lambda hidden: hidden + 1}):
        output = block(hidden)
    assert isinstance(output, container)
    assert torch.equal(output[0], hidden + 1)
    assert output[1] == "cache"
    with hooks.reading({block: seen.append}):
        assert block(hidden)[0] is hidden
    assert seen[0] is hidden


def test_readers_see_what_all_changes_make_of_a_state():
    block = torch.nn.Identity()
    seen: list[torch.Tensor] = []
    with (
        hooks.changing({block: lambda hidden: hidden + 1}),
        hooks.reading({block: seen.append}),
        hooks.changing({block: lambda hidden: hidden * 3}),
    ):
        # The inner change first: 2 * 3 + 1.
        assert torch.equal(block(torch.full((1, 1, 1), 2.0)), torch.full((1, 1, 1), 7.0))
    assert [float(hidden) for hidden in seen] == [7]


@pytest.mark.parametrize(
    ("output", "message"),
    [(torch.ones(4, 1, 2, 3), r"returns \[4, 1, 2, 3\]"), ({"hidden": 1}, "returns dict"), ((), "returns tuple")],
)
def test_a_block_that_puts_out_something_else_is_refused(output, message):
    class Block(torch.nn.Module):
        def forward(self):
            return output

    block = Block()
    for context in (hooks.changing, hooks.reading):
        with pytest.raises(ValueError, match=message), context({block: torch.neg}):
            block()


def test_nothing_is_learned_from_what_is_added(model, vectors):
    steering = vectors.clone().requires_grad_()
    with hooks.adding(model, steering):
        model(ids()).logits.sum().backward()
    assert steering.grad is None
    model.zero_grad(set_to_none=True)


@pytest.mark.parametrize(
    ("change", "layers", "message"),
    [
        (lambda vectors: vectors[1:], None, r"the shape \[2, 32\].* 3 layers of 32"),
        (lambda vectors: vectors[:, 1:], None, r"the shape \[3, 31\]"),
        (lambda vectors: vectors[0], None, r"the shape \[32\]"),
        (lambda vectors: vectors / 0, None, "96 of 96 numbers of the vectors are not finite"),
        (lambda vectors: vectors, [3], "no layer 3; those of .* are 0 to 2"),
        (lambda vectors: vectors, [-1], "no layer -1"),
    ],
)
def test_what_does_not_fit_the_model_is_refused(model, vectors, change, layers, message):
    hooks_before = num_hooks(model)
    with pytest.raises(ValueError, match=message), hooks.adding(model, change(vectors), layers=layers):
        pass
    assert num_hooks(model) == hooks_before


def test_by_default_vectors_are_added_as_they_are_to_all_layers():
    given = inspect.signature(hooks.adding).parameters
    assert (given["strengths"].default, given["layers"].default) == (1.0, None)
