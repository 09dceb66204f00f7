"""A server with PhysioNet's layout on this machine, with faults switched on file by file."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ecgcli.recordings.simulate import write_demo

KEPT = {f"p00{n}.{kind}" for n in (1, 2, 3) for kind in ("hea", "dat", "atr")} | {
    "p001-0.atr",
    "RECORDS",
    "ANNOTATORS",
}
"""What belongs to the records of the database below; its server has more."""

NOWHERE = "http://127.0.0.1:9/files"
"""A mirror that refuses every connection."""


def make_database(folder: Path) -> Path:
    """Three simulated records with what databases have beside them: other annotations, pages, old records."""
    write_demo(folder, 3, 0.5, 0)
    (folder / "p001-0.atr").write_bytes((folder / "p002.atr").read_bytes())
    (folder / "p001.at_").write_bytes(b"superseded")
    (folder / "p002.xws").write_text("for a viewer")
    (folder / "about.htm").write_text("<html></html>")
    (folder / "x_old").mkdir()
    (folder / "x_old" / "p009.hea").write_text("p009 0 360 0\n")
    (folder / "RECORDS").write_text("p001\np002\np003\n")
    (folder / "ANNOTATORS").write_text("atr\treference beat annotations\n")
    (folder / "LICENSE.txt").write_text("Open Data Commons Attribution License v1.0\n")
    write_sums(folder)
    return folder


def write_sums(folder: Path) -> None:
    """The list of checksums, which leaves out itself and the licence, as PhysioNet's do."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.relative_to(folder)}\n"
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("SHA256SUMS.txt", "LICENSE.txt")
    ]
    (folder / "SHA256SUMS.txt").write_text("".join(lines))


class Server(ThreadingHTTPServer):
    """Serves the files of a folder below `/files/`.

    Attributes:
        asked: names of the files asked for, in order.
        faults: file → what goes wrong with it: stall, cut, wrong, long, or an answer such as 404. With
            ` once` behind, it goes wrong the first time alone.
    """

    daemon_threads = True

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root, self.asked, self.faults = root, list[str](), dict[str, str]()
        self.closing = threading.Event()

    @property
    def mirror(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/files"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        path = self.server.root / self.path.removeprefix("/files/")
        self.server.asked.append(path.name)
        fault = self.server.faults.get(path.name, "")
        if fault.endswith(" once"):
            del self.server.faults[path.name]
        fault = fault.removesuffix(" once")
        if fault.isdecimal() or not path.is_file():
            self.send_error(int(fault or 404))
            return
        content = path.read_bytes()
        half = len(content) // 2
        self.send_response(200)
        self.send_header("Content-Length", str(half if fault == "long" else len(content)))
        self.end_headers()
        if fault in ("stall", "cut"):
            self.wfile.write(content[:half])
            self.wfile.flush()
            if fault == "stall":
                self.server.closing.wait(20)
            self.close_connection = True
        else:
            changed = bytes([content[half] ^ 1]) if fault == "wrong" else content[half : half + 1]
            self.wfile.write(content[:half] + changed + content[half + 1 :])

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on stderr."""


@contextmanager
def serving(root: Path) -> Iterator[Server]:
    """Serves `<root>/<name>/<version>/<file>` until the block ends."""
    server = Server(root)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
