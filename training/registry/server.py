"""The company's MLflow server: how long we wait for it, and what keeps it from answering, in words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from holdback.errors import OperatorError

SETTING: Final = "HOLDBACK_MLFLOW_URL"
USER: Final = "MLFLOW_TRACKING_USERNAME"
PASSWORD: Final = "MLFLOW_TRACKING_PASSWORD"

NOT_PERMITTED: Final = (
    f"our user may not do this (403). An administrator of the server grants it to the user that {USER} names."
)
_QUESTION: Final = "/api/2.0/mlflow/experiments/search"
_HEALTH_SECONDS: Final = 5
_OTHER_HOST: Final = "Invalid Host header"


@dataclass(frozen=True)
class Patience:
    """How long a server may take. MLflow's own is 120 seconds, eight times, with growing pauses: a quarter of an hour.

    Attributes:
        timeout_seconds: Of one request.
        retry_count: Further tries after one that got no answer, or one that says "later" or "my fault".
        is_firm: True when the operator's own settings of MLflow do not count.
    """

    timeout_seconds: int
    retry_count: int
    is_firm: bool = False

    def settings(self) -> dict[str, str]:
        """Return MLflow's settings for it, by name."""
        return {
            "MLFLOW_HTTP_REQUEST_TIMEOUT": str(self.timeout_seconds),
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": str(self.retry_count),
            "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
            # A redirected POST becomes a GET, and a redirect may lead to where the password must not go.
            "MLFLOW_ALLOW_HTTP_REDIRECTS": "false",
        }


#: For work that needs the server: at most three quarters of a minute for a request that nobody answers.
USUAL: Final = Patience(timeout_seconds=15, retry_count=2)
#: For what can be done without the server: at most five seconds.
HURRIED: Final = Patience(timeout_seconds=_HEALTH_SECONDS, retry_count=0, is_firm=True)


def refuse_unusable(url: str) -> None:
    """Refuse an address that cannot be a server's, or that has a password in it: addresses are shown, secrets not.

    Raises:
        OperatorError: it is not usable; what stands in it is not repeated.
    """
    try:
        parts = urlsplit(url)
        has_secret, is_server = "@" in parts.netloc, parts.scheme in ("http", "https") and bool(parts.hostname)
        is_server = is_server and (parts.port or 1) > 0 and not parts.query and not parts.fragment
    except ValueError:
        has_secret, is_server = "@" in url, False
    if has_secret:
        raise OperatorError(
            f"{SETTING}: there is a user or password in the address, which stands in messages and process lists. Take "
            f"it out, and set {USER} and {PASSWORD} instead."
        )
    if not is_server:
        raise OperatorError(f"{SETTING}: must be the address of a server, such as https://mlflow.example.com.")


def registry_fault(url: str) -> str | None:
    """Say what is wrong with a server's address, with the server or with our credentials; None when it lets us in.

    Args:
        url: As it was set.
    """
    try:
        refuse_unusable(url)
    except OperatorError as error:
        return str(error)
    return fault_of(url)


def fault_of(url: str) -> str | None:
    """Ask a server one short question, and say what keeps it from answering and what to do; None when it answers.

    Args:
        url: Its address, without secrets.
    """
    from mlflow.exceptions import MlflowException
    from mlflow.utils import credentials, rest_utils

    ask: Any = rest_utils.http_request  # MLflow's own way to ask has no types
    creds: Any = credentials.get_default_host_creds
    try:
        answer = ask(
            creds(url), _QUESTION, "POST", json={"max_results": 1}, max_retries=0,
            timeout=_HEALTH_SECONDS, raise_on_status=False, allow_redirects=False,
        )  # fmt: skip
    except MlflowException as error:
        return _unreached(error)
    return _refused(url, answer)


def _unreached(error: Exception) -> str:
    from requests.exceptions import SSLError

    cause = error.__cause__ or error.__context__ or error
    if isinstance(cause, SSLError):
        return (
            "its certificate is not trusted. Name the file of the authority that signed it in "
            "MLFLOW_TRACKING_SERVER_CERT_PATH."
        )
    if "Read timed out" in str(cause):
        return (
            f"it takes a question and gives no answer within {_HEALTH_SECONDS} seconds. Look at the server's load, log "
            "and database, then run this again."
        )
    said = re.search(r"\[Errno -?\d+\] ([^'\")\]]+)", str(cause))
    why = said.group(1) if said else "the connection broke"
    return f"nobody answers there ({why}). Start the server or mend {SETTING}, then run this again."


def _refused(url: str, answer: Any) -> str | None:
    status, host = int(answer.status_code), urlsplit(url).netloc
    if status == 401:
        if "Authorization" not in answer.request.headers:
            return f"it asks who we are (401). Set {USER} and {PASSWORD} where this runs."
        return (
            f"it does not take our credentials (401): they are wrong, or no longer valid. Renew {USER} and {PASSWORD} "
            "where this runs."
        )
    if status == 403 and _OTHER_HOST in answer.text:
        return f"it does not answer to the name {host} (403). Its --allowed-hosts must list that name."
    if status == 403:
        return NOT_PERMITTED
    if 300 <= status < 400:
        target = urlsplit(str(answer.headers.get("Location", "")))
        told = f" {target.scheme}://{target.hostname}" if target.hostname else " elsewhere"
        return f"it sends us{told} ({status}). Set {SETTING} to where the server really is."
    if status >= 500:
        return (
            f"it answers {status}: its database or its artifact store may be away. Look at the server's log, then run "
            "this again."
        )
    if status != 200 or not answer.headers.get("Content-Type", "").startswith("application/json"):
        return f"no MLflow server answers there ({status}). Mend {SETTING}."
    return None
