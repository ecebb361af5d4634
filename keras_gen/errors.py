"""The one exception that a user is meant to read."""


class UserError(Exception):
    """What the user gave cannot be used.

    The message is one sentence that names the flag or the file, what was found there and what is accepted. The apps
    print it and end with exit code 2.
    """
