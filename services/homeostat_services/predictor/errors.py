"""Refusals of a predictor."""


class InvalidRequest(Exception):  # noqa: N818 - reads as what it says
    """A refused request; the text names field, value and remedy."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status
