"""Codes of places by hand, that they shift as one, and that targets are as before."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain.hippocampus.location import Located, PlacesInVectors, PlacesOfIds, Scales
from humain.spaces import Continuous, Discrete

SQUARE = PlacesOfIds(((0.0, 0.0), (0.0, 2.0), (2.0, 0.0), (2.0, 2.0)))


def test_a_code_by_hand():
    # Wavelengths 8, 4: the coordinate 1 has turned by 2 pi / 8 and 2 pi / 4; sines come first, then cosines.
    code = Scales(8.0, 2).encode(jnp.array([[1.0], [-1.0]]))
    half = np.sqrt(0.5)
    np.testing.assert_allclose(code, [[half, 1, half, 0], [-half, -1, half, 0]], atol=1e-6)
    assert code.dtype == jnp.float32


def test_coordinates_stand_one_after_the_other():
    scales = Scales(16.0, 3)
    places = jax.random.normal(jax.random.key(0), (5, 2, 3))
    code = scales.encode(places)
    assert code.shape == (5, 2, scales.num_features(3)) == (5, 2, 18)
    alone = [scales.encode(places[..., at : at + 1]) for at in range(3)]
    np.testing.assert_array_equal(code, jnp.concatenate(alone, axis=-1))


@pytest.mark.parametrize("num_coordinates", [1, 2, 3])
def test_likeness_depends_on_the_difference_alone(num_coordinates):
    scales = Scales(20.0, 5)
    first, second, shift = (
        jax.random.uniform(jax.random.key(seed), (32, num_coordinates), minval=-10.0, maxval=10.0) for seed in range(3)
    )

    def likeness(first, second):
        return jnp.sum(scales.encode(first) * scales.encode(second), axis=-1)

    np.testing.assert_allclose(likeness(first, second), likeness(first + shift, second + shift), atol=1e-4)
    # It is a sum of cosines of the difference, one for each wavelength 20, 10, 5, 2.5, 1.25 and coordinate.
    wavelengths = 20.0 / 2 ** np.arange(5)
    expected = np.cos(2 * np.pi * np.asarray(first - second)[..., None] / wavelengths).sum(axis=(1, 2))
    np.testing.assert_allclose(likeness(first, second), expected, atol=1e-4)
    np.testing.assert_allclose(likeness(first, first), 5 * num_coordinates, rtol=1e-5)


def test_a_shift_is_one_turn_for_all_places():
    # Each pair of sine and cosine turns by 2 pi * shift / wavelength.
    scales, shift = Scales(12.0, 3), 1.7
    before, after = (np.asarray(scales.encode(jnp.arange(9.0)[:, None] + by)) for by in (0.0, shift))
    angles = 2 * np.pi * shift / (12.0 / 2 ** np.arange(3))
    sines = before[:, :3] * np.cos(angles) + before[:, 3:] * np.sin(angles)
    np.testing.assert_allclose(after[:, :3], sines, atol=1e-5)


def test_ids_are_shown_by_their_places():
    space = Located(Discrete(4), SQUARE, Scales(8.0, 2))
    assert (space.shape, space.dtype, space.num_features, space.num_outputs) == ((), jnp.int32, 8, 4)
    ids = jnp.array([[3, 0], [1, 2]])
    np.testing.assert_array_equal(space.encode(ids)[0, 0], Scales(8.0, 2).encode(jnp.array([2.0, 2.0])))
    both = Located(Discrete(4), SQUARE, Scales(8.0, 2), own_features=True)
    assert both.num_features == 12
    np.testing.assert_array_equal(both.encode(ids)[..., :4], Discrete(4).encode(ids))
    np.testing.assert_array_equal(both.encode(ids)[..., 4:], space.encode(ids))


def test_vectors_are_shown_by_some_of_their_numbers():
    space = Located(Continuous(3), PlacesInVectors((2, 0)), Scales(8.0, 1), own_features=True)
    vector = jnp.array([[1.0, 5.0, 2.0]])
    # A quarter of 8 for the last number, an eighth for the first.
    half = np.sqrt(0.5)
    np.testing.assert_allclose(space.encode(vector), [[1, 5, 2, 1, 0, half, half]], atol=1e-6)
    assert (space.num_features, space.num_outputs, space.shape) == (7, 3, (3,))
    assert space.has_differences
    assert not Located(Discrete(4), SQUARE, Scales(8.0, 2)).has_differences


@pytest.mark.parametrize("own_features", [False, True])
def test_targets_are_as_in_the_space(own_features):
    ids, vectors = Discrete(4), Continuous(2, tolerance=0.5)
    for space, places, elements in (
        (ids, SQUARE, jnp.array([2, 0, 3])),
        (vectors, PlacesInVectors((0, 1)), jax.random.normal(jax.random.key(1), (3, 2))),
    ):
        located = Located(space, places, Scales(4.0), own_features=own_features)
        predictions = jax.random.normal(jax.random.key(0), (3, located.num_outputs))
        np.testing.assert_array_equal(located.decode(predictions), space.decode(predictions))
        np.testing.assert_array_equal(located.loss(predictions, elements), space.loss(predictions, elements))
        np.testing.assert_array_equal(located.equal(elements, elements[::-1]), space.equal(elements, elements[::-1]))


def test_the_extent_is_that_of_the_widest_coordinate():
    assert PlacesOfIds(((0.0, 1.0), (2.0, -4.0))).extent == 5
    assert PlacesOfIds(((3.0,),)).extent == 0


def test_spaces_made_alike_are_equal():
    first, second = (Located(Discrete(4), PlacesOfIds(SQUARE.coordinates), Scales(8.0)) for _ in range(2))
    assert first == second
    assert hash(first) == hash(second)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Scales(0.0), "a number above 0, not 0.0"),
        (lambda: Scales(float("nan")), "a number above 0, not nan"),
        (lambda: Scales(1.0, 0), "num_scales must be at least 1, not 0"),
        (lambda: PlacesOfIds(()), "there are no places"),
        (lambda: PlacesOfIds(((1.0,), (1.0, 2.0))), r"but these have \[1, 2\]"),
        (lambda: PlacesOfIds(((1.0,) * 4,)), "1 to 3 coordinates, not 4"),
        (lambda: PlacesOfIds(((float("inf"),),)), "finite numbers"),
        (lambda: PlacesInVectors(()), "1 to 3 coordinates, not 0"),
        (lambda: PlacesInVectors((1, 1)), r"different and at least 0, not \(1, 1\)"),
        (lambda: Located(Discrete(3), SQUARE, Scales(1.0)), "4 ids have places, which does not fit Discrete"),
        (lambda: Located(Continuous(4), SQUARE, Scales(1.0)), "4 ids have places, which does not fit Continuous"),
        (lambda: Located(Continuous(2), PlacesInVectors((2,)), Scales(1.0)), "have no component 2"),
        (lambda: Located(Discrete(2), PlacesInVectors((0,)), Scales(1.0)), "have no component 0"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_by_default_there_are_six_wavelengths_and_no_features_of_its_own():
    assert Scales(4.0) == Scales(4.0, num_scales=6)
    assert Located(Discrete(4), SQUARE, Scales(4.0)) == Located(Discrete(4), SQUARE, Scales(4.0), own_features=False)


@pytest.mark.parametrize(
    "places",
    [PlacesOfIds(((1.0,) * 3,)), PlacesInVectors((0,)), PlacesInVectors((2, 1, 0))],
    ids=["three of an id", "one", "three"],
)
def test_one_to_three_coordinates_are_taken(places):
    space = Discrete(1) if isinstance(places, PlacesOfIds) else Continuous(3)
    assert Located(space, places, Scales(1.0, 1)).num_features == 2 * places.num_coordinates


def test_four_coordinates_and_a_negative_one_are_refused():
    with pytest.raises(ValueError, match="1 to 3 coordinates, not 4"):
        PlacesInVectors((0, 1, 2, 3))
    with pytest.raises(ValueError, match="different and at least 0"):
        PlacesInVectors((-1,))
    with pytest.raises(ValueError, match="longest wavelength must be a number above 0, not inf"):
        Scales(float("inf"))
