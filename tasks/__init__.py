"""One binary per experiment, and what they share."""
