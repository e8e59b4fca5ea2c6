"""What the sources on AWS share: how a service is opened, and which of its errors pass; boto3 comes on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from polarsprof.sources.extras import Patience, client

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from polarsprof.errors import SourceError

_TOO_MANY: Final = ("ProvisionedThroughputExceededException", "LimitExceededException")


class Service:
    """A service of AWS.

    Parameters
    ----------
    name
        As `boto3.client` calls it.
    options
        For `boto3.client`.
    patience_s
        For how long the service may be away before that is an error.
    broken
        Makes the error that users see of one of the client's.

    Attributes
    ----------
    client
        What `boto3.client` returned.
    errors
        The classes of errors that calls of it raise.

    Raises
    ------
    SourceError
        Where boto3 is not installed, or takes no such options.
    """

    def __init__(
        self,
        name: str,
        options: Mapping[str, Any] | None,
        patience_s: float,
        broken: Callable[[Exception], SourceError],
    ) -> None:
        errors = client("botocore.exceptions", "aws")
        self.errors: tuple[type[Exception], ...] = (errors.BotoCoreError, errors.ClientError)
        self._patience = Patience(patience_s)
        self._broken = broken
        try:
            self.client = client("boto3", "aws").client(name, **(options or {}))
        except (errors.BotoCoreError, ValueError, TypeError) as error:
            raise broken(error) from error

    def answered(self) -> None:
        """Take note that the service is there."""
        self._patience.renew()

    def bear(self, error: Exception) -> None:
        """Take note of an error that may pass.

        Raises
        ------
        SourceError
            Where it is the request that is wrong, or the service has been away for too long.
        """
        if not _is_passing(error) or not self._patience.lasts():
            raise self._broken(error) from error


def code_of(error: Exception) -> str:
    """What the service calls an error; empty where it is not the service's."""
    return str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))


def _is_passing(error: Exception) -> bool:
    """Whether it is the service or the way to it, and not the request, that is wrong."""
    status = getattr(error, "response", {}).get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    return not 400 <= status < 500 or status == 429 or code_of(error) in _TOO_MANY
