"""A real HTTP and HTTPS server on 127.0.0.1 that misbehaves as it is told; for the tests of downloading.

    python3 http_server.py KEYS [--files FOLDER] [--http PORT] [--https PORT]

makes a certificate authority and a certificate in the folder KEYS, listens on two ports (chosen by the system unless
given) and prints one line of JSON: {"http": PORT, "https": PORT, "ca": FILE}. It ends when its standard input does, and
after five minutes at the latest. It contacts nobody.

What it serves:
    /bytes/SIZE[/SEED]  SIZE bytes made from SEED (0): the SHA-256 of "SEED/0", of "SEED/1" and so on, one after another
    /files/PATH         the file PATH of FOLDER
    /log                JSON: the requests so far, first to last, but those for /log itself: "method", "path" (as sent,
                        with the query), "status", "sent" (bytes of the body handed to the socket so far), "tls", and
                        the headers "range", "if_range", "accept", "accept_encoding", "user_agent", "host". Those it
                        served as a proxy have the method CONNECT, the path "host:port" and "proxy": true, as has a GET
                        of a whole http URL.
It answers GET, honours Range (bytes=A- and bytes=A-B) with If-Range, and sends a strong ETag (from the content) and
Last-Modified. As a proxy it takes every CONNECT to its own HTTPS port, whatever the host (but refused.test, which gets
403); the certificate is valid for 127.0.0.1, ::1, localhost and models.test.

How it misbehaves is told by the query; several can be told at once:
    times=K             only the first K requests of this path and query are served so (default: all)
    skip=K              the first K requests are served well, and `times` counts from there
    cut=N               the connection ends after N bytes of the body
    reset=N             the same, with a TCP reset
    stall=N             after N bytes nothing more comes; stall=-1: not even a header
    rate=R              R bytes a second
    ranges=no           Range is ignored
    ranges=416          every Range is answered with 416
    ranges=other        206, and other bytes than were asked for (Content-Range says so)
    ranges=one:N        206 gives at most N bytes at a time
    if_range=no         If-Range is ignored
    etag=weak, etag=no  the validator
    modified=no         no Last-Modified
    changes=K           from request K on (counted from 0) the content is another one, and so is its ETag
    changes=K&silent=1  the same, but ETag and Last-Modified stay
    length=N            Content-Length says N; +N and -N: so much more and less than the truth (+ is written %2B)
    chunked=1           no Content-Length
    encoding=NAME       Content-Encoding says NAME, whatever was asked for
    wrong=1             the last byte is another one
    status=S            an error; retry_after=T adds Retry-After
    redirect=URL        Location: URL, with code=S (default 302); redirect=self is this very address
"""
import argparse
import hashlib
import json
import os
import select
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

LONGEST = 60  # seconds that one answer may take
LIFETIME = 300
PIECE = 16384


def made_bytes(size, seed):
    blocks = (hashlib.sha256(b"%d/%d" % (seed, i)).digest() for i in range(size // 32 + 1))
    return b"".join(blocks)[:size]


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port, shared, tls=None):
        self.shared = shared
        self.tls = tls
        super().__init__(("127.0.0.1", port), Handler)

    def get_request(self):
        connection, address = super().get_request()
        connection.settimeout(LONGEST)
        if self.tls:  # the handshake is made in the connection's own thread, with the first read
            connection = self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, request, client_address):
        pass  # clients that go away are what the tests are about


