"""Receives deliveries in a process of its own and verifies them with code that is not ours: the
`standardwebhooks` package for one scheme, ten independent lines for the other."""
import hashlib
import hmac
import json
import sys
import threading
import time
import urllib.request
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook, WebhookVerificationError

url, token = sys.argv[1], open(sys.argv[2]).read().strip()
received = {"/oms": [], "/standard": []}


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        received[self.path].append((dict(self.headers.items()), body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def call(method, path, body=None):
    request = urllib.request.Request(url + "/v0.9" + path, method=method, headers={
        "Authorization": "Bearer " + token, "Content-Type": "application/json",
        "Idempotency-Key": str(uuid.uuid4())}, data=json.dumps(body or {}).encode())
    return json.load(urllib.request.urlopen(request))


def verify_oms(secrets, headers, body):
    parts = [part.split("=", 1) for part in headers["webhook-signature"].split(",")]
    moment = next(value for name, value in parts if name == "t")
    signatures = [value for name, value in parts if name == "v1"]
    assert abs(time.time() - int(moment)) < 300
    for secret in secrets:
        wanted = hmac.new(secret.encode(), moment.encode() + b"." + body, hashlib.sha256).hexdigest()
        assert any(hmac.compare_digest(wanted, one) for one in signatures), "the signature is wrong"
    return len(signatures)


def must_fail(what, verify, *arguments):
    try:
        verify(*arguments)
    except (AssertionError, WebhookVerificationError):
        return
    raise SystemExit(f"{what} passed")


def aged(headers, name, seconds):
    """The same delivery as if it had been signed so long ago, which the signature does not cover."""
    moment = headers["webhook-timestamp"] if name == "webhook-timestamp" else headers[name].split(",")[0][2:]
    return {**headers, name: headers[name].replace(moment, str(int(moment) - seconds), 1)}


def wait_for(path, count):
    deadline = time.time() + 120
    while len(received[path]) < count:
        assert time.time() < deadline, f"only {len(received[path])} deliveries came to {path}"
        time.sleep(0.02)
    return [({name.lower(): value for name, value in headers.items()}, body) for headers, body in received[path]]


server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
here = f"http://127.0.0.1:{server.server_port}"
oms = call("POST", "/webhooks", {"url": here + "/oms"})
standard = call("POST", "/webhooks", {"url": here + "/standard", "signatureScheme": "standard"})
call("POST", "/customers", {"type": "individual", "firstName": "Ada", "email": "ada@example.com"})

for headers, body in wait_for("/oms", 4):
    assert verify_oms([oms["secret"]], headers, body) == 1
    assert "webhook-id" not in headers
    for altered in (body + b" ", body.replace(b"Ada", b"Eve")):
        must_fail("an altered body", verify_oms, [oms["secret"]], headers, altered)
    must_fail("another secret", verify_oms, ["whsec_" + 64 * "0"], headers, body)
    for seconds in (1, 600):
        must_fail("an altered time", verify_oms, [oms["secret"]], aged(headers, "webhook-signature", seconds), body)
for headers, body in wait_for("/standard", 4):
    verify = Webhook(standard["secret"]).verify
    told = verify(body, headers)
    assert told["id"] == headers["webhook-id"] and told["data"]["firstName"] == "Ada"
    must_fail("an altered body", verify, body.replace(b"Ada", b"Eve"), headers)
    must_fail("another id", verify, body, {**headers, "webhook-id": "whd_01h2xcejqtf2nbrexx3vqjhp41"})
    for seconds in (1, 600):
        must_fail("an altered time", verify, body, aged(headers, "webhook-timestamp", seconds))

old = {"/oms": oms["secret"], "/standard": standard["secret"]}
new = {}
for path, webhook in (("/oms", oms), ("/standard", standard)):
    new[path] = call("POST", f"/webhooks/{webhook['id']}/rotateSecret")["secret"]
    call("POST", f"/webhooks/{webhook['id']}/test")
headers, body = wait_for("/oms", 5)[-1]
assert verify_oms([old["/oms"], new["/oms"]], headers, body) == 2
headers, body = wait_for("/standard", 5)[-1]
for secrets in (old, new):
    Webhook(secrets["/standard"]).verify(body, headers)
for webhook in (oms, standard):
    call("DELETE", f"/webhooks/{webhook['id']}")
