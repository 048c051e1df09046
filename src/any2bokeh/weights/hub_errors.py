"""Messages and errors of the hub client, as one sentence for the user."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import constants
from huggingface_hub.errors import (  # type: ignore[attr-defined]  # HTTPError is there, but not announced
    GatedRepoError,
    HfHubHTTPError,
    HTTPError,  # the base of every failed request: httpx's in huggingface_hub 1, httpx2's in 2
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.utils import logging as hub_logging

from any2bokeh.atomic import DISK_FULL
from any2bokeh.errors import WeightsError
from any2bokeh.weights.catalog import Model, ModelFile, how_to_bring


@contextmanager
def explained(model: Model, file: ModelFile) -> Iterator[None]:
    """Run calls of the hub client about ``file``; raises ``WeightsError`` for whatever goes wrong.

    The client's own warnings, one for every retry, are kept off stderr.
    """
    verbosity = hub_logging.get_verbosity()
    hub_logging.set_verbosity(logging.ERROR)
    try:
        yield
    except HTTPError as error:
        sentence, hint = _explain_answer(error, model, file)
        raise WeightsError(sentence, hint) from error
    except OfflineModeIsEnabled as error:
        raise WeightsError(
            f"{model.name} cannot be fetched because HF_HUB_OFFLINE is set.",
            hint=f"Unset HF_HUB_OFFLINE. {_bring_over(model)}",
        ) from error
    except (OSError, RuntimeError) as error:  # RuntimeError: what the Xet transfer raises
        sentence, hint = _explain_failure(error, model, file)
        raise WeightsError(sentence, hint) from error
    finally:
        hub_logging.set_verbosity(verbosity)


def _explain_answer(error: HTTPError, model: Model, file: ModelFile) -> tuple[str, str]:
    """Return the sentence and the hint for a request that got a bad answer or none."""
    page = f"{constants.ENDPOINT}/{model.repository}"
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
    login = "run `hf auth login`, or set HF_TOKEN"
    match error:
        case GatedRepoError():
            return f"{model.name} is only for those who accepted its terms: accept them on {page}.", login
        case RepositoryNotFoundError():
            return f"There is no repository {page}, or it is private.", login
        case RevisionNotFoundError():
            return f"The repository {page} has no revision {model.revision!r}.", ""
        case RemoteEntryNotFoundError():
            return f"The repository {page} has no file {file.path} at {model.revision!r}.", ""
        case _ if status in (401, 403):
            return f"{page} may not be read with this login (status {status}).", login
        case _ if status is not None:
            return f"{page} answered with status {status}: try again later.", ""
        case _:
            reason = _one_line(error)
            sentence = f"{constants.ENDPOINT} cannot be reached to fetch {model.name}: {reason}"
            return sentence, _bring_over(model)


def _bring_over(model: Model) -> str:
    """How weights come from a machine with a connection."""
    if model.is_pickle:
        return f"Without a connection, {how_to_bring(model)}."
    folder = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=model.repository, repo_type="model")
    return (
        f"Without a connection: run `bokeh download-weights {model.name}` on another machine and copy the"
        f" folder {folder.name} from its Hugging Face cache to {folder}."
    )


def _explain_failure(error: OSError | RuntimeError, model: Model, file: ModelFile) -> tuple[str, str]:
    """Return the sentence and the hint for a transfer that broke off."""
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        sentence = f"The disk is full: {file.path} of {model.name} did not fit into {constants.HF_HUB_CACHE}."
        return sentence, "HF_HOME=FOLDER names another place"
    reason = _one_line(error.__cause__ or error)
    sentence = f"{file.path} of {model.name} could not be fetched from {constants.ENDPOINT}: {reason}"
    return sentence, f"run `bokeh download-weights {model.name}` again"


def _one_line(error: BaseException) -> str:
    text = re.sub(r"\[Errno -?\d+\]", "", str(error))
    return " ".join(text.split()) or type(error).__name__
