import io
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from training.datasets import download as downloads
from training.datasets.download import download
from training.errors import DataError


@pytest.fixture
def content():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("train.parquet", bytes(range(256)) * 1000)
    return buffer.getvalue()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        wanted = self.headers.get("Range")
        server.ranges.append(wanted)
        if server.status:
            self.send_error(server.status)
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and server.knows_ranges else 0
        body = server.content[start:]
        if not body:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(server.content)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut = server.cuts.pop(0) if server.cuts else len(body)
        self.wfile.write(body[:cut])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(content):
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.content, server.cuts, server.ranges, server.status, server.knows_ranges = (
            content,
            [],
            [],
            0,
            True,
        )
        server.url = f"http://127.0.0.1:{server.server_port}/lavka.zip"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_whole(server, content, tmp_path):
    path = download(server.url, tmp_path / "lavka.zip")
    assert path.read_bytes() == content
    assert download(server.url, path) == path
    assert server.ranges == [None]
    assert list(tmp_path.iterdir()) == [path]


def test_broken_connections_are_continued(server, content, tmp_path):
    server.cuts = [1000, 5000]
    assert download(server.url, tmp_path / "lavka.zip").read_bytes() == content
    assert server.ranges == [None, "bytes=1000-", "bytes=6000-"]


def test_an_earlier_try_is_continued(server, content, tmp_path):
    (tmp_path / "lavka.zip.part").write_bytes(content[:777])
    assert download(server.url, tmp_path / "lavka.zip").read_bytes() == content
    assert server.ranges == ["bytes=777-"]


def test_an_earlier_try_that_had_everything(server, content, tmp_path):
    (tmp_path / "lavka.zip.part").write_bytes(content)
    assert download(server.url, tmp_path / "lavka.zip").read_bytes() == content


def test_a_server_without_ranges_starts_over(server, content, tmp_path):
    server.knows_ranges = False
    (tmp_path / "lavka.zip.part").write_bytes(b"old")
    assert download(server.url, tmp_path / "lavka.zip").read_bytes() == content


def test_a_connection_that_keeps_breaking(server, tmp_path):
    server.cuts = [10] * downloads.ATTEMPTS
    with pytest.raises(DataError, match=r"50 of 2\d\d,\d\d\d bytes arrived.*again to continue"):
        download(server.url, tmp_path / "lavka.zip")
    assert (tmp_path / "lavka.zip.part").stat().st_size == 50


@pytest.mark.parametrize(("status", "tries"), [(404, 1), (503, downloads.ATTEMPTS)])
def test_refusals(server, tmp_path, status, tries):
    server.status = status
    with pytest.raises(DataError, match=f"{status}.*--path"):
        download(server.url, tmp_path / "lavka.zip")
    assert len(server.ranges) == tries


def test_not_a_zip_is_thrown_away(server, tmp_path):
    server.content = b"<html>please log in</html>"
    with pytest.raises(DataError, match="not a zip"):
        download(server.url, tmp_path / "lavka.zip")
    assert list(tmp_path.iterdir()) == []


def test_nobody_listens(tmp_path):
    with pytest.raises(DataError, match=r"refused|Errno"):
        download("http://127.0.0.1:9/lavka.zip", tmp_path / "lavka.zip")
