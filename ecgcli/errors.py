"""The exceptions for what a user can cause."""


class EcgError(Exception):
    """A mistake or a bad input that the user can mend.

    The message is one line: what was wrong, where, and what was expected. The command line prints it
    and exits with code 1; it never shows a traceback for it.
    """


class BeingWritten(EcgError):
    """Another process writes the same folder, or has just finished it; a grid leaves it to that one."""
