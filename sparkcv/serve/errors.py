"""What a request is answered with where it cannot be answered: a status code and one sentence."""

__all__ = ["RequestError", "overloaded", "unavailable", "whole_number"]

_MOST_DIGITS = 18  # int() takes time, and refuses thousands of them


class RequestError(Exception):
    """A request that is not answered as it wanted.

    Attributes:
        status: HTTP status code.
        message: one sentence for the client; nothing of the server's paths.
        retry_after_s: when to come again, for 429 and 503; None where that does not help.
    """

    def __init__(self, status: int, message: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.retry_after_s = status, message, retry_after_s


def whole_number(text: str) -> int | None:
    """Return the number that a request's text is, from 0; None for anything else."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS else None


def overloaded(message: str) -> RequestError:
    """Return the answer to a request for which there is no room: 429."""
    return RequestError(429, message, retry_after_s=1)


def unavailable(message: str) -> RequestError:
    """Return the answer where a model is not there for the moment: 503."""
    return RequestError(503, message, retry_after_s=1)
