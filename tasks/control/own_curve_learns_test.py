"""A short training with the default config learns to balance."""

from configs import rl_cart_pole
from tasks.control import cart_pole, own_curve


def test_a_thousand_steps_are_enough_to_learn_to_balance():
    config = rl_cart_pole.get_config()
    domain = cart_pole.domain()
    config.sets = {"curriculum": (500, 500)}
    config.num_updates = 300
    before, first, second = own_curve.learner(config, "curriculum", domain, num_episodes=10, test_seed=1_000_000)(0)
    # Random pushes last about 20 steps; an agent that balances reaches the cap of 500.
    assert (before[0], first[0], second[0]) == (0, 500, 1000)
    assert before[1] < 50
    assert first[1] >= 400
    # What the model itself has collected, it learns from, too.
    assert second[1] >= 495
