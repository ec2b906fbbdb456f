"""The OpenID provider of provider.mjs as a child process."""

import base64
import json
import os
import pathlib
import shutil
import urllib.parse
import urllib.request

import canary
from processes import Process

HERE = pathlib.Path(__file__).resolve().parent
LOCAL = pathlib.Path(os.environ.get("SGW_LOCAL") or HERE.parents[2] / ".local")


class Provider:
    """Issues tokens to its clients: {name: [groups]}. `issuer` is its URL."""

    def __init__(self, folder, clients):
        # Modules are looked for beside the program.
        program = shutil.copy(HERE / "provider.mjs", LOCAL / "identity" / "provider.mjs")
        listed = ";".join(f"{name}={','.join(groups)}" for name, groups in clients.items())
        self._process = Process([LOCAL / "identity" / "node", "--no-warnings", program], os.path.join(folder, "provider.log"),
                                {"CLIENTS": listed})
        self.issuer = self._process.wait_for_line(r"(?m)^(http://127.0.0.1:\d+)$", 60).group(1)

    def token(self, client, algorithm="ES256", seconds=600):
        query = urllib.parse.urlencode({"alg": algorithm, "ttl": seconds})
        request = urllib.request.Request(f"{self.issuer}/token?{query}", b"grant_type=client_credentials&scope=spark")
        request.add_header("authorization", "Basic " + base64.b64encode(f"{client}:secret".encode()).decode())
        with urllib.request.urlopen(request, timeout=30) as reply:
            return canary.keep(json.load(reply)["access_token"])

    def rotate(self, keep=False):
        """Takes new keys; without `keep` the old ones are withdrawn."""
        self._ask("/test/rotate" + ("?keep=1" if keep else ""))

    def behave(self, way="well", path="/.well-known/openid-configuration"):
        """Answers requests for the path in one of provider.mjs's ways from now on; all others well."""
        self._ask("/test/behave?" + urllib.parse.urlencode({"as": way, "at": path}))

    def counts(self):
        """Of requests: `asked` for its document or its keys, `keys` given, `waiting`, `followed` a redirect."""
        return json.loads(self._ask("/test/counts"))

    def stop(self):
        self._process.stop()

    def _ask(self, path):
        with urllib.request.urlopen(self.issuer + path, timeout=30) as reply:
            return reply.read().decode()
