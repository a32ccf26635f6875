"""Errors that the user can fix: one line that says what is wrong and what to do."""


class UserError(Exception):
    """A failure that one line explains, with its remedy; task binaries print it without a traceback and exit with 1."""


class UsageError(UserError):
    """A wrong command line; task binaries print it and exit with 2."""
