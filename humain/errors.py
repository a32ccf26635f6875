"""Errors that are the user's to solve: one line that says what is wrong and what to do."""


class UserError(Exception):
    """A failure that one line explains, remedy included; task binaries print it without a traceback and exit with 1."""


class UsageError(UserError):
    """A wrong command line; task binaries print it and exit with 2."""
