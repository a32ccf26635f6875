"""Every kernel does what the interface promises; a new one is a line here."""

import pytest

from humain.kernels.linear import LinearConfig, linear
from humain.kernels.slots import SlotLoss
from humain.kernels.table import table
from humain.kernels.transformer import TransformerConfig, transformer
from humain.testing.kernel_conformance import CHECKS, CONTEXT_LENGTH, LEARNING_CHECKS, SPACE, KernelCase


def make_table(*, num_slots, access, suppression, optimizer, sparse_capacity=None):
    del suppression, optimizer
    return table(
        state_space=SPACE,
        target_space=SPACE,
        num_slots=num_slots,
        context_length=CONTEXT_LENGTH,
        access=access,
        sparse_capacity=sparse_capacity,
    )


def make_sparse_table(**settings):
    return make_table(**settings, sparse_capacity=256)


def make_linear(*, num_slots, access, suppression, optimizer):
    config = LinearConfig(num_slots=num_slots, num_keys=128, context_length=CONTEXT_LENGTH)
    loss = SlotLoss(access=access, suppression=suppression)
    return linear(config, state_space=SPACE, target_space=SPACE, optimizer=optimizer, loss=loss)


def make_transformer(*, num_slots, access, suppression, optimizer):
    config = TransformerConfig(num_slots=num_slots, num_heads=2, width=32, hidden=64)
    loss = SlotLoss(access=access, suppression=suppression)
    return transformer(config, state_space=SPACE, target_space=SPACE, optimizer=optimizer, loss=loss)


CASES = {
    "table": KernelCase(make_table, "value", exact=True),
    "table_by_score": KernelCase(make_table, "score", exact=True),
    "sparse_table": KernelCase(make_sparse_table, "value", exact=True),
    "linear": KernelCase(make_linear, "score", exact=False),
    "transformer": KernelCase(make_transformer, "score", exact=False, any_context_length=True),
}


@pytest.mark.parametrize("check", CHECKS + LEARNING_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_conformance(case, check, tmp_path):
    check(case, tmp_path)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_conformance_by_value(check, tmp_path):
    check(KernelCase(make_linear, "value", exact=False), tmp_path)
