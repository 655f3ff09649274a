"""The REST API of Rollcall in a few lines, with Python's standard library only.

ROLLCALL_URL is the receiver, ROLLCALL_KEY the API key, if the receiver wants one.
"""
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

URL = os.environ.get("ROLLCALL_URL", "http://127.0.0.1:8000").rstrip("/")
KEY = os.environ.get("ROLLCALL_KEY", "")


class Refused(Exception):
    """An error of the API. `code` is for programs, the text for people."""

    def __init__(self, status, body):
        super().__init__(body["error"]["message"])
        self.status, self.code, self.error = status, body["error"]["code"], body["error"]


def call(method, path, body=None, kind="application/octet-stream", version=None, **query):
    """Send a request and return its JSON. A body that is not bytes is sent as JSON."""
    headers = {}
    if KEY:
        headers["Authorization"] = "Bearer " + KEY
    if version is not None:  # what you have seen: if it has changed since, the code is "stale"
        headers["If-Match"] = '"%s"' % version
    if body is not None and not isinstance(body, bytes):
        body, kind = json.dumps(body).encode(), "application/json"
    if body is not None:
        headers["Content-Type"] = kind
    address = URL + path
    if query:
        address += "?" + urllib.parse.urlencode(query)
    request = urllib.request.Request(address, data=body, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
    except urllib.error.HTTPError as error:
        raise Refused(error.code, json.load(error)) from None
    return json.loads(text) if text else None


def form(files):
    """Return the body and the content type of an upload of files."""
    boundary = uuid.uuid4().hex
    parts = []
    for name in files:
        with open(name, "rb") as file:
            content = file.read()
        shown = os.path.basename(name).replace("\\", "%5C").replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
        head = '--%s\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\n' % (boundary, shown)
        parts += [head.encode(), content, b"\r\n"]
    parts.append(("--%s--\r\n" % boundary).encode())
    return b"".join(parts), "multipart/form-data; boundary=" + boundary


def waits(image):
    """Say whether an image has no outcome yet."""
    return image["status"] == "processing" or image["reason"] == "queued"


def await_answer(image_id, patience=60):
    """Ask until an image has its outcome, and return it."""
    late = time.monotonic() + patience
    while True:
        image = call("GET", "/api/v1/images/%d" % image_id)
        if not waits(image):
            return image
        if time.monotonic() > late:
            raise TimeoutError("image %d still waits" % image_id)
        time.sleep(0.5)


def names(faces):
    """Return the name of each face, or the reason why it has none."""
    return [face["person"]["name"] if face["person"] else face["reason"] for face in faces]
