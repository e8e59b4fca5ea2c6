"""The client of an AWS service and its errors; imports boto3 on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from polarsprof.sources.extras import Patience, client

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from polarsprof.errors import SourceError

_THROTTLING: Final = ("ProvisionedThroughputExceededException", "LimitExceededException")


class Service:
    """The client of an AWS service, with a limit on outages.

    Parameters
    ----------
    name
        Name of the service for `boto3.client`.
    options
        Further arguments of `boto3.client`.
    patience_s
        Longest outage to wait out, in seconds.
    make_error
        A function from an error of boto3 to the error that the user sees.

    Attributes
    ----------
    client
        The client of boto3.
    errors
        The classes of errors that calls of the client raise.

    Raises
    ------
    SourceError
        If boto3 is not installed or refuses the options.
    """

    def __init__(
        self,
        name: str,
        options: Mapping[str, object] | None,
        patience_s: float,
        make_error: Callable[[Exception], SourceError],
    ) -> None:
        errors = client("botocore.exceptions", "aws")
        self.errors: tuple[type[Exception], ...] = (errors.BotoCoreError, errors.ClientError)
        self._patience = Patience(patience_s)
        self._make_error = make_error
        try:
            self.client: Any = client("boto3", "aws").client(name, **(options or {}))
        except (errors.BotoCoreError, ValueError, TypeError) as error:
            raise make_error(error) from error

    def record_success(self) -> None:
        """End the outage, if there is one."""
        self._patience.record_success()

    def record_failure(self, error: Exception) -> None:
        """Note an error after which the caller tries again.

        Raises
        ------
        SourceError
            If the request is wrong, or the outage is too long.
        """
        if not _is_transient(error) or not self._patience.record_failure():
            raise self._make_error(error) from error


def error_code(error: Exception) -> str:
    """The code that the service gives an error; empty for other errors."""
    return str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))


def _is_transient(error: Exception) -> bool:
    """Returns whether the service or the network failed, and not the request."""
    status = getattr(error, "response", {}).get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    return not 400 <= status < 500 or status == 429 or error_code(error) in _THROTTLING
