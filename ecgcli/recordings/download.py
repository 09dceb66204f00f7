"""Files over HTTP: hashed before they get their name, tried again where that may help, several at a time."""

from __future__ import annotations

import fcntl
import hashlib
import os
import queue
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from ecgcli.errors import EcgError

WAITS = (1.0, 2.0, 4.0)
"""Seconds before the second, third and fourth try."""

_THREADS = 4
_GIVE_UP = 4  # so many files that cannot be had, and the others are not tried any more
_PASSING = {408, 425, 429, 500, 502, 503, 504}  # answers of a server that may be other in a moment
_CHUNK = 1 << 16
_PART = re.compile(r"\..+\.\d+\.part")

Tell = Callable[[int, int, int], None]
"""Is told, while files come in: how many are done, of how many, and the bytes so far."""

Result = TypeVar("Result")


class File(NamedTuple):
    """A file to be: where it comes from, where it goes, and the hex digest of its content."""

    url: str
    path: Path
    sha256: str


class _Fault(Exception):
    """A try that failed; `again` says whether another one may do better."""

    def __init__(self, message: str, again: bool) -> None:
        super().__init__(message)
        self.again = again


def sha256(path: Path) -> str | None:
    """Hex digest of a file; None where there is none.

    Raises:
        EcgError: it is there and cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise EcgError(f"{path}: cannot be read: {error.strerror}") from error


def read_url(url: str, timeout: float, waits: Sequence[float] | None = None) -> bytes:
    """A small file of a server.

    Args:
        url: where it is.
        timeout: seconds without a byte before a try counts as failed.
        waits: seconds before each further try; None for `WAITS`. A server that cannot be reached at all is
            not asked again.

    Raises:
        EcgError: it cannot be had; the message begins with the URL.
    """
    import requests

    stop = threading.Event()
    with requests.Session() as session:

        def once() -> bytes:
            return b"".join(_chunks(session, url, timeout, stop, patient=False))

        return _tried(once, stop, WAITS if waits is None else waits)


def fetch_files(files: Sequence[File], timeout: float, tell: Tell) -> int:
    """Downloads files, four at a time; each appears under its name when its hash is right, or not at all.

    Interrupted or failed, it leaves nothing but whole files behind.

    Args:
        files: which; folders are made.
        timeout: seconds without a byte before a try counts as failed.
        tell: told of the progress, from the calling thread.

    Returns:
        The bytes that came.

    Raises:
        EcgError: a file cannot be had or written; the others are fetched nevertheless, unless there are more
            such files.
    """
    stop, work, news = threading.Event(), queue.SimpleQueue[File](), queue.SimpleQueue[Any]()
    for file in files:
        work.put(file)
    # daemons, as one that waits for a byte would hold up an interrupted program for the whole timeout
    threads = [
        threading.Thread(target=_work, args=(work, news, timeout, stop), daemon=True)
        for _ in range(min(_THREADS, len(files)))
    ]
    done, size, running = 0, 0, len(threads)
    failures: list[Exception] = []
    try:
        tell(0, len(files), 0)
        for thread in threads:
            thread.start()
        while running and len(failures) < _GIVE_UP:
            new = news.get()
            if new is None:
                running -= 1
            elif isinstance(new, Exception):
                failures.append(new)
            elif isinstance(new, File):
                done += 1
            else:
                size += new
            tell(done, len(files), size)
    finally:
        stop.set()
        until = time.monotonic() + 1
        for thread in threads:
            if thread.ident is not None:
                thread.join(max(0.0, until - time.monotonic()))
        for file in files:
            _part(file.path).unlink(missing_ok=True)
    for failure in failures:
        if not isinstance(failure, EcgError):
            raise failure
    if failures:
        raise EcgError(
            f"{failures[0]}; {len(files) - done} of {len(files)} files are still missing or damaged, what is "
            f"whole is kept and the same command goes on from there, with files placed by hand too"
        )
    return size


def put(path: Path, content: bytes) -> None:
    """Writes a small file, whole.

    Raises:
        EcgError: it cannot be written.
    """
    try:
        _part(path).write_bytes(content)
        _part(path).replace(path)
    except OSError as error:
        raise EcgError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        _part(path).unlink(missing_ok=True)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Makes a folder, keeps other processes that ask for it out, and removes what a killed one left there.

    Where it fails and the folder is new, an empty one is not left behind.

    Raises:
        EcgError: the folder cannot be made, or another process is writing it.
    """
    new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise EcgError(f"{folder}: no folder to write to: {error.strerror}") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EcgError(f"{folder} is being written by another process; wait for it to end") from None
        except OSError:
            pass  # a file system without locks
        for left in folder.rglob(".*.part"):
            if _PART.fullmatch(left.name):
                left.unlink(missing_ok=True)
        yield
    finally:
        os.close(lock)
        if new:
            with suppress(OSError):  # there is something in it
                folder.rmdir()


