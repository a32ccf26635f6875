"""A factory of few items, whose plans are known by heart, for tests."""

from tasks.language.recipes import Item, Recipes


def item(name: str, *ingredients: str) -> Item:
    """A thing that is assembled of others, or, without any, mined."""
    machine = "assembling machine" if ingredients else "mine"
    phrases = tuple(f"a {ingredient}" for ingredient in ingredients)
    return Item(name, machine, product=f"a {name}", counted=True, ingredients=ingredients, ingredient_phrases=phrases)


def small_recipes() -> Recipes:
    """An ore and a gem are mined; ore -> bar -> wheel, (wheel, bar) -> cart, (bar, gem) -> ring, (cart, ring) -> coach.

    The plans: bar is ore, bar; wheel is ore, bar, wheel; cart adds cart to it; ring is ore, bar, gem, ring; and coach
    is ore, bar, wheel, cart, gem, ring, coach.
    """
    return Recipes(
        (
            item("ore"),
            item("gem"),
            item("bar", "ore"),
            item("wheel", "bar"),
            item("cart", "wheel", "bar"),
            item("ring", "bar", "gem"),
            item("coach", "cart", "ring"),
        )
    )
