"""The hub as this package asks it: each thing that goes wrong is one line that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from snac_eval.errors import HubError, SnacEvalError, UsageError, detail
from snac_eval.hub import REPOSITORY, check_reachable

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_LOG_IN = "run hf auth login, or set HF_TOKEN to one that may"


def checked_name(name: str, flag: str) -> str:
    """The name of a repository, ``USER/NAME``, of which the address may be given. Raises
    UsageError."""
    from huggingface_hub import constants, utils
    from huggingface_hub.errors import HFValidationError

    client: Any = utils  # which says its public names to readers, not to type checkers
    plain = name.removeprefix(f"{constants.ENDPOINT}/").removeprefix("datasets/").rstrip("/")
    try:
        client.validate_repo_id(plain)
        is_one = REPOSITORY.fullmatch(plain) is not None
    except HFValidationError:
        is_one = False
    if not is_one:
        raise UsageError(f"{flag} {name[:200]}: no name of a repository; give USER/NAME")
    return plain


def hub_api() -> HfApi:
    """The hub's client. Raises HubError where there is no way to the hub."""
    from huggingface_hub import HfApi, constants

    try:
        check_reachable()
    except OSError as error:
        raise HubError(f"{detail(error)}; nothing was sent or fetched, try again") from error
    return HfApi(endpoint=constants.ENDPOINT)


def require_token() -> None:
    """Raises UsageError where this machine keeps no token of the hub."""
    from huggingface_hub import get_token

    if not get_token():
        raise UsageError(f"no token of the hub on this machine: {_LOG_IN} write")


@contextmanager
def explained(what: str, doing: str) -> Iterator[None]:
    """Turn what the hub's client raises into HubError. ``what`` is the repository as the message
    begins with it; ``doing`` is ``read`` or ``write``."""
    from huggingface_hub import utils

    bars: Any = utils
    shown = not bars.are_progress_bars_disabled()
    bars.disable_progress_bars()  # scores are small
    try:
        yield
    except SnacEvalError:
        raise
    except Exception as error:
        raise HubError(f"{what}: {_reason(_first(error), doing)}") from error
    finally:
        if shown:
            bars.enable_progress_bars()


def _first(error: Exception) -> Exception:
    """What an error of the client was raised for, where it only says that it could not."""
    cause = error.__cause__
    return _first(cause) if type(error) is RuntimeError and isinstance(cause, Exception) else error


def _reason(error: Exception, doing: str) -> str:
    from huggingface_hub import errors

    status = getattr(getattr(error, "response", None), "status_code", 0)
    said = getattr(error, "server_message", None)
    if isinstance(error, errors.GatedRepoError):
        return (
            f"its owner lets nobody in who has not asked; ask on its page, then {_LOG_IN} {doing}"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return "has no such revision; give a branch, a tag or a commit of it"
    if status == 401 and "credentials" in str(said or error).lower():
        return f"the hub does not know this token; {_LOG_IN} {doing}"
    if isinstance(error, errors.RepositoryNotFoundError):
        return (
            "there is no such repository, or it is private and your token may not see it; mind the"
            f" spelling, or {_LOG_IN} {doing}"
        )
    if status in (401, 403):
        return f"your token may not {doing} there; {_LOG_IN} {doing}, or name a repository of yours"
    if status == 412 or "has been updated" in str(said):
        return "somebody else changed it meanwhile; try again"
    if status:
        return f"the hub answers {status} ({(said or detail(error))[:200]})"
    return f"{detail(error)}; try again"