def _work(
    work: queue.SimpleQueue[File], news: queue.SimpleQueue[Any], timeout: float, stop: threading.Event
) -> None:
    """Fetches files of a queue until it is empty; says of every chunk, file and failure, None at the end."""
    import requests

    with requests.Session() as session:
        while not stop.is_set():
            try:
                file = work.get_nowait()
            except queue.Empty:
                break
            try:
                _tried(partial(_fetch, session, file, timeout, stop, news.put), stop, WAITS)
                news.put(file)
            except Exception as error:  # said by the main thread
                news.put(error)
    news.put(None)


def _fetch(
    session: Any, file: File, timeout: float, stop: threading.Event, count: Callable[[int], None]
) -> None:
    """One try at one file."""
    part, digest, size = _part(file.path), hashlib.sha256(), 0
    try:
        file.path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as out:
            for chunk in _chunks(session, file.url, timeout, stop):
                out.write(chunk)
                digest.update(chunk)
                size += len(chunk)
                count(len(chunk))
        if digest.hexdigest() != file.sha256:
            raise _Fault(
                f"{file.url}: {size:,} bytes came whose SHA-256 is {digest.hexdigest()[:12]}…; expected "
                f"{file.sha256[:12]}… as in SHA256SUMS.txt",
                again=True,
            )
        part.replace(file.path)
    except OSError as error:
        raise EcgError(f"{file.path}: cannot be written: {error.strerror}") from error
    except _Fault:
        count(-size)
        raise
    finally:
        part.unlink(missing_ok=True)


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def _tried(once: Callable[[], Result], stop: threading.Event, waits: Sequence[float]) -> Result:
    tries = 0
    while True:
        try:
            return once()
        except _Fault as fault:
            tries += 1
            if not fault.again or tries > len(waits) or stop.wait(waits[tries - 1]):
                said = f"{fault} (tried {tries} times)" if tries > 1 else str(fault)
                raise EcgError(said) from fault


def _chunks(
    session: Any, url: str, timeout: float, stop: threading.Event, patient: bool = True
) -> Iterator[bytes]:
    """The content of a URL; `patient` says whether to ask again where no connection comes about."""
    import requests

    try:
        # unpacked on the way, the content would be as long as nobody has announced
        with session.get(
            url, stream=True, timeout=timeout, headers={"Accept-Encoding": "identity"}
        ) as answer:
            if answer.status_code != 200:
                said = f"{url}: the server answers {answer.status_code} {answer.reason}"
                raise _Fault(said, again=answer.status_code in _PASSING)
            for chunk in answer.iter_content(_CHUNK):
                if stop.is_set():
                    raise _Fault("interrupted", again=False)
                yield chunk
    except requests.RequestException as error:
        if isinstance(error, requests.ConnectTimeout):
            raise _Fault(f"{url}: no connection within {timeout:g} s", patient) from error
        if isinstance(error, requests.Timeout) or "timed out" in str(error):
            raise _Fault(f"{url}: no byte came for {timeout:g} s", again=True) from error
        if isinstance(error, requests.exceptions.ChunkedEncodingError):
            raise _Fault(f"{url}: the connection was cut off", again=True) from error
        if isinstance(error, requests.ConnectionError) and not isinstance(
            error, requests.exceptions.SSLError
        ):
            raise _Fault(f"{url}: cannot be reached: {_reason(error)}", patient) from error
        raise _Fault(f"{url}: {' '.join(str(error).split())}", again=False) from error


def _reason(error: BaseException) -> str:
    """What the operating system said, where it stands in the chain of errors."""
    cause: BaseException | None = error
    while cause is not None:
        if "NameResolution" in type(cause).__name__:
            return "no such server, or no network"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = getattr(cause, "reason", None) or cause.__cause__ or cause.__context__
        cause = cause if isinstance(cause, BaseException) else None
    return " ".join(str(error).split())
