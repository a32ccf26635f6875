"""Configs of `//tasks:lm_guide_train`, the hierarchy over embeddings.

    bazel run //tasks:lm_guide_train
        Three layers with one of milestones above them, and two models to compare with: one flat layer of as many
        parameters, examples and updates, and the same three layers with one slot, a plain regression. Seed 0: all
        training plans come out as they were, all held-out plans are complete, and 90 % of the compositions are (68
        to 90 % on seeds 0 to 3).
    bazel run //tasks:lm_guide_train -- --config=configs/lm_guide_train.py:linear
        The same with linear kernels, which have not enough keys for it: seed 0 has 8 % of the training plans.
    bazel run //tasks:lm_guide_train -- --config=configs/lm_guide_train.py:kmeans
        The same over clusters of sentences in place of means: seed 0 has 87 % of the training plans, and 86 % of those
        held out are valid.
    bazel run //tasks:lm_guide_train -- --config=configs/lm_guide_train.py:smoke
        Seconds: does it run at all; what it learns is not worth much.

`docs/tasks/lm.md` has the results.
"""

from ml_collections import ConfigDict

_VARIANTS = ("default", "kmeans", "linear", "smoke")


def get_config(variant: str = "default") -> ConfigDict:
    """The config of a variant.

    Args:
        variant: `default`, `kmeans`, `linear` or `smoke`.

    Raises:
        ValueError: for any other.
    """
    config = _default()
    if variant == "default":
        return config
    if variant == "kmeans":
        for model in config.models.values():
            model.abstraction = "kmeans"
        return config
    if variant == "linear":
        for model in config.models.values():
            model.kernel.name = "linear"
        # As many parameters as in the four layers' 4 x 512 keys; those of the upper layers see less, and are shorter.
        config.models.flat.kernel.num_keys = 1325
        return config
    if variant == "smoke":
        config.num_updates = 40
        config.num_imagined = 20
        config.milestones.num_updates = 40
        config.milestones.num_imagined = 20
        config.milestones.width = config.milestones.hidden = 16
        config.chunk_steps = 20
        for model in config.models.values():
            model.kernel.width = model.kernel.hidden = 16
        return config
    raise ValueError(f"there is no variant {variant!r} of this config; there are {', '.join(_VARIANTS)}")


def _default() -> ConfigDict:
    return ConfigDict(
        {
            # Devices that a batch is split over, of all processes together; 0 for all that there are.
            "mesh": {"data": 0},
            "num_updates": 3000,
            "chunk_steps": 50,
            "batch_size": 64,
            "paths": {"replay": True, "max_paths": 6, "passed_weight": 0.9},
            # Recipes of inventions that nobody has written, to learn from as wholes beside those that are given.
            "num_imagined": 5000,
            # Of the layer that divides recipes, with those that it imagines itself.
            "milestones": {"width": 144, "hidden": 768, "num_updates": 3000, "batch_factor": 1, "num_imagined": 20000},
            # Weight of the stop signal, which says that an answer ends the way to a layer's goal.
            "stop": 2.0,
            "models": {
                "hierarchy": _model(
                    width=96, num_slots=4, chunks=(4, 4), context_lengths=(4, 2, 1), blueprints="divided"
                ),
                # As many parameters in one layer, those of the layer of milestones too.
                # As many examples too: those of the four layers an update.
                "flat": _model(
                    width=260,
                    num_slots=4,
                    chunks=(),
                    context_lengths=(4,),
                    blueprints="whole",
                    batch_factor=4,
                    train_share=0.5,
                ),
                "regression": _model(
                    width=96, num_slots=1, chunks=(4, 4), context_lengths=(4, 2, 1), blueprints="unused"
                ),
            },
        }
    )


def _model(
    *,
    width: int,
    num_slots: int,
    chunks: tuple[int, ...],
    context_lengths: tuple[int, ...],
    blueprints: str,
    batch_factor: int = 1,
    train_share: float = 0.0,
    reads: bool = False,
) -> dict:
    return {
        # Plans for what comes with its recipe: divided, by a layer of its own, into goals that are known; learned as
        # wholes; or unused.
        "blueprints": blueprints,
        # Times batch_size: examples for each layer an update.
        "batch_factor": batch_factor,
        # Of the examples, with whole blueprints: drawn from the split train, the rest from blueprints, those that are
        # imagined too. With 0 each example is drawn as often as any other.
        "train_share": train_share,
        # Whether the layers see, beside its embedding, what a sentence takes as it is read by least squares.
        "reads": reads,
        "kernel": {
            "name": "transformer",
            "num_blocks": 1,
            "num_heads": 4,
            "width": width,
            "hidden": 2 * width,
            "offset": 0.3,
            # Of the linear kernel.
            "num_keys": 512,
            "sharpness": 1.0,
        },
        # Of the states in a context: sinusoidal, none, or rotary (transformer). Embeddings have no location.
        "encoding": "sinusoidal",
        "num_slots": num_slots,
        "access": "value",
        "asymmetry": 0.9,
        "suppression": "per_slot",
        "suppression_weight": 0.3,
        "score_discount": 0.9,
        "learning_rate": 2e-3,
        # What the layers above the bottom one see: chunk_mean or kmeans.
        "abstraction": "chunk_mean",
        # Of these layers, bottom first: states a chunk, or the clusters of kmeans.
        "chunks": chunks,
        # With a quarter as many, a cluster says too little of where to go: no plan came out.
        "num_clusters": (128, 96)[: len(chunks)],
        "context_lengths": context_lengths,
    }
