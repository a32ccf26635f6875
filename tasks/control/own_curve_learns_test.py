"""A short training with the default config learns to balance, in each of its stages."""

from configs import rl_cart_pole
from tasks.control import cart_pole, own_curve


def test_three_hundred_steps_are_enough_to_learn_to_balance():
    config = rl_cart_pole.get_config()
    domain = cart_pole.domain()
    # So few that the first stage does not balance yet, and the second has something to learn.
    config.sets = {"curriculum": (60, 240)}
    config.num_updates = 300
    before, first, second = own_curve.learner(config, "curriculum", domain, num_episodes=10, test_seed=1_000_000)(1)
    assert (before[0], first[0], second[0]) == (0, 60, 300)
    # Random pushes last about 20 steps. Layers that have learned nothing push one way, and so do they if the upper one
    # learns alone: 9 steps. What the bottom one learns alone came to 75 at most, after 1,000 steps.
    assert before[1] < 50
    assert first[1] >= 100
    # Who balances reaches the cap of 500. Without learning from what the first stage's model has collected it stays at
    # what the first stage reached, 255 at most of three seeds.
    assert second[1] >= 475
