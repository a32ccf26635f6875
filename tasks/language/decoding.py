"""From guides to words: the nearest sentences, a language model that rewrites them, or one that the guide steers."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from humain import errors
from humain.language.dataset import Dataset
from humain.language.writers.ledger import Ledger
from humain.language.writers.writing import write_all
from tasks.harness.context import TaskContext
from tasks.language import family, judging, writing
from tasks.language.guides import ASKED, Guides

REWRITE_TEMPLATE = (
    "These sentences say roughly the same step of a plan, the closest first:\n{goal}\n\n"
    "Write that step as one short sentence. Write nothing else."
)
STEER_PROMPT = "A step of a plan:"


def check(config: Any) -> None:
    """Refuses a config, `decoder` in `configs/lm_data_interpret.py`, that can't be.

    Raises:
        UserError: naming what is wrong.
    """
    if config.name not in ("nearest", "rewrite", "steered"):
        raise errors.UserError(f"decoder.name must be nearest, rewrite or steered, not {config.name!r}")
    if config.name != "nearest" and not config.model:
        raise errors.UserError(f"decoder.name {config.name!r} needs decoder.model, a name or a path")
    if config.name == "rewrite" and config.provider not in ("openai", "huggingface"):
        raise errors.UserError(f"decoder.provider must be openai or huggingface, not {config.provider!r}")
    for key in ("num_nearest", "max_tokens"):
        if config[key] < 1:
            raise errors.UserError(f"decoder.{key} must be at least 1, not {config[key]}")
    if not 0 <= config.strength < math.inf:
        raise errors.UserError(f"decoder.strength must be a number, 0 or more, not {config.strength}")
    if config.vectors and config.name != "steered":
        raise errors.UserError(f"decoder.vectors are for the decoder steered, and decoder.name is {config.name!r}")
    if not math.isfinite(config.vector_strength):
        raise errors.UserError(f"decoder.vector_strength must be a finite number, not {config.vector_strength}")


def decode(task: TaskContext, data: Dataset, read: Guides) -> dict[int, str]:
    """What a language model makes of answers, by row; none for the decoder `nearest`.

    They are those of the config's guide and splits, and all to goals that a user asked for.
    """
    config = task.config.decoder
    if config.name == "nearest":
        return {}
    rows = [
        node["row"]
        for guide in read.guides
        if guide["split"] == ASKED or (guide["model"] == config.guide and guide["split"] in config.splits)
        for node in guide["nodes"]
        if node["layer"] == 0 and not node["repeated"]
    ]
    if not rows:
        raise errors.UserError(f"there is no guide of {config.guide!r} for {', '.join(config.splits)}; name others")
    texts = (
        _rewritten(task, data, read.answers[rows])
        if config.name == "rewrite"
        else _steered(task, data, read.answers[rows])
    )
    return dict(zip(rows, texts, strict=True))


def closest(answer: np.ndarray, data: Dataset, count: int) -> list[str]:
    """The sentences whose embeddings are nearest to an answer `[D]`, the nearest first."""
    distances = np.sum(np.square(data.vocabulary_embeddings - answer), axis=1)
    return [data.vocabulary[at] for at in np.argsort(distances, kind="stable")[:count]]


def _rewritten(task: TaskContext, data: Dataset, answers: np.ndarray) -> list[str]:
    config = task.config.decoder
    settings = _WriterConfig(config.provider, config.model, config.max_tokens)
    writer = writing.build(settings, template=REWRITE_TEMPLATE, seed=task.seed, note=task.progress.note)
    asked = ["\n".join(closest(answer, data, config.num_nearest)) for answer in answers]

    def report(num_done: int) -> None:
        task.interruption.check()
        task.progress.update(num_done, {})

    task.progress.start("rewriting", 0, len(asked))
    try:
        with Ledger.opened(family.ledger(task, "rewritten")) as ledger:
            return [" ".join(text.split()) for text in write_all(writer, asked, ledger, report=report)]
    finally:
        task.progress.close()


class _WriterConfig:
    """The decoder's settings as a writer's."""

    def __init__(self, name: str, model: str, max_tokens: int) -> None:
        self.name, self.model, self.max_tokens = name, model, max_tokens
        self.temperature = 0.0
        self.stop: Sequence[str] = ("\n",) if name == "huggingface" else ()


def _steered(task: TaskContext, data: Dataset, answers: np.ndarray) -> list[str]:
    import torch

    from humain.language import pretrained
    from humain.language.steering import control_vectors
    from humain.language.steering.generation import Steering, steered_generate
    from humain.language.steering.similarity import SentenceVocabulary

    config = task.config.decoder
    control = control_vectors.load(task.resolve(config.vectors)) if config.vectors else None
    tokenizer, model = pretrained.load_causal(config.model)
    vocabulary = SentenceVocabulary.build(data.vocabulary, torch.from_numpy(data.vocabulary_embeddings), tokenizer)
    steering = Steering(vocabulary, layers=tuple(config.layers) or None)
    if control is not None:
        if control.model_type != model.config.model_type:
            raise errors.UserError(
                f"{config.vectors} is for models of the type {control.model_type}, and {config.model} is a "
                f"{model.config.model_type}; name vectors of its own"
            )
        try:
            with steering.hidden(model, control.vectors, config.vector_strength):
                pass
        except ValueError as error:
            raise errors.UserError(f"decoder.vectors and decoder.layers don't fit the model: {error}") from error
    nearest = judging.nearest(answers, data.vocabulary_embeddings)
    texts: dict[int, str] = {}
    # Answers that are taken for one sentence are steered alike.
    for sentence in dict.fromkeys(nearest.tolist()):
        task.interruption.check()
        guide = torch.from_numpy(answers[nearest == sentence][:1])
        (text,) = steered_generate(
            model,
            tokenizer,
            [STEER_PROMPT],
            guide,
            steering=steering,
            strengths=config.strength,
            vectors=None if control is None else control.vectors,
            vector_strengths=config.vector_strength,
            generation={"max_new_tokens": config.max_tokens},
        )
        texts[sentence] = " ".join(text.split())
    return [texts[sentence] for sentence in nearest.tolist()]
