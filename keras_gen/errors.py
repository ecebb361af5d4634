"""The one exception that a user is meant to read."""


class UserError(ValueError):
    """What the user gave cannot be used.

    The message is one sentence that names the flag or the file, what was found there and what is accepted. The apps
    print it and end with exit code 2; from Python it is an ordinary `ValueError`.
    """
