"""The one exception for bad input data."""


class DataError(ValueError):
    """Input data cannot be used.

    The message is one line: what was seen, what was wanted, the remedy. The command line prints it
    and exits with status 2; no traceback.
    """