class Shared:
    """What both listeners know: the log, and how often each address was asked for."""

    def __init__(self, files):
        self.files = files
        self.https_port = None
        self.lock = threading.Lock()
        self.log = []
        self.counts = {}

    def enter(self, entry):
        with self.lock:
            self.log.append(entry)
            count = self.counts.get(entry["path"], 0)
            self.counts[entry["path"]] = count + 1
            return count


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = LONGEST

    def log_message(self, *_):
        pass

    def entry(self, **more):
        header = self.headers.get
        return {"method": self.command, "path": self.path, "status": None, "sent": 0,
                "tls": self.server.tls is not None, "range": header("Range"), "if_range": header("If-Range"),
                "accept": header("Accept"), "accept_encoding": header("Accept-Encoding"),
                "user_agent": header("User-Agent"), "host": header("Host"), **more}

    def whole(self, status, body=b"", headers=()):
        """A well-behaved answer."""
        self.record["status"] = status
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.record["sent"] = len(body)

    def do_CONNECT(self):
        self.record = self.entry(proxy=True, status=200)
        self.server.shared.enter(self.record)
        if self.path.startswith("refused.test:"):
            self.whole(403, b"no\n")
            return
        with socket.create_connection(("127.0.0.1", self.server.shared.https_port), timeout=5) as upstream:
            self.send_response(200, "Connection established")
            self.end_headers()
            ends = {self.connection: upstream, upstream: self.connection}
            until = time.monotonic() + LONGEST
            while time.monotonic() < until:
                for end in select.select(list(ends), [], [], 1)[0]:
                    data = end.recv(65536)
                    if not data:
                        self.close_connection = True
                        return
                    ends[end].sendall(data)
        self.close_connection = True

    def do_GET(self):
        split = urlsplit(self.path)
        if split.path == "/log":
            self.record = {}
            with self.server.shared.lock:
                self.whole(200, json.dumps(self.server.shared.log).encode())
            return
        self.record = self.entry(**({"proxy": True} if split.scheme else {}))
        count = self.server.shared.enter(self.record)
        query = {key: values[-1] for key, values in parse_qs(split.query, keep_blank_values=True).items()}
        skip = int(query.get("skip", 0))
        bad = skip <= count < skip + int(query.get("times", 1 << 30))
        self.how = query if bad else {}
        changed = "changes" in query and count >= int(query["changes"])
        content = self.content(unquote(split.path), changed)
        if self.how.get("stall") == "-1":
            self.wait_for_the_client_to_leave()
        elif "redirect" in self.how:
            target = self.how["redirect"]
            self.whole(int(self.how.get("code", 302)), b"elsewhere\n",
                       [("Location", self.path if target == "self" else target)])
        elif "status" in self.how:
            after = [("Retry-After", self.how["retry_after"])] if "retry_after" in self.how else []
            self.whole(int(self.how["status"]), b"no\n", after)
        elif content is None:
            self.whole(404, b"nothing of that name\n")
        else:
            validated = self.content(unquote(split.path), changed and "silent" not in query)
            self.serve(content, '"' + hashlib.sha256(validated).hexdigest()[:16] + '"')

    def content(self, path, changed):
        parts = path.strip("/").split("/")
        if parts[0] == "bytes" and len(parts) in (2, 3):
            return made_bytes(int(parts[1]), int(parts[2] if len(parts) == 3 else 0) + (1000 if changed else 0))
        if parts[0] == "files" and self.server.shared.files and ".." not in parts:
            name = os.path.join(self.server.shared.files, *parts[1:])
            if os.path.isfile(name):
                with open(name, "rb") as file:
                    return file.read()[:: -1 if changed else 1]
        return None

    def serve(self, content, etag):
        how = self.how
        modified = None if how.get("modified") == "no" else formatdate(1_600_000_000, usegmt=True)
        if how.get("etag") == "no":
            etag = None
        elif how.get("etag") == "weak":
            etag = "W/" + etag
        if how.get("wrong") and content:
            content = content[:-1] + bytes([content[-1] ^ 1])
        size = len(content)
        first, last = self.range_of(size, etag, modified)
        status = 200 if first is None else 206
        headers = []
        if first == "refused":
            self.whole(416, b"", [("Content-Range", f"bytes */{size}")])
            return
        if status == 206:
            if how.get("ranges") == "other":
                first = max(0, first - 7)
            headers.append(("Content-Range", f"bytes {first}-{last}/{size}"))
            content = content[first:last + 1]
        elif how.get("ranges") != "no":
            headers.append(("Accept-Ranges", "bytes"))
        if etag:
            headers.append(("ETag", etag))
        if modified:
            headers.append(("Last-Modified", modified))
        if "encoding" in how:
            headers.append(("Content-Encoding", how["encoding"]))
        length = len(content)
        if "length" in how:
            told = how["length"]
            length = length + int(told) if told[0] in "+-" else int(told)
        chunked = "chunked" in how
        headers.append(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(length)))
        self.record["status"] = status
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.body(content, chunked)
        if chunked and not self.close_connection:
            self.wfile.write(b"0\r\n\r\n")
        if length != len(content):
            self.close_connection = True

    def range_of(self, size, etag, modified):
        """First and last byte to send; (None, None) for all; ("refused", None)."""
        asked, valid_if = self.headers.get("Range"), self.headers.get("If-Range")
        ranges = self.how.get("ranges", "")
        if not asked or not asked.startswith("bytes=") or ranges == "no":
            return None, None
        met = valid_if in (None, etag, modified) and not (valid_if or "").startswith("W/")
        if not met and self.how.get("if_range") != "no":
            return None, None
        first, last = asked[6:].split("-")
        first, last = int(first), min(int(last) if last else size - 1, size - 1)
        if first >= size or ranges == "416":
            return "refused", None
        if ranges.startswith("one:"):
            last = min(last, first + int(ranges[4:]) - 1)
        return first, last

    def body(self, content, chunked):
        how = self.how
        until = time.monotonic() + LONGEST
        limits = [int(how[key]) for key in ("cut", "reset", "stall") if key in how]
        end = min([len(content)] + limits)
        rate = float(how.get("rate", 0))
        piece = max(1, min(PIECE, int(rate / 20))) if rate else PIECE
        at = 0
        while at < end and time.monotonic() < until:
            data = content[at:min(at + piece, end)]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data) if chunked else data)
            at += len(data)
            self.record["sent"] = at
            if rate:
                time.sleep(len(data) / rate)
        if not limits or end == len(content) and "stall" not in how:
            return
        self.close_connection = True
        if "stall" in how and at == int(how["stall"]):
            self.wait_for_the_client_to_leave()
        elif "reset" in how:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())

    def wait_for_the_client_to_leave(self):
        self.close_connection = True
        select.select([self.connection], [], [], LONGEST)


