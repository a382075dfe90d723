"""Gets a token and verifies it with PyJWT against the published keys."""

import json
import sys
import urllib.request

import jwt

url, key_file, token_file = sys.argv[1:]
key = json.load(open(key_file))
body = json.dumps({"apiKey": key["apiKey"], "apiSecret": key["apiSecret"]}).encode()
request = urllib.request.Request(
    f"{url}/v0.9/auth/token", body, {"Content-Type": "application/json"}
)
answer = json.load(urllib.request.urlopen(request))
token = answer["accessToken"]
signing_key = jwt.PyJWKClient(f"{url}/.well-known/jwks.json").get_signing_key_from_jwt(token)
claims = jwt.decode(token, signing_key.key, algorithms=["ES256"], issuer="oms")
assert claims["sub"] == key["apiKey"], claims
assert claims["exp"] - claims["iat"] == answer["expiresIn"] == 3600, (claims, answer)
assert jwt.get_unverified_header(token)["kid"] == signing_key.key_id
try:
    jwt.decode(token[:-4] + "AAAA", signing_key.key, algorithms=["ES256"])
except jwt.InvalidSignatureError:
    pass
else:
    sys.exit("an altered token verified")
open(token_file, "w").write(token)