def make_keys(folder):
    """An authority and a certificate signed by it, valid for a day."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *key, "-days", "1", "-subj", "/CN=an authority", "-keyout", "ca.key", "-out", "ca.pem")
    openssl("req", *key, "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr")
    with open(os.path.join(folder, "server.ext"), "w", encoding="ascii") as file:
        file.write("subjectAltName=DNS:localhost,DNS:models.test,IP:127.0.0.1,IP:::1\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "1",
            "-extfile", "server.ext", "-out", "server.pem")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("keys")
    arguments.add_argument("--files")
    arguments.add_argument("--http", type=int, default=0)
    arguments.add_argument("--https", type=int, default=0)
    asked = arguments.parse_args()
    keys = os.path.abspath(asked.keys)
    if not os.path.exists(os.path.join(keys, "server.pem")):
        make_keys(keys)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(os.path.join(keys, "server.pem"), os.path.join(keys, "server.key"))
    shared = Shared(asked.files)
    plain, secure = Server(asked.http, shared), Server(asked.https, shared, tls)
    shared.https_port = secure.server_port
    for server in (plain, secure):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"http": plain.server_port, "https": shared.https_port, "ca": os.path.join(keys, "ca.pem")}),
          flush=True)
    select.select([sys.stdin], [], [], LIFETIME)  # nobody writes: it becomes readable when the other end is closed
    os._exit(0)


if __name__ == "__main__":
    main()
